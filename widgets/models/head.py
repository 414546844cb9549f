"""The headline: what happened, in one sentence, and the numbers beside it."""

from __future__ import annotations

import re
from typing import Any

from tracer.breaks import CATALOGUE, render
from tracer.events import AttemptStarted, FrameStarted, GraphBreak
from tracer.explain import clean, followed_line, headline, why_nothing
from tracer.explain.words import CELLS, file_name, in_kernel, ops_by_now
from tracer.records import Records
from widgets.models.book import Book

__all__ = ["head"]


def head(book: Book) -> dict[str, Any]:
    """{title, sign, state, events, at, cells, points, stats: [[value, word, tab, words, alarm]], seconds, actions: [{name, label, sign, live}], note}.

    `state`: tracing, paused, done, recording. `sign` names what stands before the title: it is "fine" only where something was captured.
    """
    records, stats = book.records, book.records.stats
    state = _state(book)
    return {
        "title": _waits(book, book.at) if book.at is not None else "Tracing" if state == "tracing" else _title(records),
        "sign": state if state in ("tracing", "paused") else _sign(records, state),
        "state": state,
        "events": len(book.events),
        **({"at": book.at} if book.at is not None else {}),
        **_cells(),
        **({"points": book.points} if book.points is not None else {}),
        "stats": [
            [int(stats["recompiles"]), "recompile", "recompiles", "recompiles", int(bool(stats["recompiles"]))],
            [int(stats["guards"]), "guard", "guards", "guards"],
            [int(stats["ops"]) + ops_by_now(records), "op", "graph", "ops"],
        ],
        "seconds": stats["seconds"],
        "actions": [
            {"name": "recompile", "label": "Recompile", "sign": "re", "live": True},
            {"name": "compare", "label": "Compare", "sign": "cmp", "live": False},
            {"name": "export", "label": "Export", "sign": "exp", "live": True},
        ],
        "note": _note(book),
    }


def _cells() -> dict[str, Any]:
    """How the page calls lines of cells: those that a notebook's kernel ran."""
    found = {file: number for file, number in CELLS.items() if in_kernel(file)}
    return {"cells": found} if found else {}


def _sign(records: Records, state: str) -> str:
    """What is worst of what happened."""
    if records.faults:
        return "fault"
    if any(call.outcome not in ("returned", "open") and call.by != "exit" for call in records.calls):
        return "error"
    if records.graph_breaks or records.limits:
        return "broken"
    if not records.graphs:
        return "empty"
    if records.recompiles and state != "recording":
        return "again"
    return "recording" if state == "recording" else "fine"


def _title(records: Records) -> str:
    """The headline without the numbers that stand beside it."""
    beside = re.compile(r"[\d,]+ (guard|recompile|op)s?|[\d.,]+ (s|ms|µs)")
    return " · ".join(part for part in headline(records).split(" · ") if not beside.fullmatch(part))


def _waits(book: Book, at: int) -> str:
    """Where a call waits, as its program's lines are counted."""
    event = book.events[at]
    place = event.user_stack[-1][:2] if isinstance(event, GraphBreak) and event.user_stack else book.user_place(event)
    if place is None:
        return "Paused before the first line"
    name = file_name(str(place[0]))
    where = f"Paused at line {place[1]} of {'a notebook cell' if name == 'notebook cell' else name}"
    return f"{where}, where the graph ends" if isinstance(event, GraphBreak) else where


def _began_anew(book: Book) -> str:
    """Which decision made the frame that is being traced begin again, and where it was taken."""
    if book.at is None:
        return ""
    journal, event = book.journal, book.events[book.at]
    attempt = event if isinstance(event, AttemptStarted) else journal.enclosing(book.at, AttemptStarted)
    if attempt is None or not attempt.attempt:
        return ""
    frame = journal.enclosing(attempt.seq, FrameStarted)
    last = next((e for e in reversed(journal.in_attempt(attempt.frame, attempt.attempt - 1)) if e.location), None)
    place = book.user_place(last) if last is not None else None
    at = f" at line {place[1]}" if place is not None else ""
    if attempt.because in CATALOGUE:
        why = f"the graph has to end{at} ({render(attempt.because).title})"
    else:
        why = f"{attempt.because or 'no reason was recorded'}{at}"
    name = f"{frame.name} " if frame is not None else ""
    return clean(f"{name}is traced from its beginning again (attempt {attempt.attempt + 1}), since one thing is known now: {why}.")


def _state(book: Book) -> str:
    if book.at is not None:
        return "paused"
    if book.tracing:
        return "tracing"
    return "recording" if getattr(book.subject, "path", None) is not None else "done"


def _note(book: Book) -> str:
    said = [f"This recording was cut short: it ends after {len(book.events):,} events."] if book.journal.truncated else []
    if _state(book) in ("done", "recording") and (why := why_nothing(book.records)):
        said.append(f"Nothing was captured. {why}")
    return " ".join([*filter(None, [_began_anew(book)]), *said, *(followed_line(one).replace("`", "") for one in book.records.followed[:3])])
