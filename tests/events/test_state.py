"""Time travel: what is rebuilt from events is what really was, in every program, at every instruction."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

import tracer
from tests.differential import Traced, execute, plain
from tests.programs import all_programs
from tests.timetravel import Checker
from tracer import events as ev
from tracer.journal import Journal, Recorder, load
from tracer.journal.replay import Replay
from tracer.journal.state import STEP, State, Timeline

PROGRAMS = all_programs()
PARTS = 32


class Watched(Traced):
    """Records everything and checks it."""

    def __init__(self, checker: Checker, **config: Any):
        super().__init__(**{**config, "record": "all"})
        self.checker = checker

    def compile(self, fn: Any, **config: Any) -> Any:
        compiled = super().compile(fn, **config)
        self.checker.watch(compiled.session)
        return compiled


@pytest.mark.parametrize("part", [pytest.param(i, marks=[pytest.mark.slow] if i else []) for i in range(PARTS)])
def test_frames_are_rebuilt_as_they_were_before_each_instruction(part):
    checked = 0
    for program in PROGRAMS[part::PARTS]:
        with Checker() as checker:
            run, _ = execute_watched(program, checker)
        assert not checker.problems, (program.name, checker.problems)
        checked += checker.checked
    assert checked > 1000


def execute_watched(program: Any, checker: Checker) -> Any:
    scenario = program.fn if program.make_args is None else plain(program.fn, program.make_args, program.calls)
    return execute(scenario, Watched(checker, **program.config), None)


def test_the_checker_sees_a_slot_that_was_not_recorded(monkeypatch):
    from tracer.isa import tops

    known = tops.changed
    monkeypatch.setattr(tops, "changed", lambda op, jump=False: 1 if op.name == "Swap" else known(op, jump))

    def reaches_deep(a, b):
        a = [a]
        a[0] += b
        return a

    compiled = tracer.compile(reaches_deep, backend="eager", record="all")
    with Checker() as checker:
        checker.watch(compiled.session)
        compiled(*torch.ones(2, 2))
    assert checker.problems


# --- seeking ----------------------------------------------------------------------------------------------------------


def unpack(pair):
    first, (second, third) = pair[0], pair
    return first + second * third


def counting(values):
    total = 0
    for value in values:
        total = total + value
        yield total


def program(x, values):
    count = 0

    def bump(by):
        nonlocal count
        count += by
        return count

    for each in counting(values):
        x = x + unpack((each, x)) * bump(1)
    print("between")
    try:
        raise ValueError(x.shape[0])
    except ValueError as error:
        x = x * len(error.args)
    return x + count


@pytest.fixture(scope="module")
def recorded():
    compiled = tracer.compile(program, backend="eager", record="all")
    compiled(torch.ones(3), [1.0, 2.0, 3.0])
    return compiled.session.journal


def plain_state(state: State) -> Any:
    frames = [
        (f.function, f.file, f.line, f.location, f.frame, f.depth, f.stack, f.locals, f.unread, f.cells)
        for f in state.frames
    ]
    return frames, state.graphs, state.graph_name, state.inputs, state.guards, dict(state.variables)


def from_zero(journal: Journal, seq: int) -> Any:
    """Replayed event by event, with no moment to start from."""
    timeline = Timeline(journal.events[: seq + 1])
    replay = Replay(timeline.kinds)
    timeline.advance(seq + 1)
    for event in journal.events[: seq + 1]:
        replay.feed(event)
    return plain_state(State(timeline, seq, replay.keep()))


def test_any_seek_equals_a_replay_from_zero(recorded):
    seqs = list(range(0, len(recorded.events), 7)) + [STEP - 2, STEP - 1, STEP, len(recorded.events) - 1]
    random.Random(0).shuffle(seqs)
    for seq in seqs:
        assert plain_state(recorded.state_at(seq)) == from_zero(recorded, seq), seq


def test_a_growing_list_is_followed(recorded):
    growing: list[Any] = []
    journal = Journal(growing)
    for event in recorded.events:
        growing.append(event)
        if not event.seq % 5:
            assert plain_state(journal.state_at(event.seq)) == plain_state(recorded.state_at(event.seq))


def test_a_loaded_recording_gives_the_same_states(recorded, tmp_path):
    recorded.save(tmp_path / "r.jsonl")
    loaded = load(tmp_path / "r.jsonl")
    for seq in reversed(range(0, len(recorded.events), 11)):
        assert plain_state(loaded.state_at(seq)) == plain_state(recorded.state_at(seq))


def test_a_state_stays_as_it_is_when_others_are_asked_for(recorded):
    middle = len(recorded.events) // 2
    before = recorded.state_at(middle)
    shown = plain_state(before)
    recorded.state_at(len(recorded.events) - 1)
    recorded.state_at(1)
    assert plain_state(before) == shown


@pytest.mark.parametrize("seq", [-1, 10**9])
def test_no_such_event(recorded, seq):
    with pytest.raises(IndexError, match="there is no event"):
        recorded.state_at(seq)


def test_rows_and_differences(recorded):
    stores = [e for e in recorded.of(ev.Instruction) if e.op == "StoreFast" and e.arg == "x" and e.depth == 0]
    before = recorded.state_at(stores[0].seq)
    following = next(e for e in recorded.of(ev.Instruction) if e.seq > stores[0].seq and e.parent == stores[0].parent)
    after = recorded.state_at(following.seq)
    changes = before.diff(after)
    assert changes.locals == ("x",) and changes.stack and not changes.frames
    assert after.local_rows()[0][0] == "x"
    assert before.stack_rows()[-1] == (after.locals["x"], after.text(after.locals["x"]))
    assert {"counting", "unpack", "program.<locals>.bump"} <= {
        f.function for e in recorded.events for f in recorded.state_at(e.seq).frames[1:]
    }


# --- what was taken back ----------------------------------------------------------------------------------------------


def test_a_rolled_back_body_and_a_restart_take_back_what_they_made():
    recorder = Recorder()
    recorder.begin(ev.CallStarted, "f")
    recorder.frame = "0/0"
    recorder.begin(ev.FrameStarted, "f", "a.py", 1)

    def node(name: str) -> int:
        return recorder.point(ev.NodeCreated, "graph_0", name, "call_function", "add", "", (), "", "", "")

    first = recorder.begin(ev.AttemptStarted)
    node("gone")
    recorder.end(ev.AttemptEnded, first, "restarted", "why")
    recorder.attempt = 1
    recorder.begin(ev.AttemptStarted)
    node("stays")
    summary = recorder.point(ev.Summary, 1, "List", "of 1", "list")
    body = recorder.begin(ev.SpeculationStarted, "cond", "true")
    node("tried")
    recorder.point(ev.GuardInstalled, "y", "TYPE_MATCH", "y")
    recorder.begin(ev.InlineStarted, "branch", "a.py", 9)
    changed = recorder.point(ev.Summary, 1, "List", "of 2", "list")
    inside = node("too")
    recorder.end(ev.RolledBack, body, "why")
    node("dropped")
    removed = recorder.point(ev.NodeRemoved, "graph_0", "dropped")
    journal = Journal(recorder.events)

    def names(seq: int) -> list[str]:
        return [n.name for n in journal.state_at(seq).graphs.get("graph_0", [])]

    assert names(inside) == ["stays", "tried", "too"] and names(body) == ["stays"] and names(3) == ["gone"]
    assert names(inside + 1) == ["stays"] and names(removed) == ["stays"] and names(removed - 1) == ["stays", "dropped"]
    assert [f.function for f in journal.state_at(inside).frames] == ["f", "branch"]
    assert [f.function for f in journal.state_at(removed).frames] == ["f"]
    assert len(journal.state_at(inside).guards) == 1 and not journal.state_at(removed).guards
    assert (
        journal.state_at(inside).variables[1].seq == changed and journal.state_at(removed).variables[1].seq == summary
    )
    assert journal.state_at(inside).graph_name == "true" and journal.state_at(removed).graph_name == "graph_0"
