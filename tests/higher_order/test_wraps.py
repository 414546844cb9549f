"""Operators around a body that runs once, and operators over one operator: one graph, as untraced."""

from __future__ import annotations

import pytest
import torch
import torch._dynamo._trace_wrapped_higher_order_op
import torch._higher_order_ops.hints_wrap
from torch._export.wrappers import _export_tracepoint
from torch._higher_order_ops.auto_functionalize import auto_functionalized, auto_functionalized_v2
from torch._higher_order_ops.foreach_map import foreach_map
from torch._higher_order_ops.strict_mode import strict_mode
from torch._prims.rng_prims import run_with_rng_state

import tracer
from tests.higher_order.alike import compared, ramp

HIGHER = torch.ops.higher_order
ONES = torch.ones(4)
STATE = torch.get_rng_state()


def wraps_a_function(x):
    return HIGHER.wrap(lambda a, b: {"a": a * b + ONES, "c": [a, 3]}, x, x + 1)["a"] * 2


def without_gradients(x):
    return HIGHER.wrap_with_set_grad_enabled(False, lambda a: a * 2, x) + x


def with_gradients(x):
    with torch.no_grad():
        result = HIGHER.wrap_with_set_grad_enabled(True, lambda a: a * 2, x)
    return result, result.requires_grad


def under_autocast(x):
    return HIGHER.wrap_with_autocast("cpu", torch.bfloat16, True, None, lambda a: a @ a.t(), x) + 1


def counts_its_calls(x):
    calls = []

    def body(a):
        calls.append(len(calls))
        return a * 2

    return HIGHER.wrap(body, x), HIGHER.wrap(body, x + 1), calls


def writes_to_what_it_is_given(x):
    y = x * 1
    return HIGHER.wrap(lambda a: a.add_(1) * 2, y), y


def gives_back_what_came(x):
    return HIGHER.wrap(lambda a: a, x) is x, x + 1


def hinted(x):
    return HIGHER.hints_wrapper(lambda a: a * 2 + ONES, (x,), {}, {"fast": True})


def strict(x):
    return strict_mode(lambda a: (a * 2 + ONES, a - 1), (x,))


def of_each(x):
    return foreach_map(lambda a, b: a * b, [x, x + 1], [x + 2, x])


def drawn_from_its_own_state(x):
    return run_with_rng_state(STATE, torch.ops.aten.rand_like.default, x) + x


def test_a_draw_from_another_state_leaves_the_process_alone():
    session = tracer.Session("trace")
    for _ in range(2):
        torch.manual_seed(3)
        wanted = drawn_from_its_own_state(ramp(3)), torch.rand(2)
        torch.manual_seed(3)
        torch.testing.assert_close((session.run(drawn_from_its_own_state, ramp(3)), torch.rand(2)), wanted, rtol=0, atol=0)
    assert len(session.graphs) == 1


ANY = [
    wraps_a_function, without_gradients, with_gradients, under_autocast, counts_its_calls, writes_to_what_it_is_given, gives_back_what_came,
]  # fmt: skip
INFERENCE = [hinted, strict, of_each, drawn_from_its_own_state]


@pytest.mark.parametrize("program", [*ANY, *INFERENCE], ids=lambda program: program.__name__)
def test_as_untraced_in_one_graph(program):
    session = compared(program, lambda: (ramp(3, 4),), lambda: (ramp(3, 4) + 1,))
    assert len(session.graphs) == 1 and not session.graph_breaks


@pytest.mark.parametrize("program", ANY, ids=lambda program: program.__name__)
def test_gradients_as_untraced(program):
    session = compared(program, lambda: (ramp(3, 4, grad=True),))
    assert len(session.graphs) == 1 and not session.graph_breaks


@pytest.mark.parametrize("program", [hinted, strict], ids=lambda program: program.__name__)
def test_what_has_no_backward_runs_as_python(program):
    session = compared(program, lambda: (ramp(3, 4, grad=True),), backends=("eager",))
    assert [found.reason for found in session.graph_breaks] == ["higher-order-unsupported"]


def in_integers(x):
    return HIGHER.out_dtype(torch.ops.aten.mm.default, torch.int32, x, x.t()) + 1


def test_a_product_in_another_dtype():
    session = compared(in_integers, lambda: (torch.arange(12, dtype=torch.int8).view(3, 4),))
    assert len(session.graphs) == 1 and not session.graph_breaks


def writes_a_text(x):
    torch._higher_order_ops.print("sum {} of {n}", x.sum(), n=3)
    return x * 2


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_text_is_written_when_the_graph_runs(backend, capsys):
    session = tracer.Session("trace", backend=backend)
    for factor in (1, 2):
        writes_a_text(ramp(3) * factor)
        wanted = capsys.readouterr().out
        session.run(writes_a_text, ramp(3) * factor)
        assert capsys.readouterr().out == wanted
    assert len(session.graphs) == 1 and not session.graph_breaks


@torch.library.custom_op("tracer_tests::bumped", mutates_args=("x",))
def bumped(x: torch.Tensor, by: int) -> torch.Tensor:
    x.add_(by)
    return x.sum()


@bumped.register_fake
def _(x, by):
    return x.new_empty(())


def writes_to_a_copy(x):
    y = x * 1
    return auto_functionalized(torch.ops.tracer_tests.bumped.default, x=y, by=2), y


def writes_to_a_copy_of_a_base(x):
    y = x * 1
    return auto_functionalized_v2(torch.ops.tracer_tests.bumped.default, by=2, _x_base_index=0, _x_alias=True, _all_bases=[y]), y


def marked_for_export(x):
    y, z = _export_tracepoint(x * 2, x + 1, kind="module_call_inputs", path="here")
    return y + z


@pytest.mark.parametrize("program", [writes_to_a_copy, writes_to_a_copy_of_a_base, marked_for_export], ids=lambda program: program.__name__)
def test_what_a_compiler_makes_is_taken_as_it_is(program):
    session = compared(program, lambda: (ramp(3, 4),), lambda: (ramp(3, 4) + 1,))
    assert len(session.graphs) == 1 and not session.graph_breaks


def bypasses(x):
    return HIGHER.dynamo_bypassing_wrapper(lambda function: lambda *args: function(*args) + 1, lambda a: a * 2, x)


def wrapped_in_a_wrapper(x):
    return torch._dynamo._trace_wrapped_higher_order_op.trace_wrapped(x, fn=torch.sin)


@pytest.mark.parametrize(("program", "why"), [(bypasses, "isn't followed"), (wrapped_in_a_wrapper, "only a compiler makes")])
def test_an_operator_that_is_no_part_of_a_graph_says_why(program, why):
    session = compared(program, lambda: (ramp(3, 4),), backends=("eager",))
    (found,) = session.graph_breaks
    assert found.reason == "higher-order-unsupported" and why in found.explanation


def keeps_a_tensor(x):
    kept = []
    result = HIGHER.wrap(lambda a: kept.append(a * 2) or a + 1, x)
    return result, kept


def test_a_tensor_that_leaves_by_another_way_ends_the_graph():
    session = compared(keeps_a_tensor, lambda: (ramp(3),), backends=("eager",))
    (found,) = session.graph_breaks
    assert found.reason == "higher-order-unsupported" and "stores outside itself a tensor" in found.explanation
