"""Recompiles, and functions that were compiled too often: which guards failed, what is behind it where that can be told, and what to do.

In: records. Out: sections. Of older entries that failed as the newest did only the number is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tracer.breaks import Rendered, render
from tracer.explain.blocks import Block, Items, Para, Section, Table, and_more
from tracer.explain.words import ON_STACK, clean, count, readable, where
from tracer.records import Guard, Recompile, Records

__all__ = ["left_at_limits", "recompiles"]


def recompiles(records: Records, most: int) -> Section | None:
    if not records.recompiles:
        return None
    section = Section(f"Recompiles · {len(records.recompiles):,}")
    for one in records.recompiles[:most]:
        section.blocks += [Para(_line(one)), *_failed(one, records)]
    and_more(section, len(records.recompiles) - most, "recompile", "session.recompiles")
    return section


def _line(one: Recompile) -> str:
    at = where(one.location)
    entries = len(set(one.entries))
    fitted = f"none of {entries} compiled entries fitted" if entries > 1 else "the compiled entry did not fit"
    return f"{clean(one.name)}{f' ({at})' if at else ''}, call {one.call}: {fitted}"


def left_at_limits(records: Records, most: int) -> list[Section]:
    """Functions that were compiled as often as the limit allows: what is said once of each."""
    sections = []
    for one in list({limit.name: limit for limit in reversed(records.limits)}.values())[:most]:
        words, why, hints = _cause(one, records)
        section = Section(f"{words.title} · {clean(one.name)}", tone="loud")
        at = where(one.location)
        section.blocks += [Para(f"{at}, call {one.call}" if at else f"call {one.call}", "muted"), Para(clean(words.explanation))]
        section.blocks += _failed(one, records)
        if why:
            section.blocks.append(Para(clean(why)))
        section.blocks += [Para("What to do", "label"), Items(tuple(map(clean, hints)))]
        sections.append(section)
    return sections


# ---- what is behind it

_NUMBER = re.compile(r"(.+) == (-?(?:\d[\d.]*(?:e[+-]?\d+)?|inf))")
_ITERATOR = re.compile(rf"(?:{ON_STACK.pattern}) .*iterator")


def _cause(one: Recompile, records: Records) -> tuple[Rendered, str, tuple[str, ...]]:
    """The words at the limit, what is behind it, and what to do about that. Causes that aren't certain aren't told."""
    entries = len(set(one.entries)) or ""
    words = render("recompile-limit", func=one.name, limit=entries)
    failed = one.failed_guards
    if failed and all(_ITERATOR.match(expression) for expression, _ in failed):
        loop = _loop(one, records)
        return words, loop, (f"Mend the graph break{loop and ' there'}: with none inside, the whole loop is one graph.",)
    number = _NUMBER.fullmatch(failed[0][0]) if failed else None
    others = (_NUMBER.fullmatch(expression) for expression, _ in failed)
    if number is not None and all(other is None or other[1] == number[1] for other in others) and _NUMBER.fullmatch(f"x == {failed[0][1]}"):
        kind = "int" if number[2].lstrip("-").isdigit() else "float"
        told = render("changing-python-number", expr=number[1], type=kind, old_value=number[2], value=failed[0][1], limit=entries)
        return words, told.explanation, tuple(hint for hint in told.hints if kind == "int" or not hint.startswith("Setting"))
    return words, "", tuple(words.hints)


def _loop(one: Recompile, records: Records) -> str:
    """Of a function that goes on behind a graph break, with an iterator one step further at each turn."""
    code = one.entries[0].partition("/")[0] if one.entries else ""
    breaks = [found for found in records.graph_breaks if any(frame.partition("/")[0] == code for frame in found.frames)]
    at = {where(found.location) for found in breaks} - {""}
    there = f" at {at.pop()}" if len(at) == 1 else ""
    return f"The graph break{there} is inside a loop: what is behind it is compiled again for each turn, since the loop's iterator is one step further."


# ---- rows


def _failed(one: Recompile, records: Records) -> list[Block]:
    """Why no compiled entry fitted: a row for each guard of the newest that failed, with the line that relied on it where it is known,
    and for each other guard that failed in an older one."""
    rows, alike = _rows(one, records.guards)
    more = f"and {count(alike, 'guard')} of older entries, alike but for {'its' if alike == 1 else 'their'} values"
    return [Table(rows), Para(more, "muted")] if alike else [Table(rows)]


def _rows(one: Recompile, guards: Iterable[Guard]) -> tuple[tuple[tuple[str, ...], ...], int]:
    several = len(set(one.entries)) > 1
    lines = {guard.expression: where(guard.location) for guard in guards}
    rows: list[tuple[str, ...]] = []
    told: set[str] = set()
    alike = 0
    for n, (expression, value) in enumerate(one.failed_guards):
        newest = n >= len(one.entries) or one.entries[n] == one.entries[0]
        about = _NUMBERS.sub("", expression)
        if not newest and about in told:
            alike += 1
            continue
        told.add(about)
        entry = (f"entry {clean(one.entries[n])}",) if several and n < len(one.entries) else ()
        now = f"now {clean(value)}" if value else "does not hold now"
        at = lines.get(expression) or next(filter(None, (lines.get(fixed) for fixed in _fixed_sizes(expression, value))), "")
        line = (f"relied on at {at}",) if at else ()
        rows.append((clean(readable(expression)), now, *line, *entry))
    return tuple(rows), alike


_NUMBERS = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.]*")
_SIZES = re.compile(r"(?:(.*) is a )?Tensor of .*?, size \[([^]]*)\]")


def _fixed_sizes(expression: str, value: str) -> list[str]:
    """Where the guard on a tensor failed for its sizes: the guards that tell where one of them was fixed, as they are written."""
    expected, seen = _SIZES.match(expression), _SIZES.match(value)
    if expected is None or seen is None:
        return []
    sizes = enumerate(zip(expected[2].split(", "), seen[2].split(", "), strict=False))
    return [f"{expected[1]}.shape[{dim}] == {old}" for dim, (old, new) in sizes if old != new]
