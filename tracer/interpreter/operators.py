"""Operators, comparisons, subscripts and attributes: the stack in, the stack out; the protocol decides."""

from __future__ import annotations

import collections.abc
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat.python_classes import matches_as_mapping, matches_as_sequence
from ..variables import FALSE, NONE, NULL, TRUE, BoundVariable, DictVariable, PinnedVariable, SliceVariable, literal
from .frame import DISCARD, Frame
from .table import handles

if TYPE_CHECKING:
    from ..context import Context


@handles("BinaryOp")
def binary_op(ctx: Context, frame: Frame, fn: Callable[..., Any]) -> Any:
    stack = frame.stack
    right = stack.pop()
    result = ctx.protocol.binary(ctx, fn, stack.pop(), right)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("Compare")
def compare(ctx: Context, frame: Frame, arg: tuple[Callable[..., Any], bool]) -> Any:
    stack = frame.stack
    right = stack.pop()
    result = ctx.protocol.compare(ctx, arg[0], stack.pop(), right)
    if type(result) is Frame:
        return result
    if arg[1]:
        result = TRUE if ctx.protocol.truth(ctx, result) else FALSE
    stack.append(result)
    return None


@handles("IsOp")
def is_op(ctx: Context, frame: Frame, invert: bool) -> None:
    stack = frame.stack
    right, left = stack.pop(), stack.pop()
    stack.append(TRUE if ctx.protocol.is_same(ctx, left, right) != invert else FALSE)


@handles("ContainsOp")
def contains_op(ctx: Context, frame: Frame, invert: bool) -> None:
    stack = frame.stack
    container, item = stack.pop(), stack.pop()
    stack.append(TRUE if container.contains(ctx, item) != invert else FALSE)


@handles("UnaryOp")
def unary_op(ctx: Context, frame: Frame, fn: Callable[..., Any]) -> Any:
    stack = frame.stack
    value = stack.pop()
    if fn is operator.not_:
        stack.append(FALSE if ctx.protocol.truth(ctx, value) else TRUE)
        return None
    result = ctx.protocol.unary(ctx, fn, value)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("ToBool")
def to_bool(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(TRUE if ctx.protocol.truth(ctx, frame.stack.pop()) else FALSE)


@handles("Subscript")
def subscript(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    key = stack.pop()
    result = stack.pop().getitem(ctx, key)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("StoreSubscript")
def store_subscript(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    key, container, value = stack.pop(), stack.pop(), stack.pop()
    return _without_result(container.setitem(ctx, key, value))


@handles("DeleteSubscript")
def delete_subscript(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    key = stack.pop()
    return _without_result(stack.pop().delitem(ctx, key))


@handles("BinarySlice")
def binary_slice(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    stop, start = stack.pop(), stack.pop()
    stack.append(SliceVariable([start, stop, NONE]))
    return subscript(ctx, frame, _)


@handles("StoreSlice")
def store_slice(ctx: Context, frame: Frame, _: Any) -> Any:
    stack = frame.stack
    stop, start = stack.pop(), stack.pop()
    stack.append(SliceVariable([start, stop, NONE]))
    return store_subscript(ctx, frame, _)


def _without_result(answer: Any) -> Any:
    if type(answer) is Frame:
        answer.on_return = lambda _: DISCARD
        return answer
    return None


# ---- attributes
@handles("LoadAttr")
def load_attr(ctx: Context, frame: Frame, name: str) -> Any:
    stack = frame.stack
    result = stack.pop().attribute(ctx, name)
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("LoadMethod")
def load_method(ctx: Context, frame: Frame, arg: tuple[str, bool]) -> Any:
    name, null_first = arg
    stack = frame.stack
    _push_method(ctx, stack, stack.pop().attribute(ctx, name), null_first)
    return None


def _push_method(ctx: Context, stack: list[Any], result: Any, null_first: bool) -> None:
    if type(result) is Frame:
        result = ctx.finish(result)
    if type(result) is BoundVariable and result.source is None:
        stack.append(result.function)
        stack.append(result.owner)
    elif null_first:
        stack.append(NULL)
        stack.append(result)
    else:
        stack.append(result)
        stack.append(NULL)


@handles("LoadSuperAttr")
def load_super_attr(ctx: Context, frame: Frame, arg: tuple[str, bool, bool, bool]) -> Any:
    name, is_method, null_first, explicit = arg
    stack = frame.stack
    owner, cls, found = stack.pop(), stack.pop(), stack.pop()
    is_super = type(found) is PinnedVariable and found.value is super
    result = ctx.call_now(found, [cls, owner] if is_super or explicit else []).attribute(ctx, name)
    if is_method:
        _push_method(ctx, stack, result, null_first)
        return None
    if type(result) is Frame:
        return result
    stack.append(result)
    return None


@handles("StoreAttr")
def store_attr(ctx: Context, frame: Frame, name: str) -> Any:
    stack = frame.stack
    owner = stack.pop()
    return _without_result(owner.set_attribute(ctx, name, stack.pop()))


@handles("DeleteAttr")
def delete_attr(ctx: Context, frame: Frame, name: str) -> Any:
    return _without_result(ctx.protocol.delete_attribute(ctx, frame.stack.pop(), name))


@handles("GetLen")
def get_len(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(ctx.protocol.length(ctx, frame.stack[-1]))


@handles("MatchSequence", "MatchMapping")
def match_kind(ctx: Context, frame: Frame, _: Any) -> None:
    op = frame.decoded.ops[frame.pc - 1].name
    cls = frame.stack[-1].python_type()
    answer = matches_as_sequence(cls) if op == "MatchSequence" else matches_as_mapping(cls)
    if not answer:
        ctx.protocol.is_subclass(ctx, cls, collections.abc.Sequence if op == "MatchSequence" else collections.abc.Mapping)
    frame.stack.append(literal(answer))


@handles("MatchKeys")
def match_keys(ctx: Context, frame: Frame, _: Any) -> None:
    from ..variables import TupleVariable

    stack = frame.stack
    keys, subject = stack[-1], stack[-2]
    found, absent = [], None
    if not isinstance(subject, DictVariable):  # its `get` is asked, as C asks it
        absent = PinnedVariable(object())
        get = ctx.protocol.getattr_now(ctx, subject, "get")
    for key in keys.unpack(ctx):
        if absent is not None:
            value = ctx.call_now(get, [key, absent])
        else:
            value = ctx.settle(subject.getitem(ctx, key)) if subject.contains(ctx, key) else absent
        if value is absent:
            stack.append(NONE)
            return
        found.append(value)
    stack.append(TupleVariable(found, tuple))


@handles("MatchClass")
def match_class(ctx: Context, frame: Frame, positional: int) -> None:
    stack = frame.stack
    names, cls, subject = stack.pop(), stack.pop(), stack.pop()
    stack.append(ctx.protocol.match_class(ctx, subject, cls, positional, [n.constant() for n in names.unpack(ctx)]))
