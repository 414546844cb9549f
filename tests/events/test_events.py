"""Events: described completely, plain data, the same after encoding and decoding."""

import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.events import CLOSES, HEADER, KINDS, Begin, Event, Instruction, Outcome, Point, kind_of

ALL = [kind.type for kind in KINDS.values()]
DECODE = msgspec.json.Decoder(typing.Union[tuple(ALL)]).decode

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
number = st.integers(-1, 2**40)
LEAVES = {
    int: number,
    str: text,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    typing.Any: st.none() | number | text,
    type(None): st.none(),
}


def values(hint):
    """A strategy for the annotation of a payload field."""
    if hint in LEAVES:
        return LEAVES[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if args[-1] is ...:
            return st.lists(values(args[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, args))
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    return st.one_of(*map(values, args))


def events(kind):
    return st.builds(kind, **{name: values(hint) for name, hint in typing.get_type_hints(kind).items()})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ALL).flatmap(events))
def test_round_trip(event):
    again = DECODE(msgspec.json.encode(event))
    assert again == event and type(again) is type(event)


def test_header_is_the_agreed_one_and_first():
    assert HEADER == ("seq", "t", "call", "thread", "frame", "attempt", "depth", "parent", "location")
    assert all(kind.__struct_fields__[:9] == HEADER for kind in ALL)


def test_every_kind_is_described():
    for kind in KINDS.values():
        assert kind.meaning.endswith(".") and "\n" not in kind.meaning
        assert kind.role in ("begin", "outcome", "point")
        assert (kind.role == "outcome") == bool(kind.closes) == (kind.fields[:1] == ("opens",))
    assert {name for kind in KINDS.values() for name in kind.closes} == {
        kind.name for kind in KINDS.values() if kind.role == "begin"
    } - {"Instruction"}


def test_every_kind_of_the_design_is_there():
    wanted = """
        SessionStarted SessionFinished CallStarted CallFinished FrameStarted FrameFinished AttemptStarted AttemptEnded
        Instruction BuildStarted VariableBuilt InlineStarted InlineFinished SpeculationStarted Committed RolledBack
        GraphCompileStarted GraphCompiled GuardInstalled NodeCreated NodeRemoved InputLifted SideEffect ShapeDecision
        GraphBreak CodeGenerated ArtifactProduced CacheHit GuardFailed Recompiled ExceptionObserved FrameSkipped
        InternalFault Output Summary
    """
    assert set(wanted.split()) <= KINDS.keys()


def test_events_are_frozen_plain_data():
    for kind in ALL:
        config = kind.__struct_config__
        assert config.frozen and not config.gc and config.array_like and config.tag == kind.__name__
    assert issubclass(Instruction, Begin) and not issubclass(Instruction, Outcome | Point)
    with pytest.raises(AttributeError):
        Instruction(0, 0, 0, 0, "", 0, 0, -1, (), "Load", "x", 0, ()).seq = 1


def test_kind_of_is_the_name_although_a_guard_has_a_kind():
    guard = KINDS["GuardInstalled"].type(0, 0, 0, 0, "", 0, 0, -1, (), "x", "TYPE_MATCH", "type(x) is int")
    assert (kind_of(guard), guard.kind) == ("GuardInstalled", "TYPE_MATCH")


def test_outcomes_close_begins_only():
    assert all(issubclass(begin, Begin) for begins in CLOSES.values() for begin in begins)
    assert set(CLOSES) == {kind for kind in ALL if issubclass(kind, Outcome)}
    assert all(issubclass(kind, Event) for kind in ALL)
