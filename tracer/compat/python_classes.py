"""Whether a class was made by a class statement, or in C: asked where CPython would run the class's Python code, or would not.

In: classes. Out: yes or no. A class of Python is a heap type, and so are many classes made in C (more with every version: partial and
re.Pattern in 3.11, deque and Future in 3.12, Decimal in 3.13). Those can't be changed, which a class of Python always can.
"""

from __future__ import annotations

import ctypes
import functools
import types
from typing import Any

__all__ = [
    "can_be_given", "dict_of_instance", "entries_of_partial", "has_items_in_order", "has_sequence_slots",
    "is_python_class", "maker", "matches_as_mapping", "matches_as_sequence", "reads_like_object",
]  # fmt: skip

_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def is_python_class(cls: type) -> bool:
    """Whether a class statement made it, or it can be changed like one that did (pybind11 makes such classes)."""
    return cls.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP


def has_sequence_slots(cls: type) -> bool:
    """Whether C sees a sequence in it, of whatever kind: in every class that isn't a static one, and in those with a length or members."""
    return bool(cls.__flags__ & _HEAP) or any({"__len__", "__contains__"} & type.__dict__["__dict__"].__get__(base).keys() for base in cls.__mro__)


def can_be_given(cls: type) -> bool:
    """Whether `type` may write attributes of the class: not where its metaclass, made in C, has a way of its own (pybind11's)."""
    for base in type.__dict__["__mro__"].__get__(type(cls)):
        own = type.__dict__["__dict__"].__get__(base).get("__setattr__")
        if type(own) is types.WrapperDescriptorType:
            return base is type and is_python_class(cls)
    return False


def maker(cls: type) -> type:
    """The class in C whose `__new__` makes the bare object of an instance."""
    for base in type.__dict__["__mro__"].__get__(cls):
        new = type.__dict__["__dict__"].__get__(base).get("__new__")
        if type(new) is types.BuiltinFunctionType:
            return new.__self__  # type: ignore[return-value]
    return object


def entries_of_partial(value: functools.partial[Any]) -> dict[str, Any] | None:
    """Its `__dict__`; None where it has none yet. Asking for the attribute makes one, which a partial of this one would see."""
    state: Any = functools.partial.__reduce__(value)[2]
    return state[3]  # type: ignore[no-any-return]


def dict_of_instance(value: Any) -> Any:
    """The instance's own `__dict__`, whatever its class has under that name; None if it has none."""
    kind = type(value)
    if kind is functools.partial:
        return entries_of_partial(value) or {}
    for base in type.__dict__["__mro__"].__get__(kind):
        found = type.__dict__["__dict__"].__get__(base).get("__dict__")
        if type(found) is types.GetSetDescriptorType or type(found) is types.MemberDescriptorType:
            try:
                return found.__get__(value)
            except Exception:
                return None
    return None


def matches_as_sequence(cls: type) -> bool:
    """Whether `case [...]` takes its instances: abc's Sequence marks the classes below it, the nearest mark along the bases counts."""
    return bool(cls.__flags__ & (1 << 5))  # Py_TPFLAGS_SEQUENCE


def matches_as_mapping(cls: type) -> bool:
    """Whether `case {...}` takes its instances."""
    return bool(cls.__flags__ & (1 << 6))  # Py_TPFLAGS_MAPPING


def reads_like_object(cls: type) -> bool:
    """Whether attributes of its instances are what `object` finds: an entry of a class, or of the instance's dict."""
    return _slot(cls, _GETATTRO) == _slot(object, _GETATTRO)


def has_items_in_order(cls: type) -> bool:
    """Whether C takes its instances for sequences: dict and classes in C below it have items, but none by position."""
    return bool(_slot(cls, _SQ_ITEM))


_SQ_ITEM = 44  # Py_sq_item, a number of the stable ABI
_GETATTRO = 58  # Py_tp_getattro, a number of the stable ABI
_slot = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(("PyType_GetSlot", ctypes.pythonapi))
