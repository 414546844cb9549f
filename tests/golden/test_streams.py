"""The events of small programs are the ones on file: a changed decision shows as a changed line."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import pytest
import torch

from tests.golden import programs
from tests.golden.files import held
from tests.golden.normal import Normal
from tracer.events import Begin, CallStarted, Instruction, Outcome, SessionStarted

STREAMS = Path(__file__).parent / "streams"
PROGRAMS_FILE = Path(programs.__file__)


def stream(name: str, detail: bool) -> list[str]:
    """One program through a fresh session, every call of it, as normal text."""
    import tracer

    fn, calls = programs.PROGRAMS[name]
    with tracer.Session(backend="eager", record="all") as session:
        for arguments in calls:
            torch.manual_seed(0)
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                session.run(fn, *arguments())
        events = list(session.events)
    return Normal(PROGRAMS_FILE, detail).lines(events)


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_stream(name: str, update_golden: bool) -> None:
    detail = name in programs.DETAILED
    if detail and sys.version_info[:2] != (3, 11):
        pytest.skip("instructions are kept for CPython 3.11")
    held(STREAMS / f"{name}.txt", stream(name, detail), update_golden)


@pytest.mark.parametrize("name", ["add_one", "shape_becomes_dynamic", "breaks_in_a_loop"])
def test_streams_repeat(name: str) -> None:
    """Two runs in one process give the same text: nothing of the first leaks into the second."""
    assert stream(name, detail=True) == stream(name, detail=True)


def test_what_traces_share_is_numbered_by_each_recording() -> None:
    """None is one variable for all traces; another session's number for it means nothing here."""
    alone = stream("prints_in_the_middle", detail=True)
    stream("breaks_under_no_grad", detail=True)
    assert stream("prints_in_the_middle", detail=True) == alone


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_spans_close(name: str) -> None:
    """Each span ends, by its own outcome or with the one around it; only the session's is still open."""
    import tracer

    fn, calls = programs.PROGRAMS[name]
    with tracer.Session(backend="eager", record="all") as session:
        for arguments in calls:
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                session.run(fn, *arguments())
        events = list(session.events)
    ended = {event.opens: event.seq for event in events if isinstance(event, Outcome)}
    for event in events:
        if isinstance(event, Begin) and not isinstance(event, Instruction | SessionStarted):
            around = event.seq
            while around not in ended and not isinstance(events[around], CallStarted):
                around = events[around].parent
            assert around in ended, f"{event} is still open"
            assert all(e.seq <= ended[around] for e in events if e.parent == event.seq), f"{event} holds a later event"


def test_every_stream_has_its_program() -> None:
    assert {p.stem for p in STREAMS.glob("*.txt")} <= set(programs.PROGRAMS)
