"""Values per code object, by identity.

Code objects compare and hash by value, so two functions with the same text would share an entry of a dict (or of a
`WeakKeyDictionary`), and hashing one takes longer than looking it up. Nothing here keeps a code object alive.
"""

from __future__ import annotations

import types
import weakref
from builtins import id, len, list, set  # a program may replace them while it runs
from typing import Generic, TypeVar

__all__ = ["CodeMap", "Told"]

T = TypeVar("T")


class CodeMap(Generic[T]):
    """A mapping from code objects, as identities, to values; an entry dies with its code object.

    >>> twin = [compile("x + 1", "<a>", "eval") for _ in range(2)]
    >>> seen = CodeMap()
    >>> seen[twin[0]] = "first"
    >>> seen.get(twin[0]), seen.get(twin[1])
    ('first', None)
    """

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: dict[int, tuple[weakref.ref[types.CodeType], T]] = {}

    def get(self, code: types.CodeType, default: T | None = None) -> T | None:
        """The value of `code`, or `default`."""
        item = self._items.get(id(code))
        return default if item is None else item[1]

    def __contains__(self, code: types.CodeType) -> bool:
        return id(code) in self._items

    def __setitem__(self, code: types.CodeType, value: T) -> None:
        items, key = self._items, id(code)
        items[key] = (weakref.ref(code, lambda _: items.pop(key, None)), value)

    def pop(self, code: types.CodeType) -> T | None:
        """Forget `code`; its value, or None."""
        item = self._items.pop(id(code), None)
        return None if item is None else item[1]

    def codes(self) -> list[types.CodeType]:
        """The code objects that are still alive."""
        found = [item[0]() for item in list(self._items.values())]
        return [code for code in found if code is not None]

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)


class Told:
    """What was said of code objects, each text once."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: CodeMap[set[str]] = CodeMap()

    def is_new(self, code: types.CodeType, text: str) -> bool:
        """Whether `text` wasn't said of `code` yet; from now on it was."""
        said = self._said.get(code)
        if said is None:
            self._said[code] = said = set()
        new = text not in said
        said.add(text)
        return new

    def clear(self) -> None:
        """Forget all."""
        self._said.clear()
