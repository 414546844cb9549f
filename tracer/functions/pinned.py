"""Objects that are known by identity: their attributes, and what calling them means.

Modules are read through their `__dict__`, classes along their MRO; builtins are called through the table of call rules, torch
operators become nodes, and pure builtins whose arguments are known are folded.
"""

from __future__ import annotations

import builtins
import enum
import functools
import sys
import types
import typing
from typing import TYPE_CHECKING, Any

import torch

from ..compat.operators import UNHELD
from ..compat.overriding import is_told as may_be_told
from ..compat.python_classes import is_python_class
from ..signals import Break, Declined, NotConstant, NotHeld
from ..variables import (
    ArrayVariable,
    BoundVariable,
    OpaqueVariable,
    PinnedVariable,
    SequenceIteratorVariable,
    Variable,
    literal,
    mention,
)
from .known import settled_values
from .python import pure
from .python.annotations import annotations_of
from .python.type_expressions import holds_type_parameters, type_subscript
from .table import calls
from .torch import marks

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "call_pinned", "import_member", "import_module", "is_torch_operator", "is_torch_owner", "pinned_argument", "pinned_attribute",
    "pinned_contains", "pinned_getitem", "pinned_iterator", "pinned_length", "pinned_truth", "set_pinned_attribute",
]  # fmt: skip

_NATIVE_DATA = (types.GetSetDescriptorType, types.MemberDescriptorType)
#: Aliases such as `Held[int]` answer by it what their origin has under the name.
_FORWARDS = type(typing.List[int]).__getattr__  # noqa: UP006
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)


def is_torch_owner(owner: Any) -> bool:
    """Whether builtins bound to `owner` are torch's functions (`torch._C._VariableFunctions`), not methods of one of its objects."""
    return "_VariableFunctionsClass" in (type(owner).__name__, getattr(owner, "__name__", ""))


#: Modules of C functions that are operators; other C functions of torch set or query its state.
_OPERATOR_MODULES = frozenset(
    f"torch._C.{name}" for name in ("_nn", "_linalg", "_fft", "_special", "_sparse", "_nested", "_VariableFunctions", "_TensorBase")
)


def is_torch_operator(value: Any) -> bool:
    """Whether a call of `value` is one operation of a graph."""
    if isinstance(value, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return True
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        if isinstance(owner, types.ModuleType):
            return owner.__name__ in _OPERATOR_MODULES
        if owner is not None:
            return is_torch_owner(owner)
        if value.__module__ == "torch":
            return hasattr(torch._C._VariableFunctions, value.__name__)
        return (value.__module__ or "") in _OPERATOR_MODULES
    return False


# ---- calling
def call_pinned(ctx: Context, variable: PinnedVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    value = variable.value
    known = ctx.session.plans.get(id(value))
    if known is None:
        known = ctx.session.remember_plan(value, (*_plan(value), is_torch_operator(value) or may_be_told(value)))
    kind, rules, is_told = known[1]
    answer = ctx.tensors.told(ctx, value, args, kwargs) if is_told else None
    if answer is not None:
        return answer
    why = ""
    for rule in rules:
        try:
            answer = rule(ctx, args, kwargs)
        except NotConstant as missing:
            raise Break("unsupported-builtin", func=_name(value), name=_name(value), type=missing.variable.python_type().__name__) from None
        if type(answer) is not Declined:
            return answer
        why = answer.why
    if kind == "node":
        return ctx.node("call_function", value, args, kwargs)
    if kind == "class":
        return ctx.classes.construct(ctx, variable, value, args, kwargs)
    if kind == "descriptor":
        return ctx.classes.call_descriptor(ctx, value, args, kwargs)
    if kind == "fold":
        return fold_call(ctx, variable, args, kwargs, why)
    if kind == "wrapped":
        return ctx.call(
            ctx.build(value.__wrapped__, (variable.source or ctx.pinned(value)).attr("__wrapped__")), args, kwargs
        )
    if kind == "method":
        return ctx.call(ctx.wrap(value.__func__), args, kwargs)
    if kind == "partial":
        return ctx.call(ctx.build(value, ctx.pinned(value)), args, kwargs)
    if kind == "object":
        return _call_object(ctx, variable, args, kwargs, why)
    raise Break(
        kind,
        func=_name(value),
        name=_name(value),
        expr=f"{_name(value)}()",
        module=getattr(value, "__module__", ""),
        why=why,
    )


def _name(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__


def _plan(value: Any) -> tuple[str, list[Any]]:
    rules = list(calls.of(value)) or calls.matching(value)
    if isinstance(value, type):
        return "class", rules
    if isinstance(value, _DESCRIPTORS):
        return "descriptor", rules
    if is_torch_operator(value):
        marked = marks.of(value) if isinstance(value, types.FunctionType) else None
        return "node" if marked is None or marked == "whole" else marked, rules
    if isinstance(value, functools._lru_cache_wrapper):
        return "wrapped", rules
    if isinstance(value, classmethod | staticmethod):
        return "method", rules
    if isinstance(value, functools.partial):
        return "partial", rules
    if pure.is_pure(value):
        return "fold", rules
    if isinstance(value, types.BuiltinFunctionType):
        return pure.reason(value), rules
    return "object", rules


def _call_object(ctx: Context, variable: PinnedVariable, args: list[Variable], kwargs: dict[str, Variable], declined: str) -> Any:
    """`declined`: why a rule of its own didn't answer."""
    value = variable.value
    if isinstance(value, torch._ops.HigherOrderOperator):
        why = declined or UNHELD.get(value.name(), ("", ""))[0]
        raise Break("higher-order-unsupported", name=value.name(), func=value.name(), expr=value.name(), **({"why": why} if why else {}))
    return ctx.protocol.call_through_type(ctx, variable, args, kwargs)


def fold_call(
    ctx: Context, variable: PinnedVariable, args: list[Variable], kwargs: dict[str, Variable], why: str = ""
) -> Any:
    """A pure builtin over known values."""
    value = variable.value
    try:
        values, named = settled_values(ctx, args, kwargs, objects=True)
    except NotConstant as missing:
        _refuse_opaque(missing.variable, value)
        raise Break(
            "unsupported-builtin",
            func=_name(value),
            name=_name(value),
            type=missing.variable.python_type().__name__,
            why=why,
        ) from None
    try:
        result = value(*values, **named)
    except NotConstant as missing:
        raise Break("unsupported-builtin", func=_name(value), name=_name(value), type=missing.variable.python_type().__name__, why=why) from None
    except Exception as error:
        ctx.raise_from_host(error)
    return ctx.protocol.wrap_native(ctx, result)


def _refuse_opaque(variable: Variable, callee: Any) -> None:
    """An argument that isn't modelled: its own reason counts, or else what the callee is."""
    if not isinstance(variable, OpaqueVariable | ArrayVariable):
        return
    reason = pure.reason(callee)
    if isinstance(variable, OpaqueVariable) and variable.stop.reason != "unsupported-type" and reason != "opaque-call":
        variable.used()
    if isinstance(variable, OpaqueVariable) or reason == "opaque-call":
        raise Break(reason, func=_name(callee), name=_name(callee), module=getattr(callee, "__module__", "") or "")


# ---- attributes
def pinned_attribute(ctx: Context, variable: PinnedVariable, name: str) -> Any:
    value = variable.value
    if isinstance(value, types.ModuleType):
        return _module_attribute(ctx, variable, value, name)
    if isinstance(value, type):
        return _class_attribute(ctx, variable, value, name)
    if isinstance(value, torch._ops._OpNamespace | torch._ops.OpOverloadPacket | torch._ops._Ops):
        try:
            return ctx.wrap(getattr(value, name))
        except AttributeError as error:
            ctx.raise_from_host(error)
    return _object_attribute(ctx, variable, value, name)


def _module_attribute(ctx: Context, variable: PinnedVariable, module: types.ModuleType, name: str) -> Any:
    held = module.__dict__
    ctx.globals_read.append((id(held), name))
    written = ctx.namespaces.get(id(held)) if ctx.namespaces else None
    if written is not None and name in written.stored:
        return written.stored[name]
    if name == "__dict__":
        raise Break(
            "exec-or-eval", expr=f"{module.__name__}.__dict__", why="the namespace of a module is shared with everybody"
        )
    if name == "__class__":
        return ctx.type_of(variable)
    cls = type(module)
    owner, raw = ctx.protocol.find(ctx, cls, name) if is_python_class(cls) else (None, None)
    if owner is not None and is_python_class(owner) and _is_data(ctx, raw):
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    source = ctx.namespace(held)
    if name in held:
        return ctx.build(held[name], source.item(name))
    ctx.guard(source, "DICT_ABSENT", name, name)
    if owner is not None and is_python_class(owner):
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    made = name == "__annotations__"  # now, by the module's type, before its own `__getattr__` is asked
    fallback = None if made else held.get("__getattr__")
    if type(fallback) is types.FunctionType and not ctx.session.is_library(fallback.__code__):
        return ctx.build(fallback, source.item("__getattr__")).call(ctx, [literal(name)], {})
    try:
        value = annotations_of(ctx, module) if made else getattr(module, name)  # a lazy module: importing a name is idempotent
    except AttributeError:
        ctx.raise_missing(f"module {module.__name__!r} has no attribute {name!r}", name, variable)
    if name in held:
        del ctx.guards[source, "DICT_ABSENT", name]
        return ctx.build(value, source.item(name))
    return ctx.build(value, ctx.pinned(value))


def _is_data(ctx: Context, raw: Any) -> bool:
    """Whether a class's entry comes before the instance's own attributes."""
    kind = type(raw)
    return kind is property or is_python_class(kind) and ctx.protocol.has(ctx, kind, "__set__")


def _class_attribute(ctx: Context, variable: PinnedVariable, cls: type, name: str) -> Any:
    """`cls.name`: the metaclass's data descriptors, the MRO, the rest of the metaclass."""
    meta = type(cls)
    asked = ctx.protocol.find(ctx, meta, "__getattribute__")
    if asked[0] is not type and asked[0] is not None and type(asked[1]) is types.FunctionType:
        return ctx.protocol.special(ctx, variable, "__getattribute__", [literal(name)], "")
    if name == "__class__":
        return ctx.type_of(variable)
    if name == "__dict__":
        return ctx.build(cls.__dict__, ctx.pinned(cls).dict())
    if name == "__subclasses__" or name == "mro":
        return BoundVariable(PinnedVariable(getattr(type, name)), variable)
    meta_owner, meta_raw = ctx.protocol.find(ctx, meta, name)
    if meta_owner is type and isinstance(meta_raw, types.GetSetDescriptorType | types.MemberDescriptorType):
        return _class_field(ctx, variable, cls, name)
    owner, raw = ctx.protocol.find(ctx, cls, name)
    if meta_owner is not None and isinstance(meta_raw, property):
        return ctx.protocol.bind(ctx, meta_owner, name, meta_raw, variable, ctx.type_of(variable))
    if owner is not None:
        if isinstance(raw, enum.Enum) or isinstance(raw, types.DynamicClassAttribute):
            return ctx.wrap(getattr(cls, name))
        if isinstance(cls, enum.EnumMeta) and name in cls.__members__:
            return ctx.wrap(cls.__members__[name])
        return ctx.protocol.bind(ctx, owner, name, raw, None, variable)
    if meta_owner is not None:
        return ctx.protocol.bind(ctx, meta_owner, name, meta_raw, variable, ctx.type_of(variable))
    if isinstance(cls, enum.EnumMeta) and name in cls.__members__:
        return ctx.wrap(cls.__members__[name])
    if ctx.protocol.has(ctx, meta, "__getattr__"):
        return ctx.protocol.special(ctx, variable, "__getattr__", [literal(name)], "")
    ctx.raise_missing(f"type object {cls.__name__!r} has no attribute {name!r}", name, variable)


def _class_field(ctx: Context, variable: PinnedVariable, cls: type, name: str) -> Any:
    """What `type` itself knows of a class: its names, its bases, …"""
    try:
        value = annotations_of(ctx, cls) if name == "__annotations__" else getattr(cls, name)
    except AttributeError:
        ctx.protocol.find(ctx, cls, name)
        ctx.raise_missing(f"type object {cls.__name__!r} has no attribute {name!r}", name, variable)
    if not is_python_class(cls):
        return ctx.wrap(value)
    if name in ("__module__", "__doc__"):
        owner, raw = ctx.protocol.find(ctx, cls, name)
        if owner is cls and raw is value:
            return ctx.protocol.class_entry(ctx, cls, name, raw)
    return ctx.build(value, ctx.pinned(cls).attr(name))


def _object_attribute(ctx: Context, variable: PinnedVariable, value: Any, name: str) -> Any:
    cls = type(value)
    if name == "__class__":
        return ctx.type_of(variable)
    owner, raw = ctx.protocol.find(ctx, cls, name)
    if isinstance(raw, types.DynamicClassAttribute) and type(raw.fget) is types.FunctionType and owner is not None:  # of an enum
        source = ctx.pinned(owner).dict().item(name).attr("fget")
        return ctx.build(raw.fget, source).call(ctx, [variable], {})
    held = ctx.objects.instance_dict(value) if is_python_class(cls) else None
    source = variable.source or ctx.pinned(value)
    if held is not None and not (owner is not None and _is_data(ctx, raw)) and type(raw) not in _NATIVE_DATA:
        if name in held:
            return ctx.build(held[name], source.dict().item(name))
        ctx.guard(source.dict(), "DICT_ABSENT", name, name)
    if isinstance(raw, types.FunctionType) and owner is not None:
        return BoundVariable(ctx.protocol.class_entry(ctx, owner, name, raw), variable)
    if isinstance(raw, property) and is_python_class(cls) and owner is not None:
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    if isinstance(raw, _DESCRIPTORS):
        return BoundVariable(PinnedVariable(raw), variable)
    if owner is None and held is not None and "__origin__" in held and not (name.startswith("__") and name.endswith("__")):
        if ctx.protocol.find(ctx, cls, "__getattr__")[1] is _FORWARDS:
            return ctx.build(held["__origin__"], source.dict().item("__origin__")).attribute(ctx, name)
    try:
        result = getattr(value, name)
    except AttributeError as error:
        if held is None:
            ctx.guard(source, "NOHASATTR", name, name)
        ctx.raise_from_host(error)
    if type(result) is types.MethodType and owner is not None:
        return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    if owner is not None and held is not None and result is raw:
        return ctx.protocol.class_entry(ctx, owner, name, raw)
    return ctx.build(result, source.attr(name))


def set_pinned_attribute(ctx: Context, variable: PinnedVariable, name: str, value: Variable) -> Any:
    held = variable.value
    if held is builtins:  # for real, so that what runs meanwhile, ours too, runs as it is
        raise Break("outside-state-write", expr=f"builtins.{name}", type="builtin name")
    if isinstance(held, types.ModuleType):
        namespace = ctx.namespace_variable(held.__dict__)
        ctx.mutate(namespace)
        namespace.stored[name] = value
        return None
    raise Break("outside-state-write", expr=f"{mention(variable)}.{name}", type=type(held).__name__)


# ---- containers among them
def _is_enum(ctx: Context, value: Any, name: str) -> bool:
    """Whether it is a class of members, and its metaclass leaves the method as `enum` has it."""
    return isinstance(value, enum.EnumMeta) and ctx.protocol.find(ctx, type(value), name)[0] is enum.EnumMeta


def pinned_truth(ctx: Context, variable: PinnedVariable) -> bool:
    value = variable.value
    if not _is_enum(ctx, value, "__bool__") and ctx.protocol.overrides(ctx, type(value), "__bool__", "__len__"):
        return ctx.protocol.truth_through_type(ctx, variable)
    return True if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType) else bool(value)


def pinned_getitem(ctx: Context, variable: PinnedVariable, key: Variable) -> Any:
    value = variable.value
    if isinstance(value, type | types.GenericAlias) or type(value).__module__ == "typing":
        if _is_enum(ctx, value, "__getitem__"):
            try:
                return ctx.wrap(value[_settled(ctx, variable, key)])
            except (KeyError, TypeError) as error:
                ctx.raise_from_host(error)
        if (
            isinstance(value, type)
            and is_python_class(type(value))
            and ctx.protocol.has(ctx, type(value), "__getitem__")
        ):
            return ctx.protocol.special(ctx, variable, "__getitem__", [key], "is not subscriptable")
        own = _own_subscript(ctx, value)
        if own is not None:
            return ctx.call_now(ctx.settle(ctx.protocol.bind(ctx, *own, None, variable)), [key])
        if holds_type_parameters(ctx, key):
            return type_subscript(ctx, variable, key)
        try:
            return ctx.wrap(value[_settled(ctx, variable, key)])
        except Break:
            raise
        except Exception:  # Python raises it again, where the program stands
            raise Break("unsupported-builtin", func="type subscript", type=_name(value)) from None
    return ctx.protocol.special(ctx, variable, "__getitem__", [key], "is not subscriptable")


def _settled(ctx: Context, variable: PinnedVariable, key: Variable) -> Any:
    try:
        return settled_values(ctx, [key], {})[0][0]
    except NotConstant:
        raise Break("unsupported-builtin", func="type subscript", type=_name(variable.value)) from None


def _own_subscript(ctx: Context, cls: Any) -> Any:
    """(owner, name, entry) of a `__class_getitem__` of the program's, which runs as its own code."""
    if not isinstance(cls, type) or not is_python_class(cls):
        return None
    owner, raw = ctx.protocol.find(ctx, cls, "__class_getitem__")
    function = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
    if owner is None or type(function) is not types.FunctionType or ctx.session.is_library(function.__code__):
        return None
    return owner, "__class_getitem__", raw


def pinned_iterator(ctx: Context, variable: PinnedVariable) -> Variable:
    value = variable.value
    if _is_enum(ctx, value, "__iter__"):
        return SequenceIteratorVariable([ctx.wrap(v) for v in value], types.GeneratorType)
    return ctx.protocol.iterator_through_type(ctx, variable)


def pinned_length(ctx: Context, variable: PinnedVariable) -> Variable:
    if _is_enum(ctx, variable.value, "__len__"):
        return literal(len(variable.value))
    return ctx.protocol.length_through_type(ctx, variable)


def pinned_contains(ctx: Context, variable: PinnedVariable, item: Variable) -> bool:
    if _is_enum(ctx, variable.value, "__contains__"):
        try:
            return _settled(ctx, variable, item) in variable.value
        except TypeError as error:
            ctx.raise_from_host(error)
    return ctx.protocol.contains_through_type(ctx, variable, item)


def pinned_argument(ctx: Context, variable: PinnedVariable) -> tuple[Any, Any]:
    value = variable.value
    if (
        isinstance(value, enum.Enum)
        or isinstance(value, torch.dtype | type)
        or is_torch_operator(value)
    ):
        return value, value
    raise NotHeld(_name(value))


# ---- imports
def import_module(ctx: Context, namespace: dict[str, Any], name: str, names: Any, level: int) -> Variable:
    """`import name`: the module, if it is loaded already."""
    absolute = name
    if level:
        package = namespace.get("__package__") or namespace.get("__name__", "").rpartition(".")[0]
        parts = package.split(".")
        if level > 1:
            parts = parts[: -(level - 1)]
        absolute = ".".join(parts) + (f".{name}" if name else "")
    if absolute not in sys.modules:
        raise Break("import-inside", module=absolute, name=absolute, expr=f"import {absolute}")
    loaded = absolute if names else absolute.split(".")[0] if not level else absolute
    module = sys.modules[loaded]
    return ctx.build(module, ctx.namespace(sys.modules).item(loaded))


def import_member(ctx: Context, module: Variable, name: str) -> Variable:
    held = module.real()
    if name not in held.__dict__:
        full = f"{held.__name__}.{name}"
        if full in sys.modules:
            return ctx.build(sys.modules[full], ctx.namespace(sys.modules).item(full))
        try:
            value = getattr(held, name)
        except AttributeError:
            origin = getattr(held, "__file__", None) or "unknown location"
            ctx.raise_(ImportError, f"cannot import name {name!r} from {held.__name__!r} ({origin})")
        if isinstance(value, types.ModuleType):
            return ctx.build(value, ctx.pinned(value))
    return ctx.settle(module.attribute(ctx, name))
