"""Literals that are only passed on are guarded by their type; whatever reads one guards its value."""

from __future__ import annotations

import copy
import functools
from types import SimpleNamespace

import pytest
import torch
from torch.utils.checkpoint import checkpoint

import tracer
from tests.guards import passed_on
from tracer.events import GuardRelaxed

VALUES = {"text": ("a", "b", "c"), "int": (1, 7, 1), "float": (1.5, 0.0, -0.0), "bool": (True, False, True)}
HELD = SimpleNamespace(tag=None)


def ignores(x, *args, **kwargs):
    return x + 1


def given_back(x, tag):
    return ignores(x, tag), tag, [tag, (tag, x)], {"tag": tag}


def stored(x, tag):
    HELD.tag = tag
    return ignores(x, **{"tag": tag})


def across_a_break(x, tag):
    y = x + 1
    torch._dynamo.graph_break()
    return y * 2, tag


def of_a_type(x, tag):
    return x + 1 if isinstance(tag, (str, bool)) else x - 1


def copied(x, tag):
    return x + 1, copy.deepcopy(tag)


def by_a_closure(x, tag):
    def inner():
        return ignores(x, tag)

    return functools.partial(lambda y, z: (y, z), inner())(tag)


def checkpointed(x, tag):
    return checkpoint(lambda y, tag=None: y.relu(), x, tag=tag, use_reentrant=False)


def read_from_outside(x):
    return x + 1, HELD.inner.tag


PASSED_ON = (given_back, stored, across_a_break, of_a_type, copied, by_a_closure, checkpointed)
READ = {
    "equality": lambda x, tag: x + 1 if tag == VALUE else x,
    "truth": lambda x, tag: x + 1 if tag else x,
    "identity": lambda x, tag: x + 1 if tag is VALUE else x,
    "a key": lambda x, tag: (x, {tag: 1}),
    "a member": lambda x, tag: x + 1 if tag in (VALUE,) else x,
    "text": lambda x, tag: (x, f"{tag}"),
    "an operator": lambda x, tag: (x, tag * 2),
    "a call": lambda x, tag: (x, str(tag)),
    "a hash": lambda x, tag: (x, hash(tag) == hash(VALUE)),
    "a set": lambda x, tag: (x, {tag}),
    "a default": lambda x, tag: (x, (lambda y=tag: y * 2)()),
    "an iterator": lambda x, tag: (x, [y * 2 for y in (tag,)]),
}
VALUE = "a"


def runs(function, values):
    """(recompiles, kinds of guards on the argument) of calls that are held against plain Python."""
    session = tracer.Session("trace", strict=True)
    x = torch.ones(2)
    for value in values:
        HELD.tag = None
        found = session.run(function, x, value)
        HELD.tag, traced = None, HELD.tag
        assert repr(found) == repr(function(x, value))
        assert repr(traced) == repr(HELD.tag)
    kinds = [guard.kind for guard in session.guards if guard.source == "tag"]
    session.close()
    return len(session.recompiles), kinds


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("function", PASSED_ON)
def test_what_is_only_passed_on_is_not_looked_at(function, kind):
    recompiles, kinds = runs(function, VALUES[kind])
    assert recompiles == 0 and set(kinds) == {"TYPE_MATCH"}


@pytest.mark.parametrize("function", PASSED_ON)
def test_of_another_type_it_is_another_value(function):
    assert runs(function, ("a", 1, 1.5, None, "b"))[0] >= 3


@pytest.mark.parametrize("name", READ)
def test_what_reads_it_guards_its_value(name):
    recompiles, kinds = runs(READ[name], ("a", "b"))
    assert recompiles == 1 and set(kinds) == {"EQUALS_MATCH"}


def test_a_value_that_one_place_reads_is_read():
    def function(x, tag, flag):
        kept = [tag, flag]
        y = ignores(x, *kept)
        return (y * 2 if kept[1] else y), kept

    session = tracer.Session("trace", strict=True)
    for tag, flag in (("a", True), ("b", True), ("b", False)):
        assert session.run(function, torch.ones(2), tag, flag)[1] == [tag, flag]
    assert len(session.recompiles) == 1
    assert {guard.source: guard.kind for guard in session.guards if guard.source in ("tag", "flag")} == {"tag": "TYPE_MATCH", "flag": "CONSTANT_MATCH"}


def test_attributes_and_globals_too():
    session = tracer.Session("trace", strict=True)
    for tag in ("a", "b"):
        HELD.inner = SimpleNamespace(tag=tag)
        assert session.run(read_from_outside, torch.ones(2))[1] == tag
    assert not session.recompiles


def test_a_body_that_was_rolled_back_leaves_the_guard_of_what_read_it():
    def body(x, tag):
        if tag == "a":
            HELD.tag = x  # which a branch may not do
        return x + 1

    def function(x, tag):
        try:
            y = torch.cond(x.sum() > 0, lambda: body(x, tag), lambda: x - 1)
        except RuntimeError:
            y = x
        return y, tag

    session = tracer.Session("trace", strict=True, backend="eager")
    for tag in ("b", "a", "b"):
        assert session.run(function, torch.ones(2), tag)[1] == tag
    assert len(session.recompiles) == 1


@pytest.mark.parametrize("record", ["decisions", "all"])
def test_to_record_it_is_not_to_read_it(record):
    session = tracer.Session("trace", strict=True, record=record)
    for tag in ("a", "b"):
        session.run(given_back, torch.ones(2), tag)
    assert not session.recompiles
    assert any(isinstance(event, GuardRelaxed) for event in session.events)
    at = next(event.seq for event in session.events if isinstance(event, GuardRelaxed))
    told = [guard for guard in session.journal.state_at(at).guards if guard.source == "tag"]
    assert [guard.kind for guard in told] == ["TYPE_MATCH"]
    assert [guard.kind for guard in session.journal.state_at(at - 1).guards if guard.source == "tag"] == ["EQUALS_MATCH"]


def test_drawn_programs_that_hand_values_on():
    assert not [wrong for seed in range(24) if (wrong := passed_on.run(seed))]
