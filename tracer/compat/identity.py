"""Of which values there is one object only, so that equality decides identity: as this CPython keeps them."""

from __future__ import annotations

import types
from typing import Any

import torch

__all__ = ["is_unique"]

_ONE_EACH = frozenset({type(None), bool, type(...), type(NotImplemented), torch.dtype, torch.layout, torch.memory_format, types.CodeType})


def _shared_ints() -> range:
    """The integers that every computation gives as the same object."""
    low, high = 0, 0
    while int(str(low - 1)) is int(str(low - 1)):
        low -= 1
    while int(str(high + 1)) is int(str(high + 1)):
        high += 1
    return range(low, high + 1)


_INTS = _shared_ints()


def is_unique(value: Any) -> bool:
    """Whether every object that equals `value`, and is of its type, is `value`."""
    kind = type(value)
    if kind is int:
        return value in _INTS
    if kind is str:
        return not value or len(value) == 1 and value < "\u0100"
    if kind is bytes:
        return len(value) < 2
    return kind in _ONE_EACH
