"""How many of the top slots of the stack may differ from what they were before the operation that ran last.

A recording names just these slots before each operation; the ones below are known from the operation before it. What
comes in: decoded operations. What goes out: one number for each, the most over all paths that lead to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracer.isa.canonical import OPS, Op, target_of
from tracer.isa.exceptions import Handler

__all__ = ["changed", "tops"]

_NOTHING = frozenset(
    {
        "Pop",
        "StoreFast",
        "DeleteFast",
        "MakeCell",
        "StoreDeref",
        "DeleteDeref",
        "StoreGlobal",
        "DeleteGlobal",
        "StoreName",
        "DeleteName",
        "StoreAttr",
        "DeleteAttr",
        "StoreSubscript",
        "DeleteSubscript",
        "StoreSlice",
        "ListAppend",
        "SetAdd",
        "MapAdd",
        "ListExtend",
        "SetUpdate",
        "DictUpdate",
        "DictMerge",
        "Jump",
        "JumpIf",
        "JumpIfOrPop",
        "PopExcept",
        "ImportStar",
        "PrintExpr",
        "SetupAnnotations",
        "EndAsyncFor",
    }
)
_TWO = frozenset(
    ["LoadMethod", "BeforeWith", "BeforeAsyncWith", "PushExcInfo", "CleanupThrow", "CheckEgMatch", "GetAnext"]
)


def changed(op: Op, jump: bool = False) -> int:
    """How many of the top slots `op` may have written, once it fell through or (`jump`) went to its target."""
    name = op.name
    if name in _NOTHING or (name == "ForIter" and jump):
        return 0
    if name in ("UnpackSequence", "Swap"):
        return int(op.arg)
    if name == "UnpackEx":
        return int(op.arg[0] + op.arg[1] + 1)
    if name == "LoadSuperAttr":
        return 2 if op.arg[1] else 1
    return 2 if name in _TWO else 1


def tops(ops: Sequence[Op], handlers: Sequence[Handler | None]) -> list[int]:
    """For each operation, how many of the top slots the operation before it may have written, whichever that was."""
    found = [0] * (len(ops) + 1)
    for index, op in enumerate(ops):
        target = target_of(op)
        if target is not None:
            found[target] = max(found[target], changed(op, True))
        if not OPS[op.name].ends:
            found[index + 1] = max(found[index + 1], changed(op))
        handler = handlers[index]
        if handler is not None:
            found[handler.target] = max(found[handler.target], 1 + handler.push_lasti)
    return found[: len(ops)]
