"""The interpreter's loops: one silent, one that records each instruction. Both switch frames without recursion.

A handler answers None (go on), a frame (run it, its result is pushed here), RETURN or YIELD (value on top of the stack).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import GeneratorResumed, InlineStarted
from ..signals import Break, Raised
from ..variables import Lazy
from .exceptions import unwind
from .frame import DISCARD, RETURN, Frame
from .locate import locate
from .paths import visit

if TYPE_CHECKING:
    from ..context import Context
    from ..variables import Variable

__all__ = ["run"]


def run(ctx: Context, frame: Frame) -> Variable:
    """Run `frame` until it returns or yields; the frame that was current is current again afterwards."""
    outer = ctx.frame
    base = frame.back
    try:
        if ctx.rec.on:
            return _recorded(ctx, frame, base)
        return _silent(ctx, frame, base)
    except Break as stop:
        locate(ctx, stop)
        if ctx.rec.on:
            _abandon(ctx, base)
        raise
    finally:
        ctx.frame = outer


def _silent(ctx: Context, frame: Frame, base: Frame | None) -> Variable:
    ctx.frame = frame
    root = ctx.root_frame
    steps = frame.steps
    ended, settle = ctx.lifetimes.ended, ctx.lifetimes.settle
    while True:
        if ended:
            settle(ctx)
        handler, arg = steps[frame.pc]
        if frame is root:
            ctx.at_root(frame)
        frame.pc += 1
        try:
            answer = handler(ctx, frame, arg)
        except Raised as error:
            frame = unwind(ctx, frame, error, base)
            steps = frame.steps
            continue
        if answer is None:
            continue
        if type(answer) is Frame:
            frame = _enter(ctx, frame, answer)
            steps = frame.steps
            continue
        outcome = _leave(ctx, frame, answer, base)
        if type(outcome) is not Frame:
            if ended:
                settle(ctx)
            return outcome
        frame = outcome
        steps = frame.steps


def _recorded(ctx: Context, frame: Frame, base: Frame | None) -> Variable:
    ctx.frame = frame
    root = ctx.root_frame
    rec = ctx.rec
    every, instruction, number = rec.every, rec.instruction, rec.variable
    ended, settle = ctx.lifetimes.ended, ctx.lifetimes.settle
    if frame is not root and not frame.opens:
        _announce(ctx, frame)
    while True:
        if ended:
            settle(ctx)
        handler, arg = frame.steps[frame.pc]
        if frame is root:
            ctx.at_root(frame)
        if every:
            program, stack, pc = frame.program, frame.stack, frame.pc
            name, text, place, top = program.said[pc] or program.say(pc)
            ids = tuple([v.vid or number(v) for v in stack[-top:]]) if top else ()
            instruction(name, text, len(stack), ids, place)
        frame.pc += 1
        try:
            answer = handler(ctx, frame, arg)
        except Raised as error:
            frame = unwind(ctx, frame, error, base)
            continue
        if answer is None:
            continue
        if type(answer) is Frame:
            frame = _enter(ctx, frame, answer)
            _announce(ctx, frame)
            continue
        outcome = _leave(ctx, frame, answer, base)
        if type(outcome) is not Frame:
            if ended:
                settle(ctx)
            return outcome
        frame = outcome
        if not frame.opens and frame is not root:
            _announce(ctx, frame)


def _enter(ctx: Context, caller: Frame, callee: Frame) -> Frame:
    callee.back, callee.depth = caller, caller.depth + 1
    visit(caller, ~(caller.pc - 1))
    if callee.depth > ctx.max_depth:
        ctx.too_deep(callee)
    ctx.frame = callee
    return callee


def _leave(ctx: Context, frame: Frame, answer: Any, base: Frame | None) -> Any:
    """Hand the value to the caller: the frame to go on with, or the value where `base` is reached."""
    value = frame.stack.pop()
    if ctx.rec.on and frame.opens:
        ctx.leave(frame, "returned" if answer is RETURN else "yielded")
    if answer is not RETURN:
        return value  # a generator's frame is always the one that `run` was called with
    if ctx.lifetimes.matter:
        frame.drop(ctx.effects if frame is ctx.root_frame else None)
    back = frame.back
    if frame.on_return is not None:
        ctx.frame = back or frame
        try:
            value = frame.on_return(value)
        except Raised as error:
            if back is base:
                raise
            assert back is not None
            return unwind(ctx, back, error, base)
    if back is base:
        if type(value) is Frame:
            return ctx.finish(value)
        return value
    assert back is not None
    ctx.frame = back
    if type(value) is Frame:
        return _enter(ctx, back, value)
    if value is not DISCARD:
        back.stack.append(value)
    return back


def _announce(ctx: Context, frame: Frame) -> None:
    """Record the beginning of an inlined call, at the caller's location."""
    rec = ctx.rec
    ctx.frame = frame.back or frame
    rec.depth = frame.depth
    code = frame.decoded.code
    names = (code.co_qualname, code.co_filename, code.co_firstlineno)
    bound = _bound(ctx, frame) if rec.every else ()
    if frame.generator is None:
        frame.opens = rec.begin(InlineStarted, *names, bound)
    else:
        stack = tuple([rec.variable(v) for v in frame.stack]) if rec.every else ()
        frame.opens = rec.begin(GeneratorResumed, *names, bound, stack)
    ctx.frame = frame


def _bound(ctx: Context, frame: Frame) -> tuple[tuple[str, int], ...]:
    number = ctx.rec.variable
    held = zip(frame.program.names, frame.locals, strict=True)
    return tuple([(name, 0 if type(v) is Lazy else v.vid or number(v)) for name, v in held if v is not None])


def _abandon(ctx: Context, base: Frame | None) -> None:
    """A break leaves all frames down to `base`: their spans end here."""
    frame = ctx.frame
    while frame is not None and frame is not base:
        if frame.opens:
            ctx.leave(frame, "broke")
        frame = frame.back
