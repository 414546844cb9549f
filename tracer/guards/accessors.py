"""How each kind of source step is read: by C++ (a manager below the parent's), and by Python in the same way.

In: a parent's manager or value, a key. Out: the child's manager or value. Neither way runs user code: properties,
`__getattr__`, `__getitem__`, `__missing__` and `__len__` of the program are never called. Where a C accessor could be
led into user code by a value of another type, `exact` says that the parent needs a type guard first.
"""

from __future__ import annotations

import collections
import gc
import itertools
import types
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from ..compat.arrays import tensor_of
from ..compat.guards import DICT, MANAGER
from ..compat.python_classes import dict_of_instance
from ..errors import TracerError
from ..iterated import parts
from ..sources import Source
from .summary import ids_of, type_name

__all__ = ["ACCESSORS", "MUTABLE", "Accessor", "GuardError", "Missing", "family", "proxied", "read_dict"]


class GuardError(TracerError):
    """A guard can't be lowered: what it reads isn't there, or can't be read without running user code."""


class Missing(Exception):
    """What a source leads to isn't there."""


#: The example value of everything that may change behind the same reference (see `compat.guards`).
MUTABLE = object()

_TYPE_DICT = type.__dict__["__dict__"]

#: Types whose C code answers `value[key]` alone.
_INDEXED = ids_of(deque, str, bytes, range)


class Accessor:
    """`read(value, key)` raises Missing. `lower(manager, parent's example, source, example)` gives the child's manager;
    where the child may be a dict, a fifth argument says which kind of manager.
    `exact(source, parent's example)`: the parent's type must be guarded first. `unsafe`: Python doesn't read past
    another type either."""

    __slots__ = ("exact", "lower", "read", "unsafe")

    def __init__(
        self,
        read: Callable[[Any, Any], Any],
        lower: Callable[[Any, Any, Source, Any], Any],
        exact: Callable[[Source, Any], bool] | None = None,
        unsafe: bool = False,
    ):
        self.read, self.lower, self.unsafe = read, lower, unsafe
        self.exact = exact


def _unknown(source: Source) -> bool:
    """Whether the base may be an object of another type at the next call."""
    return source.base is not None and source.base.kind not in ("pinned", "held", "namespace")


# --- dict -------------------------------------------------------------------------------------------------------------


def read_dict(owner: Any) -> Any:
    """The instance's dict, or the read-only view of a class's. Raises Missing where there is none."""
    kind = type(owner)
    if issubclass(kind, type):
        return _TYPE_DICT.__get__(owner)
    found = dict_of_instance(owner)
    if found is None:
        raise Missing
    return found


def _lower_dict(manager: Any, owner: Any, _source: Source, example: Any, enum: Any = MANAGER) -> Any:
    if issubclass(type(owner), type):
        return manager.type_dict_manager("", DICT, MANAGER)
    return manager.get_generic_dict_manager("", DICT if enum is MANAGER else example, enum)


def _exact_dict(source: Source, owner: Any) -> bool:
    """C++ reads a class's dict from any object as if it were a class."""
    assert source.base is not None
    return issubclass(type(owner), type) and source.base.kind != "type" and _unknown(source)


# --- item -------------------------------------------------------------------------------------------------------------


def proxied(proxy: Any) -> Any:
    """What a mappingproxy shows: asking the proxy itself could end in a user's mapping."""
    return gc.get_referents(proxy)[0]


def _read_item(owner: Any, key: Any) -> Any:
    kind = type(owner)
    if kind is types.MappingProxyType:
        owner = proxied(owner)
        kind = type(owner)
    try:
        if issubclass(kind, dict):
            if dict.__contains__(owner, key):
                return dict.__getitem__(owner, key)
        elif issubclass(kind, list):
            return list.__getitem__(owner, key)
        elif issubclass(kind, tuple):
            return tuple.__getitem__(owner, key)
        elif issubclass(kind, collections.deque):
            return collections.deque.__getitem__(owner, key)
        elif id(kind) in _INDEXED:
            return owner[key]
    except (LookupError, TypeError):
        pass
    raise Missing


def _lower_item(manager: Any, owner: Any, source: Source, example: Any, enum: Any = MANAGER) -> Any:
    kind, key = type(owner), source.key
    assert source.base is not None
    # The manager of a class's dict holds the dict itself, where Python sees a proxy.
    if issubclass(kind, dict) or source.base.kind == "dict":
        if isinstance(key, torch.Tensor):  # C++ asks whether two keys are equal, and takes a tensor for the answer
            return manager.lambda_manager(lambda value: _read_item(value, key), "", example, enum)
        return manager.dict_getitem_manager(key, "", example, enum)
    if type(key) is int and key >= 0:
        if issubclass(kind, list):
            return manager.list_getitem_manager(key, "", example, enum)
        if issubclass(kind, tuple):
            return manager.tuple_getitem_manager(key, "", example, enum)
    if id(kind) in _INDEXED:
        return manager.getitem_manager(key, "", example, enum)
    if issubclass(kind, list | tuple | collections.deque) or kind is types.MappingProxyType:
        return manager.lambda_manager(lambda value: _read_item(value, key), "", example, enum)
    raise GuardError(
        f"an item of a {type_name(kind)} can't be guarded: reading it could run the program's code",
        asked_by=f"a guard on {source.text}",
        next="guard what the item was computed from",
    )


def family(owner: Any) -> type:
    """Whose items C++ reads here: it takes a tuple for no list, and a list for no dict."""
    kind = type(owner)
    for base in (dict, list, tuple):
        if issubclass(kind, base):
            return base
    return kind


def _exact_item(source: Source, owner: Any) -> bool:
    return id(type(owner)) in _INDEXED and _unknown(source)


# --- key --------------------------------------------------------------------------------------------------------------


def _read_key(owner: Any, index: int) -> Any:
    kind = type(owner)
    if issubclass(kind, dict):
        for key in itertools.islice(dict.__iter__(owner), index, index + 1):
            return key
    raise Missing


def _lower_key(manager: Any, _owner: Any, source: Source, example: Any) -> Any:
    index = source.key
    return manager.lambda_manager(lambda value: _read_key(value, index), "", example, MANAGER)


# --- attr -------------------------------------------------------------------------------------------------------------


#: How C reads attributes of all objects but those of types with a way of their own.
_GENERIC = frozenset({object.__getattribute__, types.ModuleType.__getattribute__})


def _own_read(kind: type) -> Any:
    """The slot by which C reads attributes of this type's objects, where it isn't the generic one: a thread-local's are in no dict of its own.
    None where it is, or where it is code of the program."""
    for base in type.__dict__["__mro__"].__get__(kind):
        found = type.__dict__["__dict__"].__get__(base).get("__getattribute__")
        if found is not None:
            return found if type(found) is types.WrapperDescriptorType and found not in _GENERIC else None
    return None


def _read_attr(owner: Any, name: str) -> Any:
    try:
        if issubclass(type(owner), type):
            return type.__getattribute__(owner, name)
        if issubclass(type(owner), torch.Tensor):
            with torch._C.DisableTorchFunction():
                return object.__getattribute__(owner, name)
        return (_own_read(type(owner)) or object.__getattribute__)(owner, name)
    except Exception:
        raise Missing from None


def _lower_attr(manager: Any, owner: Any, source: Source, example: Any) -> Any:
    kind, name = type(owner), source.key
    if issubclass(kind, type):
        return manager.getattr_manager(name, "", example, MANAGER)
    if name == "grad" and issubclass(kind, torch.Tensor):
        return manager.grad_manager("", example, MANAGER)
    if _own_read(kind) is not None:
        return manager.getattr_manager(name, "", MUTABLE, MANAGER)
    return manager.generic_getattr_manager(name, "", example, MANAGER)


def _exact_attr(source: Source, _owner: Any) -> bool:
    return _unknown(source)


# --- the rest ---------------------------------------------------------------------------------------------------------


def _read_closure(owner: Any, index: int) -> Any:
    cells = owner.__closure__ if type(owner) is types.FunctionType else None
    if cells is None or index >= len(cells):
        raise Missing
    return cells[index]


def _lower_closure(manager: Any, _owner: Any, source: Source, example: Any) -> Any:
    return manager.closure_manager("", MUTABLE, MANAGER).tuple_getitem_manager(source.key, "", example, MANAGER)


def _read_contents(owner: Any, _key: Any) -> Any:
    if type(owner) is types.CellType:
        try:
            return owner.cell_contents
        except ValueError:
            pass
    raise Missing


def _lower_contents(manager: Any, _owner: Any, _source: Source, example: Any) -> Any:
    return manager.getattr_manager("cell_contents", "", example, MANAGER)


def _read_deref(owner: Any, _key: Any) -> Any:
    if issubclass(type(owner), weakref.ref):
        return weakref.ref.__call__(owner)
    raise Missing


def _lower_deref(manager: Any, _owner: Any, _source: Source, example: Any) -> Any:
    return manager.weakref_call_manager("", example, MANAGER)


def _read_iterated(owner: Any, index: int) -> Any:
    below = parts(owner)
    if index >= len(below):
        raise Missing
    return below[index]


def _lower_iterated(manager: Any, _owner: Any, source: Source, example: Any) -> Any:
    index = source.key
    return manager.lambda_manager(lambda value: _read_iterated(value, index), "", example, MANAGER)


def _read_context(owner: Any, _key: Any) -> Any:
    try:
        return owner.get()
    except LookupError:
        raise Missing from None


def _lower_context(manager: Any, _owner: Any, _source: Source, example: Any) -> Any:
    return manager.lambda_manager(lambda value: _read_context(value, None), "", example, MANAGER)


def _read_array(owner: Any, _key: Any) -> Any:
    tensor = tensor_of(owner)
    if tensor is None:
        raise Missing
    return tensor


def _lower_array(manager: Any, _owner: Any, _source: Source, example: Any) -> Any:
    return manager.lambda_manager(lambda value: _read_array(value, None), "", example, MANAGER)


def _lower_type(manager: Any, _owner: Any, _source: Source, example: Any) -> Any:
    return manager.type_manager("", example, MANAGER)


def _exact_contents(source: Source, _owner: Any) -> bool:
    assert source.base is not None
    return source.base.kind != "closure" and _unknown(source)


#: Every kind of step that `tracer.sources.STEPS` knows.
ACCESSORS: dict[str, Accessor] = {
    "dict": Accessor(lambda owner, _: read_dict(owner), _lower_dict, _exact_dict),
    "item": Accessor(_read_item, _lower_item, _exact_item),
    "key": Accessor(_read_key, _lower_key),
    "attr": Accessor(_read_attr, _lower_attr, _exact_attr, unsafe=True),
    "type": Accessor(lambda owner, _: type(owner), _lower_type),
    "closure": Accessor(_read_closure, _lower_closure),
    "contents": Accessor(_read_contents, _lower_contents, _exact_contents),
    "iterated": Accessor(_read_iterated, _lower_iterated),
    "deref": Accessor(_read_deref, _lower_deref),
    "context": Accessor(_read_context, _lower_context),
    "array": Accessor(_read_array, _lower_array),
}
