"""Call rules of `copy`: modelled objects are copied as the protocol of pickling would, without running it."""

from __future__ import annotations

import contextlib
import copy
import copyreg
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ...compat.python_classes import is_python_class
from ...protocol.instances import instance_dict, instance_namespace
from ...signals import Break
from ...variables import (
    UNSET,
    BoundVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    Lazy,
    ListVariable,
    ModuleVariable,
    ObjectVariable,
    PartialVariable,
    PinnedVariable,
    RangeVariable,
    SequenceVariable,
    SetVariable,
    SliceVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
)
from ...variables.keys import real_set
from ..python.sets import copied
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_ATOMIC = (ConstantVariable, SymVariable, FunctionVariable, PinnedVariable, RangeVariable)
_LOOKUP = ("__getattr__", "__getattribute__")
_mro = type.__dict__["__mro__"].__get__
_entries = type.__dict__["__dict__"].__get__
#: What the protocol asks of an object: by its class or by itself.
_ASKED = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
#: What it asks of the copy that it has made, or makes it by.
_FILLING = ("__new__", "__setstate__")
#: What it fills a copy of a subclass by, and reads the original's items by.
_ITEMS: dict[type, tuple[str, ...]] = {ListVariable: ("append", "__iter__"), DictVariable: ("__setitem__", "items")}


@calls.exact(copy.copy)
def copy_(ctx: Context, x: Variable) -> Any:
    """`copy.copy(x)`: containers and plain objects get a new one with the same parts; `__copy__` is traced."""
    if isinstance(x, _ATOMIC):
        return _atomic(ctx, x, "copy")
    if isinstance(x, SliceVariable | PartialVariable | TensorVariable):
        return _refuse(ctx, x, "copy.copy")
    if isinstance(x, SequenceVariable):
        return _sequence(x, x.settled(ctx)) if isinstance(x, ListVariable) or x.cls is not tuple else x
    if isinstance(x, DictVariable):
        return DictVariable(dict(zip(list(x.items), x.values(ctx), strict=True)), x.cls, None, x.factory)
    if isinstance(x, SetVariable):
        return x if x.cls is frozenset else copied(x)
    if not isinstance(x, ObjectVariable):
        return _refuse(ctx, x, "copy.copy")
    own = ctx.protocol.getattr_or_none(ctx, ctx.class_variable(x.cls), "__copy__")  # of the class, which it isn't bound to
    if own is not None and own.python_type() is not types.NoneType:
        return ctx.call_now(own, [x])
    _plain_object(ctx, x, "copy.copy")
    _asked(ctx, x, "copy.copy")
    data = x.data
    if data is not None and data.mutable:
        data = copy_(ctx, data)
    return _copied_state(ctx, x, ctx.lifetimes.born(ctx, ObjectVariable(None, x.cls, None, data)), lambda value: value, "copy.copy")


@calls.exact(copy.deepcopy)
def deepcopy(ctx: Context, x: Variable, memo: Variable | None = None) -> Any:
    """`copy.deepcopy(x)`: part by part, aliases kept; tensors are cloned where no gradient could tell."""
    if memo is not None and not isinstance(memo, _Memo):
        if memo.python_type() is not type(None):
            _refuse(ctx, x, "copy.deepcopy", "its memo is the program's own, and is kept by memory addresses")
        memo = None
    return _Deep(ctx, memo).copy(x)


class _Deep:
    """One deep copy: `seen` maps a variable to its copy. A memo made here carries it through user-defined `__deepcopy__`."""

    def __init__(self, ctx: Context, memo: _Memo | None):
        self.ctx = ctx
        self.memo = memo if memo is not None else _Memo()
        self.seen = self.memo.seen

    def copy(self, x: Variable) -> Variable:
        known = self.seen.get(x)
        if known is not None:
            return known
        made = self._make(x)
        self.seen[x] = made
        return made

    def _make(self, x: Variable) -> Variable:
        ctx = self.ctx
        if isinstance(x, _ATOMIC):
            return _atomic(ctx, x, "deepcopy")
        if isinstance(x, TensorVariable):
            return self._tensor(x)
        if isinstance(x, ListVariable):
            made = self.seen[x] = ListVariable([], x.cls, None, x.limit)
            made.items.extend(self.copy(v) for v in x.settled(ctx))
            return made
        if isinstance(x, TupleVariable):
            old = x.settled(ctx)
            items = [self.copy(v) for v in old]
            if x.cls is tuple and all(a is b for a, b in zip(old, items, strict=True)):
                return x
            return self.seen.get(x) or _sequence(x, items)
        if isinstance(x, DictVariable):
            made = self.seen[x] = DictVariable({}, x.cls, None, x.factory)
            for key, value in zip(list(x.items), x.values(ctx), strict=True):
                made.items[self.copy(key_variable(key)).dict_key(ctx)] = self.copy(value)
            return made
        if isinstance(x, SetVariable):
            keys = {self.copy(key_variable(k)).dict_key(ctx): None for k in (x.items if x.real() is None else x.real())}
            return SetVariable(keys, x.cls, order=real_set(keys), origins=x.origins)
        if isinstance(x, ObjectVariable):
            return self._object(x)
        return _refuse(ctx, x, "copy.deepcopy")

    def _tensor(self, x: TensorVariable) -> Variable:
        ctx = self.ctx
        if x.cls is not torch.Tensor or x.fake.requires_grad or x.attrs:
            return _refuse(ctx, x, "copy.deepcopy")
        if any(isinstance(other, TensorVariable) for other in self.seen):
            return _refuse(ctx, x, "copy.deepcopy", "tensors that share memory share it in their copies, and it has met two")
        if x.fake.storage_offset() != 0 or not x.fake.is_contiguous():
            return _refuse(ctx, x, "copy.deepcopy", "the copy lies in memory as the tensor does, which isn't contiguous")
        return ctx.node("call_method", "clone", [x])

    def _object(self, x: ObjectVariable) -> Variable:
        ctx = self.ctx
        own = ctx.protocol.getattr_or_none(ctx, x, "__deepcopy__")  # of the object
        if own is not None and own.python_type() is not types.NoneType:
            return ctx.call_now(own, [self.memo])
        _plain_object(ctx, x, "copy.deepcopy")
        _asked(ctx, x, "copy.deepcopy")
        made = ctx.lifetimes.born(ctx, ObjectVariable(None, x.cls, None, None))
        self.seen[x] = made
        if x.data is not None:
            made.data = self._make(x.data)
        return _copied_state(ctx, x, made, self.copy, "copy.deepcopy")


class _Memo(DictVariable):
    """The memo that `__deepcopy__` methods hand on. What it holds is ours; CPython's is kept by memory addresses, so whoever looks into it
    must have that."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        super().__init__({})
        self.seen: dict[Variable, Variable] = {}

    @property
    def items(self) -> dict[Any, Any]:
        raise Break("unsupported-type", type="dict", expr="memo", why="it is what copy.deepcopy remembers, by memory addresses")

    @items.setter
    def items(self, items: dict[Any, Any]) -> None:
        self._items = items

    def at(self, ctx: Context, key: Any) -> Variable | None:
        return self.items.get(key)

    def rebuild(self, body: Any) -> str:
        return str(self.items)


def _sequence(x: SequenceVariable, items: list[Variable]) -> Variable:
    if isinstance(x, ListVariable):
        return ListVariable(items, x.cls, None, x.limit)
    return TupleVariable(items, x.cls)


def _atomic(ctx: Context, x: Variable, method: str) -> Variable:
    """Values that are their own copy; an object known by identity only if its class copies so."""
    if isinstance(x, PinnedVariable) and not isinstance(x.value, type | types.BuiltinFunctionType | types.ModuleType):
        import enum

        if isinstance(x.value, types.ModuleType) or not isinstance(x.value, enum.Enum) and type(x.value) not in copy._deepcopy_dispatch:  # type: ignore[attr-defined]
            return _refuse(ctx, x, f"copy.{method}")
    return x


def _refuse(ctx: Context, x: Variable, func: str, why: str = "") -> Any:
    ctx.break_("unsupported-builtin", func=func, type=x.python_type().__name__, expr=f"{func}()", why=why)


def _plain_object(ctx: Context, x: ObjectVariable, func: str) -> None:
    """Refuse objects whose class says how they are copied."""
    if isinstance(x, ModuleVariable) or issubclass(x.cls, BaseException):
        _refuse(ctx, x, func)
    if x.cls in copyreg.dispatch_table:
        _refuse(ctx, x, func, "copyreg says how its class is copied")
    ctx.guard(ctx.pinned(copyreg.dispatch_table), "DICT_ABSENT", x.cls, id(x.cls))
    entries, slots = _state(ctx, x)
    for name in (*_ASKED, *_FILLING, *_ITEMS.get(type(x.data), ()), *(("__setattr__",) if slots else ())):
        owner, _ = ctx.protocol.find(ctx, x.cls, name)
        if owner is not None and is_python_class(owner):
            _refuse(ctx, x, func, f"its class has its own `{name}`")
    for name in _ASKED:
        if name in entries:
            _refuse(ctx, x, func, f"it has its own `{name}`")
    if x.value is not None and instance_dict(x.value) is None and x.data is None and not hasattr(x.cls, "__slots__"):
        _refuse(ctx, x, func)


def _asked(ctx: Context, x: ObjectVariable, func: str) -> None:
    """Have a class with its own `__getattr__` or `__getattribute__` answer what the protocol asks of its object; any other answer than
    an object's own is the class's own way to be copied."""
    if not _looks_up(ctx, x.cls):
        return
    if x.data is not None or any(isinstance(raw, types.MemberDescriptorType) for base in _mro(x.cls) for raw in _entries(base).values()):
        _refuse(ctx, x, func, "its class looks attributes up by itself, and its objects hold more than a dict")
    for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
        found = ctx.protocol.getattr_or_none(ctx, x, name)
        plain = isinstance(found, BoundVariable) and found.owner is x and isinstance(found.function, PinnedVariable)
        if not plain or found.function.value is not object.__dict__[name]:  # type: ignore[union-attr]
            _refuse(ctx, x, func, f"its class answers `{name}` in its own way")


def _looks_up(ctx: Context, cls: type) -> bool:
    """Whether a class of Python has a say in what its objects' attributes are."""
    return any(owner is not None and is_python_class(owner) for owner, _ in (ctx.protocol.find(ctx, cls, name) for name in _LOOKUP))


def _state(ctx: Context, x: ObjectVariable) -> tuple[dict[str, Any], dict[Any, Any]]:
    """What the instance itself holds: the entries of its dict, and what stands in its slots, by descriptor."""
    entries: dict[str, Any] = {}
    slots: dict[Any, Any] = {}
    if x.value is not None and x.source is not None:
        held = instance_dict(x.value)
        if held is not None:
            source = x.source.dict()
            ctx.guard(source, "DICT_KEYS", tuple(held))
            entries.update({k: Lazy(v, source.item(k)) for k, v in held.items()})
        for base in _mro(x.cls):
            for name, raw in _entries(base).items():
                if isinstance(raw, types.MemberDescriptorType) and raw not in x.slots:
                    with contextlib.suppress(AttributeError):  # an empty slot
                        slots[raw] = Lazy(raw.__get__(x.value), x.source.attr(name))
    for name in (x.holder or x).erased:
        entries.pop(name, None)
    for name, value in x.attrs.items():
        if value is not UNSET:
            entries[name] = value
    slots.update({raw: value for raw, value in x.slots.items() if value is not UNSET})
    return entries, slots


def _copied_state(ctx: Context, x: ObjectVariable, made: ObjectVariable, copy_of: Callable[[Variable], Variable], func: str) -> ObjectVariable:
    copyreg._slotnames(x.cls)  # type: ignore[attr-defined]  # the class remembers the answer, which its dict shows
    entries, slots = _state(ctx, x)
    attrs = {name: copy_of(ctx.settle(value)) for name, value in entries.items()}
    if entries and _looks_up(ctx, x.cls):
        if ctx.protocol.getattr_or_none(ctx, made, "__setstate__") is not None:
            _refuse(ctx, x, func, "its class answers `__setstate__` in its own way")
        namespace = ctx.protocol.getattr_or_none(ctx, made, "__dict__")
        if not isinstance(namespace, DictVariable) or namespace is not instance_namespace(ctx, made):
            _refuse(ctx, x, func, "its class answers `__dict__` in its own way")
        namespace.items.update(attrs)  # what the class was handed is what it is filled through
        return made
    made.attrs = attrs
    made.slots = {raw: copy_of(ctx.settle(value)) for raw, value in slots.items()}
    return made
