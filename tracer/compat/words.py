"""What CPython's errors say, where its versions say it in other words: asked of it once, by making the mistake with names that are
then left open.

In: nothing. Out: templates for `str.format`, and None where a version says nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .type_names import type_name

__all__ = ["CLASS_NOT_BELOW", "NOT_BELOW", "UNUSABLE", "empty_slot", "full_name", "too_many"]


class _Unhashable:
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def full_name(cls: type) -> str:
    """A class as newer errors name it: with its module, but for builtins."""
    module = type.__dict__["__module__"].__get__(cls)
    name = type.__dict__["__qualname__"].__get__(cls)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _said(mistake: Callable[[], Any], **known: str) -> str:
    try:
        mistake()
    except Exception as error:
        text = str(error).replace("{", "{{").replace("}", "}}")
    else:
        raise AssertionError("CPython takes what it used to refuse")
    for name, value in known.items():
        text = text.replace(value, f"{{{name}}}")
    return text


def _unpack(values: Any) -> None:
    _, _ = values


#: `super(cls, object of another type)`, and `super(cls, another class)`; {cls} and {type} are names.
NOT_BELOW = _said(lambda: super(_Unhashable, 3.5).__init__, cls=_Unhashable.__name__, type="float")  # type: ignore[misc]
CLASS_NOT_BELOW = _said(lambda: super(_Unhashable, float).__init__, cls=_Unhashable.__name__, type="float")  # type: ignore[misc]

_UNPACKED = _said(lambda: _unpack((1, 2, 3)), count="2", got="3")

_KEY = _said(lambda: {_Unhashable(): 1}, type=full_name(_Unhashable), what="dict key", text=f"unhashable type: '{_Unhashable.__name__}'")
#: What can't be hashed as a {what}, a "dict key" or a "set element"; {type} is the full name of its class, {text} what its hash said.
UNUSABLE: str | None = _KEY if "{what}" in _KEY else None


class _Slotted:
    __slots__ = ("spot",)


_SLOT = _said(lambda: _Slotted().spot, full=full_name(_Slotted), short=_Slotted.__name__, name="spot")  # type: ignore[attr-defined]


def too_many(count: int, got: int | None) -> str:
    """`a, b = values`, of which there are more; `got` is how many, where CPython knows without asking."""
    if got is None or "{got}" not in _UNPACKED:
        return f"too many values to unpack (expected {count})"
    return _UNPACKED.format(count=count, got=got)


def empty_slot(cls: type, name: str) -> str:
    """A slot of an object that nothing was put into."""
    return _SLOT.format(full=full_name(cls), short=type_name(cls), name=name)
