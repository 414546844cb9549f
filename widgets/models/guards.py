"""The guards view: what each graph relies on, by where it was read."""

from __future__ import annotations

from typing import Any

from tracer.events import GuardInstalled, GuardRelaxed, GuardSettled
from tracer.explain import clean
from widgets.models.book import Book

__all__ = ["guards"]

#: What a kind of guard asks, in words, by the first part of its name.
MEANINGS = {
    "TYPE_MATCH": "the object has this type", "ID_MATCH": "it is this very object", "SAME_OBJECT": "both names mean one object",
    "TENSOR_MATCH": "a tensor of this type, size, layout and device", "EQUALS_MATCH": "it equals this value", "CONSTANT_MATCH": "it is this value",
    "CODE_MATCH": "the function has this code", "DICT_ABSENT": "the dict has no such key", "DICT_KEYS": "the dict has these keys",
    "LENGTH": "it has this length", "WITHIN": "its numbers keep to these bounds",
    "SHAPES": "sizes keep this relation", "GRAD_MODE": "grad mode is as it was", "CLASS_ATTRIBUTE": "the class has this attribute, unchanged",
    "SET_MATCH": "the set has these members", "SET_ORDER": "the set is iterated in this order",
}  # fmt: skip


def guards(book: Book) -> dict[str, Any]:
    """{list: [[seq, source, kind, expression, frame, line, parent]], meanings, names, checks}.

    `names`: frame → the function's name;
    `checks`: frame → seconds that one check of all its guards takes.
    """
    journal = book.journal
    rows: list[list[Any]] = []
    changed: dict[int, GuardSettled | GuardRelaxed] = {event.of: event for event in journal.of(GuardSettled)}
    changed |= {event.of: event for event in journal.of(GuardRelaxed)}
    for event in journal.of(GuardInstalled):
        if journal.abandoned(event.seq):
            continue
        place = book.user_place(event)
        line = f"{place[0]}:{place[1]}" if place else ""
        kept = changed.get(event.seq, event)
        rows.append([event.seq, clean(event.source), kept.kind, clean(kept.expression), event.frame, line, event.parent])
    return {
        "list": rows,
        "meanings": {kind: MEANINGS[kind] for kind in sorted({row[2] for row in rows} & set(MEANINGS))},
        "checks": {frame.id: frame.check_seconds for frame in book.records.frames if frame.check_seconds},
        "names": {frame.id: clean(frame.name) for frame in book.records.frames if frame.id},
    }
