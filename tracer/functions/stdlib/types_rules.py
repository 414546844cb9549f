"""Call rules of `types`, and of what Python's own introspection asks for."""

from __future__ import annotations

import sys
import types
import typing
from typing import TYPE_CHECKING, Any

from ...signals import Declined
from ...variables import (
    NONE,
    UNSET,
    BoundVariable,
    CellVariable,
    DictVariable,
    FunctionVariable,
    MappingProxyVariable,
    ObjectVariable,
    PinnedVariable,
    TupleVariable,
    Variable,
)
from ..known import plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(types.MethodType)
def method_type(ctx: Context, function: Variable, owner: Variable) -> Any:
    """`types.MethodType(f, x)`: a bound method."""
    if owner.python_type() is type(None):
        ctx.raise_(TypeError, "self must not be None")
    return BoundVariable(function, owner)


@calls.exact(types.SimpleNamespace)
def simple_namespace(ctx: Context, **kwargs: Variable) -> Any:
    """`SimpleNamespace(**attributes)`."""
    made = ObjectVariable(None, types.SimpleNamespace)
    made.attrs = dict(kwargs)
    return made


@calls.exact(types.MappingProxyType)
def mapping_proxy(ctx: Context, mapping: Variable) -> Any:
    """`mappingproxy(d)`: a live, read-only view."""
    if not isinstance(plain(mapping), DictVariable):
        return Declined("not a modelled dict")
    return MappingProxyVariable(mapping)


@calls.exact(types.CellType)
def cell_type(ctx: Context, *contents: Variable) -> Any:
    """`types.CellType([contents])`."""
    return CellVariable(contents[0] if contents else UNSET) if len(contents) < 2 else Declined("too many arguments")


@calls.exact(sys.exc_info)
def exc_info(ctx: Context) -> Any:
    """`sys.exc_info()`: what is being handled."""
    error = ctx.handled
    if error is None:
        return TupleVariable([NONE, NONE, NONE], tuple)
    return TupleVariable([PinnedVariable(error.python_type()), error, ctx.traceback(error)], tuple)


@calls.exact(*(getattr(sys, name) for name in ("_getframemodulename",) if hasattr(sys, name)))
def module_of_a_frame(ctx: Context, depth: Variable | None = None) -> Any:
    """`sys._getframemodulename(depth)`, as `typing` asks who asks (3.12): the module of a function that is being traced."""
    frame = ctx.frame
    for _ in range(0 if depth is None else ctx.protocol.index(ctx, depth)):
        frame = frame.back if frame is not None else None
    if frame is None or not isinstance(frame.function, FunctionVariable):
        return Declined("a frame from outside the trace")
    return ctx.protocol.getattr_now(ctx, frame.function, "__module__")


@calls.exact(sys.exception)
def exception(ctx: Context) -> Any:
    """`sys.exception()`: the exception that is being handled (3.11)."""
    return ctx.handled if ctx.handled is not None else NONE


@calls.exact(typing.cast)
def cast(ctx: Context, typ: Variable, val: Variable) -> Any:
    """`typing.cast(type, x)`: `x` itself."""
    return val
