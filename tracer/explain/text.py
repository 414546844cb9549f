"""The report as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from tracer.explain.blocks import Block, Items, Para, Section, Source, Table
from tracer.explain.excerpts import Excerpt
from tracer.explain.sections import report
from tracer.explain.words import headline, width
from tracer.records import Records

__all__ = ["explain", "text_of"]

_WIDEST = 44  # a table's column is not padded beyond this


def explain(records: Records, *, columns: int = 100, most: int = 30) -> str:
    """What happened, in words: a headline, then what deserves attention. Of long lists the first `most` entries."""
    return text_of(headline(records), report(records, most=most), columns=columns)


def text_of(head: str, sections: Iterable[Section], *, columns: int = 100) -> str:
    """A headline and sections of a report, as text."""
    return "\n\n".join([head, *("\n".join(_section(section, columns)) for section in sections)])


def _section(section: Section, columns: int) -> list[str]:
    lines = [section.title]
    for n, block in enumerate(section.blocks):
        indent = "    " if isinstance(block, Table) and n else "  "
        lines += [f"{indent}{line}".rstrip() for line in _block(block, columns - 2)]
    return lines


def _block(block: Block, columns: int) -> list[str]:
    if isinstance(block, Para):
        return _wrapped(block.text, columns)
    if isinstance(block, Items):
        return [line for n, item in enumerate(block.items, 1) for line in _item(f"{n}. ", item, columns)]
    if isinstance(block, Source):
        return [block.where, *(_excerpt(block.excerpt) if block.excerpt is not None else ["  (source not available)"])]
    return _table(block)


def _wrapped(text: str, columns: int) -> list[str]:
    return [line for part in text.split("\n") for line in textwrap.wrap(part, columns, break_long_words=False) or [""]]


def _item(mark: str, item: str, columns: int) -> list[str]:
    """Several lines are code or written out on purpose, and stay as they are; one is wrapped."""
    lines = item.split("\n") if "\n" in item else _wrapped(item, columns - len(mark) - 2)
    rest = " " * len(mark)
    return [f"  {mark if n == 0 else rest}{line}" for n, line in enumerate(lines)]


def _excerpt(shown: Excerpt) -> list[str]:
    digits = len(str(shown.lines[-1].number))
    lines = []
    for number, before, marked, after in shown.lines:
        lines.append(f"  {number:>{digits}} │ {before}{marked}{after}")
        if marked:
            lines.append(f"  {'':>{digits}} │ {' ' * width(before)}{'^' * width(marked)}")
    if shown.more:
        lines.append(f"  {'':>{digits}} │ … {shown.more} more")
    return lines


def _table(table: Table) -> list[str]:
    bodies = [row for row in table.rows if len(row) > 1]
    count = max((len(row) for row in bodies), default=0)
    widths = [max((min(width(row[n]), _WIDEST) for row in bodies if n < len(row)), default=0) for n in range(count)]
    lines = []
    indent = "" if len(bodies) == len(table.rows) else "  "
    for row in table.rows:
        if len(row) == 1:
            lines.append(row[0])
            continue
        cells = [cell + " " * (widths[n] - width(cell)) if n < len(row) - 1 else cell for n, cell in enumerate(row)]
        lines.append(indent + "  ".join(cells).rstrip())
    return [part for line in lines for part in line.split("\n")]
