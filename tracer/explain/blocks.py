"""What a report is made of: sections of paragraphs, lists, source excerpts and tables. Texts are clean already, and not yet escaped."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracer.explain.excerpts import Excerpt
from tracer.explain.words import count

__all__ = ["Block", "Items", "Para", "Section", "Source", "Table", "and_more"]


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


def and_more(section: Section, more: int, one: str, where_all: str, many: str = "") -> None:
    """The line under a list that was cut short."""
    if more > 0:
        section.blocks.append(Para(f"and {count(more, one, many)} more: {where_all} has all of them", "muted"))
