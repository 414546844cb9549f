"""Tensors of the program's classes: their attributes, how they are made, and what torch's own `__torch_function__` makes of a call.

Such a tensor is an ordinary one in the graph. What its class is told of: `functions/torch/overriding.py`.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

import torch

from ...compat.overriding import SUBCLASSES_OFF, is_overriding, kept_plain
from ...compat.python_classes import is_python_class
from ...protocol.lookup import MISSING, is_data_descriptor, is_subtype
from ...signals import Break, Declined
from ...variables import (
    BoundVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    PinnedVariable,
    SubclassVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    literal,
    mention,
)
from ..table import calls
from .overriding import overrides, own_classes, told_field

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["as_class", "check_class", "set_subclass_attribute", "subclass_attribute"]

_FIELDS = (types.GetSetDescriptorType, types.MemberDescriptorType)
#: What is read from, or written to, the object itself, where its class would be told of it.
_OF_OBJECT = frozenset({"grad"})


# ---- attributes
def subclass_attribute(ctx: Context, variable: SubclassVariable, name: str) -> Any:
    """`tensor.name`: what the class says first, as for any object; fields of torch's as of a plain tensor, unless the class is told."""
    cls = variable.cls
    if name == "__class__":
        return ctx.type_of(variable)
    if "__getattribute__" in {key for base in own_classes(cls) for key in vars(base)}:
        raise Break("tensor-subclass-unsupported", type=cls.__name__, expr=f"{mention(variable)}.{name}", why="it has its own `__getattribute__`")
    owner, raw = ctx.protocol.find(ctx, cls, name)
    own = owner in own_classes(cls)
    if own and owner is not None and (type(raw) is property or is_data_descriptor(ctx, type(raw))):
        if type(raw) in _FIELDS:
            raise Break("unsupported-attribute", expr=f"{mention(variable)}.{name}", name=name, type=cls.__name__)
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    if type(raw) in _FIELDS:
        return _field(ctx, variable, name)
    if variable.attrs is not None and name in variable.attrs:
        return variable.attrs[name]
    if variable.value is not None and name in variable.value.__dict__:
        assert variable.source is not None
        return ctx.build(variable.value.__dict__[name], variable.source.dict().item(name))
    if own and owner is not None:
        _guard_absent(ctx, variable, name)
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    if raw is MISSING and ctx.protocol.has(ctx, cls, "__getattr__"):
        _guard_absent(ctx, variable, name)
        return ctx.protocol.missing_attribute(ctx, variable, name)
    return ctx.tensors.plain_attribute(ctx, variable, name)


def _guard_absent(ctx: Context, variable: SubclassVariable, name: str) -> None:
    """The object itself holds nothing under the name."""
    if variable.value is not None and variable.source is not None:
        ctx.guard(variable.source.dict(), "DICT_ABSENT", name, name)


def _field(ctx: Context, variable: SubclassVariable, name: str) -> Any:
    if ctx.overriding.by_modes or overrides(ctx, variable):
        answer = told_field(ctx, variable, name, [])
        if answer is not None:
            return answer
    if name in _OF_OBJECT and variable.source is not None and is_overriding(variable.cls):
        raise Break("unsupported-attribute", expr=f"{mention(variable)}.{name}", name=name, type=variable.cls.__name__)
    return ctx.tensors.plain_attribute(ctx, variable, name)


def set_subclass_attribute(ctx: Context, variable: SubclassVariable, name: str, value: Variable) -> Any:
    """`tensor.name = value`."""
    cls = variable.cls
    setter_owner, setter = ctx.protocol.find(ctx, cls, "__setattr__")
    if setter_owner in own_classes(cls) and isinstance(setter, types.FunctionType):
        return ctx.protocol.special(ctx, variable, "__setattr__", [literal(name), value], "")
    owner, raw = ctx.protocol.find(ctx, cls, name)
    if owner in own_classes(cls) and type(raw) is property and raw.fset is not None:
        return ctx.call_now(ctx.build(raw.fset, ctx.pinned(owner).dict().item(name).attr("fset")), [variable, value])
    if type(raw) in _FIELDS:
        if (ctx.overriding.by_modes or overrides(ctx, variable)) and told_field(ctx, variable, name, [value]) is not None:
            return None
        if name in _OF_OBJECT and is_overriding(cls):
            raise Break("grad-write", expr=f"{mention(variable)}.{name}", name=name)
    return ctx.tensors.set_plain_attribute(ctx, variable, name, value)


# ---- making them
def check_class(cls: Any) -> None:
    """Whether a tensor of this class is an ordinary one for C++."""
    if not isinstance(cls, type) or not is_subtype(cls, torch.Tensor) or cls.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:  # type: ignore[attr-defined]
        raise Break("tensor-subclass-unsupported", type=getattr(cls, "__name__", ""), why="it isn't a class of ordinary tensors")
    if hasattr(cls, "__tensor_flatten__") or cls is not torch.Tensor and not is_python_class(cls):
        raise Break("tensor-subclass-unsupported", type=cls.__name__, why="it holds other tensors")


def as_class(ctx: Context, tensor: TensorVariable, cls: type) -> TensorVariable:
    """A new tensor of the same memory, of class `cls`."""
    check_class(cls)
    plain = ctx.node("call_function", torch.ops.aten.alias.default, [TensorVariable(tensor.node, tensor.fake)])
    return plain if cls is torch.Tensor else SubclassVariable(plain.node, plain.fake, None, cls)


@calls.exact(torch.Tensor.as_subclass)
def as_subclass(ctx: Context, tensor: Variable, cls: Variable) -> Any:
    """`x.as_subclass(Class)`: a view of all of it, of that class. Nobody is told of it."""
    if not isinstance(tensor, TensorVariable) or not isinstance(cls, PinnedVariable):
        return Declined("not a tensor and a known class")
    return as_class(ctx, tensor, cls.value)


@calls.exact(torch.Tensor._make_subclass)
def make_subclass(ctx: Context, cls: Variable, data: Variable, require_grad: Variable | None = None) -> Any:
    """`torch.Tensor._make_subclass(Class, data)`: the data, detached, as one of that class."""
    wanted = ctx.protocol.truth(ctx, require_grad) if require_grad is not None else False
    if not isinstance(data, TensorVariable) or not isinstance(cls, PinnedVariable) or wanted:
        return Declined("not a tensor and a known class, or a new leaf")
    check_class(cls.value)
    plain = ctx.node("call_method", "detach", [TensorVariable(data.node, data.fake)])
    return SubclassVariable(plain.node, plain.fake, None, cls.value, apart=True)


# ---- torch's own override
@calls.exact(torch.Tensor.__torch_function__.__func__)  # type: ignore[attr-defined]
def default_override(ctx: Context, cls: Variable, func: Variable, types: Variable, args: Variable | None = None, kwargs: Variable | None = None) -> Any:
    """`super().__torch_function__(…)`: the call itself, of which no class is told; tensors that it gives become those of the class."""
    if not isinstance(cls, PinnedVariable):
        return Declined("which class it is isn't known")
    for each in ctx.protocol.unpack(ctx, types):
        if not (isinstance(each, PinnedVariable) and is_subtype(cls.value, each.value)):
            return ctx.wrap(NotImplemented)
    given = ctx.protocol.unpack(ctx, args) if args is not None else []
    named = kwargs if isinstance(kwargs, DictVariable) else None
    if kwargs is not None and named is None and kwargs.python_type() is not type(None):
        return Declined("its keywords aren't known")
    overriding = ctx.overriding
    before = overriding.state
    overriding.state = SUBCLASSES_OFF
    try:
        result = ctx.call_now(func, given, {key: named.at(ctx, key) for key in named.items} if named is not None else {})  # type: ignore[misc]
        return result if _keeps(func) else _converted(ctx, result, cls.value)
    finally:
        overriding.state = before


@functools.cache
def _kept(function: Any) -> bool:
    return kept_plain(function)


def _keeps(func: Variable) -> bool:
    value = func.real() if isinstance(func, BoundVariable | PinnedVariable) else func.function if isinstance(func, FunctionVariable) else None
    return value is not None and _kept(value)


def _converted(ctx: Context, result: Variable, cls: type) -> Variable:
    if cls is torch.Tensor:
        return result
    if isinstance(result, TensorVariable):
        return result if is_subtype(result.cls, cls) else as_class(ctx, result, cls)
    if isinstance(result, ListVariable | TupleVariable):
        items = [_converted(ctx, item, cls) for item in result.settled(ctx)]
        if isinstance(result, ListVariable):
            return ListVariable(items, result.cls)
        if is_named_tuple(result.cls):
            raise Break("tensor-subclass-unsupported", type=cls.__name__, why="torch gives a named tuple to its own class for one value")
        return TupleVariable(items, result.cls)
    return result
