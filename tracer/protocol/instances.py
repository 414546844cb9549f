"""Attributes of instances: data descriptors, the instance's own dict, the class, `__getattr__`; and how they are set.

Reached as `ctx.objects`.
"""

from __future__ import annotations

import collections
import functools
import types
from typing import TYPE_CHECKING, Any

from torch.autograd.function import BackwardCFunction

from ..compat import words
from ..compat.autograd_functions import KEPT_BY_C
from ..compat.python_classes import dict_of_instance, is_python_class
from ..signals import Break, Raised
from ..variables import (
    UNSET,
    DictVariable,
    ListVariable,
    ObjectVariable,
    SetVariable,
    TupleVariable,
    Variable,
    literal,
)
from ..variables.base import Lazy
from .lookup import _DATA, MISSING, bind, class_entry, find, is_data_descriptor, missing_attribute

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = [
    "builtin_data", "delete_instance_attribute", "get_raw", "instance_attribute", "instance_dict", "instance_namespace", "is_namespace",
    "native_base", "owner_of", "set_instance_attribute", "set_raw",
]  # fmt: skip


def instance_dict(value: Any) -> dict[str, Any] | None:
    """The instance's own `__dict__`, read without user code; None if it has none."""
    held = dict_of_instance(value)
    return held if issubclass(type(held), dict) else None


def native_base(cls: type) -> type:
    """The builtin class whose `__new__` makes instances of `cls`."""
    for base in type.__dict__["__mro__"].__get__(cls):
        if not is_python_class(base):
            return base
    return object


def builtin_data(cls: type) -> Variable | None:
    """Fresh builtin part of a new instance of `cls`; None where it has none."""
    native = native_base(cls)
    if native in (dict, collections.OrderedDict, collections.defaultdict):
        return DictVariable({}, native)
    if native is list:
        return ListVariable([])
    if native is collections.deque:
        return ListVariable([], collections.deque)
    if native is set or native is frozenset:
        return SetVariable({}, native)
    return None


def instance_attribute(ctx: Context, variable: ObjectVariable, name: str) -> Any:
    """`variable.name`."""
    cls = variable.cls
    getter = find(ctx, cls, "__getattribute__")
    if (
        getter[0] is not object
        and getter[0] is not None
        and is_python_class(getter[0])
        and type(getter[1]) is types.FunctionType
    ):
        method = bind(ctx, getter[0], "__getattribute__", getter[1], variable, ctx.type_of(variable))
        if find(ctx, cls, "__getattr__")[1] is MISSING:
            return method.call(ctx, [literal(name)], {})
        try:
            return ctx.call_now(method, [literal(name)])
        except Raised as error:
            if not issubclass(error.variable.python_type(), AttributeError):
                raise
        return missing_attribute(ctx, variable, name)
    found = get_raw(ctx, variable, name)
    return missing_attribute(ctx, variable, name) if found is MISSING else found


def get_raw(ctx: Context, variable: ObjectVariable, name: str) -> Any:
    """`object.__getattribute__`; MISSING where it would raise AttributeError for want of the name."""
    cls = variable.cls
    owner, raw = find(ctx, cls, name)
    if name == "__class__" and owner is object:
        return ctx.type_of(variable)
    kind = type(raw)
    if raw is not MISSING:
        assert owner is not None
        if kind is property:
            return bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
        if kind in _DATA:
            return _slot(ctx, variable, name, raw)
        if is_python_class(kind) and is_data_descriptor(ctx, kind):
            return bind(ctx, owner, name, raw, variable, ctx.type_of(variable))
    own = variable.own(ctx, name)
    if own is not None:
        return own
    if raw is MISSING:
        return MISSING
    assert owner is not None
    if kind is functools.cached_property:
        return _cached_property(ctx, variable, name, raw, owner)
    return bind(ctx, owner, name, raw, variable, ctx.type_of(variable))


def _cached_property(ctx: Context, variable: ObjectVariable, name: str, raw: Any, owner: type) -> Any:
    getter = ctx.build(raw.func, ctx.pinned(owner).dict().item(name).attr("func"))
    value = ctx.call_now(getter, [variable])
    variable.store(ctx, raw.attrname, value)
    return value


def _slot(ctx: Context, variable: ObjectVariable, name: str, raw: Any) -> Any:
    """A member descriptor (`__slots__`) or a C-level attribute."""
    stored = variable.slots.get(raw)
    if stored is not None:
        return MISSING if stored is UNSET else stored
    if name == "__dict__":
        return instance_namespace(ctx, variable)
    native = variable.native_attribute(ctx, name)
    if native is not None:
        return native
    if variable.value is None or variable.source is None:
        if isinstance(raw, types.MemberDescriptorType):
            return MISSING
        if name == "__weakref__":
            return literal(None)
        raise Break("unsupported-attribute", expr=f".{name}", name=name, type=variable.cls.__name__)
    if issubclass(variable.cls, BackwardCFunction):  # `saved_tensors` makes tensors at each read, and runs hooks of the program
        raise Break("descriptor-unsupported", name=name, type=variable.cls.__name__)
    try:
        value = raw.__get__(variable.value)
    except AttributeError:
        ctx.guard(variable.source, "NOHASATTR", name, name)
        return MISSING
    return ctx.build(value, variable.source.attr(name))


def instance_namespace(ctx: Context, variable: ObjectVariable) -> Variable:
    """`x.__dict__`, the same variable each time: what is stored through it is stored on the instance, and the reverse."""
    variable = variable.holder or variable
    known = ctx.instance_dicts.get(id(variable))
    if known is not None:
        return known
    items: dict[Any, Any] = {}
    held = instance_dict(variable.value) if variable.value is not None else None
    source = None
    if held is not None and variable.source is not None:
        source = variable.source.dict()
        ctx.guard(source, "DICT_KEYS", tuple(held))
        items.update({k: Lazy(v, source.item(k)) for k, v in held.items()})
    for key in variable.erased:
        items.pop(key, None)
    items.update({key: value for key, value in variable.attrs.items() if value is not UNSET})
    made = ctx.instance_dicts[id(variable)] = InstanceDictVariable(items, variable, source)
    if source is not None:
        ctx.remember(made, held, source)
    return made


def owner_of(ctx: Context, held: dict[Any, Any], source: Source) -> ObjectVariable | None:
    """Whose `__dict__` a dict is that was met by itself (a local `d = vars(x)`, behind a break): of what was built and of the
    frame's own arguments. Guarded to stay so."""
    built = ctx.owners.get(id(held))
    owner = ctx.by_source.get(built) if built is not None else None
    for name, value in ctx.entered.items() if owner is None else ():
        if is_python_class(type(value)) and value is not held and instance_dict(value) is held:
            owner = ctx.build(value, ctx.local(name))
    if type(owner) is not ObjectVariable or owner.source is None or source is owner.source.dict():
        return None
    ctx.guard(source, "SAME_OBJECT", owner.source.dict(), owner.source.dict())
    return owner


def is_namespace(variable: Variable) -> bool:
    """Whether it follows an instance's attributes."""
    return isinstance(variable, InstanceDictVariable)


class _Attributes(dict[Any, Any]):
    """The items of an instance's dict. Each change, whichever rule makes it, is a change of the instance too."""

    __slots__ = ("instance",)

    def __init__(self, items: dict[Any, Any], instance: ObjectVariable):
        super().__init__(items)
        self.instance = instance

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.instance.enter(key, value)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.instance.enter(key, UNSET)

    def pop(self, key: Any, *default: Any) -> Any:
        if key not in self:
            return super().pop(key, *default)
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[Any, Any]:
        if not self:
            raise KeyError("popitem(): dictionary is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def update(self, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def store(self, key: str, value: Any) -> None:
        """The instance's own write."""
        if value is UNSET:
            super().pop(key, None)
        else:
            super().__setitem__(key, value)


class InstanceDictVariable(DictVariable):
    """`x.__dict__`: its items are the instance's attributes."""

    __slots__ = ("__weakref__", "instance")

    def __init__(self, items: dict[Any, Any], instance: ObjectVariable, source: Source | None):
        super().__init__(_Attributes(items, instance), dict, source)
        self.instance = instance

    def snapshot(self) -> Any:
        return dict(self.items), self.instance.snapshot()

    def restore(self, state: Any) -> None:
        self.items = _Attributes(state[0], self.instance)
        self.instance.restore(state[1])

    def rebuild(self, body: Any) -> str:
        name = body.fresh("namespace")
        body.line(f"{name} = {body.step(body.value(self.instance), 'dict', None, self.instance)}")
        return name

    def replay(self, body: Any, name: str) -> None:
        if self.instance not in body.ctx.effects:  # else it is replayed itself, and once
            self.instance.replay(body, body.value(self.instance))


# ---- setting
def set_instance_attribute(ctx: Context, variable: ObjectVariable, name: str, value: Variable) -> Any:
    """`variable.name = value`."""
    owner, setter = find(ctx, variable.cls, "__setattr__")
    if type(setter) is types.FunctionType and owner is not None:
        return bind(ctx, owner, "__setattr__", setter, variable, ctx.type_of(variable)).call(
            ctx, [literal(name), value], {}
        )
    return set_raw(ctx, variable, name, value)


def set_raw(ctx: Context, variable: ObjectVariable, name: str, value: Variable) -> Any:
    """`object.__setattr__`."""
    cls = variable.cls
    owner, raw = find(ctx, cls, name)
    if raw is not MISSING and owner is not None:
        kind = type(raw)
        if kind is types.MemberDescriptorType and name != "__suppress_context__":
            if not is_python_class(raw.__objclass__):
                _may_write(ctx, variable, raw)
            variable.store_slot(ctx, raw, value)
            return None
        if kind in _DATA:
            return _set_native(ctx, variable, name, raw, value)
        setter_owner, setter = find(ctx, kind, "__set__")
        if setter_owner is property:
            if raw.fset is None:
                ctx.raise_(AttributeError, f"property {name!r} of {cls.__qualname__!r} object has no setter")
            return ctx.build(raw.fset, ctx.pinned(owner).dict().item(name).attr("fset")).call(ctx, [variable, value], {})
        if type(setter) is types.FunctionType and setter_owner is not None:
            return class_entry(ctx, setter_owner, "__set__", setter).call(ctx, [class_entry(ctx, owner, name, raw), variable, value], {})
        if setter is not MISSING:
            raise Break("outside-state-write", expr=f".{name}", type=cls.__name__)
        if find(ctx, kind, "__delete__")[1] is not MISSING:  # one half of a data descriptor: the other isn't there
            ctx.raise_(AttributeError, "__set__")
    if not words.has_dict(cls):
        ctx.raise_(AttributeError, words.unsettable(cls, name, raw is not MISSING))
    variable.store(ctx, name, value)
    return None


def _set_native(ctx: Context, variable: ObjectVariable, name: str, raw: Any, value: Variable) -> None:
    from ..variables import ExceptionVariable

    if isinstance(variable, ExceptionVariable):
        ctx.mutate(variable)
        none = value.python_type() is type(None)
        if name in ("__cause__", "__context__") and not none and not isinstance(value, ExceptionVariable):
            ctx.raise_(TypeError, f"exception {name.strip('_')} must be None or derive from BaseException")
        if name == "__traceback__" and not none and value.python_type() is not types.TracebackType:
            ctx.raise_(TypeError, "__traceback__ must be a traceback or None")
        if name == "__suppress_context__" and value.python_type() is not bool:
            ctx.raise_(TypeError, "attribute value type must be bool")
        if name == "args":
            variable.args = ctx.protocol.unpack(ctx, value)
            variable.told = value if isinstance(value, TupleVariable) and value.cls is tuple else None
        elif name == "__cause__":
            variable.cause, variable.suppress = None if none else value, True
        elif name == "__context__":
            variable.context = None if none else value
        elif name == "__suppress_context__":
            variable.suppress = ctx.protocol.truth(ctx, value)
        elif name == "__traceback__":
            if not none and not issubclass(value.python_type(), types.TracebackType):
                ctx.raise_(TypeError, "__traceback__ must be a traceback or None")
            variable.trace = None if none else value
        else:
            raise Break("outside-state-write", expr=f".{name}", type=variable.cls.__name__)
        return
    if raw is KEPT_BY_C.get(name):  # of a `ctx` that autograd made: any object is taken, and looked at when forward is over
        variable.store_slot(ctx, raw, value)
        return
    raise Break("outside-state-write", expr=f".{name}", type=variable.cls.__name__)


def _may_write(ctx: Context, variable: ObjectVariable, raw: Any) -> None:
    """Whether C takes any object as the value of its field is asked of an empty object; what takes only some is written natively."""
    owner = raw.__objclass__
    try:
        raw.__set__(owner.__new__(owner), None)
    except AttributeError as error:
        ctx.raise_from_host(error)
    except TypeError:
        raise Break("outside-state-write", expr=f".{raw.__name__}", type=variable.cls.__name__) from None


def delete_instance_attribute(ctx: Context, variable: ObjectVariable, name: str) -> Any:
    owner, deleter = find(ctx, variable.cls, "__delattr__")
    if type(deleter) is types.FunctionType and owner is not None:
        return bind(ctx, owner, "__delattr__", deleter, variable, ctx.type_of(variable)).call(ctx, [literal(name)], {})
    return delete_raw(ctx, variable, name)


def delete_raw(ctx: Context, variable: ObjectVariable, name: str) -> None:
    owner, raw = find(ctx, variable.cls, name)
    kind = type(raw)
    if owner is BaseException and kind in _DATA and name != "__dict__":
        text = "can't delete numeric/char attribute" if kind is types.MemberDescriptorType else f"{name} may not be deleted"
        ctx.raise_(TypeError, text)
    if kind in _DATA:
        if _slot(ctx, variable, name, raw) is MISSING:
            ctx.raise_(AttributeError, name)
        variable.store_slot(ctx, raw, UNSET)
        return
    if owner is not None:
        deleter_owner, deleter = find(ctx, kind, "__delete__")
        if deleter_owner is property:
            if raw.fdel is None:
                ctx.raise_(AttributeError, f"property {name!r} of {variable.cls.__qualname__!r} object has no deleter")
            ctx.call_now(ctx.build(raw.fdel, ctx.pinned(owner).dict().item(name).attr("fdel")), [variable])
            return
        if type(deleter) is types.FunctionType and deleter_owner is not None:
            method = class_entry(ctx, deleter_owner, "__delete__", deleter)
            ctx.call_now(method, [class_entry(ctx, owner, name, raw), variable])
            return
        if deleter is not MISSING:
            raise Break("outside-state-write", expr=f"del .{name}", type=variable.cls.__name__)
        if find(ctx, kind, "__set__")[1] is not MISSING:
            ctx.raise_(AttributeError, "__delete__")
    if variable.own(ctx, name) is None:
        ctx.raise_(AttributeError, words.unsettable(variable.cls, name, raw is not MISSING))
    variable.store(ctx, name, UNSET)

