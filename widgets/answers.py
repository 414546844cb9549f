"""What the page may ask the kernel, by name: each a function of the widget and the question's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["ANSWERS"]

#: Question → what answers it, with plain data.
ANSWERS: dict[str, Callable[..., Any]] = {}
