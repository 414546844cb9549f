"""Which existing objects the trace changed, in the order of their first change, with the state before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..variables import Variable

__all__ = ["Effects"]


class Effects:
    """Append-only per attempt: a roll-back truncates to a mark."""

    __slots__ = ("_table",)

    def __init__(self) -> None:
        self._table: dict[Variable, Any] = {}

    def note(self, variable: Variable) -> bool:
        """Remember that `variable` is about to change; whether this is its first change."""
        if variable in self._table:
            return False
        self._table[variable] = variable.snapshot()
        return True

    def before(self, variable: Variable) -> Any:
        """The state before the first change, or None."""
        return self._table.get(variable)

    def __contains__(self, variable: object) -> bool:
        return variable in self._table

    def __iter__(self) -> Iterator[Variable]:
        return iter(list(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def forget(self, variable: Variable) -> None:
        """It is as it was: there is nothing to replay."""
        del self._table[variable]

    def since(self, count: int) -> list[Variable]:
        """Those that were first changed after `count` others."""
        return [variable for variable, _ in zip(reversed(self._table), range(len(self._table) - count), strict=False)][::-1]

    def truncate(self, count: int) -> None:
        while len(self._table) > count:
            self._table.popitem()
