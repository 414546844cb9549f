"""The headline: what happened, in one sentence, and the numbers beside it."""

from __future__ import annotations

import re
from typing import Any

from tracer.explain import followed_line, headline, why_nothing
from tracer.records import Records
from widgets.models.book import Book

__all__ = ["head"]


def head(book: Book) -> dict[str, Any]:
    """{title, sign, state, events, at, stats: [[value, word, tab, words, alarm]], seconds, actions: [{name, label, sign, live}], note}.

    `state`: tracing, paused, done, recording. `sign` names what stands before the title: it is "fine" only where something was captured.
    """
    records, stats = book.records, book.records.stats
    state = _state(book)
    return {
        "title": _title(records) if state != "tracing" else "Tracing",
        "sign": state if state in ("tracing", "paused") else _sign(records, state),
        "state": state,
        "events": len(book.events),
        **({"at": book.at} if book.at is not None else {}),
        "stats": [
            [int(stats["recompiles"]), "recompile", "recompiles", "recompiles", int(bool(stats["recompiles"]))],
            [int(stats["guards"]), "guard", "guards", "guards"],
            [int(stats["ops"]), "op", "graph", "ops"],
        ],
        "seconds": stats["seconds"],
        "actions": [
            {"name": "recompile", "label": "Recompile", "sign": "re", "live": True},
            {"name": "compare", "label": "Compare", "sign": "cmp", "live": False},
            {"name": "export", "label": "Export", "sign": "exp", "live": True},
        ],
        "note": _note(book),
    }


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
    return " ".join([*said, *(followed_line(one).replace("`", "") for one in book.records.followed[:3])])
