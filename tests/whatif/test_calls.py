"""Overrides about calls and lines: what becomes of graphs and breaks, with results that stay those of the untraced call."""

from __future__ import annotations

import copy
import itertools
import linecache
from typing import Any

import pytest
import torch

import tracer
from tests.whatif import programs
from tests.whatif.programs import applied, at, line, run, targets, why_not
from tracer.overrides import Override, Step, Where


def reasons(session: Any) -> list[tuple[str, int]]:
    return [(found.reason, found.location.line) for found in session.graph_breaks]


# --- one node ---------------------------------------------------------------------------------------------------------


def test_a_call_becomes_one_node() -> None:
    assert targets(run(programs.plain)) == [["add", "sin", "mul", "sin", "mul", "relu"]]
    session = run(programs.plain, "graph_node scale")
    assert targets(session) == [["add", "scale", "scale", "relu"]]
    assert applied(session) == ["scale", "scale"] and why_not(session) == []


def test_a_line_means_the_calls_in_it() -> None:
    assert targets(run(programs.plain, f"graph_node {at('second')}")) == [["add", "sin", "mul", "scale", "relu"]]


@pytest.mark.parametrize(("time", "expected"), [(0, "nnn"), (1, "nff"), (2, "fnf"), (3, "ffn")])
def test_an_occurrence_is_one_turn_of_a_loop(time: int, expected: str) -> None:
    session = run(programs.loop, f"graph_node {at('in the loop', time)}")
    turns = [["add", "scale"] if turn == "n" else ["add", "sin", "mul"] for turn in expected]
    assert targets(session) == [[*itertools.chain(*turns)]]


def test_another_function_under_the_name_is_compiled_again() -> None:
    namespace: dict[str, Any] = {}
    exec("def helper(x): return x + 1\ndef f(x): return helper(x) * 2\n", namespace)
    with tracer.Session(overrides=["graph_node helper"]) as session:
        assert torch.equal(session.run(namespace["f"], torch.ones(2)), torch.full((2,), 4.0))
        original = namespace["helper"]
        exec("def helper(x): return x + 1\n", namespace)
        assert namespace["helper"].__code__ == original.__code__
        namespace["helper"].__defaults__ = None
        assert torch.equal(session.run(namespace["f"], torch.ones(2)), torch.full((2,), 4.0))
        assert len(session.graphs) == 2, "a node holds one very function"


def test_calls_that_no_line_makes() -> None:
    assert targets(run(programs.mapped, "graph_node scale")) == [["add", "scale", "add", "scale", "add"]]


def test_stars() -> None:
    assert targets(run(programs.starred, "graph_node scale")) == [["scale", "add"]]
    assert targets(run(programs.starred, f"graph_node {at('starred')}")) == [["scale", "add"]]


def test_in_the_body_of_a_higher_order_operator() -> None:
    session = run(programs.body_of_cond, "graph_node scale")
    bodies = [module for _, module in session.graphs[0].gm.named_children()]
    calls = [[n.target.__name__ for n in body.graph.nodes if n.op == "call_function"] for body in bodies]
    assert ["scale"] in calls and len(calls) == 2


def test_gradients_pass_through() -> None:
    for fn in (programs.plain, programs.loop):
        x, y = (torch.arange(3.0).requires_grad_() for _ in range(2))
        fn(x).sum().backward()
        with tracer.Session(overrides=["graph_node scale"]) as session:
            session.run(fn, y).sum().backward()
        assert torch.equal(x.grad, y.grad)


def test_a_module_takes_its_parameters_along() -> None:
    torch.manual_seed(0)
    net, x = programs.Net(), torch.randn(3, 4)
    twin = copy.deepcopy(net)
    with tracer.Session(overrides=["graph_node self.block"]) as session:
        for _ in range(2):
            expected, result = twin(x), session.run(net, x)
            assert torch.equal(expected, result)
            expected.sum().backward()
            result.sum().backward()
        assert targets(session) == [["Block", "linear"]] and why_not(session) == []
        for ours, theirs in zip(net.parameters(), twin.parameters()):
            assert torch.equal(ours.grad, theirs.grad)
        for ours, theirs in zip(net.buffers(), twin.buffers()):
            assert torch.equal(ours, theirs)
        for each in (net, twin):
            each.eval()
            each.block.linear.weight.data.mul_(2)
        assert torch.equal(session.run(net, x), twin(x))
        net.block = twin.block = programs.Block()
        assert torch.equal(session.run(net, x), copy.deepcopy(twin)(x))


def test_what_a_graph_can_not_hold_is_refused_with_the_reason() -> None:
    names = ("with_number", "counted", "by_value", "nothing")
    session = run(programs.refusals, *(f"graph_node {name}" for name in names))
    assert why_not(session) == [
        "it returns more than tensors: a number or text would stay what it was in this run",
        f"it changes list of 1 outside itself, at line {line('changes')}",
        "what it does beside its result isn't known, for it can't be followed: Python branch on a tensor's value [data-dependent-branch]",
        "it returns nothing: what it does besides can't be seen by the rest of the graph",
    ]
    assert [found.reason for found in session.graph_breaks] == ["data-dependent-branch"]
    assert targets(session)[0][0] == "sum", "traced as without the override"


# --- plain Python -----------------------------------------------------------------------------------------------------


def seen_by(fn: Any, *overrides: Any) -> list[str]:
    """The functions that were traced or left alone."""
    return [f"{frame.name} {frame.outcome}" for frame in run(fn, *overrides).frames]


def test_an_eager_call_runs_as_plain_python_between_two_graphs() -> None:
    session = run(programs.plain, f"eager {at('first')}")
    assert targets(session) == [["add"], ["sin", "mul", "relu"]]
    assert reasons(session) == [("override-asked-for-break", line("first"))]
    assert [(f.name, f.outcome) for f in session.frames] == [("plain", "compiled"), ("scale", "skipped"), ("plain", "compiled")]
    assert applied(session) == ["to run this call as plain Python"]


def test_what_an_eager_call_calls_is_not_traced_either() -> None:
    session = run(programs.outer, "eager inner")
    assert targets(session) == [["mul"]]
    assert "scale" not in {frame.name for frame in session.frames}


def test_eager_by_name_in_an_inlined_call_and_in_a_loop() -> None:
    session = run(programs.outer, "eager scale")
    assert targets(session) == [["add"], ["cos"], ["mul"]]
    assert {frame.name: frame.outcome for frame in session.frames}["scale"] == "skipped"
    assert targets(run(programs.loop, f"eager {at('in the loop', 2)}")) == [["add", "sin", "mul", "add"], ["add", "sin", "mul"]]


def test_eager_calls_that_no_line_makes() -> None:
    session = run(programs.mapped, "eager scale")
    assert {frame.name: frame.outcome for frame in session.frames}["scale"] == "skipped"
    assert {frame.name for frame in run(programs.starred, "eager scale").frames if frame.outcome == "skipped"} == {"scale"}


def test_eager_modules() -> None:
    net = programs.Net()
    session = run(net, "eager self.block", args=(torch.randn(3, 4),))
    assert [*itertools.chain(*targets(session))] == ["linear"] and why_not(session) == []
    assert not any(frame.name == "Block.forward" and frame.outcome == "compiled" for frame in session.frames)


def test_eager_in_bodies() -> None:
    session = run(programs.body_of_cond, "eager scale")
    assert "scale" not in {frame.name for frame in session.frames if frame.outcome == "compiled"} and why_not(session) == []
    assert why_not(run(programs.checkpointed, f"eager {at('inner')}")) == []


# --- following --------------------------------------------------------------------------------------------------------


def test_a_disabled_function_is_followed() -> None:
    assert targets(run(programs.breaks)) == [["add", "sin", "mul"], ["sin", "mul", "sub"]]
    for override in ("inline off", f"inline {at('off')}"):
        session = run(programs.breaks, override)
        assert targets(session) == [["add", "sin", "mul", "mul", "sin", "mul", "sub"]]
        assert session.graph_breaks == [] and applied(session) == ["off"]


def test_torchs_own_functions_are_followed() -> None:
    def f(x: Any) -> Any:
        return torch.nn.functional.softplus(x) if x is None else torch.nn.functional.hardtanh(x)

    assert [node.target for node in run(f).graphs[0].nodes if node.op == "call_function"] == ["torch.nn.functional.hardtanh"]
    session = run(f, "inline torch.nn.functional.hardtanh")
    (node,) = [node for node in session.graphs[0].gm.graph.nodes if node.op == "call_function"]
    assert node.target is not torch.nn.functional.hardtanh and applied(session) == ["hardtanh"]


def test_compiled_code_can_not_be_followed() -> None:
    def f(x: Any) -> Any:
        return torch.relu(x) + len([x])

    session = run(f, "inline torch.relu")
    assert why_not(session) == ["relu is compiled code: there is no Python to follow"]
    assert targets(session) == [["relu", "add"]]


# --- breaking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "mark", "expected"),
    [
        (programs.plain, "second", [["add", "sin", "mul"], ["sin", "mul", "relu"]]),
        (programs.plain, "first", [["add", "sin", "mul", "sin", "mul", "relu"]]),
        (programs.breaks, "behind the break", [["add", "sin", "mul"], ["sin", "mul", "sub"]]),
        (programs.outer, "inner", [["add"], ["sin", "mul", "cos"], ["mul"]]),
        (programs.outer, "outer", [["add", "sin", "mul", "cos", "mul"]]),
        (programs.caught, "in a try", [["add", "sin", "mul", "mul_1"]]),
    ],
)
def test_the_graph_ends_before_the_line(fn: Any, mark: str, expected: list[list[str]]) -> None:
    session = run(fn, f"break_here {at(mark)}")
    assert ("override-asked-for-break", line(mark)) in reasons(session)
    assert why_not(session) == [] and applied(session)[0] == f"before line {line(mark)}"
    if mark != "in a try":
        assert targets(session) == expected


@pytest.mark.parametrize("time", [0, 1, 2, 3])
def test_breaks_in_a_loop(time: int) -> None:
    session = run(programs.loop, f"break_here {at('in the loop', time)}")
    assert why_not(session) == []
    if time == 3:
        assert targets(session) == [["add", "sin", "mul", "add", "sin", "mul", "add"], ["sin", "mul"]]


def test_a_break_in_a_recursion() -> None:
    session = run(programs.recursive, f"break_here {at('recursion')}", args=(torch.ones(3), 2))
    assert why_not(session) == []


def test_fullgraph_refuses_it() -> None:
    with tracer.Session(overrides=[f"break_here {at('second')}"], fullgraph=True) as session:
        with pytest.raises(tracer.TracerError, match="override ends the graph"):
            session.run(programs.plain, torch.ones(3))


# --- decisions --------------------------------------------------------------------------------------------------------


def paths_of(fn: Any, name: str) -> list[tuple[Step, ...]]:
    """The paths of the calls of `name` as an override meets them."""
    from tracer.interpreter.paths import path_of
    from tracer.whatif import nodes

    found: list[tuple[Step, ...]] = []
    original = nodes.one_node

    def looked(ctx: Any, override: Any, *rest: Any) -> Any:
        found.append(path_of(ctx.frame, rest[-1]))
        return original(ctx, override, *rest)

    nodes.one_node = looked
    try:
        run(fn, f"graph_node {name}")
    finally:
        nodes.one_node = original
    return found


def test_a_decision_is_one_call() -> None:
    first, second, third = paths_of(programs.loop, "scale")
    assert [path[-1].occurrence for path in (first, second, third)] == [1, 2, 3]
    session = run(programs.loop, Override("graph_node", Where(decision=second)))
    assert targets(session) == [["add", "sin", "mul", "add", "scale", "add", "sin", "mul"]]


def test_a_decision_in_an_inlined_call_and_behind_a_break() -> None:
    ((*_, innermost),) = paths = paths_of(programs.outer, "scale")
    assert [step.function for step in paths[0]] == ["outer", "inner"]
    assert targets(run(programs.outer, Override("graph_node", Where(decision=paths[0])))) == [["add", "scale", "cos", "mul"]]
    before, *_, behind = paths_of(programs.breaks, "scale")
    assert behind[0].function == "breaks" and before[0].first_line == behind[0].first_line and before[0].offset < behind[0].offset
    session = run(programs.breaks, Override("graph_node", Where(decision=behind)))
    assert targets(session) == [["add", "sin", "mul"], ["scale", "sub"]]
    session = run(programs.outer, Override("eager", Where(decision=paths[0])))
    assert targets(session) == [["add"], ["cos"], ["mul"]]
    assert innermost.first_line == programs.inner.__code__.co_firstlineno


# --- reporting --------------------------------------------------------------------------------------------------------


def test_what_matches_nothing_is_reported_once() -> None:
    with tracer.Session(overrides=["eager nobody", "break_here at nowhere.py:3", "symbolic q", "dynamic q", "skip_guard q"]) as session:
        for _ in range(2):
            session.run(programs.plain, torch.ones(3))
        events = [event for event in session.events if type(event).__name__ == "OverrideUnmatched"]
        assert [event.override for event in events] == [override.text for override in session.overrides]
        assert [why for _, why in session.unmatched_overrides] == [f"it matches no {what} that was traced" for what in (
            "call of a function or module", "line", "number", "dimension", "guard")]  # fmt: skip
        assert session.explain().count("no effect") == 5


def test_given_between_calls_it_drops_what_was_compiled() -> None:
    with tracer.Session() as session:
        session.run(programs.plain, torch.ones(3))
        session.override_now("graph_node scale")
        assert torch.equal(session.run(programs.plain, torch.ones(3)), programs.plain(torch.ones(3)))
        assert targets(session)[-1] == ["add", "scale", "scale", "relu"]


@pytest.mark.parametrize(("mark", "override", "restarts"), [("first", "graph_node at second", 0), ("second", "graph_node at first", 1)])
def test_given_while_tracing_it_begins_again_only_where_it_is_late(mark: str, override: str, restarts: int) -> None:
    action, _, wanted = override.split()
    pin = f"{action} {at(wanted)}"
    with tracer.Session() as session:
        given: list[int] = []

        def seen(event: Any) -> None:
            if not given and type(event).__name__ == "Instruction" and event.location[1] == line(mark):
                given.append(event.seq)
                session.override_now(pin)

        session.recorder.intercept(seen)
        x = torch.ones(3)
        assert torch.equal(session.run(programs.plain, x), programs.plain(x))
        session.recorder.intercept(None)
        assert given and session.stats["restarts"] == restarts
        assert targets(session)[-1].count("scale") == 1


@pytest.mark.parametrize(("fn", "nth", "expected"), [
    (programs.loop, 2, [["add", "sin", "mul", "add", "scale", "add", "sin", "mul"]]),
    (programs.outer, 1, [["add", "scale", "cos", "mul"]]),
])  # fmt: skip
def test_the_operation_that_waits_can_be_pinned_where_it_is(fn: Any, nth: int, expected: list[list[str]]) -> None:
    with tracer.Session() as session:
        calls: list[Any] = []

        def seen(event: Any) -> None:
            if type(event).__name__ == "Instruction" and event.op == "Call" and "scale(" in linecache.getline(programs.FILE, event.location[1]):
                calls.append(session.where_now())
                if len(calls) == nth:
                    session.override_now(Override("graph_node", calls[-1]))

        assert session.where_now() is None
        session.recorder.intercept(seen)
        x = torch.ones(3)
        assert torch.equal(session.run(fn, x), fn(x))
        session.recorder.intercept(None)
        assert targets(session) == expected
        assert session.unmatched_overrides == []


def test_two_sessions_know_nothing_of_each_other() -> None:
    with tracer.Session(overrides=["graph_node scale"]) as one, tracer.Session() as other:
        for session in (one, other, one):
            session.run(programs.plain, torch.ones(3))
        assert targets(one) == [["add", "scale", "scale", "relu"]]
        assert targets(other) == [["add", "sin", "mul", "sin", "mul", "relu"]]
