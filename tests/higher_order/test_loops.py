"""`while_loop`, `scan`, `map`, `associative_scan`: one graph, with results, gradients and errors as untraced."""

from __future__ import annotations

import functools

import pytest
import torch
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

import tracer
from tests.higher_order.alike import compared, outcome, ramp

SCALE = torch.tensor([0.5, -1.0, 2.0, 1.5])
LINEAR = torch.nn.Linear(4, 4)
torch.nn.init.constant_(LINEAR.weight, 0.1)
torch.nn.init.constant_(LINEAR.bias, 0.2)


def zero():
    return torch.tensor(0)


# ---- while_loop
def counts(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (zero(), x))[1] + 1


def carries_a_dict(x):
    factor = x * 2

    def turn(state):
        return ({"i": state["i"] + 1, "v": state["v"] * factor},)

    (last,) = while_loop(lambda state: state["i"] < 2, turn, ({"i": zero(), "v": x},))
    return last["v"] + 1, last["i"]


def calls_a_module(x):
    return while_loop(lambda i, v: v.sum() < 9, lambda i, v: (i + 1, LINEAR(v).relu() + 1), (zero(), x))


def never_runs(x):
    return while_loop(lambda i, v: i < -1, lambda i, v: (i + 1, v * 2), (zero(), x))[1]


def inside_itself(x):
    def turn(i, v):
        return i + 1, while_loop(lambda j, w: j < 2, lambda j, w: (j + 1, w * 1.5 + x), (zero(), v))[1]

    return while_loop(lambda i, v: i < 3, turn, (zero(), x))[1]


def chooses_inside(x):
    def turn(i, v):
        return i + 1, torch.cond(v.sum() > 4, lambda a: a * 0.5, lambda a: a * 2 + i, (v,))

    return while_loop(lambda i, v: i < 3, turn, (zero(), x))[1]


def appends_to_its_own_list(x):
    def turn(i, v):
        parts = []
        for k in range(3):
            parts.append(v * k)
        return i + 1, sum(parts)

    return while_loop(lambda i, v: i < 2, turn, (zero(), x))[1]


# ---- scan
def sums_up(x):
    return scan(lambda carry, v: (carry + v, (carry * v).clone()), x[0], x)[1] * 2


def from_the_end(x):
    return scan(lambda carry, v: (carry + v, (carry * v).clone()), x[:, 0].contiguous(), x, dim=1, reverse=True)


def scans_containers(x):
    def turn(carry, v):
        return {"a": carry["a"] + v[0], "b": carry["b"] * v[1]}, [carry["a"] - 1, v[0] * SCALE]

    return scan(turn, {"a": x[0].clone(), "b": x[1] + 1}, (x, x * 2))


def recurrent(x):
    return scan(lambda carry, v: (torch.tanh(LINEAR(carry) + v), carry.sin()), torch.zeros(4), x)


# ---- map
def maps(x):
    return map_(lambda v: v.sin() + SCALE, x) * 2


def maps_containers(x):
    return map_(lambda v, w: {"a": v[0] * w, "b": v[1].exp()}, [x, x * 3], SCALE)


def in_pairs(x):
    return associative_scan(lambda a, b: a * b + a, x, 0, combine_mode="generic") * 2


def maps_inside(x):
    weight = SCALE * 2
    return map_(lambda v: scan(lambda carry, w: (carry + w * weight[0], carry.sin()), v[0], v)[1], x.view(3, 2, 2))


LOOPS = [
    counts, carries_a_dict, calls_a_module, never_runs, inside_itself, chooses_inside, appends_to_its_own_list, sums_up, from_the_end, scans_containers,
    recurrent, maps, maps_containers, maps_inside, in_pairs,
]  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_as_untraced_in_one_graph(loop):
    session = compared(loop, lambda: (ramp(3, 4),), lambda: (ramp(3, 4) + 1,))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_gradients_as_untraced(loop):
    session = compared(loop, lambda: (ramp(3, 4, grad=True),))
    assert len(session.graphs) == 1 and not session.graph_breaks


@pytest.mark.parametrize("loop", [counts, calls_a_module, sums_up, recurrent, maps], ids=lambda loop: loop.__name__)
def test_any_size_in_one_graph(loop):
    session = compared(loop, lambda: (ramp(3, 4),), lambda: (ramp(5, 4),), lambda: (ramp(2, 4),), dynamic=True)
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


@pytest.mark.parametrize("loop", [counts, sums_up, maps], ids=lambda loop: loop.__name__)
def test_inductor_takes_it(loop):
    session = tracer.Session("trace", backend="inductor")
    torch.testing.assert_close(session.run(loop, ramp(3, 4)), loop(ramp(3, 4)))
    assert len(session.graphs) == 1 and not session.graph_breaks


# ---- integers
def counts_in_python(x):
    return while_loop(lambda i, v: i < x.shape[0], lambda i, v: (i + 1, v + i), (0, x))


def adds_what_it_counted(x):
    count, last = while_loop(lambda i, v: 2 * i < v.shape[0] + 5, lambda i, v: (i + 1, v + i), (1, x))
    return last + count


def leaves_with_a_size(x):
    return while_loop(lambda n, v: n < 9, lambda n, v: (n + v.shape[1], v * 2), (x.shape[0], x))


@pytest.mark.parametrize("loop", [counts_in_python, adds_what_it_counted, leaves_with_a_size], ids=lambda loop: loop.__name__)
def test_an_integer_that_is_carried_is_one(loop):
    session = compared(loop, lambda: (ramp(3, 4),), lambda: (ramp(3, 4) * 2,))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


def never_true(x):
    return while_loop(lambda i, v: False, lambda i, v: (i + 1, v * 2), (zero(), x))[1]


def test_a_condition_that_is_never_true_gives_what_came():
    x = ramp(3)
    assert tracer.Session("trace").run(never_true, x) is x


# ---- what changes between calls
def closes_over(weight, times):
    def f(x):
        return while_loop(lambda i, v: i < times, lambda i, v: (i + 1, v * weight), (zero(), x))[1]

    return f


def test_what_a_body_closes_over_is_guarded():
    closed, wanted = ((SCALE, 2), (SCALE * 2, 2), (SCALE, 4), (3.0, 4), (4.0, 4)), []
    for each in closed:
        torch.compiler.reset()  # untraced it compiles itself, and since torch 2.15 raises where a number is another one than before
        wanted.append(outcome(closes_over(*each), ramp(4)))
    session = tracer.Session("trace")
    for each, expected in zip(closed, wanted, strict=True):
        assert outcome(functools.partial(session.run, closes_over(*each)), ramp(4)) == expected, each


# ---- the operators themselves
def associative(x):
    return torch.ops.higher_order.associative_scan(lambda a, b: a * b, [x], ())[0] + 1


def associative_of_two(x):
    return torch.ops.higher_order.associative_scan(lambda a, c, b, d: (a + b, c * d + SCALE), [x, x * 2], ())


def stacked(x):
    return torch.ops.higher_order.while_loop_stack_output(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (zero(), x), ())


@pytest.mark.parametrize("program", [associative, associative_of_two], ids=lambda program: program.__name__)
def test_an_operator_that_is_called_itself(program):
    session = compared(program, lambda: (ramp(5, 4),), lambda: (ramp(5, 4) + 1,))
    assert len(session.graphs) == 1 and not session.graph_breaks


def test_turns_that_are_stacked_are_counted_by_the_run():
    session = compared(stacked, lambda: (ramp(3, 4),), backends=("eager",))
    assert len(session.graphs) == 1 and not session.graph_breaks


# ---- bodies that are refused
SEEN: list[int] = []


def appends(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (SEEN.append(1), (i + 1, v * 2))[1], (zero(), x))


def prints(x):
    return scan(lambda carry, v: (print("turn"), (carry + v, carry.sin()))[1], x[0], x)


def gives_its_carry_back(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v), (zero(), x))


def writes_to_its_carry(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i.add_(1), v * 2), (zero(), x))


def changes_the_dtype(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v.double()), (zero(), x))


def changes_the_shape(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, torch.cat([v, v])), (zero(), x))


def never_ends(x):
    return while_loop(lambda i, v: True, lambda i, v: (i + 1, v * 2), (zero(), x))


def gives_a_slice_back(x):
    return scan(lambda carry, v: (carry + v, v), x[0], x)


def gives_one_tensor_twice(x):
    def turn(carry, v):
        carry = carry + v
        return carry, carry

    return scan(turn, x[0], x)


def uses_what_is_mapped(x):
    return map_(lambda v: v * x.sum(), x)


REFUSED = [
    appends, prints, gives_its_carry_back, writes_to_its_carry, changes_the_dtype, changes_the_shape, never_ends, gives_a_slice_back, gives_one_tensor_twice,
    uses_what_is_mapped,
]  # fmt: skip


@pytest.mark.parametrize("loop", REFUSED, ids=lambda loop: loop.__name__)
def test_a_body_that_is_refused_raises_what_it_raises_untraced(loop, capsys):
    session = tracer.Session("trace")
    SEEN.clear()
    wanted = outcome(loop, ramp(3, 4))
    assert wanted[0] == "raised"
    printed = capsys.readouterr().out
    assert outcome(functools.partial(session.run, loop), ramp(3, 4)) == wanted
    assert not SEEN and capsys.readouterr().out == printed
    (found,) = session.graph_breaks
    assert found.reason == "loop-body-rejected" and found.location


# ---- what torch has learnt: None in the place of a slice, a length in the place of operands, no slice at all
def gives_nothing(x):
    return scan(lambda carry, v: (carry + v, None), x[0], x)


def gives_none_beside_a_slice(x):
    return scan(lambda carry, v: (carry + v, (None, {"v": v * 2})), x[0], x)


def counts_turns(x):
    return scan(lambda carry, none: (carry * 2 + (1 if none is None else 5), carry.sin()), x[0], None, length=3)


def finds_no_slice(x):
    return scan(lambda carry, v: (carry + v, v * 2), x[0], x[:0])


def reduces_no_slice(x):
    return associative_scan(lambda a, b: a * b, x[:0], 0, combine_mode="generic")


LEARNT = [gives_nothing, gives_none_beside_a_slice, counts_turns, finds_no_slice, reduces_no_slice]


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("loop", LEARNT, ids=lambda loop: loop.__name__)
def test_what_some_versions_of_torch_refuse_is_as_untraced(loop, grad):
    wanted = outcome(loop, ramp(3, 4, grad=grad))
    if wanted[0] == "raised":
        assert outcome(functools.partial(tracer.Session("trace").run, loop), ramp(3, 4, grad=grad)) == wanted
        return
    session = compared(loop, lambda: (ramp(3, 4, grad=grad),), lambda: (ramp(3, 4, grad=grad) + 1,))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


def carries_an_integer(x):
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, x))


def scans_with_a_counter(x):
    return scan(lambda carry, v: (carry + 1, carry * v), torch.tensor(0), x)


def chooses_over_a_number(x):
    return torch.cond(x.sum() > 0, lambda a, k: a + k, lambda a, k: a - k, (x, 3))


@pytest.mark.parametrize("program", [carries_an_integer, scans_with_a_counter, chooses_over_a_number], ids=lambda program: program.__name__)
def test_what_torch_refuses_of_gradients_and_operands_ends_the_graph(program):
    session = tracer.Session("trace")
    wanted = outcome(program, ramp(3, 4, grad=True))
    assert wanted[0] == "raised"
    assert outcome(functools.partial(session.run, program), ramp(3, 4, grad=True)) == wanted
    assert session.graph_breaks[0].reason in ("loop-body-rejected", "cond-branch-rejected")


def test_the_break_names_the_line_in_the_body_and_what_it_does():
    session = tracer.Session("trace")
    with pytest.raises(Exception, match="captured completely"):
        session.run(appends, ramp(3))
    text = " ".join(session.graph_breaks[0].explanation.split())
    assert "outside itself" in text and "`while_loop`" in text
