"""The timeline: spans from begin to end, and ticks for what happens at one moment, along the numbers of the events."""

from __future__ import annotations

from typing import Any

from tracer.events import (
    AttemptStarted,
    BuildStarted,
    CallStarted,
    Event,
    FrameStarted,
    GeneratorResumed,
    GraphCompileStarted,
    GuardInstalled,
    InlineStarted,
    Instruction,
    NodeCreated,
    Outcome,
    SpeculationStarted,
    Summary,
)
from tracer.explain import clean
from tracer.explain.words import readable
from widgets.models.book import Book

__all__ = ["LEVELS", "timeline"]

#: Rows for followed calls; deeper ones lie inside the last.
LEVELS = 3
#: Up to so many events the page knows each that can be stepped to; beyond, it moves by numbers.
STEPS = 30_000
#: Points of the clock that the page reads times from.
CLOCK = 400
#: Followed calls shorter than this part of all events are left out of large recordings: nobody could see them.
SHORTEST = 1 / 4000

FOLLOWED: tuple[type[Event], ...] = (InlineStarted, GeneratorResumed)
ROWS: dict[type[Event], str] = {
    CallStarted: "call",
    FrameStarted: "frame",
    AttemptStarted: "attempt",
    SpeculationStarted: "tried",
    GraphCompileStarted: "compile",
}


def timeline(book: Book) -> dict[str, Any]:
    """{spans: [[row, first, last, label, short, given up]], ticks: {values, guards, nodes: [seq], breaks: [[seq, label, line]],
    recompiles: [[seq, label]]},
    stops: [[seq, kind]], clock: [[seq, µs in calls]], kept: [seq] or None}. `row`: call, frame, attempt, compile, tried, or 0, 1, 2
    for followed calls by depth."""
    events, journal = book.events, book.journal
    spans: list[list[Any]] = []
    least = len(events) * SHORTEST
    for kind, row in ROWS.items():
        begun: list[Event] = journal.of(kind)
        for event in begun:
            first, last = journal.span(event.seq)
            spans.append([row, first, last, *_labels(event), int(_given_up(book, event))])
    for kind in FOLLOWED:
        for event in journal.of(kind):
            if event.depth > LEVELS or journal.abandoned(event.seq):
                continue
            first, last = journal.span(event.seq)
            if last - first >= least:
                spans.append([max(0, event.depth - 1), first, last, *_labels(event), 0])
    ticks = {
        name: [e.seq for e in journal.of(kind) if not journal.abandoned(e.seq)]  # type: ignore[type-var]
        for name, kind in (("values", BuildStarted), ("guards", GuardInstalled), ("nodes", NodeCreated))
    }
    stops = [
        *((e.seq, "speculation") for e in journal.of(SpeculationStarted)),
        *((e.seq, "frame") for e in journal.of(FrameStarted)),
    ]
    breaks = [[e.seq, f"line {e.user_stack[-1][1]}" if e.user_stack else e.title, book.stop(e)] for e in book.breaks]
    again = [[one.seq, clean(readable(one.changes[0].text)) if one.changes else clean(one.name)] for one in book.records.recompiles]
    return {
        "spans": spans,
        "ticks": {**ticks, "breaks": breaks, "recompiles": again},
        "stops": sorted([*([seq, "break"] for seq, _, _ in breaks), *(list(stop) for stop in stops)]),
        "clock": _clock(book),
        "kept": _kept(book) if len(events) <= STEPS else None,
        "instructions": len(journal.of(Instruction)),
    }


def _kept(book: Book) -> list[int]:
    """Events that one steps to: begins and points of what was not given up."""
    return [e.seq for e in book.journal.kept() if not isinstance(e, Outcome) and type(e) is not Summary]


def _labels(event: Event) -> tuple[str, str]:
    """The full label and a short one, for spans too narrow for it."""
    if isinstance(event, CallStarted):
        return clean(f"{event.function} call {event.call}"), f"call {event.call}"
    if isinstance(event, FrameStarted):
        resumed = f"goes on from {event.resumes}" if event.resumes else event.why
        return clean(" · ".join(filter(None, (f"{event.name} {event.frame}", resumed)))), event.frame
    if isinstance(event, AttemptStarted):
        return f"attempt {event.attempt + 1}" + (f": {event.because}" if event.because else ""), f"{event.attempt + 1}"
    if isinstance(event, SpeculationStarted):
        return clean(f"{event.operator}: {event.body}"), clean(event.body)
    if isinstance(event, GraphCompileStarted):
        return clean(f"{event.backend} compiles {event.graph}"), clean(event.backend)
    name = event.function if isinstance(event, InlineStarted | GeneratorResumed) else ""
    return clean(name), clean(name.rsplit(".", 1)[-1])


def _given_up(book: Book, event: Event) -> bool:
    if book.journal.abandoned(event.seq):
        return True
    outcome = book.journal.outcome(event.seq)
    return getattr(outcome, "outcome", "") == "restarted" or type(outcome).__name__ == "RolledBack"


def _clock(book: Book) -> list[list[int]]:
    """[event, µs spent in calls until then]: it stands still before the first call, between calls and after the last. Of a call that
    is still open the newest event is the end."""
    events = book.events
    calls = [book.journal.span(event.seq) for event in book.journal.of(CallStarted)]
    if not calls:
        return []
    points, spent = [], 0
    step = max(1, len(events) // CLOCK)
    for first, last in calls:
        began = events[first].t
        points += [[seq, (spent + events[seq].t - began) // 1000] for seq in (*range(first, last, step), last)]
        spent += events[last].t - began
    return points
