"""SourcelessBuilder: values that came into being while tracing, or that the trace knows by identity alone."""

from __future__ import annotations

import collections
import enum
import functools
import operator
import types
from typing import TYPE_CHECKING, Any

import torch

from ..signals import Break
from ..variables import (
    LITERALS,
    BoundVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    MappingProxyVariable,
    PinnedVariable,
    RangeVariable,
    SetVariable,
    SliceVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    is_structseq,
    literal,
)
from .table import RuleTable

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["sourceless", "wrap"]

sourceless = RuleTable("SourcelessBuilder")


def wrap(ctx: Context, value: Any) -> Variable:
    """The variable of `value`. Existing objects that have identity get the variable they already have."""
    kind = type(value)
    if kind in LITERALS:
        return literal(value)
    if isinstance(value, Variable):
        return value
    known = ctx.by_id.get(id(value)) if kind not in _FRESH else None
    if known is not None:
        return known
    variable, _, _ = sourceless.select(ctx, value, None)
    if kind not in _FRESH:
        ctx.remember(variable, value, None)
    return variable


_FRESH = frozenset(
    {tuple, list, dict, set, frozenset, range, slice, torch.Size, collections.OrderedDict, collections.deque}
)


@sourceless.exact(tuple, torch.Size)
def tuple_(ctx: Context, value: Any, source: None) -> Variable:
    """A tuple, item by item."""
    return TupleVariable([wrap(ctx, v) for v in value], type(value))


@sourceless.when(lambda value: is_named_tuple(type(value)) or is_structseq(type(value)), 50)
def named_tuple(ctx: Context, value: Any, source: None) -> Variable:
    """A named tuple or struct sequence, item by item."""
    return TupleVariable([wrap(ctx, v) for v in value], type(value))


@sourceless.exact(list)
def list_(ctx: Context, value: Any, source: None) -> Variable:
    """A list, item by item."""
    return ListVariable([wrap(ctx, v) for v in value])


@sourceless.exact(collections.deque)
def deque(ctx: Context, value: Any, source: None) -> Variable:
    """A deque, item by item."""
    return ListVariable([wrap(ctx, v) for v in value], collections.deque, None, value.maxlen)


@sourceless.exact(dict, collections.OrderedDict)
def dict_(ctx: Context, value: Any, source: None) -> Variable:
    """A dict, value by value."""
    return DictVariable({wrap(ctx, k).dict_key(ctx): wrap(ctx, v) for k, v in value.items()}, type(value))


@sourceless.exact(set, frozenset)
def set_(ctx: Context, value: Any, source: None) -> Variable:
    """A set, member by member."""
    return SetVariable({wrap(ctx, v).dict_key(ctx): None for v in value}, type(value), order=value)


@sourceless.exact(slice)
def slice_(ctx: Context, value: slice, source: None) -> Variable:
    """A slice."""
    return SliceVariable([wrap(ctx, v) for v in (value.start, value.stop, value.step)])


@sourceless.exact(range)
def range_(ctx: Context, value: range, source: None) -> Variable:
    """A range."""
    return RangeVariable([ConstantVariable(v) for v in (value.start, value.stop, value.step)])


@sourceless.exact(types.FunctionType)
def function(ctx: Context, value: types.FunctionType, source: None) -> Variable:
    """A Python function that no source leads to: pinned as it is."""
    return FunctionVariable(value, value.__code__, value.__globals__, ctx.pinned(value))


@sourceless.exact(types.MethodType)
def method(ctx: Context, value: types.MethodType, source: None) -> Variable:
    """A bound method: its parts."""
    return BoundVariable(wrap(ctx, value.__func__), wrap(ctx, value.__self__))


@sourceless.exact(types.MappingProxyType)
def mapping_proxy(ctx: Context, value: Any, source: None) -> Variable:
    """A mappingproxy, value by value."""
    return MappingProxyVariable(DictVariable({wrap(ctx, k).dict_key(ctx): wrap(ctx, v) for k, v in value.items()}))


@sourceless.base(type, enum.Enum, types.GenericAlias)
def class_(ctx: Context, value: Any, source: None) -> Variable:
    """Classes, members of enums, types with parameters: known by identity."""
    return PinnedVariable(value)


@sourceless.exact(
    types.BuiltinFunctionType, types.ModuleType, types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType,
    types.MemberDescriptorType, types.ClassMethodDescriptorType, property, classmethod, staticmethod,
    functools.partial, functools._lru_cache_wrapper, types.UnionType, torch.finfo, torch.iinfo, torch.Generator,
    operator.itemgetter, operator.attrgetter, operator.methodcaller,
)  # fmt: skip
def by_identity(ctx: Context, value: Any, source: None) -> Variable:
    """Builtins, modules, descriptors, number limits: known by identity."""
    if isinstance(getattr(value, "__self__", None), torch.Tensor):
        raise Break("unsupported-type", type=type(value).__name__, why="it is a method of a tensor that exists only while tracing")
    return PinnedVariable(value)


@sourceless.exact(types.MethodWrapperType)
def method_wrapper(ctx: Context, value: Any, source: None) -> Variable:
    """A slot wrapper bound to an object (`torch.Tensor.shape.__get__`): its parts, since it is a new object each time."""
    if isinstance(value.__self__, torch.Tensor):
        raise Break("unsupported-type", type=type(value).__name__, why="it is a method of a tensor that exists only while tracing")
    return BoundVariable(PinnedVariable(getattr(type(value.__self__), value.__name__)), wrap(ctx, value.__self__))


@sourceless.base(object)
def pinned(ctx: Context, value: Any, source: None) -> Variable:
    """Any other object that a rule produced natively: built as if it had been there before, from a pinned source."""
    if isinstance(value, torch.Tensor):
        raise Break("unsupported-type", type="Tensor", why="a tensor was made outside the graph while tracing")
    return ctx.build(value, ctx.pinned(value))
