"""Operators of builtin containers that make their result by calling the class of the operand, which may be the program's own.

In: an instance of a subclass, a builtin descriptor of its base and the other operand. Out: the result, made as C makes it; None where the
operator gives an object of the builtin class.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...variables import (
    ConstantVariable,
    DictVariable,
    ListVariable,
    ObjectVariable,
    SetVariable,
    TupleVariable,
    Variable,
    literal,
)
from ..known import plain
from .sets import copied

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["made_by_its_class", "of_base"]

_NOT_IMPLEMENTED = ConstantVariable(NotImplemented)


def made_by_its_class(ctx: Context, receiver: ObjectVariable, descriptor: Any, others: list[Variable]) -> Variable | None:
    rule = _RULES.get((descriptor.__objclass__, descriptor.__name__))
    return rule(ctx, receiver, *others) if rule is not None and len(others) == rule.__code__.co_argcount - 2 else None


def of_base(receiver: ObjectVariable, result: Variable) -> Variable:
    """A method of the base gave the builtin part itself: the object, where it was changed; a new one of the base, where it can't be."""
    if isinstance(result, TupleVariable):
        return TupleVariable(list(result.items), tuple)
    if isinstance(result, SetVariable) and result.cls is frozenset:
        return copied(result)
    return receiver


def _copied(ctx: Context, receiver: ObjectVariable) -> Variable:
    """`copy` of a deque or a defaultdict: the class is called with the object, and with what else the base keeps."""
    data: Any = receiver.data
    args: list[Variable] = [receiver]
    if isinstance(data, ListVariable):
        args += [literal(data.limit)] if data.limit is not None else []
    else:
        args.insert(0, data.factory or literal(None))
    made = ctx.call_now(ctx.type_of(receiver), args)
    if isinstance(data, ListVariable) and not issubclass(made.python_type(), collections.deque):
        ctx.raise_(TypeError, f"{receiver.cls.__name__}() must return a deque, not {made.python_type().__name__}")
    return made


def _updated(ctx: Context, made: Variable, right: Variable) -> Variable:
    """`left | right`, of which `made` has the items of the left one."""
    for key, value in ctx.protocol.mapping_items(ctx, right):
        result = made.setitem(ctx, key, value)
        if result is not None:
            ctx.settle(result)
    return made


def _ordered_or(ctx: Context, receiver: ObjectVariable, other: Variable) -> Variable:
    if not isinstance(plain(other), DictVariable):
        return _NOT_IMPLEMENTED
    return _updated(ctx, ctx.call_now(ctx.type_of(receiver), [receiver]), other)


def _ordered_ror(ctx: Context, receiver: ObjectVariable, other: Variable) -> Variable:
    if not isinstance(plain(other), DictVariable):
        return _NOT_IMPLEMENTED
    return _updated(ctx, ctx.call_now(ctx.type_of(receiver), [other]), receiver)


def _default_or(ctx: Context, receiver: ObjectVariable, other: Variable) -> Variable:
    if not isinstance(plain(other), DictVariable):
        return _NOT_IMPLEMENTED
    return _updated(ctx, _copied(ctx, receiver), other)


def _deque_add(ctx: Context, receiver: ObjectVariable, other: Variable) -> Variable | None:
    if not issubclass(other.python_type(), collections.deque):
        return None
    return _extended(ctx, _copied(ctx, receiver), collections.deque.extend, other)


def _deque_times(ctx: Context, receiver: ObjectVariable, count: Variable) -> Variable:
    return _extended(ctx, _copied(ctx, receiver), collections.deque.__imul__, count)


def _extended(ctx: Context, made: Variable, method: Any, operand: Variable) -> Variable:
    ctx.settle(ctx.classes.call_descriptor(ctx, method, [made, operand], {}))
    return made


_RULES: dict[tuple[type, str], Callable[..., Variable | None]] = {
    (collections.OrderedDict, "__or__"): _ordered_or,
    (collections.OrderedDict, "__ror__"): _ordered_ror,
    (collections.defaultdict, "__or__"): _default_or,
    (collections.deque, "__add__"): _deque_add,
    (collections.deque, "__mul__"): _deque_times,
    (collections.deque, "__rmul__"): _deque_times,
}
