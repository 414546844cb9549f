"""All recorded calls run again, in order, and are compared with themselves: like with like."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tracer.recording import Recording


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.calls = nn.Linear(3, 3), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.linear(x) * self.calls


class Averaging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.seen = nn.BatchNorm1d(3), []
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.shape[0])
        self.total += x.sum(0).detach()
        tracer.graph_break()
        return nn.functional.dropout(self.norm(x) * len(self.seen) + self.total, 0.5)


def figures(session: Any) -> tuple[int, ...]:
    return tuple(int(session.records.stats[name]) for name in ("graphs", "graph_breaks", "recompiles", "cache_hits"))


def through_run(model: nn.Module, batches: list[int], **settings: Any) -> tracer.Session:
    session = tracer.Session(**settings)
    for batch in batches:
        session.run(model, torch.ones(batch, 3))
    return session


def through_block(model: nn.Module, batches: list[int], **settings: Any) -> tracer.Session:
    session = tracer.Session(**settings)
    with session.tracing():
        for batch in batches:
            model(torch.ones(batch, 3))
    return session


WAYS = {"run": through_run, "block": through_block}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [Counting, Averaging])
@pytest.mark.parametrize("changes", [{}, {"dynamic": True}, {"dynamic": False}], ids=str)
def test_a_rerun_of_a_loop_is_what_tracing_it_so_would_have_been(way: str, make: Any, changes: dict[str, Any]) -> None:
    batches = [2, 3, 4, 3]
    torch.manual_seed(0)
    model, started_so = make(), make()
    session = WAYS[way](model, batches)
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    again = session.recompile(**changes)
    wanted = WAYS[way](started_so, batches, **changes)
    assert figures(again) == figures(wanted)
    assert again.scope.whole and not session.diff(again).calls
    torch.set_rng_state(state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    if not changes:
        assert session.diff(again).same, str(session.diff(again))


def test_the_loop_of_a_counting_module_has_as_many_recompiles_under_dynamic_sizes() -> None:
    session = through_block(Counting(), [2, 3, 4])
    diff = session.diff(session.recompile(dynamic=True))
    assert {name: (before, now) for name, before, now in diff.figures}["recompile"] == (2, 2)
    assert {name: (before, now) for name, before, now in diff.figures}["entry"] == (3, 3)
    assert "Recompiles" not in str(diff)


def test_a_setting_that_takes_recompiles_away_says_how_many() -> None:
    session = through_run(nn.Linear(3, 3), [2, 3, 4], dynamic=False)
    diff = session.diff(session.recompile(dynamic=True))
    assert str(diff).splitlines()[0].startswith("3 graphs → 1 ·") and " · 2 recompiles → 0" in str(diff).splitlines()[0]
    assert "Recompiles: 2 → 0" in str(diff)
    back = session.recompile(dynamic=True).diff(session)
    assert str(back).splitlines()[0].startswith("1 graph → 3 ·") and " · 0 recompiles → 2" in str(back).splitlines()[0]


def test_one_object_is_one_object_in_all_calls() -> None:
    class Box:
        def __init__(self) -> None:
            self.number = 1

    class Slots:
        __slots__ = ("number",)

    box, slots = Box(), Slots()
    slots.number = 1

    def program(x: torch.Tensor, box: Any, slots: Any) -> torch.Tensor:
        return x * box.number * slots.number

    with tracer.Session() as session:
        for _ in range(3):
            session.run(program, torch.ones(2), box, slots)
        assert figures(session.recompile()) == figures(session) == (1, 0, 0, 2)
        first, second = (session.recompile() for _ in range(2))
        assert session.diff(first).same and first.diff(second).same


def test_a_module_under_another_dtype_is_one_module_in_all_calls() -> None:
    session = through_run(nn.Linear(3, 3), [2, 2, 2])
    again = session.recompile(dtype="float64")
    assert again.result.dtype == torch.float64 and figures(again) == figures(session)


def test_calls_that_raised_run_again_and_the_ones_behind_them() -> None:
    def program(x: torch.Tensor, n: int) -> torch.Tensor:
        y = x * n
        if n == 2:
            raise ValueError("two")
        return y

    with tracer.Session() as session:
        for n in (1, 2, 3):
            try:
                session.run(program, torch.ones(1), n)
            except ValueError:
                pass
        again = session.recompile()
        assert again.result.tolist() == [3.0] and isinstance(again.error, ValueError)
        assert figures(again) == figures(session)


def test_dropped_entries_are_dropped_again() -> None:
    with tracer.Session() as session:
        session.run(torch.sin, torch.ones(2))
        program = lambda x: x + 1
        session.run(program, torch.ones(2))
        session.reset()
        session.run(program, torch.ones(2))
        assert figures(session.recompile()) == figures(session) == (2, 0, 0, 0)


# ---- where not all are kept
def test_where_not_all_calls_are_kept_call_is_compared_with_call() -> None:
    with tracer.Session(dynamic=False, keep_calls=2) as session:
        for size in (2, 3, 4, 5, 5):
            session.run(torch.nn.functional.relu, torch.ones(size))
            session.run(double, torch.ones(size))
        again = session.recompile()
        diff = session.diff(again)
        kept = [call.number for call in session.keeper.calls]
        assert again.scope.title == f"calls {kept[0]} and {kept[1]} of 10" and diff.calls == again.scope.title
        assert str(diff).splitlines()[0].endswith(f"{again.scope.title} compared")
        assert len(diff.graphs) == 2 and all(graph.state == "same" for graph in diff.graphs)
        assert "Recompiles: not compared\n  The re-run began with an empty cache" in str(diff)
        assert "recompile" not in {name for name, _, _ in diff.figures}
        assert [row[:3] for row in dict((g["title"], g["rows"]) for g in compared(session, again)["groups"])["Recompiles"]] == [
            ["~", "not compared", diff.cache]
        ]


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def compared(session: Any, again: Any) -> Any:
    from widgets.models.compare import compare

    return compare(session, again, session.diff(again))


def test_one_call_is_compared_with_that_call() -> None:
    with tracer.Session(dynamic=False) as session:
        for size in (2, 3, 4):
            session.run(double, torch.ones(size))
        first, second = session.recompile(call=1), session.recompile(call=2)
        assert session.diff(first).calls == "call 1 of 3" and not session.diff(first).cache
        assert session.diff(second).calls == "call 2 of 3" and session.diff(second).cache
        assert all(len(session.diff(one).graphs) == 1 and session.diff(one).graphs[0].state == "same" for one in (first, second))
        traced = session.recompile(execute=False)
        assert session.diff(traced).calls == "the first frame of call 3 of 3"
        whole = session.recompile()
        assert whole.diff(second).calls == "1 call that both runs made"
        assert [graph.state for graph in whole.diff(second).graphs] == ["same"]


def test_the_first_calls_of_a_long_block_are_kept() -> None:
    with tracer.Session(dynamic=False, keep_calls=3) as session:
        with session.tracing():
            for size in (2, 3, 4, 5, 6):
                double(torch.ones(size))
        again = session.recompile()
        assert again.scope.title == "the first 3 calls of the block"
        diff = session.diff(again)
        assert [graph.state for graph in diff.graphs] == ["same"] * 3 and not diff.cache
        assert {name: (before, now) for name, before, now in diff.figures}["recompile"] == (2, 2)


def outer(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    tracer.graph_break()
    return inner(y) * 2


@tracer.disable(recursive=False)
def inner(x: torch.Tensor) -> torch.Tensor:
    return double(x) + 1


def test_what_a_call_of_a_block_calls_belongs_to_it() -> None:
    with tracer.Session() as session:
        with session.tracing():
            for _ in range(2):
                outer(torch.ones(2))
            double(torch.ones(2))
        assert [call.fn.__name__ for call in session.keeper.calls] == ["outer", "outer", "double"]
        again = session.recompile()
        assert figures(again) == figures(session)


def test_cells_and_defaults_of_functions_of_a_block_are_theirs() -> None:
    def make(n: int) -> Any:
        def scaled(x: torch.Tensor, *more: int, by: int = 2, **rest: int) -> torch.Tensor:
            return x * n * by * len(more) + rest["z"]

        return scaled

    with tracer.Session() as session:
        with session.tracing():
            for n in (2, 2, 3):
                out = make(n)(torch.ones(1), 1, 2, by=n, z=n)
        again = session.recompile()
        assert torch.equal(again.result, out) and figures(again) == figures(session)


def test_a_cell_of_a_call_that_ran_from_the_cache_is_as_it_was() -> None:
    def program(x: torch.Tensor, n: int) -> Any:
        def add() -> torch.Tensor:
            return x + n

        n = n + 1
        return add()

    with tracer.Session() as session:
        with session.tracing():
            for size in (2, 2):
                out = program(torch.ones(size), 1)
        assert [call.order for call in session.keeper.calls] == [0, None]
        assert torch.equal(session.recompile().result, out)


def test_recordings_say_what_they_have_not() -> None:
    session = tracer.trace(double, torch.ones(2))
    recording = Recording(session.journal)
    for name in ("recompile", "replay", "result", "run"):
        with pytest.raises(tracer.TracerError, match=f"a recording has no {name}: it holds no program and no tensors"):
            getattr(recording, name)
        assert not hasattr(recording, name)
    assert "A recording holds no results" in str(session.diff(recording))


def test_recorded_calls_of_any_settings_run_again_alike() -> None:
    """A sweep: models, ways, batches drawn at random; a re-run without changes is the same."""
    draw = random.Random(7)
    for number in range(6):
        batches = [draw.choice((1, 2, 3, 5)) for _ in range(draw.randint(1, 5))]
        make, way = draw.choice((Counting, Averaging)), draw.choice(list(WAYS))
        settings = draw.choice(({}, {"dynamic": True}, {"dynamic": False}, {"backend": "aot_eager"}, {"record": "decisions"}))
        session = WAYS[way](make().eval() if draw.random() < 0.5 else make(), [max(b, 2) for b in batches], **settings)
        diff = session.diff(session.recompile())
        assert diff.same, (number, way, batches, settings, str(diff))


@pytest.mark.parametrize("way", WAYS)
def test_a_module_runs_again_under_torch_compile(way: str) -> None:
    session = WAYS[way](nn.Linear(3, 3), [2, 2])
    theirs = session.recompile(engine="dynamo")
    assert theirs.error is None and theirs.rerun_of is session and len(theirs.graphs) == 1
    assert theirs.result.shape == (2, 3)
    if way == "run":
        assert torch.equal(theirs.result, session.result) and session.diff(theirs).not_comparable == ""
