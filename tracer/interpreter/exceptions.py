"""Raising, handling and `with`: exception tables decide where to go on, handled exceptions form CPython's chain."""

from __future__ import annotations

import os
import types
from typing import TYPE_CHECKING, Any

from ..compat.type_names import type_name
from ..signals import Raised
from ..variables import FALSE, NONE, TRUE, ExceptionVariable, ObjectVariable, PinnedVariable, Variable
from ..variables.base import native_manager
from ..variables.contexts import TokenVariable
from ..variables.tracebacks import TracebackVariable
from .frame import Frame
from .table import handles

if TYPE_CHECKING:
    from ..context import Context
    from ..isa.canonical import Op

__all__ = ["ExceptionState", "unwind"]

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep  #: polyfills stand for C code, which has no frames


class ExceptionState(Variable):
    """The stack slot below a handled exception: what was being handled before it."""

    __slots__ = ("previous",)

    def __init__(self, previous: ExceptionVariable | None):
        super().__init__(None)
        self.previous = previous

    def python_type(self) -> type:
        return type(None) if self.previous is None else self.previous.python_type()

    def describe(self) -> str:
        return "exception state"


def unwind(ctx: Context, frame: Frame, error: Raised, base: Frame | None) -> Frame:
    """The frame that handles `error`, ready to go on; re-raises once `base` is reached."""
    variable: Any = error.variable
    again = frame.pc > 0 and _raises_again(frame.decoded.ops[frame.pc - 1])
    while True:
        if not again and frame.pc and not frame.decoded.code.co_filename.startswith(_OWN):
            if variable.source is not None:
                ctx.mutate(variable)
            variable.trace = TracebackVariable(frame, frame.pc - 1, variable.trace)
        again = False
        handler = frame.program.exceptions[frame.pc - 1] if frame.pc else None
        if handler is not None:
            stack = frame.stack
            del stack[handler.depth :]
            if handler.push_lasti:
                stack.append(ctx.literal(frame.pc - 1))
            stack.append(error.variable)
            frame.pc = handler.target
            ctx.frame = frame
            return frame
        if ctx.rec.on and frame.opens:
            ctx.leave(frame, f"raised {error.variable.python_type().__name__}")
        back = frame.back
        if back is base:
            frame.stack.clear()
            try:
                raise error
            finally:
                del error  # it holds this frame, which must not hold it: what it keeps would live until the collector comes
        assert back is not None
        frame.stack.clear()
        if ctx.lifetimes.matter:
            frame.drop()
        frame = back
        ctx.frame = frame


def _raises_again(op: Op) -> bool:
    """Whether an operation lets an exception go on that this frame's entry was made for already."""
    return op.name in ("Reraise", "CleanupThrow") or op.name == "Raise" and op.arg == 0


@handles("PushExcInfo")
def push_exc_info(ctx: Context, frame: Frame, _: Any) -> None:
    stack = frame.stack
    error = stack.pop()
    stack.append(ExceptionState(ctx.handling))
    stack.append(error)
    ctx.handling = error


@handles("PopExcept")
def pop_except(ctx: Context, frame: Frame, _: Any) -> None:
    ctx.handling = frame.stack.pop().previous


@handles("CheckExcMatch")
def check_exc_match(ctx: Context, frame: Frame, _: Any) -> None:
    stack = frame.stack
    expected = stack.pop()
    classes = expected.unpack(ctx) if expected.python_type() is tuple else [expected]
    actual = stack[-1].python_type()
    for cls in classes:
        if not (
            isinstance(cls, PinnedVariable) and isinstance(cls.value, type) and issubclass(cls.value, BaseException)
        ):
            ctx.raise_(TypeError, "catching classes that do not inherit from BaseException is not allowed")
    ctx.protocol.guard_bases(ctx, actual)
    stack.append(TRUE if any(type.__subclasscheck__(c.value, actual) for c in classes) else FALSE)


@handles("CheckEgMatch", "PrepReraiseStar")
def exception_group(ctx: Context, frame: Frame, _: Any) -> None:
    ctx.break_("exception-group")


@handles("Raise")
def raise_(ctx: Context, frame: Frame, count: int) -> None:
    stack = frame.stack
    if count == 0:
        if ctx.handled is None:
            ctx.raise_(RuntimeError, "No active exception to reraise")
        raise Raised(ctx.handled)
    cause = stack.pop() if count == 2 else None
    error = _instance(ctx, stack.pop())
    if cause is not None:
        reason = None if cause.python_type() is type(None) else _instance(ctx, cause, "exception causes must derive from BaseException")
        ctx.mutate(error)
        error.cause = reason
        error.suppress = True
    ctx.throw(error)


def _instance(ctx: Context, value: Variable, complaint: str = "exceptions must derive from BaseException") -> ExceptionVariable:
    if isinstance(value, PinnedVariable) and isinstance(value.value, type) and issubclass(value.value, BaseException):
        made = ctx.call_now(value, [])
        if not isinstance(made, ExceptionVariable):
            names = ctx.protocol.repr_text(ctx, value), ctx.protocol.repr_text(ctx, ctx.type_of(made))
            ctx.raise_(TypeError, f"calling {names[0]} should have returned an instance of BaseException, not {names[1]}")
        return made
    if not isinstance(value, ExceptionVariable):
        ctx.raise_(TypeError, complaint)
    return value  # type: ignore[return-value]


@handles("Reraise")
def reraise(ctx: Context, frame: Frame, count: int) -> None:
    stack = frame.stack
    raise Raised(stack.pop())


@handles("WithExceptStart")
def with_except_start(ctx: Context, frame: Frame, depth: int) -> Any:
    """[exit, …, lasti, previous state, exception] → the same and `exit(type, exception, traceback)`."""
    stack = frame.stack
    error, leave = stack[-1], stack[-depth]
    result = leave.call(ctx, [PinnedVariable(error.python_type()), error, ctx.traceback(error)], {})
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("BeforeWith")
def before_with(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    manager = stack.pop()
    cls = manager.python_type()
    native = type(ctx.protocol.find(ctx, cls, "__enter__")[1]) is types.MethodDescriptorType
    if native and not isinstance(manager, ObjectVariable | TokenVariable):
        raise native_manager(manager)
    if not ctx.protocol.has(ctx, cls, "__enter__"):
        ctx.raise_(TypeError, f"{type_name(cls)!r} object does not support the context manager protocol")
    if not ctx.protocol.has(ctx, cls, "__exit__"):
        ctx.raise_(
            TypeError, f"{type_name(cls)!r} object does not support the context manager protocol (missed __exit__ method)"
        )
    leave = ctx.protocol.special_method(ctx, manager, "__exit__")
    enter = ctx.protocol.special_method(ctx, manager, "__enter__")
    stack.append(leave)
    result = enter.call(ctx, [], {})
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("CleanupThrow")
def cleanup_throw(ctx: Context, frame: Frame, _: Any) -> None:
    stack = frame.stack
    error = stack.pop()
    if issubclass(error.python_type(), StopIteration):
        del stack[-2:]
        stack.append(NONE)
        stack.append(error.args[0] if error.args else NONE)
        return
    raise Raised(error)
