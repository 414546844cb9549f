"""Which locals may still be read: a backward analysis over all paths, exceptional ones included.

A local is live before an operation if some path from there reads it before writing it. Any operation that may raise can
go to its handler before it has written anything. Cells and free variables are always live, since a closure made earlier
may read them at any time; what `locals()` or a debugger can see doesn't count as a read.

One read has no operation of its own: `super()` without arguments takes the first argument out of the frame. Only code
with a `__class__` cell can do that; there, each call that may be of that kind counts as a read.

Sets of locals are bit masks here: bit i stands for local i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracer.isa.canonical import OPS, Op, target_of
from tracer.isa.exceptions import Handler

__all__ = ["live_masks", "may_be_super", "members"]

# DeleteFast and LoadFastAndClear look at what they take away: one raises on an empty slot, the other keeps the value.
_READS = frozenset({"LoadFast", "LoadFastAndClear", "DeleteFast"})
_WRITES = frozenset({"StoreFast"})
_SUPER = frozenset({"LoadSuperAttr", "CallEx"})


def live_masks(
    ops: Sequence[Op],
    handlers: Sequence[Handler | None],
    always: Iterable[int] = (),
    *,
    calls_super: bool = False,
) -> list[int]:
    """The mask of live locals before each operation, `always` included in every one.

    `calls_super` says that a call may be `super()`, which reads local 0.
    """
    pinned = 0
    for local in always:
        pinned |= 1 << local
    live = [pinned] * (len(ops) + 1)
    changed = True
    while changed:  # a pass from the back settles straight code; each loop nest takes one more
        changed = False
        for index in range(len(ops) - 1, -1, -1):
            op = ops[index]
            kind = OPS[op.name]
            mask = pinned if kind.ends else live[index + 1]
            target = target_of(op)
            if target is not None:
                mask |= live[target]
            if op.name in _WRITES:
                mask &= ~(1 << op.arg)
            elif op.name in _READS:
                mask |= 1 << op.arg
            elif calls_super and may_be_super(op):
                mask |= 1
            handler = handlers[index]
            if handler is not None and kind.raises:
                mask |= live[handler.target]
            mask |= pinned
            if mask != live[index]:
                live[index] = mask
                changed = True
    return live[: len(ops)]


def may_be_super(op: Op) -> bool:
    """Whether `super()` may be what this calls."""
    return op.name in _SUPER or (op.name == "Call" and op.arg[0] == 0)


def members(mask: int) -> frozenset[int]:
    """The locals that a mask stands for."""
    return frozenset(local for local in range(mask.bit_length()) if mask >> local & 1)
