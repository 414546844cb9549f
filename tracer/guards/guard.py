"""A guard as data, and what is said of one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .kind import KINDS

if TYPE_CHECKING:
    from ..sources import Source

__all__ = ["Failure", "Guard", "expression"]


def expression(source: Source | None, kind: str, expected: Any) -> str:
    """A guard as Python-like text for a person: `x.dtype == torch.float32`, `len(self.layers) == 12`."""
    return KINDS[kind].text("" if source is None else source.text, expected)


class Guard:
    """A check of the value at `source` (None: of the thread, or of several sources) against what was `expected`.

    `cause` is the number of the event that installed it. Raises KeyError for a kind that isn't in `KINDS`.
    """

    __slots__ = ("_expression", "cause", "expected", "kind", "source")

    def __init__(self, source: Source | None, kind: str, expected: Any = None, cause: int = 0):
        if kind not in KINDS:
            raise KeyError(kind)
        self.source, self.kind, self.expected, self.cause = source, kind, expected, cause
        self._expression: str | None = None

    @property
    def expression(self) -> str:
        if self._expression is None:
            self._expression = expression(self.source, self.kind, self.expected)
        return self._expression

    def __repr__(self) -> str:
        return f"Guard({self.kind}: {self.expression})"


class Failure:
    """`guard` doesn't hold; `seen` says in our own words what is there instead, "missing" where nothing can be read."""

    __slots__ = ("guard", "seen")

    def __init__(self, guard: Guard, seen: str):
        self.guard, self.seen = guard, seen

    def __repr__(self) -> str:
        return f"Failure({self.guard.expression}; seen: {self.seen})"
