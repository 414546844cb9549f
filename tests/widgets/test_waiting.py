"""While a call waits and after it was given up the graph is there as far as it came, and the headline says which of it is so."""

from __future__ import annotations

import time
import types

import pytest
import torch

import tracer
from notebook_ext.live import Live
from tracer.control.typed import Condition
from tracer.errors import TracerError
from tracer.explain import explain
from tracer.explain.words import file_name
from tracer.recording import load
from widgets.models import VIEWS, Book
from widgets.points import change, points_of


def grows(x):
    for number in range(30):
        x = (x + number).sin()
    return x


def branches(x):
    y = x + 1
    if y.sum() > 0:
        return y * 2
    return y


def head(session, at=None):
    return VIEWS["head"](Book(session, at=at, journal=session.journal))


def lanes(subject, at=None):
    made = VIEWS["graph"](Book(subject, at=at, journal=subject.journal))["lanes"]
    return [(lane["name"], len([row for row in lane["nodes"].values() if row[0] == "op"]), lane["subtitle"].rpartition(" · ")[2]) for lane in made]


def line_of(function, offset):
    return function.__code__.co_firstlineno + offset


def test_a_waiting_call_shows_the_graph_as_far_as_it_is():
    session = tracer.Session("step")
    stepper = session.step(grows, torch.ones(3))
    shown = []
    for _ in range(6):
        stepper.until(kind="NodeCreated")
        ((name, ops, fate),) = lanes(session, stepper.at.seq)
        shown.append((name, ops, fate))
        assert dict((one, value) for value, one, *_ in head(session, stepper.at.seq)["stats"])["op"] == ops
    assert [ops for _, ops, _ in shown] == [1, 2, 3, 4, 5, 6] and {fate for _, _, fate in shown} == {"not finished yet"}
    assert head(session, stepper.at.seq)["title"].startswith(f"Paused at line {line_of(grows, 2)} of ")
    assert "NO GRAPH IS FINISHED YET" in explain(session.records) and "6 operations by now" in explain(session.records)
    stepper.run()
    assert lanes(session) == [("graph_0", 60, lanes(session)[0][2])] and "finished" not in lanes(session)[0][2]


def test_a_graph_of_a_call_that_was_given_up_stays(tmp_path):
    session = tracer.Session("step")
    stepper = session.step(grows, torch.ones(3))
    for _ in range(9):
        stepper.until(kind="NodeCreated")
    stepper.abort()
    assert lanes(session) == [("graph_0", 9, "never finished")]
    assert head(session)["title"].startswith("1 call ENDED EARLY · NO GRAPH WAS FINISHED") and "9 ops in 1 unfinished graph" in head(session)["title"]
    session.save(tmp_path / "kept.jsonl.gz")
    assert lanes(load(tmp_path / "kept.jsonl.gz")) == [("graph_0", 9, "never finished")]
    session.run(branches, torch.ones(3))  # its first graph has the name: names are given anew where none was finished
    assert [name for name, _, _ in lanes(session)] == ["graph_0", "graph_1"] and not session.records.unfinished
    assert [graph.name for graph in session.graphs] == ["graph_0", "graph_1"]


def test_it_says_why_a_frame_began_again():
    session = tracer.Session("step")
    stepper = session.step(branches, torch.ones(3))
    assert head(session, stepper.at.seq)["note"] == ""
    while stepper.at.attempt == 0:
        stepper.decision()
    said = head(session, stepper.at.seq)["note"]
    assert f"branches is traced from its beginning again (attempt 2), since one thing is known now: the graph has to end at line {line_of(branches, 2)} (" in said
    assert "[[" not in said and "on a tensor's value" in said
    stepper.until(kind="GraphBreak")
    assert head(session, stepper.at.seq)["title"] == f"Paused at line {line_of(branches, 2)} of {head(session, stepper.at.seq)['title'].split(' of ')[1].split(',')[0]}, where the graph ends"
    stepper.run()
    assert head(session)["note"] == ""


class Page:
    """What `change` needs of a widget."""

    def __init__(self, stepper):
        self.stepper, self.drawn = stepper, 0

    def refresh(self):
        self.drawn += 1


def test_breakpoints_as_the_page_sets_them():
    session = tracer.Session("step")
    stepper = session.step(branches, torch.ones(3))
    page, line = Page(stepper), f"{__file__}:{line_of(branches, 3)}"
    assert change(page, what="toggle", text=line) == [{"number": 1, "text": f"{file_name(__file__)}:{line_of(branches, 3)}", "line": line, "condition": "", "hits": 0, "enabled": True}]
    assert change(page, what="toggle", text=line) == [] and page.drawn == 2
    change(page, what="add", text="GraphBreak")
    change(page, what="add", text="target=mul")
    assert [one["text"] for one in change(page, what="condition", number=2, value="event.attempt > 5")] == ["GraphBreak", "target mul"]
    with pytest.raises(TracerError, match="is no expression"):
        change(page, what="condition", number=2, value="event.")
    with pytest.raises(TracerError, match="needs a place"):
        change(page, what="add", text=" ")
    with pytest.raises(TracerError, match="no breakpoint 9"):
        change(page, what="remove", number=9)
    assert stepper.run().target == "mul", "the condition of the other doesn't hold"
    assert [(one["hits"], one["condition"], one["enabled"]) for one in points_of(stepper)] == [(0, "event.attempt > 5", True), (1, "", True)]
    change(page, what="condition", number=2, value="")
    change(page, what="enable", number=3, value=False)
    again = tracer.Session("step").step(branches, torch.ones(4, 4))
    again.breakpoint("GraphBreak")
    again.adopt(stepper.breakpoints)
    assert [(one["text"], one["hits"], one["enabled"]) for one in points_of(again)] == [("GraphBreak", 0, True), ("target mul", 0, False)]
    stepper.close()
    again.close()
    with pytest.raises(TracerError, match="no call is being stepped"):
        change(Page(again), what="toggle", text=line)


def test_lines_that_are_ahead_can_be_chosen_while_a_call_waits():
    session = tracer.Session("step")
    stepper = session.step(branches, torch.ones(3))
    book = Book(session, at=stepper.at.seq, journal=session.journal)
    shown = lambda: {row[0] for file in VIEWS["source"](book)["files"] for row in file["lines"] if len(row) > 1}
    assert line_of(branches, 4) not in shown()
    book.points = points_of(stepper)
    assert {line_of(branches, offset) for offset in range(5)} <= shown()
    stepper.close()


def test_traced_is_the_time_of_tracing_not_of_a_person_thinking():
    session = tracer.Session("step", max_trace_seconds=5)
    stepper = session.step(grows, torch.ones(3))
    for _ in range(4):
        time.sleep(0.5)
        stepper.until(kind="NodeCreated")
    stepper.run()
    assert session.records.stats["seconds"] < 1.5 and session.stats["trace_seconds"] < 1.5 and len(session.graphs) == 1
    times = [event.t for event in session.events]
    assert times == sorted(times)


@pytest.mark.parametrize("closed", [False, True])
def test_breakpoints_are_kept_when_a_cell_runs_again(closed):
    live = Live(types.SimpleNamespace())
    first, second = tracer.Session("step"), tracer.Session("step")
    stepper = live.step(first, lambda: first.run(branches, torch.ones(3)))
    stepper.breakpoint("NodeCreated", condition=Condition("event.target == 'mul'"))
    stepper.breakpoint("GraphBreak", temporary=True)
    if closed:
        live.forget(first)
    again = live.step(second, lambda: second.run(branches, torch.ones(3)), breaks=["CacheHit"])
    assert [(one["text"], one["condition"]) for one in points_of(again)] == [("CacheHit", ""), ("NodeCreated", "event.target == 'mul'")]
    assert again.run().target == "mul"
    live.leave()
    for one in (stepper, again):
        one.close()
        assert one.done
