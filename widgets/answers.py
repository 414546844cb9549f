"""What the page may ask the kernel, by name: each a function of the widget and the question's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widgets.models.events import facts
from widgets.models.graph import lane

__all__ = ["ANSWERS"]


def _lane(widget: Any, *, number: int, closed: list[str]) -> Any:
    return lane(widget.book(), number, closed)


def _event(widget: Any, *, seq: int) -> Any:
    return facts(widget.book(), seq)


#: Question → what answers it, with plain data.
ANSWERS: dict[str, Callable[..., Any]] = {"event": _event, "lane": _lane}
