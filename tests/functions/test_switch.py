"""`switch` and `flex_gemm`, since torch 2.14: a known index chooses, a tensor makes one node of all branches."""

from __future__ import annotations

import pytest
import torch

import tracer
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


def of_a_product(x):
    return torch._higher_order_ops.flex_gemm(torch.mm, (x, x), lambda product: product.relu()) + 1


def test_flex_gemm_ends_the_graph_for_a_reason_that_names_it():
    session = tracer.Session("trace")
    x = torch.randn(4, 4)
    try:
        wanted = of_a_product(x)
    except Exception as error:
        with pytest.raises(type(error)):
            session.run(of_a_product, x)
    else:
        torch.testing.assert_close(session.run(of_a_product, x), wanted)
    found = session.graph_breaks[0]
    assert found.reason == "higher-order-unsupported" and "`flex_gemm`" in found.explanation and "no rule" in " ".join(found.explanation.split())
