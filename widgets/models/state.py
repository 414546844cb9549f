"""The state view: the symbolic stack and locals of every function at one moment, and the operations around the one that runs."""

from __future__ import annotations

from typing import Any

from tracer.events import Instruction
from tracer.explain import clean
from tracer.libraries import is_library
from widgets.models.book import Book

__all__ = ["state", "state_at"]

#: Operations shown before and after the one that runs.
AROUND = 14
#: Moments that a page without a kernel holds; of a larger recording so many in the program's own functions.
HELD, THINNED = 1500, 400


def state(book: Book) -> dict[str, Any]:
    """{held: {seq: what `state_at` gives} or None, all}: for a page without a kernel, the state at each operation of a small recording,
    and of a larger one (`all` is false) at operations of the files that calls began in, evenly thinned."""
    if book.live:
        return {"held": None, "all": False}
    found = [e for e in book.journal.of(Instruction) if not book.journal.abandoned(e.seq)]
    everything = len(found) <= HELD
    if not everything:
        homes = {frame.file for frame in book.records.frames if not is_library(frame.file)}
        found = [e for e in found if e.location and str(e.location[0]) in homes] or found
        found = (
            [found[round(at * (len(found) - 1) / (THINNED - 1))] for at in range(THINNED)]
            if len(found) > THINNED
            else found
        )
    return {"held": {e.seq: state_at(book, e.seq) for e in found}, "all": everything}


def state_at(book: Book, seq: int) -> dict[str, Any]:
    """{frames: [[function, line, stack, locals]], ops: [[seq, op, arg, line, now]]}, the innermost frame last. `stack`: texts, bottom to
    top; `locals`: [[name, text]]."""
    at = book.journal.state_at(seq)
    frames = []
    for depth, frame in enumerate(at.frames):
        stack = [_text(text) for _, text in at.stack_rows(depth)]
        held = [[clean(name), _text(text)] for name, _, text in at.local_rows(depth)]
        place = frame.location if getattr(frame, "location", None) else (frame.file, frame.line)
        frames.append([clean(frame.function), f"{place[0]}:{place[1]}", stack, held])
    return {"frames": frames, "ops": _operations(book, seq)}


def _text(text: str) -> str:
    return clean(text if len(text) <= 160 else text[:159] + "…")


def _operations(book: Book, seq: int) -> list[list[Any]]:
    """The operations of the function that runs at `seq`, around the last one before it."""
    events = book.events
    event = events[seq]
    while not isinstance(event, Instruction) and event.parent >= 0:
        event = events[event.parent]
    if not isinstance(event, Instruction):
        return []
    beside = [e for e in book.journal.children(event.parent) if isinstance(e, Instruction)]
    index = next(i for i, e in enumerate(beside) if e.seq == event.seq)
    shown = beside[max(0, index - AROUND) : index + AROUND + 1]
    return [
        [e.seq, e.op, clean(e.arg), int(e.location[1] or 0) if e.location else 0, int(e.seq == event.seq)]
        for e in shown
    ]
