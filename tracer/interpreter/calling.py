"""Calls: arguments are taken off the stack, the callable decides; Python functions answer with a frame to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.type_names import type_name
from ..functions.known import plain
from ..variables import NULL, ConstantVariable
from .building import take
from .frame import Frame
from .table import handles

if TYPE_CHECKING:
    from ..context import Context


@handles("Call")
def call(ctx: Context, frame: Frame, arg: tuple[int, tuple[str, ...]]) -> Any:
    count, names = arg
    stack = frame.stack
    args = take(frame, count)
    second, first = stack.pop(), stack.pop()
    # [NULL, callable] on 3.11 and 3.12, [callable, NULL] on 3.13, [method, self] on all.
    if first is NULL:
        function = second
    elif second is NULL:
        function = first
    else:
        function = first
        args.insert(0, second)
    kwargs: dict[str, Any] = {}
    if names:
        split = len(args) - len(names)
        kwargs = dict(zip(names, args[split:], strict=True))
        del args[split:]
    result = function.call(ctx, args, kwargs)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("CallEx")
def call_ex(ctx: Context, frame: Frame, has_kwargs: bool) -> Any:
    stack = frame.stack
    keywords = stack.pop() if has_kwargs else NULL
    pairs = ctx.protocol.mapping_items(ctx, keywords) if keywords is not NULL else []
    given, second = stack.pop(), stack.pop()
    if second is NULL:
        function = stack.pop()
    else:
        function = second
        if stack and stack[-1] is NULL:
            stack.pop()
    cls = given.python_type()
    if cls is not tuple and not ctx.protocol.has(ctx, cls, "__iter__") and not ctx.protocol.has(ctx, cls, "__getitem__"):
        ctx.raise_(TypeError, f"{ctx.protocol.called_name(ctx, function)} argument after * must be an iterable, not {type_name(cls)}")
    args = ctx.protocol.tupled(ctx, given)
    kwargs: dict[str, Any] = {}
    for key, value in pairs:
        name = plain(key)
        if not isinstance(name, ConstantVariable) or type(name.value) is not str:
            ctx.raise_(TypeError, "keywords must be strings")
        kwargs[name.value] = value
    result = function.call(ctx, list(args), kwargs)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("CallIntrinsic1")
def call_intrinsic(ctx: Context, frame: Frame, name: str) -> Any:
    return ctx.intrinsics.one(ctx, frame, name)


@handles("CallIntrinsic2")
def call_intrinsic_two(ctx: Context, frame: Frame, name: str) -> Any:
    return ctx.intrinsics.two(ctx, frame, name)


@handles("ImportName")
def import_name(ctx: Context, frame: Frame, name: str) -> None:
    stack = frame.stack
    names, level = stack.pop(), stack.pop()
    stack.append(ctx.functions.import_module(ctx, frame.globals, name, names.constant(), level.constant()))


@handles("ImportFrom")
def import_from(ctx: Context, frame: Frame, name: str) -> None:
    frame.stack.append(ctx.functions.import_member(ctx, frame.stack[-1], name))


@handles("ImportStar")
def import_star(ctx: Context, frame: Frame, _: Any) -> None:
    ctx.break_("star-import")
