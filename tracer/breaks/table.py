"""The one table of entries, collected from the groups beside it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import TracerError
from . import (
    autograd,
    calls,
    classes,
    control_flow,
    effects,
    frames,
    generators,
    higher_order,
    outside,
    shapes,
    tensors,
    values,
)
from .model import Entry
from .template import fill, shown, used

__all__ = ["CATALOGUE", "GROUPS", "Claim", "claims_of", "Rendered", "UnknownBreak", "entry", "render"]

#: In the order in which docs and the filter of the notebook list them.
GROUPS = (
    control_flow, values, shapes, calls, effects, outside, generators, classes, tensors, autograd, higher_order, frames,
)  # fmt: skip


class UnknownBreak(TracerError, LookupError):
    """An id that the catalogue doesn't have."""


class Rendered(NamedTuple):
    """An entry with the values of one run in it."""

    id: str
    title: str
    explanation: str
    why_it_matters: str
    hints: tuple[str, ...]


def _collect() -> Mapping[str, Entry]:
    table: dict[str, Entry] = {}
    for group in GROUPS:
        for found in group.ENTRIES:
            if found.id in table:
                raise AssertionError(f"two entries for {found.id}, one of them in {group.__name__}")
            table[found.id] = found
    return MappingProxyType(table)


#: id → entry
CATALOGUE: Mapping[str, Entry] = _collect()


def entry(id: str) -> Entry:
    """The entry with that id; an unknown one is a TracerError that names the nearest."""
    found = CATALOGUE.get(id)
    if found is None:
        near = difflib.get_close_matches(id, CATALOGUE, 3, 0.5)
        guess = f"did you mean {' or '.join(near)}?" if near else "tracer.breaks.CATALOGUE lists all ids"
        raise UnknownBreak(f"the catalogue has no break {id!r}.\n  next: {guess}")
    return found


#: Made from the others, in this order. `inside`: the function of a library that the line comes to, where the operation stands.
_PLACES = (
    ("here", "[[Line {line}[[, by way of `{inside}`,]]|This line]]"),
    ("at", "[[in `{inside}`, which line {line} comes to,|at line {line}|here]]"),
    ("subject", "[[`{expr}` {at}|{here}]]"),
)


def render(id: str, /, **context: Any) -> Rendered:
    """The entry's texts for one run. Context that is missing, None or meaningless takes its clause with it. `met`: the id of what was met in a body
    that ends the graph for it; its title is told, and its hints before the entry's own, since they fit the line (settings don't: they are of whole graphs)."""
    found = entry(id)
    known = _known(context)
    met = CATALOGUE.get(context.get("met", ""))
    hints = (*((*(fix.hint for fix in met.fixes), *met.also) if met is not None else ()), *found.hints)
    return Rendered(
        found.id,
        fill(found.title, known),
        fill(found.explanation, known),
        _capital(fill(found.why_it_matters, known)),
        tuple(text for hint in hints if (text := fill(hint, known))),
    )


class Claim(NamedTuple):
    """One thing that an explanation says of the run. `kind`: what it is about, a placeholder or "stands" (what the entry says of the line)."""

    kind: str
    value: str


def claims_of(id: str, context: Mapping[str, Any]) -> tuple[Claim, ...]:
    """What the texts for one run claim, as data: the values that they hold, and what has to stand at the line."""
    found, known = entry(id), _known(context)
    names: set[str] = set()
    for template in (found.title, found.explanation, *found.hints):
        names |= used(template, known)
    for name, template in reversed(_PLACES):
        if name in names:
            names |= used(template, known)
    made = {name for name, _ in _PLACES}
    stands = () if found.stands is None else (Claim("stands", found.stands),)
    return (*stands, *(Claim(name, known[name]) for name in sorted(names - made)))


def _known(context: Mapping[str, Any]) -> dict[str, str]:
    known = {name: text for name, value in context.items() if (text := shown(name, value)) is not None}
    for name, template in _PLACES:
        known[name] = fill(template, known)
    met = CATALOGUE.get(known.pop("met", ""))
    if met is not None:
        known["met"] = fill(met.title, known)
    return known


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
