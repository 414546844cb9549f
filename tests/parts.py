"""Which of many programs `make test` runs: always the same ones, spread over all; the others are marked slow."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest

__all__ = ["chosen", "one_in"]


def chosen(name: str, part: int, always: tuple[str, ...] = ()) -> bool:
    """Whether `name` is among one of `part`, or begins with one of `always`."""
    return name.startswith(always) or zlib.crc32(name.encode()) % part == 0


def one_in(part: int, values: Iterable[Any], name: Callable[[Any], str], always: tuple[str, ...] = ()) -> list[Any]:
    """Parameters of a test, each with its name; those that aren't chosen are slow."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), id=name(value), marks=() if chosen(name(value), part, always) else pytest.mark.slow)
        for value in values
    ]
