"""The index: what was given up is marked, spans end where they should, a growing list is followed."""

import pytest

from tracer import events as ev
from tracer.journal import Journal, Recorder


def attempt(recorder, number, outcome, body=lambda: None):
    recorder.attempt = number
    opens = recorder.begin(ev.AttemptStarted)
    body()
    if outcome:
        recorder.end(ev.AttemptEnded, opens, outcome)
    else:
        recorder.parent = recorder.events[opens].parent
    return opens


def guard(recorder, source="x"):
    return recorder.point(ev.GuardInstalled, source, "TYPE_MATCH", f"type({source}) is int")


def program(first="restarted"):
    recorder = Recorder()
    recorder.begin(ev.CallStarted, "f")
    recorder.frame = "0/0"
    frame = recorder.begin(ev.FrameStarted, "f", "a.py", 1)
    attempt(
        recorder,
        0,
        first,
        lambda: [guard(recorder, "gone"), recorder.begin(ev.BuildStarted, "y", "int"), guard(recorder)],
    )
    attempt(recorder, 1, "kept", lambda: guard(recorder, "stays"))
    recorder.end(ev.FrameFinished, frame, "compiled", "graph_0")
    return recorder


@pytest.mark.parametrize("first", ["restarted", ""])  # "" : an exception left it without an outcome
def test_a_restarted_attempt_is_hidden(first):
    journal = Journal(program(first).events)
    assert [g.source for g in journal.of(ev.GuardInstalled) if not journal.abandoned(g.seq)] == ["stays"]
    hidden = [e for e in journal.events if journal.abandoned(e.seq)]
    assert [type(e).__name__ for e in hidden] == ["GuardInstalled", "BuildStarted", "GuardInstalled"]
    assert [e.seq for e in journal.kept()] == [e.seq for e in journal.events if e not in hidden]


def test_a_rolled_back_body_is_hidden_and_its_outcome_is_not():
    recorder = Recorder()
    opens = recorder.begin(ev.SpeculationStarted, "cond", "true_fn")
    guard(recorder)
    inner = recorder.begin(ev.SpeculationStarted, "map", "body")
    guard(recorder)
    recorder.end(ev.Committed, inner, "graph_0.body", ("w",))
    recorder.end(ev.RolledBack, opens, "side effect")
    guard(recorder, "after")
    journal = Journal(recorder.events)
    assert [journal.abandoned(seq) for seq in range(len(journal))] == [False, True, True, True, True, False, False]


def test_a_growing_list_is_followed():
    recorder = Recorder()
    journal = Journal(recorder.events)
    assert len(journal) == 0 and journal.of(ev.GuardInstalled) == [] and journal.frames == []
    opens = attempt_open = recorder.begin(ev.AttemptStarted)
    guard(recorder)
    assert not journal.abandoned(1) and journal.outcome(opens) is None and journal.span(opens) == (0, 1)
    recorder.end(ev.AttemptEnded, attempt_open, "restarted")
    assert journal.abandoned(1) and journal.outcome(opens).outcome == "restarted" and journal.span(opens) == (0, 2)


def test_an_event_after_an_abandoned_span_was_read_is_marked_when_it_belongs_to_it():
    recorder = Recorder()
    opens = recorder.begin(ev.AttemptStarted)
    lost = recorder.begin(ev.BuildStarted, "x", "int")
    recorder.end(ev.AttemptEnded, opens, "restarted")
    journal = Journal(recorder.events)
    assert journal.abandoned(lost)
    recorder.parent = lost  # an artifact that arrives late
    assert journal.abandoned(guard(recorder))


def test_look_ups():
    journal = Journal(program().events)
    assert journal.frames == ["0/0"]
    assert [type(e).__name__ for e in journal.in_attempt("0/0", 1)] == [
        "AttemptStarted",
        "GuardInstalled",
        "AttemptEnded",
    ]
    assert len(journal.in_frame("0/0")) == len(journal) - 1
    stays = journal.of(ev.GuardInstalled)[-1]
    assert journal.enclosing(stays.seq, ev.AttemptStarted).attempt == 1
    assert journal.enclosing(stays.seq, ev.SessionStarted) is None
    assert [type(e).__name__ for e in journal.children(-1)] == ["CallStarted"]
    assert journal.outcome(1).graph == "graph_0"


def test_a_span_that_was_never_closed_ends_with_the_one_around_it():
    journal = Journal(program().events)
    build = journal.of(ev.BuildStarted)[0]
    around = journal.enclosing(build.seq, ev.AttemptStarted)
    assert journal.span(build.seq) == (build.seq, journal.span(around.seq)[1] - 1)
    assert journal.span(0) == (0, len(journal) - 1)
