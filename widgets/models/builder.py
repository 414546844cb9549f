"""The builder view: each value that entered the trace, the rule that took it, the rules that declined and why."""

from __future__ import annotations

from typing import Any

from tracer.events import BuildStarted, GuardInstalled, VariableBuilt
from tracer.explain import clean
from widgets.models.book import Book

__all__ = ["builder"]


def builder(book: Book) -> dict[str, Any]:
    """{list: [[seq, source, type, rule, rejected, guards, line, variable]]}: `rejected` is [[rule, why]], `guards` counts those that
    were installed while the value was built."""
    journal, rows = book.journal, []
    inside: dict[int, int] = {}
    for guard in journal.of(GuardInstalled):
        inside[guard.parent] = inside.get(guard.parent, 0) + 1
    for begun in journal.of(BuildStarted):
        built = journal.outcome(begun.seq)
        if journal.abandoned(begun.seq) or not isinstance(built, VariableBuilt):
            continue
        place = book.user_place(begun)
        rejected = [[clean(rule), clean(why)] for rule, why in built.rejected]
        line = f"{place[0]}:{place[1]}" if place else ""
        rows.append(
            [
                begun.seq,
                clean(begun.source),
                clean(begun.python_type),
                built.rule,
                rejected,
                inside.get(begun.seq, 0),
                line,
                built.variable,
            ]
        )
    return {"list": rows}
