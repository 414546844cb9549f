"""While a call waits and after it was given up the graph is there as far as it came, and the headline says which of it is so."""

from __future__ import annotations

import torch

import tracer
from tracer.explain import explain
from tracer.recording import load
from widgets.models import VIEWS, Book


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
