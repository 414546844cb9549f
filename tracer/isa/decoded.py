"""What decoding gives: the operations of one code object, their handlers, and the analyses over them.

All that is expensive sits in a `Body`, which doesn't refer to its code object, so that the cache of bodies never keeps
one alive. A `Decoded` is a body together with its code object.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

from tracer.isa import flow, liveness
from tracer.isa import tops as stack_tops
from tracer.isa.canonical import Op
from tracer.isa.exceptions import Handler
from tracer.isa.locations import Location

__all__ = ["Body", "Decoded", "local_names"]

T = TypeVar("T")


def local_names(code: CodeType) -> tuple[list[str], tuple[int, ...], tuple[int, ...]]:
    """The names of a frame's slots in CPython's order, then where its cells and its free variables are among them.

    An argument (or, since 3.12, a comprehension's variable) that is a cell has one slot, the one in `co_varnames`.
    """
    names = list(code.co_varnames)
    at = {name: index for index, name in enumerate(names)}
    cells = []
    for name in code.co_cellvars:
        if name not in at:
            at[name] = len(names)
            names.append(name)
        cells.append(at[name])
    frees = tuple(range(len(names), len(names) + len(code.co_freevars)))
    names.extend(code.co_freevars)
    return names, tuple(cells), frees


class Body:
    """The operations of a code object and what was worked out about them so far."""

    __slots__ = ("ops", "handlers", "names", "cells", "frees", "index_of", "_masks", "_live", "_heights", "_tops", "_arranged")

    def __init__(
        self,
        ops: list[Op],
        handlers: list[Handler | None],
        names: list[str],
        cells: tuple[int, ...],
        frees: tuple[int, ...],
        index_of: dict[int, int],
    ) -> None:
        self.ops = ops
        self.handlers = handlers
        self.names = names
        self.cells = cells
        self.frees = frees
        self.index_of = index_of
        self._masks: list[int] | None = None
        self._live: dict[int, frozenset[int]] = {}
        self._heights: list[int] | None = None
        self._tops: list[int] | None = None
        self._arranged: Any = None

    def live_in(self, index: int) -> frozenset[int]:
        masks = self._masks
        if masks is None:
            calls_super = any(self.names[local] == "__class__" for local in self.frees)
            always = self.cells + self.frees
            masks = self._masks = liveness.live_masks(self.ops, self.handlers, always, calls_super=calls_super)
        mask = masks[index]
        live = self._live.get(mask)
        if live is None:
            live = self._live[mask] = liveness.members(mask)
        return live

    def stack_depth(self, index: int) -> int:
        heights = self._heights
        if heights is None:
            heights = self._heights = flow.heights(self.ops, self.handlers)
        return heights[index]

    def tops(self) -> list[int]:
        if self._tops is None:
            self._tops = stack_tops.tops(self.ops, self.handlers)
        return self._tops


class Decoded:
    """A code object as canonical operations.

    Invariants: jump and handler targets are indices into `ops`; `handlers` is parallel to `ops`; where an instruction
    starts (`op.start` of its first operation) the symbolic stack has the height and order of CPython's own.
    """

    __slots__ = ("code", "ops", "handlers", "names", "cells", "frees", "index_of", "_body")

    def __init__(self, code: CodeType, body: Body) -> None:
        self.code = code
        self._body = body
        self.ops: list[Op] = body.ops
        self.handlers: list[Handler | None] = body.handlers  # the innermost one that covers each operation
        self.names: list[str] = body.names  # of the local slots: co_varnames, other cells, free variables
        self.cells: tuple[int, ...] = body.cells  # index in `names` of each of co_cellvars
        self.frees: tuple[int, ...] = body.frees  # index in `names` of each of co_freevars
        self.index_of: dict[int, int] = body.index_of  # offset of any instruction → first operation at or after it

    @property
    def cell_args(self) -> tuple[int, ...]:
        """Indices of the arguments that are cells: MakeCell wraps the value that the caller put there."""
        code = self.code
        arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        return tuple(index for index in self.cells if index < arguments)

    def live_in(self, index: int) -> frozenset[int]:
        """The locals that may be read at or after operation `index` before they are written; cells and frees always."""
        return self._body.live_in(index)

    def stack_depth(self, index: int) -> int:
        """The height of CPython's stack before operation `index`; -1 where no path leads."""
        return self._body.stack_depth(index)

    def tops(self) -> list[int]:
        """For each operation, how many of the top slots the operation that ran before it may have written."""
        return self._body.tops()

    def arranged(self, arrange: Callable[[list[Op]], T]) -> T:
        """What `arrange` makes of the operations, made once for each code object: there is one `arrange` in a process, its reader's. It may
        depend on nothing else, and nobody changes what it gave."""
        body = self._body
        if body._arranged is None:
            body._arranged = arrange(body.ops)
        return body._arranged  # type: ignore[no-any-return]

    def group_start(self, index: int) -> int:
        """The first operation of the instruction that operation `index` is a part of."""
        ops = self.ops
        offset = ops[index].offset
        while index and ops[index - 1].offset == offset:
            index -= 1
        return index

    def __repr__(self) -> str:
        return f"<{len(self.ops)} operations of {self.code.co_qualname}>"

    def asking(self, index: int) -> tuple[int, tuple[Location, ...]] | None:
        """For an operation that asks for the truth of a value: its number among those at its place in the source, and the places of all
        that ask."""
        ops = self.ops
        if not ops[index].asks:
            return None
        alike = [at for at, op in enumerate(ops) if op.asks and op.name != "ToBool"]
        return sum(at < index and ops[at].location == ops[index].location for at in alike), tuple(ops[at].location for at in alike)
