"""Overrides about dimensions, numbers and guards."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import torch

import tracer
from tests.whatif import programs
from tests.whatif.programs import applied, run, why_not
from tracer.overrides import Override, Where
from tracer.whatif.compare import differences

LOG: list[int] = []


def input_shapes(session: Any, number: int = 0) -> dict[str, Any]:
    return {found.source: found.shape for found in session.graphs[number].inputs if found.shape is not None}


def compiled_for(fn: Any, calls: list[tuple[Any, ...]], *overrides: Any, **config: Any) -> int:
    """How many graphs these calls take, with results as untraced."""
    with tracer.Session(overrides=overrides, **config) as session:
        for args in calls:
            torch.testing.assert_close(session.run(fn, *args), fn(*args), rtol=0, atol=0)
        return len(session.graphs)


def square(x: Any) -> Any:
    return x * x.shape[0]


SIZES = [(torch.ones(n, 3),) for n in (4, 5, 64, 65)]


# --- dimensions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("override", "symbolic"), [("dynamic x.shape[0]", (True, False)), ("dynamic x", (True, True)), ("static x", (False, False))])
def test_which_dimensions_are_symbolic(override: str, symbolic: tuple[bool, ...]) -> None:
    session = run(square, override, args=(torch.ones(4, 3),), dynamic=True if override.startswith("static") else None)
    shape = input_shapes(session)["x"]
    assert tuple(type(size) is str for size in shape) == symbolic
    assert why_not(session) == [] and applied(session)[0] == "x.shape[0]"


def test_one_graph_for_all_sizes_or_one_for_each() -> None:
    assert compiled_for(square, SIZES) == 2
    assert compiled_for(square, SIZES, "dynamic x.shape[0]") == 1
    assert compiled_for(square, SIZES, "dynamic x.shape[0]", dynamic=False) == 1
    assert compiled_for(square, SIZES, "static x.shape[0]") == 4
    assert compiled_for(square, SIZES, "static x", dynamic=True) == 4


def test_bounds_are_guards() -> None:
    assert compiled_for(square, SIZES[:3], "dynamic x.shape[0] = 2..64", automatic_dynamic_shapes=False) == 1
    assert compiled_for(square, SIZES, "dynamic x.shape[0] = 2..64", automatic_dynamic_shapes=False) == 2
    session = run(square, "dynamic x.shape[0] = 3..64", args=(torch.ones(4, 3),))
    assert "3 <= x.shape[0] and x.shape[0] <= 64" in [guard.expression for guard in session.guards]


def test_a_size_that_the_program_fixes_stays_right() -> None:
    def fixed(x: Any) -> Any:
        return x.reshape(2, 2) if x.shape[0] == 4 else x + 1

    assert compiled_for(fixed, [(torch.ones(n),) for n in (4, 5, 4, 6)], "dynamic x") == 2


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("dynamic x.shape[3]", "x has 2 dimensions, none of them 3"),
        ("dynamic x.shape[rows]", "x has 2 dimensions, none of them rows"),
        ("dynamic x.shape[1]", "sizes 0 and 1 are always constants, and x.shape[1] is 1"),
        ("dynamic x.shape[0] = 8..16", "x.shape[0] is 4, out of bounds"),
    ],
)
def test_dimensions_that_can_not_be(override: str, why: str) -> None:
    session = run(square, override, args=(torch.ones(4, 1),))
    assert why_not(session) == [why]
    assert input_shapes(session)["x"] == (4, 1)


def test_in_a_resume_function_and_on_a_module() -> None:
    def parts(x: Any, y: Any) -> Any:
        x = x + 1
        torch._dynamo.graph_break()
        return x.sum() + y.sum()

    session = run(parts, "dynamic y.shape[0]", args=(torch.ones(4), torch.ones(5)))
    assert [input_shapes(session, n).get("y") for n in range(2)][1] != (5,)
    session = run(programs.Net(), "dynamic self.out.weight", "dynamic x", args=(torch.ones(3, 4),))
    assert len(session.graphs) == 1


def test_marks_give_way() -> None:
    x = torch.ones(4, 3)
    torch._dynamo.mark_dynamic(x, 0)
    assert input_shapes(run(square, "static x", args=(x,)))["x"] == (4, 3)


# --- numbers ----------------------------------------------------------------------------------------------------------

NUMBERS = [(torch.ones(3), n) for n in (7, 8, 9, 1, 0, -3)]


def test_an_integer_is_an_input_or_a_constant() -> None:
    assert compiled_for(programs.sizes, NUMBERS) == 2  # 7, then any
    assert compiled_for(programs.sizes, NUMBERS, "symbolic n") == 1
    assert compiled_for(programs.sizes, NUMBERS, "symbolic n", specialize_int=True) == 1
    assert compiled_for(programs.sizes, NUMBERS, "constant n") == 6
    assert compiled_for(programs.sizes, NUMBERS, "constant n", dynamic=True) == 6


def test_an_integer_of_a_module() -> None:
    class Decay(torch.nn.Module):
        step = 5

        def forward(self, x: Any) -> Any:
            self.step += 1
            return x * self.step

    def graphs(*overrides: str) -> int:
        net, twin, x = Decay(), Decay(), torch.ones(3)
        net.step = twin.step = 5
        with tracer.Session(overrides=overrides) as session:
            for _ in range(4):
                assert torch.equal(session.run(net, x), twin(x)) and net.step == twin.step
            assert session.unmatched_overrides == []
            return len(session.graphs)

    assert graphs() == 4
    assert graphs("symbolic self.step") == 1


def test_floats_stay_constants_and_it_is_said() -> None:
    session = run(programs.sizes, "symbolic n", args=(torch.ones(3), 2.5))
    assert why_not(session) == ["n is a float: of numbers, integers only can be symbolic"]
    assert why_not(run(programs.sizes, "constant n", args=(torch.ones(3), 2.5))) == []


# --- guards -----------------------------------------------------------------------------------------------------------


def noisy(x: Any, n: Any) -> Any:
    print("noise")
    return torch.rand(3) + x * n


def test_without_its_guard_a_stale_entry_runs_and_the_difference_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with tracer.Session(overrides=["skip_guard n"]) as session:
        x = torch.ones(3)
        assert torch.equal(session.run(programs.sizes, x, 7), programs.sizes(x, 7))
        assert session.unsafe == ["EQUALS_MATCH of n is not checked (skip_guard n)"]
        assert "n == 7" not in [guard.expression for guard in session.guards]
        assert torch.equal(session.run(programs.sizes, x, 9), programs.sizes(x, 7)), "stale, as asked for"
        assert session.unsafe_runs == [(1, "", ()), (2, "differs from a plain run", ("the result differs by up to 2",))]
        assert "Unsafe" in session.explain() and "the result differs by up to 2" in session.explain()
        assert "the result differs by up to 2" in session._repr_html_()
        events = [event for event in session.events if type(event).__name__ == "UnsafeRun"]
        assert [event.differences for event in events] == [(), ("the result differs by up to 2",)]


def test_the_plain_run_leaves_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def both(run: Any) -> tuple[Any, ...]:
        torch.manual_seed(3)
        random.seed(3)
        out = run(noisy, torch.ones(3), 7)
        return out, torch.rand(1), random.random(), capsys.readouterr().out

    expected = both(lambda fn, *args: fn(*args))
    with tracer.Session(overrides=["skip_guard n"]) as session:
        got = both(session.run)
        assert session.unsafe_runs == [(1, "", ())]
    assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1]) and got[2:] == expected[2:]


COUNTER = 0


def counting(x: Any, n: Any) -> Any:
    global COUNTER
    COUNTER += 1
    return x + n


def test_globals_and_modules_change_once() -> None:
    with tracer.Session(overrides=["skip_guard n", "skip_guard x = TENSOR_MATCH"]) as session:
        session.run(counting, torch.ones(2), 3)
        assert COUNTER == 1 and session.unsafe_runs[0][1] == ""
        torch.manual_seed(0)
        net = programs.Net()
        twin, x = copy.deepcopy(net), torch.randn(3, 4)
        assert torch.equal(session.run(net, x), twin(x))
        for ours, theirs in zip(net.buffers(), twin.buffers()):
            assert torch.equal(ours, theirs)
        assert session.unsafe_runs[-1][1:] == ("", ())


def test_an_exception_of_the_program_is_compared_too() -> None:
    def sometimes(x: Any, n: Any) -> Any:
        if n == 9:
            raise ValueError("nine")
        return x + n

    with tracer.Session(overrides=["skip_guard n"]) as session:
        session.run(sometimes, torch.ones(2), 7)
        session.run(sometimes, torch.ones(2), 9)
        assert session.unsafe_runs[1][2] == ("the call returns, a plain run raises ValueError",)


def test_arguments_that_can_not_be_copied() -> None:
    with tracer.Session(overrides=["skip_guard n"]) as session:
        drawn = (n for n in (1, 2))

        def draws(x: Any, n: Any) -> Any:
            return x * n * next(drawn)

        assert torch.equal(session.run(draws, torch.ones(2), 7), torch.full((2,), 7.0))
        assert "can't be compared: a generator can't be copied" in session.unsafe_runs[0][1]
        assert next(drawn) == 2
        x = torch.ones(2, requires_grad=True) * 2
        assert torch.equal(session.run(programs.sizes, x, 7), programs.sizes(x, 7))
        assert session.unsafe_runs[1][1] == ""


def test_what_the_plain_run_does_to_global_lists_and_arguments_is_undone() -> None:
    seen: list[int] = []

    def appends(x: torch.Tensor, n: int) -> torch.Tensor:
        seen.append(n)
        LOG.append(n)
        x.add_(1)
        return x * n * len(seen) * len(LOG)

    LOG.clear()
    with tracer.Session(overrides=["skip_guard n = EQUALS_MATCH"]) as session:
        x = torch.ones(2)
        found = [session.run(appends, x, 2).tolist() for _ in range(3)]
    assert found == [[4.0, 4.0], [24.0, 24.0], [72.0, 72.0]]
    assert seen == LOG == [2, 2, 2] and torch.equal(x, torch.full((2,), 4.0))
    assert [what for _, what, _ in session.unsafe_runs] == ["", "", ""]


def test_guards_without_a_source() -> None:
    def f(x: Any) -> Any:
        return x + 1

    with tracer.Session(overrides=["skip_guard = GLOBAL_STATE"]) as session:
        session.run(f, torch.ones(2))
        with torch.no_grad():
            session.run(f, torch.ones(2))
        assert len(session.graphs) == 1 and session.unsafe == ["GLOBAL_STATE is not checked (skip_guard = GLOBAL_STATE)"]


def test_compiled_functions_are_compared_as_well() -> None:
    compiled = tracer.compile(programs.sizes, backend="eager", overrides=["skip_guard n"])
    compiled(torch.ones(2), 7)
    compiled(torch.ones(2), 8)
    assert [what for _, what, _ in compiled.session.unsafe_runs] == ["", "differs from a plain run"]


def test_a_session_without_them_is_safe_and_compares_nothing() -> None:
    session = run(programs.sizes, "symbolic n", args=(torch.ones(2), 3))
    assert session.unsafe == [] and session.unsafe_runs == [] and "Unsafe" not in session.explain()


@pytest.mark.parametrize(
    ("got", "wanted", "says"),
    [
        (1, 1, []),
        (float("nan"), float("nan"), []),
        (1, 2, ["the result is 1, in a plain run 2"]),
        (1, 1.0, ["the result is a int, in a plain run a float"]),
        ([1, 2], [1], ["the result has 2 parts, in a plain run 1"]),
        ({"a": 1}, {"b": 1}, ["the result has other keys than in a plain run"]),
        (torch.ones(2), torch.ones(3), ["the result has shape (2,), in a plain run (3,)"]),
        (torch.ones(2), torch.ones(2).double(), ["the result has dtype torch.float32, in a plain run torch.float64"]),
        (torch.ones(2), torch.tensor([1.0, 1.5]), ["the result differs by up to 0.5"]),
        (torch.ones(2).bool(), torch.tensor([True, False]), ["the result differs by up to 1"]),
    ],
)
def test_differences(got: Any, wanted: Any, says: list[str]) -> None:
    assert differences(got, wanted, "the result") == says


def test_all_at_once() -> None:
    overrides = ["graph_node scale", "dynamic x", Override("break_here", Where(line=programs.line("in the loop"), file=programs.FILE, occurrence=2))]
    session = run(programs.loop, *overrides)
    assert why_not(session) == []
