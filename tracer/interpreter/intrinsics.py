"""CALL_INTRINSIC_1 and _2 of CPython 3.12+. Reached as `ctx.intrinsics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..variables import ExceptionVariable

if TYPE_CHECKING:
    from ..context import Context
    from .frame import Frame

__all__ = ["one", "two"]


def one(ctx: Context, frame: Frame, name: str) -> Any:
    stack = frame.stack
    if name == "stopiteration_error":
        error = stack.pop()
        if isinstance(error, ExceptionVariable) and issubclass(error.cls, StopIteration):
            wrapped = ExceptionVariable(RuntimeError, [ctx.literal("generator raised StopIteration")])
            wrapped.cause = wrapped.context = error
            error = wrapped
        stack.append(error)
    else:
        ctx.break_("unsupported-opcode", name=name, expr=name)
    return None


def two(ctx: Context, frame: Frame, name: str) -> Any:
    ctx.break_("exception-group" if "reraise_star" in name else "unsupported-opcode", name=name, expr=name)


