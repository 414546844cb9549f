"""Generators: resuming a suspended frame, and what ends it. Reached as `ctx.generators`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..signals import Raised
from ..variables import NONE, ExceptionVariable, GeneratorVariable, Variable
from .frame import Frame

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["close", "ended", "finish_send", "send", "throw"]


def send(ctx: Context, generator: GeneratorVariable, value: Variable) -> Variable | None:
    """`generator.send(value)`: the next item, or None at the end (then `generator.result` is what it returned)."""
    if generator.done:
        generator.result = None
        return None
    if generator.running:
        ctx.raise_(ValueError, "generator already executing")
    if not generator.started and value.python_type() is not type(None):
        ctx.raise_(TypeError, "can't send non-None value to a just-started generator")
    ctx.mutate(generator)
    generator.frame.stack.append(value)
    return _resume(ctx, generator)


def _resume(ctx: Context, generator: GeneratorVariable) -> Variable | None:
    frame = generator.frame
    generator.running = generator.started = True
    handled = ctx.handled
    try:
        value = ctx.finish(frame)
    except Raised as error:
        generator.done = True
        raised = error.variable
        if issubclass(raised.python_type(), StopIteration):
            wrapped = ExceptionVariable(RuntimeError, [ctx.literal("generator raised StopIteration")])
            wrapped.cause = wrapped.context = raised
            raise Raised(wrapped) from None
        raise
    finally:
        generator.running = False
        ctx.handled = handled
    if frame.decoded.ops[frame.pc - 1].name == "Return":
        generator.done, generator.result = True, value
        return None
    return value


def ended(ctx: Context, generator: GeneratorVariable) -> None:
    """Its frame was left by an exception."""
    generator.done = True


def throw(ctx: Context, generator: GeneratorVariable, error: ExceptionVariable) -> Variable | None:
    """`generator.throw(error)`: the next item, or None at the end."""
    ctx.mutate(generator)
    if generator.done or not generator.started:
        generator.done = True
        ctx.throw(error)
    inner = _delegate(generator.frame)
    if inner is not None:
        item = throw(ctx, inner, error)
        if item is not None:
            return item
        generator.frame.stack.append(inner.result or NONE)
        finish_send_after_throw(generator.frame)
        return _resume(ctx, generator)
    from .exceptions import unwind

    frame, caller = generator.frame, ctx.frame
    frame.back = caller
    if ctx.handled is not None and ctx.handled is not error and (error.context is None or error.source is not None):
        error.chain(ctx, ctx.handled)
    unwind(ctx, frame, Raised(error), caller)
    ctx.frame = caller  # `unwind` goes on in the frame that handles it; resuming enters it from the caller
    return _resume(ctx, generator)


def _delegate(frame: Frame) -> GeneratorVariable | None:
    """The generator that `yield from` is waiting for."""
    if (
        frame.stack
        and isinstance(frame.stack[-1], GeneratorVariable)
        and frame.pc >= 2
        and frame.decoded.ops[frame.pc - 2].name == "Send"
    ):
        return frame.stack[-1]
    return None


def finish_send(frame: Frame, result: Variable) -> None:
    """The stack at the end of `yield from`: the result in the place of the receiver."""
    frame.stack[-1] = result


def finish_send_after_throw(frame: Frame) -> None:
    result = frame.stack.pop()
    send_index = frame.pc - 2
    frame.pc = send_index + 1
    target = frame.decoded.ops[send_index].arg
    finish_send(frame, result)
    frame.pc = target


def close(ctx: Context, generator: GeneratorVariable) -> None:
    """`generator.close()`."""
    if generator.done or not generator.started:
        ctx.mutate(generator)
        generator.done = True
        return
    try:
        item = throw(ctx, generator, ExceptionVariable(GeneratorExit, []))
    except Raised as error:
        if issubclass(error.variable.python_type(), GeneratorExit | StopIteration):
            return
        raise
    if item is not None:
        ctx.raise_(RuntimeError, "generator ignored GeneratorExit")
