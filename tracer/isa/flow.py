"""Heights of the stack, found by following every path from the entry.

The entry has height 0 on all versions: what CPython 3.11 and 3.12 keep on a resumed generator's stack is the value that
`ReturnGenerator` pushes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracer.isa.canonical import OPS, Op, target_of
from tracer.isa.exceptions import Handler

__all__ = ["UNREACHED", "heights", "successors"]

UNREACHED = -1


def successors(ops: Sequence[Op], index: int) -> list[tuple[int, bool]]:
    """(index, whether by a jump) of what may run after an operation that doesn't raise."""
    op = ops[index]
    found = []
    if not OPS[op.name].ends:
        found.append((index + 1, False))
    target = target_of(op)
    if target is not None:
        found.append((target, True))
    return found


def heights(ops: Sequence[Op], handlers: Sequence[Handler | None]) -> list[int]:
    """The height before each operation; `UNREACHED` where no path leads."""
    found = [UNREACHED] * len(ops)
    pending = [(0, 0)] if ops else []
    while pending:
        index, height = pending.pop()
        while index < len(ops) and found[index] == UNREACHED:
            op = ops[index]
            found[index] = height
            kind = OPS[op.name]
            handler = handlers[index]
            if handler is not None and found[handler.target] == UNREACHED:
                pending.append((handler.target, handler.height))
            target = target_of(op)
            if target is not None:
                pending.append((target, height + kind.effect(op.arg, True)))
            if kind.ends:
                break
            height += kind.effect(op.arg, False)
            index += 1
    return found
