"""Attribute lookup as CPython does it: the type's MRO first, descriptors by their kind, then the instance.

Every answer that came from a class is guarded once per (class, name): the entry found, or that none was there.
"""

from __future__ import annotations

import abc
import collections
import functools
import types
from typing import TYPE_CHECKING, Any

from ..compat import words
from ..compat.python_classes import is_python_class
from ..compat.type_names import type_name
from ..signals import Break, Raised
from ..variables import (
    NONE,
    BoundVariable,
    FunctionVariable,
    ObjectVariable,
    PinnedVariable,
    SuperVariable,
    TupleVariable,
    Variable,
)

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "MISSING", "bind", "class_entry", "delete_attribute", "find", "find_behind", "generic_attribute", "generic_set_attribute", "getattr_now",
    "getattr_or_none", "guard_bases", "has", "is_subclass", "is_subtype", "missing_attribute", "overrides", "shown_type", "super_attribute",
]  # fmt: skip

MISSING: Any = type("_Missing", (), {"__repr__": lambda self: "<missing>"})()
_FIELD = collections._tuplegetter  # type: ignore[attr-defined]
_DATA = (types.GetSetDescriptorType, types.MemberDescriptorType)
_SLOTS = (types.MethodDescriptorType, types.WrapperDescriptorType)


def find(ctx: Context, cls: type, name: str) -> tuple[type | None, Any]:
    """(class that holds it, raw entry) for `name` along the MRO of `cls`; (None, MISSING) if none does."""
    key: tuple[Any, ...] = (cls, name)
    found = ctx.class_lookups.get(key)
    if found is not None:
        return found
    owner, raw = None, MISSING
    for base in type.__dict__["__mro__"].__get__(cls):
        entries = type.__dict__["__dict__"].__get__(base)
        if name in entries:
            owner, raw = base, entries[name]
            break
    ctx.class_lookups[key] = found = (owner, raw)
    if is_python_class(cls):
        ctx.guard(ctx.pinned(cls), "CLASS_ATTRIBUTE", (name, owner, None if owner is None else raw), name)
    return found


def find_behind(ctx: Context, start: type, cls: type, name: str) -> tuple[type | None, Any]:
    """As `find`, along the part of the MRO of `start` behind `cls`: what `super()` finds."""
    key = (start, cls, name)
    found = ctx.class_lookups.get(key)
    if found is not None:
        return found
    mro = type.__dict__["__mro__"].__get__(start)
    owner, raw = None, MISSING
    for base in mro[mro.index(cls) + 1 :]:
        entries = type.__dict__["__dict__"].__get__(base)
        if name in entries:
            owner, raw = base, entries[name]
            break
    if is_python_class(start):
        ctx.guard(ctx.pinned(start), "CLASS_ATTRIBUTE", (name, owner, None if owner is None else raw, cls), (name, cls))
    ctx.class_lookups[key] = found = (owner, raw)
    return found


def is_subtype(cls: type, base: type) -> bool:
    """What C asks where it compares types: the MRO alone. `issubclass` would run a metaclass's own answer."""
    return any(each is base for each in type.__dict__["__mro__"].__get__(cls))


def guard_bases(ctx: Context, cls: type) -> None:
    """Something was asked that the classes which `cls` inherits from decide."""
    if is_python_class(cls):
        ctx.guard(ctx.pinned(cls), "MRO", type.__dict__["__mro__"].__get__(cls))


_asked = abc.ABCMeta.__subclasscheck__
#: The same from a function of `abc`, as `__instancecheck__` is one: before 3.12 protocols look who asks, two frames up.
_asked_of_instance = types.FunctionType((lambda wanted, cls: _asked(wanted, cls)).__code__, {"__name__": "abc", "_asked": _asked})


def is_subclass(ctx: Context, cls: type, wanted: Any, of_instance: bool = False) -> bool:
    """What an abstract base class says of `cls`. What it said yes to stays so; a no is guarded by what is registered with it."""
    answer = (_asked_of_instance if of_instance else _asked)(wanted, cls)
    if not answer:
        ctx.guard(ctx.pinned(cls), "NOT_REGISTERED", wanted, wanted)
    return answer


def has(ctx: Context, cls: type, name: str) -> bool:
    return find(ctx, cls, name)[1] is not MISSING


def is_data_descriptor(ctx: Context, kind: type) -> bool:
    """Whether an entry of this type comes before what an instance holds itself."""
    return has(ctx, kind, "__get__") and (has(ctx, kind, "__set__") or has(ctx, kind, "__delete__"))


def overrides(ctx: Context, cls: type, *names: str) -> bool:
    """Whether a Python class on the MRO of `cls` defines one of `names`, so that the builtin way doesn't apply."""
    if not is_python_class(cls):
        return False
    return any(
        owner is not None and is_python_class(owner) and type(raw) in _PYTHON
        for owner, raw in (find(ctx, cls, n) for n in names)
    )


_PYTHON = (types.FunctionType, property, classmethod, staticmethod, functools.partialmethod)


def class_entry(ctx: Context, owner: type, name: str, raw: Any) -> Variable:
    """The variable of an entry of a class's dict."""
    source = ctx.pinned(owner).dict().item(name)
    known = ctx.by_source.get(source)
    if known is not None:
        return known
    if type(raw) is types.FunctionType:
        variable: Variable = FunctionVariable(
            raw, raw.__code__, raw.__globals__, source
        )  # its identity is guarded already
        if not ctx.session.is_library(raw.__code__):
            ctx.guard(source, "CODE_MATCH", raw.__code__)
        ctx.remember(variable, raw, source)
        return variable
    return ctx.build(raw, source)


def bind(ctx: Context, owner: type, name: str, raw: Any, instance: Variable | None, cls: Variable) -> Any:
    """What reading the class entry `raw` gives for `instance` (None: read on the class `cls` itself)."""
    kind = type(raw)
    if kind is types.FunctionType:
        function = class_entry(ctx, owner, name, raw)
        return function if instance is None else BoundVariable(function, instance)
    if kind is staticmethod:
        return ctx.build(raw.__func__, ctx.pinned(owner).dict().item(name).attr("__func__"))
    if kind is classmethod:
        return BoundVariable(ctx.build(raw.__func__, ctx.pinned(owner).dict().item(name).attr("__func__")), cls)
    if kind is types.ClassMethodDescriptorType:
        return BoundVariable(PinnedVariable(raw), cls)
    if kind in _SLOTS:
        return PinnedVariable(raw) if instance is None else BoundVariable(PinnedVariable(raw), instance)
    if kind is types.BuiltinFunctionType:
        return ctx.build(raw, ctx.pinned(owner).dict().item(name))
    if instance is None and (kind is property or kind in _DATA or kind is functools.cached_property):
        return ctx.build(raw, ctx.pinned(owner).dict().item(name))
    if kind is property:
        return _property(ctx, owner, name, raw, instance)
    if kind is _FIELD and isinstance(instance, TupleVariable | ObjectVariable):
        held = instance.data if isinstance(instance, ObjectVariable) else instance
        if isinstance(held, TupleVariable):  # a field of a named tuple
            return held.item(ctx, raw.__reduce__()[1][0])
    if kind is functools._lru_cache_wrapper:
        wrapper = ctx.build(raw, ctx.pinned(owner).dict().item(name))
        return wrapper if instance is None else BoundVariable(wrapper, instance)
    getter_owner, getter = find(ctx, kind, "__get__")
    if getter is MISSING:
        return class_entry(ctx, owner, name, raw)
    if getter_owner is property:
        return class_entry(ctx, owner, name, raw) if instance is None else _property(ctx, owner, name, raw, instance)
    if type(getter) is types.FunctionType:
        descriptor = class_entry(ctx, owner, name, raw)
        assert getter_owner is not None
        return class_entry(ctx, getter_owner, "__get__", getter).call(ctx, [descriptor, instance or NONE, cls], {})
    if kind is functools.partialmethod or kind is functools.singledispatchmethod:
        raise Break("descriptor-unsupported", name=name, type=kind.__name__)
    if isinstance(raw, type) or callable(raw) and getter_owner is not None and not is_python_class(getter_owner):
        return (
            class_entry(ctx, owner, name, raw)
            if isinstance(raw, type) or instance is None
            else BoundVariable(class_entry(ctx, owner, name, raw), instance)
        )
    raise Break("descriptor-unsupported", name=name, type=kind.__name__)


def _property(ctx: Context, owner: type, name: str, raw: Any, instance: Variable | None) -> Any:
    if raw.fget is None:
        kind = owner if instance is None else instance.python_type()
        ctx.raise_(AttributeError, f"property {name!r} of {kind.__qualname__!r} object has no getter")
    return ctx.build(raw.fget, ctx.pinned(owner).dict().item(name).attr("fget")).call(ctx, [instance], {})


def generic_attribute(ctx: Context, variable: Variable, name: str) -> Any:
    """`object.__getattribute__` for variables without an instance dict: the type decides."""
    cls = variable.python_type()
    if name == "__class__":
        return ctx.type_of(variable)
    owner, raw = find(ctx, cls, name)
    own = variable.own_attribute(ctx, name) if type(raw) not in _DATA else None
    if own is not None:
        return own
    if raw is MISSING:
        return missing_attribute(ctx, variable, name)
    assert owner is not None
    if type(raw) in _DATA:
        native = variable.native_attribute(ctx, name)
        if native is not None:
            return native
        return native_descriptor(ctx, variable, name)
    return bind(ctx, owner, name, raw, variable, ctx.type_of(variable))


def native_descriptor(ctx: Context, variable: Variable, name: str) -> Variable:
    """A C-level attribute of a value that is known while tracing; others break."""
    from ..signals import NotConstant

    if name == "__doc__":
        return ctx.wrap(variable.python_type().__doc__)
    try:
        value = variable.constant()
    except NotConstant:
        raise Break("unsupported-attribute", expr=f".{name}", type=variable.python_type().__name__, name=name) from None
    try:
        return ctx.wrap(getattr(value, name))
    except AttributeError as error:
        ctx.raise_from_host(error)


def missing_attribute(ctx: Context, variable: Variable, name: str) -> Any:
    """`__getattr__` if the class has one, else AttributeError."""
    cls = variable.python_type()
    owner, fallback = find(ctx, cls, "__getattr__")
    if fallback is not MISSING and owner is not None:
        return bind(ctx, owner, "__getattr__", fallback, variable, ctx.type_of(variable)).call(
            ctx, [ctx.literal(name)], {}
        )
    empty = type(find(ctx, cls, name)[1]) is types.MemberDescriptorType
    ctx.raise_missing(words.empty_slot(cls, name) if empty else f"{type_name(cls)!r} object has no attribute {name!r}", name, variable)


def shown_type(variable: Variable) -> str:
    """How CPython's errors name the class of an object."""
    return type_name(variable.python_type())


def generic_set_attribute(ctx: Context, variable: Variable, name: str, value: Variable) -> Any:
    cls = variable.python_type()
    owner, raw = find(ctx, cls, name)
    if raw is MISSING and not cls.__dictoffset__:
        ctx.raise_(AttributeError, words.unsettable(cls, name, False))
    if type(raw) is types.GetSetDescriptorType and not isinstance(variable, ObjectVariable):
        ctx.raise_(AttributeError, f"attribute {name!r} of {type_name(raw.__objclass__)!r} objects is not writable")
    if type(raw) is types.MemberDescriptorType and not isinstance(variable, ObjectVariable):
        ctx.raise_(AttributeError, "readonly attribute")
    if type(raw) in (types.FunctionType, *_SLOTS):
        ctx.raise_(AttributeError, f"{type_name(cls)!r} object attribute {name!r} is read-only")
    raise Break("outside-state-write", expr=f".{name}", type=cls.__name__)


def delete_attribute(ctx: Context, variable: Variable, name: str) -> Any:
    if isinstance(variable, ObjectVariable):
        return ctx.objects.delete_instance_attribute(ctx, variable, name)
    if (
        isinstance(variable, FunctionVariable)
        and variable.attributes
        and name in variable.attributes
        and variable.function is None
    ):
        ctx.mutate(variable)
        del variable.attributes[name]
        return None
    raise Break("outside-state-write", expr=f"del .{name}", type=variable.python_type().__name__)


def super_attribute(ctx: Context, variable: SuperVariable, name: str) -> Any:
    """The attribute after `variable.cls` in the MRO of the owner's class."""
    owner_variable = variable.owner
    is_class = (
        isinstance(owner_variable, PinnedVariable)
        and isinstance(owner_variable.value, type)
        and is_subtype(owner_variable.value, variable.cls)
    )
    start = owner_variable.value if is_class else owner_variable.python_type()  # type: ignore[attr-defined]
    base, raw = find_behind(ctx, start, variable.cls, name)
    if base is None:
        if name == "__class__":
            return PinnedVariable(super)
        ctx.raise_(AttributeError, f"'super' object has no attribute {name!r}")
    if name == "__new__" and isinstance(raw, staticmethod | types.BuiltinFunctionType):
        return class_entry(ctx, base, name, raw.__func__ if isinstance(raw, staticmethod) else raw)
    if type(raw) in _DATA:
        native = owner_variable.native_attribute(ctx, name)
        if native is not None:
            return native
        raise Break("unsupported-attribute", expr=f"super().{name}", name=name, type=base.__name__)
    cls = owner_variable if is_class else ctx.type_of(owner_variable)
    return bind(ctx, base, name, raw, None if is_class else owner_variable, cls)


def getattr_now(ctx: Context, variable: Variable, name: str) -> Variable:
    """The attribute, having run whatever Python code computes it."""
    return ctx.settle(variable.attribute(ctx, name))


def getattr_or_none(ctx: Context, variable: Variable, name: str) -> Variable | None:
    """The attribute; None where reading it raises AttributeError."""
    try:
        return getattr_now(ctx, variable, name)
    except Raised as error:
        if issubclass(error.variable.python_type(), AttributeError):
            return None
        raise
