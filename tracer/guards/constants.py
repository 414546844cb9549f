"""When two constants are the same: by type at every depth, by sign of zero and NaN-ness, never by a user's __eq__.

`canon(value)` is a hashable form that is equal for two constants exactly when a trace can't tell them apart; it raises
`NotConstant` for anything that isn't a constant all the way down.
"""

from __future__ import annotations

import enum
import sys
from typing import Any

import torch

from .summary import ids_of

__all__ = ["NotConstant", "canon", "is_scalar", "is_singleton", "same"]


class NotConstant(Exception):
    """The value isn't a constant of a type that can be compared without running user code."""


#: Compared with == once the types agree: C code that can't reach the user's.
_BY_EQUALITY = ids_of(int, bool, str, bytes, torch.device)
#: Equal only to themselves.
_SINGLETON = ids_of(
    bool, type(None), type(...), type(NotImplemented), torch.dtype, torch.layout, torch.memory_format, torch.qscheme
)


def is_scalar(value: Any) -> bool:
    """Whether C++'s own equality guard, exact in the type, means the same as `same`."""
    kind = type(value)
    return id(kind) in _BY_EQUALITY or (kind is float and value == value and value != 0.0)


def is_singleton(value: Any) -> bool:
    """Whether identity decides."""
    kind = type(value)
    return id(kind) in _SINGLETON or issubclass(kind, enum.Enum)


def canon(value: Any) -> Any:
    kind = type(value)
    mark = id(kind)
    if mark in _BY_EQUALITY:
        return mark, value
    if kind is float:
        return mark, float.hex(value)
    if mark in _SINGLETON or issubclass(kind, type) or issubclass(kind, enum.Enum):
        return mark, id(value)
    if kind is complex:
        return mark, float.hex(value.real), float.hex(value.imag)
    if kind is range or kind is slice:
        return mark, canon(value.start), canon(value.stop), canon(value.step)
    if kind is frozenset:
        return mark, frozenset(canon(part) for part in value)
    if issubclass(kind, tuple):
        return mark, tuple(canon(part) for part in tuple.__iter__(value))
    return mark, _canon_subclass(kind, value)


def _canon_subclass(kind: type, value: Any) -> Any:
    """A user's subclass of a scalar, and numpy's scalars: by the plain value below."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        return numpy.generic.tobytes(value), str(numpy.generic.dtype.__get__(value))
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, float):
        return float.hex(float.__float__(value))
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))
    raise NotConstant(kind)


def same(value: Any, expected: Any) -> bool:
    """Whether `value` is the constant `expected`. False for what isn't a constant."""
    if type(value) is not type(expected):
        return False
    if value is expected:
        return True
    try:
        return bool(canon(value) == canon(expected))
    except (NotConstant, RecursionError):
        return False
