"""The table of hooks, and how a body gets into it."""

from __future__ import annotations

from typing import Any

from .switch import Hook

__all__ = ["HOOKS", "hook", "wrapping"]

#: By the name of their point.
HOOKS: dict[str, Hook] = {}


def hook(point: str, level: str = "decisions") -> Any:
    """Enters a body into the table."""

    def enter(body: Any) -> Any:
        HOOKS[point] = Hook(point, body, level=level)
        return body

    return enter


def wrapping(point: str, level: str = "decisions") -> Any:
    """Enters a maker of wrappers into the table, for functions that are more than a call."""

    def enter(make: Any) -> Any:
        HOOKS[point] = Hook(point, level=level, make=make)
        return make

    return enter
