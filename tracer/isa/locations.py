"""Where in the source each instruction is from.

Reading the positions of a code object takes as long as half of its decoding, and most operations are never asked, so
this waits for the first question.
"""

from __future__ import annotations

import weakref
from types import CodeType
from typing import TypeAlias

__all__ = ["Location", "Locations"]

Location: TypeAlias = tuple[int | None, int | None, int | None, int | None]  # line, column, end line, end column

_UNIT = 2  # bytes
_NOWHERE: Location = (None, None, None, None)


class Locations(dict[int, Location]):
    """Byte offset → location, equal ones the same object. Fills itself when first asked.

    It refers to its code object weakly, as all that the cache of decoded code keeps; an operation that has outlived its
    code object without having been asked is nowhere.
    """

    __slots__ = ("_code",)

    def __init__(self, code: CodeType) -> None:
        self._code = weakref.ref(code)

    def __missing__(self, offset: int) -> Location:
        code = self._code()
        if self or code is None:
            return _NOWHERE
        interned: dict[Location, Location] = {}
        found: dict[int, Location] = {}
        for index, (line, end_line, column, end_column) in enumerate(code.co_positions()):
            location = (line, column, end_line, end_column)
            found[index * _UNIT] = interned.setdefault(location, location)
        self.update(found)  # at once: another thread must not take a half-filled table for a whole one
        return found.get(offset, _NOWHERE)
