"""What a report is made of: sections of paragraphs, lists, source excerpts and tables. Texts are clean already, and not yet escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tracer.explain.excerpts import Excerpt
from tracer.explain.words import clean, where
from tracer.records import Guard, Recompile

__all__ = ["Block", "Items", "Para", "Section", "Source", "Table", "failed_rows"]


@dataclass(frozen=True, slots=True)
class Para:
    """Words. `tone`: "" | muted | loud | label."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A numbered list; an item may have several lines."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the user's code: where it is, and its lines where they are known."""

    where: str
    excerpt: Excerpt | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of short texts, in columns. A row whose first text is the only one is a heading of those below."""

    rows: tuple[tuple[str, ...], ...]


Block = Para | Items | Source | Table


@dataclass(slots=True)
class Section:
    """One titled part. `tone`: "" | break | loud. `folded`: detail that a page opens on demand."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    tone: str = ""
    folded: bool = False


def failed_rows(one: Recompile, guards: Iterable[Guard] = ()) -> tuple[tuple[str, ...], ...]:
    """Why no compiled entry fitted: a row for each guard that failed, with the line that relied on it where `guards` tell."""
    several = len(set(one.entries)) > 1
    lines = {guard.expression: where(guard.location) for guard in guards}
    rows = []
    for n, (expression, value) in enumerate(one.failed_guards):
        entry = (f"entry {clean(one.entries[n])}",) if several and n < len(one.entries) else ()
        now = f"now {clean(value)}" if value else "does not hold now"
        at = lines.get(expression) or next(filter(None, (lines.get(fixed) for fixed in _fixed_sizes(expression, value))), "")
        line = (f"relied on at {at}",) if at else ()
        rows.append((clean(expression), now, *line, *entry))
    return tuple(rows)


_SIZES = re.compile(r"(?:(.*) is a )?Tensor of .*?, size \[([^]]*)\]")


def _fixed_sizes(expression: str, value: str) -> list[str]:
    """Where the guard on a tensor failed for its sizes: the guards that tell where one of them was fixed, as they are written."""
    expected, seen = _SIZES.match(expression), _SIZES.match(value)
    if expected is None or seen is None:
        return []
    sizes = enumerate(zip(expected[2].split(", "), seen[2].split(", "), strict=False))
    return [f"{expected[1]}.shape[{dim}] == {old}" for dim, (old, new) in sizes if old != new]
