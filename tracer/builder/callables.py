"""Functions, methods, classes, modules: known by code or by identity."""

from __future__ import annotations

import contextvars
import functools
import inspect
import operator
import types
import weakref
from typing import TYPE_CHECKING, Any

import torch

from ..compat.builtins import PLACEHOLDER
from ..signals import Declined
from ..variables import UNSET, BoundVariable, CellVariable, FunctionVariable, Lazy, PartialVariable, PinnedVariable
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


@rules.exact(types.FunctionType)
def function(ctx: Context, value: types.FunctionType, source: Source) -> Any:
    """A Python function: guarded by its code; defaults and cells are guarded when they are read."""
    if ctx.functions.is_known(value):
        if source.kind != "pinned":
            ctx.guard(source, "ID_MATCH", value)
    elif not (_is_settled(source) and ctx.session.is_library(value.__code__)):
        ctx.guard(source, "CODE_MATCH", value.__code__ if _is_settled(source) else value)
    return FunctionVariable(value, value.__code__, value.__globals__, source)


def _is_settled(source: Source) -> bool:
    """Whether the object there can't be another one: it is pinned, or part of a property or a method object of a class, which
    don't change and are guarded by identity."""
    if source.kind == "pinned":
        return True
    entry = source.base if source.kind == "attr" and source.key in ("fget", "fset", "fdel", "__func__") else None
    return entry is not None and entry.kind == "item" and entry.base is not None and entry.base.kind == "dict" and entry.base.base.kind == "pinned"  # type: ignore[union-attr]


@rules.exact(types.MethodType)
def method(ctx: Context, value: types.MethodType, source: Source) -> Any:
    """A bound method: its function and its object."""
    ctx.guard(source, "TYPE_MATCH", types.MethodType)
    return BoundVariable(
        ctx.build(value.__func__, source.attr("__func__")), ctx.build(value.__self__, source.attr("__self__")), source
    )


@rules.exact(types.BuiltinFunctionType)
def builtin(ctx: Context, value: Any, source: Source) -> Any:
    """A builtin function is known by identity; a builtin method of an object is its descriptor and the object, and so is one of a class whose calls
    mean something of their own."""
    owner = value.__self__
    raw = inspect.getattr_static(owner, value.__name__, None) if isinstance(owner, type) else None
    if type(raw) is types.ClassMethodDescriptorType and ctx.functions.has_rule(raw):  # type: ignore[arg-type]
        ctx.guard(source, "TYPE_MATCH", types.BuiltinFunctionType)
        ctx.guard(source.attr("__name__"), "EQUALS_MATCH", value.__name__)
        return BoundVariable(PinnedVariable(raw), ctx.build(owner, source.attr("__self__")), source)
    capsule = type(owner).__name__ == "PyCapsule" or type(owner).__module__ == "pybind11_builtins"  # a C++ extension
    if owner is None or capsule or isinstance(owner, types.ModuleType | type) or ctx.functions.is_torch_owner(owner):
        ctx.guard(source, "ID_MATCH", value)
        return PinnedVariable(value, source)
    descriptor = getattr(type(owner), value.__name__, None)
    if not isinstance(descriptor, types.MethodDescriptorType):
        return Declined("a builtin method without a descriptor on its class")
    ctx.guard(source, "TYPE_MATCH", types.BuiltinFunctionType)
    ctx.guard(source.attr("__name__"), "EQUALS_MATCH", value.__name__)
    return BoundVariable(PinnedVariable(descriptor), ctx.build(owner, source.attr("__self__")), source)


@rules.exact(types.MethodWrapperType)
def method_wrapper(ctx: Context, value: Any, source: Source) -> Any:
    """A slot wrapper bound to an object (`x.__add__`)."""
    descriptor = getattr(type(value.__self__), value.__name__, None)
    ctx.guard(source, "TYPE_MATCH", types.MethodWrapperType)
    ctx.guard(source.attr("__name__"), "EQUALS_MATCH", value.__name__)
    return BoundVariable(PinnedVariable(descriptor), ctx.build(value.__self__, source.attr("__self__")), source)


@rules.exact(functools.partial)
def partial(ctx: Context, value: Any, source: Source) -> Any:
    """functools.partial: its function, arguments and keywords."""
    ctx.guard(source, "TYPE_MATCH", functools.partial)
    args = ctx.build(value.args, source.attr("args"))
    keywords = ctx.build(value.keywords, source.attr("keywords"))
    made = PartialVariable(ctx.build(value.func, source.attr("func")), args.unpack(ctx), {}, source, value)
    made.parts = {"args": args, "keywords": keywords}
    return made


@rules.exact(types.CellType)
def cell(ctx: Context, value: types.CellType, source: Source) -> Any:
    """A closure cell: what it holds is read lazily."""
    try:
        held: Any = Lazy(value.cell_contents, source.contents())
    except ValueError:
        held = UNSET
        ctx.guard(source, "EMPTY_CELL")
    return CellVariable(held, source, value)


@rules.base(type)
def class_(ctx: Context, value: type, source: Source) -> Any:
    """A class: known by identity."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


@rules.base(types.GenericAlias)
@rules.exact(
    types.ModuleType, types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
    types.ClassMethodDescriptorType, property, classmethod, staticmethod, functools.cached_property, functools._lru_cache_wrapper,
    types.UnionType, torch._C.Generator, operator.itemgetter, operator.attrgetter, operator.methodcaller,
    contextvars.ContextVar, *(() if PLACEHOLDER is None else (type(PLACEHOLDER),)),
)  # fmt: skip
def by_identity(ctx: Context, value: Any, source: Source) -> Any:
    """Modules, descriptors, wrappers, type expressions and context variables: known by identity."""
    if source.kind != "pinned":
        ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


@rules.base(types.ModuleType)
def module_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """A module of a class of its own (lazy modules, torch._VF): known by identity, read through its dict, then getattr."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


# Predicates ask the type: `isinstance` would read `__class__`, which may be the program's own code.
_OPERATORS = (
    torch._ops.OpOverload,
    torch._ops.OpOverloadPacket,
    torch._ops._OpNamespace,
    torch._ops._Ops,
    torch._ops.HigherOrderOperator,
)


def _is_operator(value: Any) -> bool:
    return issubclass(type(value), _OPERATORS)


@rules.when(_is_operator, 80)
def operator_(ctx: Context, value: Any, source: Source) -> Any:
    """`torch.ops` and its namespaces, packets, overloads and higher-order operators: known by identity."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


def _is_typing(value: Any) -> bool:
    return type(value).__module__ == "typing"


@rules.when(_is_typing, 70)
def typing_object(ctx: Context, value: Any, source: Source) -> Any:
    """Type expressions: known by identity."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


def _is_known_by_identity(value: Any) -> bool:
    return type(value).__module__ in (
        "re",
        "logging",
        "_thread",
        "datetime",
        "packaging.version",
        "importlib._bootstrap",
        "_weakref",
        "torch._C",
        "torch",
    ) and not issubclass(type(value), torch.nn.Module | dict | list) or issubclass(type(value), weakref.ReferenceType)


@rules.when(_is_known_by_identity, 60)
def library_object(ctx: Context, value: Any, source: Source) -> Any:
    """Patterns, loggers, locks, versions and torch's own C objects: known by identity, called through their rules."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)
