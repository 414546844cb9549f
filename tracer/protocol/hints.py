"""How much an iterable says that it will give. C asks where it makes a list or tuple of one, and what it asks may be the program's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..compat.builtins import TUPLE_ASKS_LENGTH
from ..compat.type_names import type_name
from ..signals import Raised
from ..variables import ConstantVariable, ObjectVariable, Variable
from .iteration import IndexIterator, iterator, next_item, unpack
from .lookup import has, overrides
from .operators import index, length, special

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["ask_length", "listed", "listed_for_reading", "says_length", "taken", "tupled"]

_METHODS = ("__len__", "__length_hint__")


def says_length(ctx: Context, variable: Variable) -> bool:
    """Whether code of the program answers what is asked about its length."""
    return isinstance(variable, IndexIterator) or overrides(ctx, variable.python_type(), *_METHODS)


def ask_length(ctx: Context, variable: Variable) -> None:
    """What `PyObject_LengthHint` does: a TypeError counts as no answer, any other error is raised."""
    if isinstance(variable, IndexIterator):
        if not variable.done and has(ctx, variable.owner.python_type(), "__len__"):
            _answered(ctx, variable.owner)
        return
    cls = variable.python_type()
    if has(ctx, cls, "__len__") and _answered(ctx, variable) or not has(ctx, cls, "__length_hint__"):
        return
    try:
        hint = ctx.settle(special(ctx, variable, "__length_hint__", [], ""))
    except Raised as error:
        if issubclass(error.variable.python_type(), TypeError):
            return
        raise
    if isinstance(hint, ConstantVariable) and hint.value is NotImplemented:
        return
    if not issubclass(hint.python_type(), int):
        ctx.raise_(TypeError, f"__length_hint__ must be an integer, not {type_name(hint.python_type())}")
    if index(ctx, hint) < 0:
        ctx.raise_(ValueError, "__length_hint__() should return >= 0")


def _answered(ctx: Context, variable: Variable) -> bool:
    try:
        length(ctx, variable)
    except Raised as error:
        if issubclass(error.variable.python_type(), TypeError):
            return False
        raise
    return True


def taken(ctx: Context, variable: Variable) -> Iterator[Variable]:
    """The items one by one, as a list takes them that they are added to."""
    made = iterator(ctx, variable)
    if says_length(ctx, variable):
        ask_length(ctx, variable)
    count = 0
    while (item := next_item(ctx, made)) is not None:
        yield item
        count += 1
        ctx.check_length(count)


def listed(ctx: Context, variable: Variable, what: str = "{!r} object is not iterable") -> list[Variable]:
    """As `unpack`, where C makes a list of the iterable."""
    return list(taken(ctx, variable)) if says_length(ctx, variable) and _iterable(ctx, variable) else unpack(ctx, variable, what)


def tupled(ctx: Context, variable: Variable) -> list[Variable]:
    """As `unpack`, where C makes a tuple of the iterable."""
    return listed(ctx, variable) if TUPLE_ASKS_LENGTH else unpack(ctx, variable)


def listed_for_reading(ctx: Context, variable: Variable) -> list[Variable]:
    """The same for C that only reads the items (`PySequence_Fast`): it makes the list of an iterator, which is asked once more."""
    return listed(ctx, iterator(ctx, variable) if isinstance(variable, ObjectVariable) and _iterable(ctx, variable) else variable)


def _iterable(ctx: Context, variable: Variable) -> bool:
    cls = variable.python_type()
    return has(ctx, cls, "__iter__") or has(ctx, cls, "__getitem__")
