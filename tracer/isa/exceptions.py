"""The exception table of a code object, and which handler each operation has.

The table is a run of entries, four variable-length integers each: first code unit, length in units, target unit, and
`depth << 1 | push_lasti`. An integer is big-endian in groups of six bits; bit 6 says that another group follows and
bit 7 marks an entry's first byte. CPython takes the first entry that covers an instruction, so this does too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracer.isa.canonical import Op

__all__ = ["Handler", "Range", "handlers", "parse"]

_UNIT = 2  # bytes


class Range(NamedTuple):
    """One entry, in byte offsets; `end` is exclusive."""

    start: int
    end: int
    target: int
    depth: int
    push_lasti: bool


class Handler:
    """Where control goes when an operation raises.

    The stack is cut down to `depth`, then the offset of the raising instruction is pushed if `push_lasti`, then the
    exception.
    """

    __slots__ = ("target", "depth", "push_lasti")

    def __init__(self, target: int, depth: int, push_lasti: bool) -> None:
        self.target = target  # index of an operation
        self.depth = depth
        self.push_lasti = push_lasti

    @property
    def height(self) -> int:
        """The stack's height when the handler begins."""
        return self.depth + self.push_lasti + 1

    def __repr__(self) -> str:
        return f"Handler(target={self.target}, depth={self.depth}, push_lasti={self.push_lasti})"


def parse(table: bytes) -> list[Range]:
    """The entries of a `co_exceptiontable`."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    found = []
    for first in range(0, len(numbers), 4):
        start, length, target, packed = numbers[first : first + 4]
        found.append(Range(start * _UNIT, (start + length) * _UNIT, target * _UNIT, packed >> 1, bool(packed & 1)))
    return found


def handlers(ranges: list[Range], ops: Sequence[Op], index_of: dict[int, int]) -> list[Handler | None]:
    """The handler of each operation, or None where an exception leaves the frame. Equal handlers are one object."""
    found: list[Handler | None] = [None] * len(ops)
    made: dict[tuple[int, int, bool], Handler] = {}
    for start, end, target, depth, push_lasti in ranges:
        key = (target, depth, push_lasti)
        handler = made.get(key)
        if handler is None:
            handler = made[key] = Handler(index_of[target], depth, push_lasti)
        for index in range(index_of[start], index_of.get(end, len(ops))):
            # Only the last part of a folded call counts, and that is where its offset is.
            if found[index] is None and start <= ops[index].offset < end:
                found[index] = handler
    return found
