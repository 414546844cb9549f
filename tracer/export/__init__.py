"""Exports: what a session captured, as files that other programs read. Each format is a module of its own."""

from __future__ import annotations

from typing import Any

__all__ = ["to_dot", "to_svg"]


def to_svg(records: Any, *, limit: int | None = 400) -> str:
    """Every graph of a session (or of its records), side by side, with the breaks between them."""
    from tracer.export.session import lanes
    from tracer.export.svg import svg

    drawn = lanes(records, limit=limit)
    return svg([figure for figure, _ in drawn], [gutter for _, gutter in drawn])


def to_dot(records: Any) -> str:
    """Every graph of a session as dot text."""
    from tracer.export.dot import dot

    return dot(records.graphs)
