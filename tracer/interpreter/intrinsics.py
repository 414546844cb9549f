"""CALL_INTRINSIC_1 and _2 of CPython 3.12+. Reached as `ctx.intrinsics`."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ..variables import ExceptionVariable, TupleVariable

if TYPE_CHECKING:
    from ..context import Context
    from .frame import Frame

__all__ = ["one", "two"]


def one(ctx: Context, frame: Frame, name: str) -> Any:
    stack = frame.stack
    if "LIST_TO_TUPLE" in name:
        stack.append(TupleVariable(stack.pop().items, tuple))
    elif "UNARY_POSITIVE" in name:
        stack.append(ctx.settle(ctx.protocol.unary(ctx, operator.pos, stack.pop())))
    elif "STOPITERATION_ERROR" in name:
        error = stack.pop()
        if isinstance(error, ExceptionVariable) and issubclass(error.cls, StopIteration):
            wrapped = ExceptionVariable(RuntimeError, [ctx.literal("generator raised StopIteration")])
            wrapped.cause = wrapped.context = error
            error = wrapped
        stack.append(error)
    elif "IMPORT_STAR" in name:
        ctx.break_("star-import")
    elif "ASYNC_GEN" in name:
        ctx.break_("async-construct", name=name)
    else:
        ctx.break_("unsupported-opcode", name=name, expr=name)
    return None


def two(ctx: Context, frame: Frame, name: str) -> Any:
    ctx.break_("exception-group" if "RERAISE_STAR" in name else "unsupported-opcode", name=name, expr=name)


