"""Call rules of `dataclasses`. What the decorator generated is Python code, which is inlined; so are asdict, astuple, replace."""

from __future__ import annotations

import dataclasses
import reprlib
import types
from typing import TYPE_CHECKING, Any

from ...signals import Declined
from ...variables import FALSE, TRUE, PinnedVariable, TupleVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_FIELDS = "__dataclass_fields__"


def _class(variable: Variable) -> type:
    if isinstance(variable, PinnedVariable) and isinstance(variable.value, type):
        return variable.value
    return variable.python_type()


@calls.exact(dataclasses.fields)
def fields(ctx: Context, class_or_instance: Variable) -> Any:
    """`dataclasses.fields(x)`: the class's own field objects."""
    cls = _class(class_or_instance)
    owner, held = ctx.protocol.find(ctx, cls, _FIELDS)
    if owner is None:
        ctx.raise_(TypeError, "must be called with a dataclass type or instance")
    ctx.guard(ctx.pinned(owner).dict().item(_FIELDS), "DICT_KEYS", tuple(held))
    return TupleVariable([ctx.build(f, ctx.pinned(f)) for f in dataclasses.fields(cls)], tuple)


@calls.exact(dataclasses.is_dataclass)
def is_dataclass(ctx: Context, obj: Variable) -> Any:
    """`dataclasses.is_dataclass(x)`."""
    return TRUE if ctx.protocol.has(ctx, _class(obj), _FIELDS) else FALSE


@calls.exact(dataclasses.make_dataclass, dataclasses.dataclass)
def make_dataclass(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """Making a dataclass inside a compiled function makes a new class on every call."""
    if args and isinstance(args[0], PinnedVariable) and isinstance(args[0].value, type):
        return Declined("decorating an existing class")
    ctx.break_("class-definition-inside", what="class", expr="dataclass")


# ---- the repr that the decorator generates
def _is_guarded_repr(value: Any) -> bool:
    if not isinstance(value, types.FunctionType):
        return False
    return value.__code__.co_qualname in _WRAPPERS and value.__code__.co_filename in (dataclasses.__file__, reprlib.__file__)


_WRAPPERS = frozenset({"_recursive_repr.<locals>.wrapper", "recursive_repr.<locals>.decorating_function.<locals>.wrapper"})


def _in_cell(ctx: Context, function: types.FunctionType, name: str) -> Variable:
    index = function.__code__.co_freevars.index(name)
    cell = ctx.pinned(function).attr("__closure__").item(index)
    return ctx.build(function.__closure__[index].cell_contents, cell.attr("cell_contents"))  # type: ignore[index]


@calls.when(_is_guarded_repr, 85)
def guarded_repr(ctx: Context, function: Any, /, x: Variable) -> Any:
    """A `__repr__` under `recursive_repr`: "..." where the object is being shown already, else the function itself."""
    key = (function, x)
    cells = function.__code__.co_freevars
    if key in ctx.memo:
        return _in_cell(ctx, function, "fillvalue") if "fillvalue" in cells else literal("...")
    ctx.memo[key] = x
    try:
        return ctx.call_now(_in_cell(ctx, function, "user_function"), [x])
    finally:
        del ctx.memo[key]
