"""The speculations view: each body of a higher-order operator that was tried, what it lifted, and how it ended."""

from __future__ import annotations

from typing import Any

from tracer.events import Committed, RolledBack, SpeculationStarted
from tracer.explain import clean
from widgets.models.book import Book

__all__ = ["speculations"]


def speculations(book: Book) -> dict[str, Any]:
    """{list: [[seq, operator, body, outcome, detail, lifted, line, last, frame]]}: `outcome` is committed, rolled back or open; `detail` the
    graph or the reason; `lifted` the values from outside that became inputs of the body."""
    journal, rows = book.journal, []
    for begun in journal.of(SpeculationStarted):
        ended = journal.outcome(begun.seq)
        place = book.user_place(begun)
        outcome, detail = "open", ""
        lifted: tuple[str, ...] = ()
        if isinstance(ended, Committed):
            outcome, detail, lifted = "committed", ended.graph, ended.lifted
        elif isinstance(ended, RolledBack):
            outcome, detail = "rolled back", ended.reason
        line = f"{place[0]}:{place[1]}" if place else ""
        last = journal.span(begun.seq)[1]
        names = [clean(name) for name in lifted]
        rows.append(
            [
                begun.seq,
                clean(begun.operator),
                clean(begun.body),
                outcome,
                clean(detail),
                names,
                line,
                last,
                begun.frame,
            ]
        )
    return {"list": rows}
