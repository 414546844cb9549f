"""What CPython's errors say, where its versions say it in other words: asked of it once, by making the mistake with names that are
then left open.

In: nothing. Out: templates for `str.format`, and None where a version says nothing of the kind.
"""

from __future__ import annotations

import contextlib
import operator
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from .type_names import type_name

__all__ = [
    "ABSENT", "CLASS_NOT_BELOW", "EMPTY", "NOT_A_CONTAINER", "NOT_BELOW", "NO_PAIR", "NO_PAIR_NOTE", "REVERSE_IS_INDEX", "UNUSABLE",
    "WARNS_OF_INVERTED_BOOL", "WARNS_OF_THROW", "empty_slot", "full_name", "has_dict", "too_many", "unsettable",
]  # fmt: skip


class _Unhashable:
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def full_name(cls: type) -> str:
    """A class as newer errors name it: with its module, but for builtins."""
    module = type.__dict__["__module__"].__get__(cls)
    name = type.__dict__["__qualname__"].__get__(cls)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _error(mistake: Callable[[], Any]) -> Exception:
    try:
        mistake()
    except Exception as error:
        return error
    raise AssertionError("CPython takes what it used to refuse")


def _said(mistake: Callable[[], Any], **known: str) -> str:
    text = str(_error(mistake)).replace("{", "{{").replace("}", "}}")
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


def _absent(of: Any, method: str) -> str:
    return _said(lambda: getattr(of, method)(77), item="77")


#: (class, method) → what it says of an {item} that isn't there; newer versions don't ask for its repr.
ABSENT = {
    (list, "index"): _absent([], "index"), (tuple, "index"): _absent((), "index"),
    (deque, "index"): _absent(deque(), "index"), (deque, "remove"): _absent(deque(), "remove"), (list, "remove"): _absent([], "remove"),
}  # fmt: skip

#: `min(())`, `max(())`; {name} is the function's.
EMPTY = _said(lambda: min(()), name="min")

#: `x in y`, where {type} is y's and can't be asked.
NOT_A_CONTAINER = _said(lambda: 1 in 2.5, type="float")  # type: ignore[operator]


#: `dict([…, 7])` at element #{position}; the note that such an error has, if any.
NO_PAIR = _said(lambda: dict([7]), position="0")  # type: ignore[list-item]
NO_PAIR_NOTE: str | None = next((note.replace("0", "{position}") for note in getattr(_error(lambda: dict([7])), "__notes__", ())), None)  # type: ignore[list-item]


def _takes_any_reverse() -> bool:
    try:
        [].sort(reverse="")  # type: ignore[call-overload]
    except TypeError:
        return False
    return True


#: Whether `list.sort` asks its `reverse` for an index; newer versions ask for its truth.
REVERSE_IS_INDEX = not _takes_any_reverse()


def _warned(deed: Callable[[], Any]) -> bool:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with contextlib.suppress(ValueError):
            deed()
    return bool(said)


#: Whether `generator.throw(type, value)` warns, and `~True`.
WARNS_OF_THROW = _warned(lambda: (_ for _ in ()).throw(ValueError, ValueError()))
WARNS_OF_INVERTED_BOOL = _warned(lambda: operator.invert(True))


def too_many(count: int, got: int | None) -> str:
    """`a, b = values`, of which there are more; `got` is how many, where CPython knows without asking."""
    if got is None or "{got}" not in _UNPACKED:
        return f"too many values to unpack (expected {count})"
    return _UNPACKED.format(count=count, got=got)


def empty_slot(cls: type, name: str) -> str:
    """A slot of an object that nothing was put into."""
    return _SLOT.format(full=full_name(cls), short=type_name(cls), name=name)


#: What is added where an instance without a `__dict__` can't take a new attribute.
_NO_DICT = _said(lambda: setattr(object(), "attribute", None)).partition("'attribute'")[2]


def has_dict(cls: type) -> bool:
    """Whether instances have a `__dict__`."""
    return bool(type.__dict__["__dictoffset__"].__get__(cls))


def unsettable(cls: type, name: str, shown: bool) -> str:
    """An attribute that an instance doesn't have, and that can't be set or deleted. `shown`: its class has one of that name."""
    if shown and not has_dict(cls):
        return f"{type_name(cls)!r} object attribute {name!r} is read-only"
    text = f"{type_name(cls)!r} object has no attribute {name!r}"
    return text if has_dict(cls) else text + _NO_DICT
