"""Generators: resuming a suspended frame, and what ends it. Reached as `ctx.generators`.

A generator has a handled exception of its own while it is suspended inside `except`; what it sees beyond that is its caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..signals import Break, Raised
from ..variables import NONE, ExceptionVariable, GeneratorVariable, Variable
from .exceptions import unwind
from .frame import Frame

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["abandon", "close", "finish_send", "send", "throw"]


def send(ctx: Context, generator: GeneratorVariable, value: Variable) -> Variable | None:
    """`generator.send(value)`: the next item, or None at the end (then `generator.result` is what it returned)."""
    if generator.done:
        generator.result = None
        return None
    _check_idle(ctx, generator)
    if not generator.started and value.python_type() is not type(None):
        ctx.raise_(TypeError, "can't send non-None value to a just-started generator")
    ctx.mutate(generator)
    generator.frame.stack.append(value)
    return _resume(ctx, generator)


def _check_idle(ctx: Context, generator: GeneratorVariable) -> None:
    if generator.running:
        ctx.raise_(ValueError, "generator already executing")


def _resume(ctx: Context, generator: GeneratorVariable, error: ExceptionVariable | None = None) -> Variable | None:
    """Go on where it is suspended, with `error` raised there if one is given."""
    frame, caller = generator.frame, ctx.frame
    if not generator.started:
        ctx.lifetimes.began(generator)
    generator.running = generator.started = True
    frame.generator, frame.back, frame.call = generator, caller, None
    outside = ctx.handling, ctx.beyond
    ctx.beyond, ctx.handling = ctx.handled, generator.handling
    try:
        if error is not None:
            if ctx.handling is not None:
                ctx.chain(error, ctx.handling)
            unwind(ctx, frame, Raised(error), caller)
            ctx.frame = caller  # `unwind` goes on in the frame that handles it; resuming enters it from the caller
        value = ctx.finish(frame)
    except Raised as raised:
        _end(generator)
        if issubclass(raised.variable.python_type(), StopIteration):
            raise Raised(_stopped(ctx, raised.variable)) from None
        raise
    finally:
        generator.running = False
        generator.handling = ctx.handling
        frame.generator = frame.back = None
        ctx.handling, ctx.beyond = outside
    if frame.decoded.ops[frame.pc - 1].name == "Return":
        _end(generator)
        generator.result = value
        return None
    return value


def _stopped(ctx: Context, stop: Variable) -> ExceptionVariable:
    wrapped = ExceptionVariable(RuntimeError, [ctx.literal("generator raised StopIteration")])
    wrapped.cause = wrapped.context = stop
    wrapped.suppress = True
    return wrapped


def _end(generator: GeneratorVariable) -> None:
    """Its frame was left for good, and holds nothing any more."""
    generator.done, generator.handling = True, None
    frame = generator.frame
    frame.drop()
    if frame.shown:  # a traceback has it, with all that it held; the generator lets go
        generator.frame = Frame(frame.program, [None] * len(frame.locals), frame.globals, frame.function)
        generator.frame.pc = frame.pc


def throw(ctx: Context, generator: GeneratorVariable, error: ExceptionVariable) -> Variable | None:
    """`generator.throw(error)`: the next item, or None at the end."""
    _check_idle(ctx, generator)
    ctx.mutate(generator)
    if generator.done or not generator.started:
        _end(generator)
        raise Raised(error)
    receiver = _receiver(generator.frame)
    if receiver is None:
        return _resume(ctx, generator, error)
    generator.running = True
    try:
        item, result = _throw_into(ctx, receiver, error)
    except Raised as raised:
        error = raised.variable  # type: ignore[assignment]
    else:
        if item is None:
            _leave_delegation(generator.frame, result)
            return _resume(ctx, generator)
        return item
    finally:
        generator.running = False
    return _resume(ctx, generator, error)


def _receiver(frame: Frame) -> Variable | None:
    """What `yield from` is waiting for."""
    waiting = frame.stack and frame.pc >= 2 and frame.decoded.ops[frame.pc - 2].name == "Send"
    return frame.stack[-1] if waiting else None


def _throw_into(ctx: Context, receiver: Variable, error: ExceptionVariable) -> tuple[Variable | None, Variable]:
    """`error` reaches what `yield from` waits for: (yielded, NONE), or (None, result). It comes back where nothing takes it."""
    if issubclass(error.python_type(), GeneratorExit):
        _close_receiver(ctx, receiver)
        raise Raised(error)
    if isinstance(receiver, GeneratorVariable):
        return throw(ctx, receiver, error), receiver.result or NONE
    method = ctx.protocol.getattr_or_none(ctx, receiver, "throw")
    if method is None:
        raise Raised(error)
    try:
        return ctx.call_now(method, [error]), NONE
    except Raised as raised:
        stop = raised.variable
        if not issubclass(stop.python_type(), StopIteration):
            raise
        return None, stop.args[0] if stop.args else NONE  # type: ignore[attr-defined]


def _close_receiver(ctx: Context, receiver: Variable) -> None:
    if isinstance(receiver, GeneratorVariable):
        close(ctx, receiver)
        return
    method = ctx.protocol.getattr_or_none(ctx, receiver, "close")
    if method is not None:
        ctx.call_now(method, [])


def finish_send(frame: Frame, result: Variable) -> None:
    """The stack at the end of `yield from`: the result in the place of the receiver."""
    frame.stack[-1] = result


def _leave_delegation(frame: Frame, result: Variable) -> None:
    """Go on behind `yield from`, whose receiver ended when an exception was thrown into it."""
    send_index = frame.pc - 2
    frame.pc = frame.decoded.ops[send_index].arg
    finish_send(frame, result)


def _answer_of_close() -> bool:
    """Whether `close()` answers what the generator returned (since 3.13)."""

    def returning() -> Any:
        try:
            yield
        except GeneratorExit:
            return True

    made = returning()
    next(made)
    return bool(made.close())


_ANSWERS = _answer_of_close()


def close(ctx: Context, generator: GeneratorVariable) -> Variable:
    """`generator.close()`."""
    _check_idle(ctx, generator)
    if generator.done or not generator.started:
        ctx.mutate(generator)
        _end(generator)
        return NONE
    leave = ExceptionVariable(GeneratorExit, [])
    if ctx.handled is not None:
        leave.context = ctx.handled
    try:
        item = throw(ctx, generator, leave)
    except Raised as error:
        if issubclass(error.variable.python_type(), GeneratorExit):
            return NONE
        raise
    if item is not None:
        ctx.raise_(RuntimeError, "generator ignored GeneratorExit")
    return generator.result or NONE if _ANSWERS else NONE


def abandon(ctx: Context, generator: GeneratorVariable) -> None:
    """Nothing refers to a suspended generator any more: it is closed. What it raises then, Python writes down and forgets."""
    try:
        close(ctx, generator)
    except Raised as error:
        cls = error.variable.python_type()
        raise Break("ignored-error", func=generator.frame.decoded.code.co_qualname, type=cls.__name__) from None
