"""The few shapes in which a table says what an instruction is.

A version's table maps CPython's name of an instruction to a rule. How the bytes are walked is `decode`'s business
alone. Inline caches are listed beside a table because a jump counts from after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "Argument",
    "Context",
    "Dialect",
    "Drop",
    "Expand",
    "Extend",
    "FoldInto",
    "JumpTo",
    "One",
    "Rule",
    "Several",
    "TakesBack",
]


class Context:
    """What arguments refer to: the tables of one code object."""

    __slots__ = ("consts", "names", "cells", "kwnames")

    def __init__(self, code: CodeType, cells: frozenset[int]) -> None:
        self.consts = code.co_consts
        self.names = code.co_names
        self.cells = cells  # indices of cells and free variables
        self.kwnames: tuple[str, ...] = ()  # set by KW_NAMES for the call that follows it (3.11, 3.12)


Argument: TypeAlias = Callable[[Context, int], Any]  # what the bytecode's number stands for
Expand: TypeAlias = Callable[[Context, int], tuple[tuple[str, Any], ...]]  # (name, argument) of each operation


class One(NamedTuple):
    """One operation; `argument` makes its argument, or None if it has none."""

    name: str
    argument: Argument | None = None


class Several(NamedTuple):
    """A sequence of operations, none of them a jump, that share the instruction's offset."""

    expand: Expand


class JumpTo(NamedTuple):
    """A jump by so many code units, counted from the instruction's end (its inline caches included).

    `condition` is the first half of the argument, None where the target is the whole of it. `past` are instructions to
    step over at the target, if they are there: what CPython itself skips, or what `Send` has already done. `before` and `after` are operations
    around it that share the instruction's offset; those after it only run where it doesn't jump. `lands`: how many operations of the
    instruction at the target have been done as well.
    """

    name: str
    condition: Any = None
    direction: int = +1
    past: tuple[str, ...] = ()
    before: tuple[tuple[str, Any], ...] = ()
    after: tuple[tuple[str, Any], ...] = ()
    lands: int = 0


class Drop(NamedTuple):
    """Nothing to interpret."""


class Extend(NamedTuple):
    """Higher bits of the next instruction's argument."""


class FoldInto(NamedTuple):
    """A part of the next instruction that isn't dropped: that one's bytes begin here. `note` keeps its argument."""

    note: Callable[[Context, int], None] | None = None


class TakesBack(NamedTuple):
    """An instruction that is one operation with those that the compiler puts just before it, and nowhere else.

    `before`: what those are as operations, their names and what must be true of their arguments. Where they are there, they are taken
    back, and `becomes` makes the operations of all from their arguments and the number of this one; else it is `otherwise`.
    """

    before: tuple[tuple[str, Callable[[Any], bool]], ...]
    becomes: Callable[[Context, tuple[Any, ...], int], tuple[tuple[str, Any], ...]]
    otherwise: One


Rule: TypeAlias = One | Several | JumpTo | Drop | Extend | FoldInto | TakesBack


class Dialect(NamedTuple):
    """The bytecode of one CPython version."""

    version: tuple[int, int]
    rules: Mapping[str, Rule]
    caches: Mapping[str, int]  # inline cache entries (code units) after an instruction, where there are any
