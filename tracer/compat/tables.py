"""A dict that holds its keys under hashes given with them, not under those that the keys have by now.

In: (key, its hash, value), in order. Out: a dict. No `__hash__` runs, and an `__eq__` only between keys of one hash that aren't one object.
What is filled from such a dict (`dict.update`, `set.symmetric_difference_update`) takes its hashes over.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

__all__ = ["KEEPS_HASHES", "Stored", "keyed"]


class Stored:
    """Stands for a key in what is hashed: has the hash that the key had."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number

    def __hash__(self) -> int:
        return self.number


#: CPython's own way in for a hash that is known. None where this CPython doesn't export it.
_set = (
    ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_ssize_t)(("_PyDict_SetItem_KnownHash", ctypes.pythonapi))
    if hasattr(ctypes.pythonapi, "_PyDict_SetItem_KnownHash") else None
)  # fmt: skip


def keyed(entries: Iterable[tuple[Any, int, Any]]) -> dict[Any, Any]:
    assert _set is not None
    made: dict[Any, Any] = {}
    for key, number, value in entries:
        _set(made, key, value, number)  # raises what an `__eq__` raises
    return made


def _probe() -> bool:
    """Whether the hashes stay with the keys on their way into other tables."""
    if _set is None:
        return False
    key, other = Stored(1), Stored(1)
    made = keyed([(key, 2, None)])
    other.number = 2
    target: dict[Any, Any] = {}
    target.update(made)
    members: set[Any] = set()
    members.symmetric_difference_update(made)
    return key not in target and key not in members and other not in target and [*target] == [*members] == [key]


KEEPS_HASHES = _probe()
