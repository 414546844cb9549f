"""The headline: what happened, in one sentence, and the numbers beside it."""

from __future__ import annotations

import re
from typing import Any

from tracer.explain import headline
from tracer.records import Records
from widgets.models.book import Book

__all__ = ["head"]


def head(book: Book) -> dict[str, Any]:
    """{title, sign, state, events, at, stats: [[value, word, tab, words]], seconds, actions: [{name, label, sign, live}], note}.

    `state`: tracing, paused, done, recording. `sign` names what stands before the title.
    """
    records, stats = book.records, book.records.stats
    state = _state(book)
    failed = any(call.outcome in ("raised", "refused") for call in records.calls)
    sign = (
        state
        if state in ("tracing", "paused")
        else "fault" if records.faults else "error" if failed else "broken" if records.graph_breaks else "recording" if state == "recording" else "fine"
    )  # fmt: skip
    return {
        "title": _title(records) if state != "tracing" else "Tracing",
        "sign": sign,
        "state": state,
        "events": len(book.events),
        **({"at": book.at} if book.at is not None else {}),
        "stats": [
            [int(stats["guards"]), "guard", "guards", "guards"],
            [int(stats["recompiles"]), "recompile", "guards", "recompiles"],
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
    if book.journal.truncated:
        return f"This recording was cut short: it ends after {len(book.events):,} events."
    return ""
