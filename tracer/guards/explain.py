"""Which guards fail for given locals, with what is there instead. Reads as C++ does; nothing of the user's runs.

In: lowered guards, `Roots`. Out: every failing guard. A guard whose source can't be followed fails as "missing".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..sources import Roots, Source
from .accessors import ACCESSORS, Missing
from .guard import Failure, Guard
from .kind import KINDS

__all__ = ["Reader", "failures"]

_MISSING = object()


class Reader:
    """Reads sources once each. `exact`: sources whose type must be this one (by id) before unsafe steps below.
    `families`: sources whose items C++ reads as those of this builtin container."""

    __slots__ = ("_exact", "_families", "_locals", "_values")

    def __init__(self, roots: Roots, exact: Mapping[Source, int], families: Mapping[Source, type]):
        self._locals, self._exact, self._families = roots.locals, exact, families
        self._values: dict[Source, Any] = {}

    def __call__(self, source: Source) -> Any:
        """The value at `source`. Raises Missing."""
        value = self._values.get(source, self)
        if value is self:
            value = self._values[source] = self._read(source)
        if value is _MISSING:
            raise Missing
        return value

    def _read(self, source: Source) -> Any:
        base = source.base
        try:
            if base is None:
                return self._root(source)
            owner = self(base)
            accessor, cls = ACCESSORS[source.kind], type(owner)
            if accessor.unsafe and self._exact.get(base, id(cls)) != id(cls):
                return _MISSING
            if source.kind == "item" and not issubclass(cls, self._families.get(base, object)):
                return _MISSING
            return accessor.read(owner, source.key)
        except Missing:
            return _MISSING

    def _root(self, source: Source) -> Any:
        if source.kind == "local":
            try:
                return self._locals[source.key]
            except KeyError:
                raise Missing from None
        if source.kind == "held":
            value = source.key.get()
            if value is None and source.key.strong is None and source.key.weak is not None:
                raise Missing
            return value
        return source.key


def failures(guards: Iterable[Guard], read: Reader) -> list[Failure]:
    """Every guard that doesn't hold, in the order given."""
    found: list[Failure] = []
    for guard in guards:
        try:
            found.extend(_failing(guard, read))
        except Missing:
            found.append(Failure(guard, "missing"))
    return found


def _failing(guard: Guard, read: Reader) -> list[Failure]:
    kind = KINDS[guard.kind]
    if kind.split is not None:
        return [Failure(part, seen) for part, seen in kind.split(read, guard)]
    subject: Any = None
    expected: Any = guard.expected
    if kind.scope == "many":
        subject, expected = read, guard
    elif guard.source is not None:
        subject = read(guard.source)
    try:
        if kind.check(subject, expected):
            return []
        return [Failure(guard, kind.see(subject, expected))]
    except Missing:
        raise
    except Exception as error:
        return [Failure(guard, f"can't be read: {type(error).__qualname__}")]
