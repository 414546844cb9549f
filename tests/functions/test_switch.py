"""`switch` and `flex_gemm`, since torch 2.14: a known index chooses, a tensor makes one node of all branches."""

from __future__ import annotations

import functools

import pytest
import torch

import tracer
from tests.higher_order.alike import compared, outcome, ramp
from tracer.compat.operators import SWITCH

pytestmark = pytest.mark.skipif(SWITCH is None, reason="torch has no switch before 2.14")


def first(x):
    return x + 1


def second(x):
    return x.sin() * 2


def third(x):
    return x - x.sum()


def other_shape(x):
    return x.sum()


def call(index, x):
    return torch._higher_order_ops.switch(index, (first, second, third), (x,)) * 2


def of_one(index, x):
    return torch._higher_order_ops.switch(index, [second], (x,))


def differing(index, x):
    try:
        return torch._higher_order_ops.switch(index, (first, other_shape), (x,))
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_every_branch_by_a_tensor_in_one_graph(backend):
    session = tracer.Session("trace", backend=backend)
    for index, branch in ((0, first), (1, second), (2, third), (-4, first), (9, third)):
        x = torch.randn(3, requires_grad=True)
        found = session.run(call, torch.tensor(index), x)
        torch.testing.assert_close(found, branch(x) * 2)
        (grad,) = torch.autograd.grad(found.sum(), x)
        torch.testing.assert_close(grad, *torch.autograd.grad((branch(x) * 2).sum(), x))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles
    assert [str(node.target) for node in session.graphs[0].nodes if node.op == "get_attr"] == ["switch_0", "switch_1", "switch_2"]


def test_a_known_index_chooses_now():
    session = tracer.Session("trace")
    x = torch.randn(3)
    for index in (0, 2, 2, 7, -1):
        torch.testing.assert_close(session.run(call, index, x), call(index, x))
    assert not session.graph_breaks and not any(node.op == "get_attr" for graph in session.graphs for node in graph.nodes)


def test_one_branch_is_a_call():
    session = tracer.Session("trace")
    x = torch.randn(3)
    torch.testing.assert_close(session.run(of_one, torch.tensor(5), x), second(x))
    assert len(session.graphs) == 1 and not session.graph_breaks


def test_branches_that_differ_end_the_graph_and_the_explanation_names_switch():
    session = tracer.Session("trace")
    x = torch.randn(3)
    assert session.run(differing, torch.tensor(1), x) == differing(torch.tensor(1), x)
    assert "`switch`" in session.graph_breaks[0].explanation and "cond" not in session.graph_breaks[0].explanation


def of_a_product(x, y, bias):
    return torch._higher_order_ops.flex_gemm(torch.mm, (x, y), lambda product: (product + bias).relu()) + 1


def of_a_sum(x, y, bias):
    return torch._higher_order_ops.flex_gemm(torch.addmm, (bias, x, y), lambda sum: {"all": sum, "each": sum.sin()}, gemm_kwargs={"alpha": 2})


def of_one_matrix(x, y, bias):
    return torch._higher_order_ops.flex_gemm(torch.mm, (x @ x.T, x @ x.T), torch.tanh)


def of_no_product(x, y, bias):
    return torch._higher_order_ops.flex_gemm(torch.add, (bias, bias), torch.tanh)


def by_an_unknown_backend(x, y, bias):
    return torch._higher_order_ops.flex_gemm(torch.mm, (x, y), torch.tanh, kernel_options={"backend": "NOBODY"})


@pytest.mark.parametrize("program", [of_a_product, of_a_sum, of_one_matrix], ids=lambda program: program.__name__)
def test_flex_gemm_is_one_node(program):
    compared(program, lambda: (ramp(2, 3), ramp(3, 4), ramp(4)), lambda: (ramp(2, 3) + 1, ramp(3, 4), ramp(4)))
    session = compared(program, lambda: (ramp(2, 3), ramp(3, 4), ramp(4)))
    assert len(session.graphs) == 1 and not session.graph_breaks
    assert [node.target for node in session.graphs[0].nodes].count("torch.ops.higher_order.flex_gemm") == 1


@pytest.mark.parametrize("program", [of_no_product, by_an_unknown_backend], ids=lambda program: program.__name__)
def test_what_flex_gemm_refuses_is_refused(program):
    wanted = outcome(program, ramp(2, 3), ramp(3, 4), ramp(4))
    assert wanted[0] == "raised"
    assert outcome(functools.partial(tracer.Session("trace").run, program), ramp(2, 3), ramp(3, 4), ramp(4)) == wanted


def test_flex_gemm_has_no_backward_and_ends_the_graph_for_that():
    x, y, bias = ramp(2, 3, grad=True), ramp(3, 4), ramp(4)
    session = tracer.Session("trace")
    assert outcome(functools.partial(session.run, of_a_product), x, y, bias) == outcome(of_a_product, x, y, bias)
    found = session.graph_breaks[0]
    assert found.reason == "higher-order-unsupported" and "`flex_gemm`" in found.explanation and "backward" in " ".join(found.explanation.split())
