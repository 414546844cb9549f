"""The user's source line with the exact expression marked.

What comes in: a place with columns in UTF-8 bytes, and a way to get source lines. What goes out: lines of three parts
(before, marked, after) with tabs expanded, control characters spelt out and the common indentation taken away.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import NamedTuple

from tracer.explain.words import visible, width
from tracer.records import Place, Records

__all__ = ["Excerpt", "Line", "excerpt", "source_of"]

#: (file, line number) → the line, or None where it is not known.
Lookup = Callable[[str, int], str | None]

_TAB = 4
_MOST_LINES = 6
_MOST_BEFORE, _MOST_MARKED, _MOST_AFTER = 100, 160, 60


class Line(NamedTuple):
    """One source line; `marked` is the part that the place means, maybe ""."""

    number: int
    before: str
    marked: str
    after: str


class Excerpt(NamedTuple):
    """Source lines of one place; `more` lines of it were left out."""

    lines: tuple[Line, ...]
    more: int = 0


def source_of(records: Records) -> Lookup:
    """Lines that came with the recording; else Python files and cells that linecache knows."""
    kept = records.sources or {}

    def lookup(file: str, number: int) -> str | None:
        if file in kept:
            return kept[file].get(number)
        if file in linecache.cache or file.endswith(".py"):
            return linecache.getline(file, number) or None
        return None

    return lookup


def excerpt(place: Place | None, lookup: Lookup) -> Excerpt | None:
    """The lines of a place, or None where the source is not known."""
    if place is None or place.line <= 0:
        return None
    last = place.end_line if place.line <= place.end_line else place.line
    shown = range(place.line, min(last, place.line + _MOST_LINES - 1) + 1)
    lines = []
    for number in shown:
        text = lookup(place.file, number)
        if text is None:
            break
        lines.append(Line(number, *_expanded(*_parts(text.rstrip("\r\n\f"), place, number, last))))
    if not lines:
        return None
    return Excerpt(tuple(map(_clipped, _dedented(lines))), last - lines[-1].number)


def _parts(text: str, place: Place, number: int, last: int) -> tuple[str, str, str]:
    """The line cut at the place's columns: byte offsets, so cut as bytes."""
    if place.column < 0 or place.end_column < 0:
        return text, "", ""
    data = text.encode("utf-8", "surrogatepass")
    indent = len(data) - len(data.lstrip())
    start = place.column if number == place.line else indent
    end = place.end_column if number == last else len(data.rstrip())
    start, end = min(start, len(data)), min(max(start, end), len(data))
    return tuple(part.decode("utf-8", "replace") for part in (data[:start], data[start:end], data[end:]))  # type: ignore[return-value]


def _expanded(*parts: str) -> tuple[str, ...]:
    column = 0
    out = []
    for part in parts:
        text = ""
        for char in part:
            shown = " " * (_TAB - column % _TAB) if char == "\t" else visible(char)
            text += shown
            column += width(shown)
        out.append(text)
    return tuple(out)


def _dedented(lines: list[Line]) -> list[Line]:
    indents = [len(whole) - len(whole.lstrip(" ")) for whole in ("".join(line[1:]) for line in lines) if whole.strip()]
    common = min(indents, default=0)
    return [_without(line, common) for line in lines]


def _without(line: Line, common: int) -> Line:
    if len(line.before) >= common:
        return line._replace(before=line.before[common:])
    return line  # a blank line, or a mark that starts within the indentation


def _clipped(line: Line) -> Line:
    number, before, marked, after = line
    if len(before) > _MOST_BEFORE and marked:
        before = "…" + before[-_MOST_BEFORE:]
    elif len(before) > 2 * _MOST_MARKED:
        before = before[: 2 * _MOST_MARKED] + "…"
    if len(marked) > _MOST_MARKED:
        marked, after = marked[:_MOST_MARKED] + "…", ""
    if len(after) > _MOST_AFTER:
        after = after[:_MOST_AFTER] + "…"
    return Line(number, before, marked, after)
