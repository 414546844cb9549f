"""Every event as one line of words: for the inspector, and to be looked through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracer.events import (
    HEADER,
    AttemptEnded,
    BuildStarted,
    CacheHit,
    Event,
    GraphBreak,
    GraphCompiled,
    GuardFailed,
    GuardInstalled,
    GuardRelaxed,
    GuardSettled,
    InlineStarted,
    InputLifted,
    Instruction,
    NodeCreated,
    Outcome,
    ShapeDecision,
    SideEffect,
    SpeculationStarted,
    Summary,
    VariableBuilt,
    kind_of,
)
from tracer.explain import clean
from widgets.models.book import Book

__all__ = ["events", "facts", "words"]

#: The page holds the lines of so many events itself; of more it asks the kernel, one at a time.
MOST = 20_000
#: Longer texts are cut in lines; an event's facts have them whole.
LONGEST = 120

WORDS: dict[type[Event], Callable[[Any], str]] = {
    Instruction: lambda e: f"{e.op} {e.arg}".strip(),
    BuildStarted: lambda e: f"{e.source}: {e.python_type}",
    VariableBuilt: lambda e: f"by rule {e.rule}",
    GuardInstalled: lambda e: e.expression,
    GuardRelaxed: lambda e: f"only {e.expression}: it was passed on, and nothing read it",
    GuardSettled: lambda e: f"{e.expression}, as the trace ends",
    GuardFailed: lambda e: f"{e.expression}, now {e.value}",
    NodeCreated: lambda e: f"{e.name} = {e.target}({e.args})",
    InputLifted: lambda e: f"{e.source} is an input",
    InlineStarted: lambda e: e.function,
    SpeculationStarted: lambda e: f"{e.operator}: {e.body}",
    GraphBreak: lambda e: e.title,
    GraphCompiled: lambda e: f"{e.graph} by {e.backend}" + (f": {e.error}" if e.error else ""),
    AttemptEnded: lambda e: " ".join(filter(None, (e.outcome, e.reason))),
    ShapeDecision: lambda e: f"{e.symbol} for {e.source}: {e.why}",
    SideEffect: lambda e: f"{e.kind} {e.target} {e.text}".strip(),
    CacheHit: lambda e: e.name,
    Summary: lambda e: f"#{e.variable} {e.text}",
}


def events(book: Book) -> dict[str, Any]:
    """{kinds: [name], rows: [[kind, parent, line, words]] or None}: `line` is "file:12" by its number in `places`."""
    kinds: dict[str, int] = {}
    places: dict[str, int] = {"": 0}
    if len(book.events) > MOST:
        return {"kinds": [], "places": [], "rows": None}
    rows = []
    for event in book.events:
        kind = kinds.setdefault(kind_of(event), len(kinds))
        place = places.setdefault(book.place(event), len(places))
        rows.append([kind, event.parent, place, words(event)])
    return {"kinds": list(kinds), "places": list(places), "rows": rows}


def words(event: Event) -> str:
    """What happened, in one line without the kind."""
    say = WORDS.get(type(event))
    if say is None:
        values = [str(value) for name, value in _payload(event) if value not in ("", (), None) and name != "opens"]
        text = " ".join(values[:2])
    else:
        text = say(event)
    text = clean(text.replace("\n", " "))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def facts(book: Book, seq: int) -> dict[str, Any]:
    """All that is known of one event: {kind, line, parent, payload: [[name, text]]}."""
    event = book.events[seq]
    payload = [[name, clean(str(value))] for name, value in _payload(event) if value not in ("", (), None)]
    return {
        "kind": kind_of(event),
        "line": book.place(event),
        "parent": event.parent,
        "words": words(event),
        "payload": payload,
    }


def _payload(event: Event) -> list[tuple[str, Any]]:
    names = event.__struct_fields__[len(HEADER) :]
    found = [(name, getattr(event, name)) for name in names]
    return [pair for pair in found if pair[0] != "opens"] if isinstance(event, Outcome) else found
