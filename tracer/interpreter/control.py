"""Jumps, iteration, returning, yielding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..signals import Break
from ..variables import NONE, GeneratorVariable, IteratorVariable, TensorVariable, literal
from ..variables.base import mention
from .frame import RETURN, YIELD, Frame
from .table import handles

if TYPE_CHECKING:
    from ..context import Context


@handles("Jump")
def jump(ctx: Context, frame: Frame, target: int) -> None:
    if target < frame.pc:
        ctx.tick(frame)
    frame.pc = target


@handles("JumpIf")
def jump_if(ctx: Context, frame: Frame, arg: tuple[str, int]) -> None:
    kind, target = arg
    value = frame.stack.pop()
    if kind == "true":
        if type(value) is TensorVariable and frame.decoded.ops[frame.pc].name == "LoadAssertionError":
            _assert_tensor(ctx, frame, value)
            frame.pc = target
            return
        taken = ctx.protocol.truth(ctx, value)
    elif kind == "false":
        taken = not ctx.protocol.truth(ctx, value)
    else:
        taken = (value.python_type() is type(None)) == (kind == "none")
    if taken:
        if target < frame.pc:
            ctx.tick(frame)
        frame.pc = target


def _assert_tensor(ctx: Context, frame: Frame, value: TensorVariable) -> None:
    """`assert tensor`: with a text that is known it becomes a check of the graph; a computed one needs the numbers now."""
    ops = frame.decoded.ops
    names = [op.name for op in ops[frame.pc : frame.pc + 4]]
    message: str = f"assertion {len(ctx.asserted)} of the graph failed"
    args: tuple[Any, ...] = ()
    if names[1:3] == ["LoadConst", "Call"]:
        message, args = str(ops[frame.pc + 1].arg), (ops[frame.pc + 1].arg,)
    elif names[1] != "Raise":
        raise Break("assert-on-tensor", expr="assert", var=mention(value))
    if value.fake.numel() != 1:
        ctx.protocol.truth(ctx, value)
    ctx.node("call_function", torch._assert_async, [value, literal(message)])
    ctx.asserted[message] = args


@handles("JumpIfOrPop")
def jump_if_or_pop(ctx: Context, frame: Frame, arg: tuple[bool, int]) -> None:
    if ctx.protocol.truth(ctx, frame.stack[-1]) == arg[0]:
        frame.pc = arg[1]
    else:
        frame.stack.pop()


@handles("GetIter")
def get_iter(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(ctx.protocol.iterator(ctx, frame.stack.pop()))


@handles("ForIter")
def for_iter(ctx: Context, frame: Frame, target: int) -> None:
    stack = frame.stack
    item = ctx.protocol.next_item(ctx, stack[-1])
    if item is None:
        stack.pop()
        frame.pc = target
    else:
        stack.append(item)


@handles("Return")
def return_(ctx: Context, frame: Frame, _: Any) -> Any:
    return RETURN


# ---- generators
@handles("ReturnGenerator")
def return_generator(ctx: Context, frame: Frame, _: Any) -> Any:
    """The frame itself becomes the generator's; the caller gets the generator."""
    body = Frame(frame.program, frame.locals, frame.globals, frame.function)
    body.pc, body.call, frame.locals = frame.pc, frame.call, []
    generator = GeneratorVariable(body, ctx.lifetimes)
    code = frame.decoded.code
    if code.co_flags & 0x280:  # CO_COROUTINE | CO_ASYNC_GENERATOR
        ctx.break_("async-construct", name=code.co_qualname)
    frame.stack.append(generator)
    return RETURN


@handles("Yield")
def yield_(ctx: Context, frame: Frame, _: Any) -> Any:
    return YIELD


@handles("GetYieldFromIter")
def get_yield_from_iter(ctx: Context, frame: Frame, _: Any) -> None:
    value = frame.stack.pop()
    frame.stack.append(value if isinstance(value, GeneratorVariable) else ctx.protocol.iterator(ctx, value))


@handles("Send")
def send(ctx: Context, frame: Frame, target: int) -> None:
    """[receiver, value] → [receiver, yielded], or at the end [receiver, result] and a jump."""
    stack = frame.stack
    value, receiver = stack.pop(), stack[-1]
    if isinstance(receiver, GeneratorVariable):
        item = ctx.generators.send(ctx, receiver, value)
        result = receiver.result or NONE
    elif isinstance(receiver, IteratorVariable) and value.python_type() is type(None):
        item, result = receiver.next(ctx), NONE
    else:
        item, result = ctx.protocol.send(ctx, receiver, value)
    if item is None:
        ctx.generators.finish_send(frame, result)
        frame.pc = target
    else:
        stack.append(item)


@handles("EndSend")
def end_send(ctx: Context, frame: Frame, _: Any) -> None:
    stack = frame.stack
    value = stack.pop()
    stack[-1] = value
