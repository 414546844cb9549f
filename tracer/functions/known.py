"""The Python value of a variable whose parts are all known, where the value is about to be *used*: lazy slots are built."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..signals import NotConstant
from ..variables import (
    BoundVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    ObjectVariable,
    PartialVariable,
    PinnedVariable,
    SetVariable,
    SliceVariable,
    SymVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    key_variable,
    literal,
)

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["is_none", "known", "leaves", "plain", "settled_values", "value_part"]


def leaves(ctx: Context, variable: Variable) -> Iterator[Variable]:
    """What lists and tuples hold, at any depth; the variable itself where it is neither."""
    if isinstance(variable, ListVariable | TupleVariable):
        for part in variable.settled(ctx):
            yield from leaves(ctx, part)
    else:
        yield variable


def known(ctx: Context, variable: Variable) -> Any:
    """As `variable.constant()`, but lazy slots of containers are read (and so guarded). Raises NotConstant."""
    if isinstance(variable, TupleVariable):
        values = [known(ctx, v) for v in variable.settled(ctx)]
        if variable.cls is tuple:
            return tuple(values)
        return tuple.__new__(variable.cls, values) if is_named_tuple(variable.cls) else variable.cls(values)
    if isinstance(variable, ListVariable) and variable.cls in (list, collections.deque):
        values = [known(ctx, v) for v in variable.settled(ctx)]
        return values if variable.cls is list else collections.deque(values, variable.limit)
    if isinstance(variable, DictVariable) and variable.cls in (dict, collections.OrderedDict):
        return variable.cls((known(ctx, key_variable(k)), known(ctx, v)) for k, v in zip(list(variable.items), variable.values(ctx), strict=True))
    if isinstance(variable, SetVariable):
        return variable.cls(known(ctx, key_variable(k)) for k in variable.items)
    if isinstance(variable, SliceVariable):
        return slice(*[known(ctx, p) for p in variable.parts])
    if isinstance(variable, SymVariable):
        return variable.specialise(ctx)
    return variable.constant()


def plain(variable: Variable) -> Variable:
    """The builtin part of an instance of a builtin's subclass; any other variable as it is."""
    if isinstance(variable, ObjectVariable) and variable.data is not None:
        return variable.data
    return variable


#: Numbers and texts, with what gives the plain one of an instance of a subclass.
_VALUES = (
    (int, int.__index__), (float, float.__float__), (complex, complex.__pos__), (str, str.__str__),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
)  # fmt: skip


def value_part(variable: Variable) -> Variable:
    """As `plain`, also of a number or text that is known by identity, as a member of an IntEnum is."""
    if isinstance(variable, PinnedVariable):
        for cls, plain_one in _VALUES:
            if isinstance(variable.value, cls):
                return literal(plain_one(variable.value))  # type: ignore[operator]
    return plain(variable)


def is_none(variable: Variable | None) -> bool:
    return variable is None or variable.python_type() is type(None)


def settled_values(
    ctx: Context, args: list[Variable], kwargs: dict[str, Variable], *, functions: bool = False, objects: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """The values of a call's arguments; raises NotConstant. A function of the program isn't one, unless `functions` says
    that the callee only looks at it: native code would run it for real. `objects`: the callee only computes, so stand-ins will do
    for objects of the program's classes."""
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, FunctionVariable | BoundVariable | PartialVariable) and not functions:
            raise NotConstant(argument)
    value = _known_or_stand_in if objects else known
    return [value(ctx, a) for a in args], {k: value(ctx, v) for k, v in kwargs.items()}


def _known_or_stand_in(ctx: Context, variable: Variable) -> Any:
    return ctx.protocol.stand_in(ctx, variable) if isinstance(variable, ObjectVariable) else known(ctx, variable)
