"""What guards keep of the values that they saw: an id, a name and a weak reference.

In: objects. Out: `Ref`s, and sources whose pinned roots are weak. Invariant: when an object that some guard knows only
by its id dies, `state["alive"]` of that entry turns False for good, and C++ looks there first; so an id that
is given to another object later can't make a guard pass.

Held strongly, because Python has no weak references to them: constants, containers, properties, class and static
methods, and the global namespaces that guards read. Everything else dies with its owner.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any

from ..sources import Source
from .summary import summarise, type_name

__all__ = ["Keeper", "Ref", "identity", "name_of"]

_HEAP_TYPE = 1 << 9
_FLAGS = type.__dict__["__flags__"]


class Ref:
    """An object by identity: `id`, `label` for people, `get()` the object or None once it is gone."""

    __slots__ = ("_weak", "id", "label", "strong")

    def __init__(self, value: Any, on_death: Callable[[Any], None] | None):
        self.id = id(value)
        self.strong: Any = None
        self._weak: weakref.ref[Any] | None = None
        kind = type(value)
        is_class = issubclass(kind, type)
        if is_class:
            self.label = type_name(value)
        elif kind is types.FunctionType:
            self.label = value.__qualname__
        else:
            self.label = summarise(value)
        if value is None or (is_class and not _FLAGS.__get__(value) & _HEAP_TYPE):
            self.strong = value
            return
        try:
            self._weak = weakref.ref(value, on_death)
        except TypeError:
            self.strong = value

    def get(self) -> Any:
        return self.strong if self._weak is None else self._weak()

    def matches(self, value: Any) -> bool:
        """Whether `value` is the object, and not one that got its id after it died."""
        return id(value) == self.id and (self._weak is None or self._weak() is not None)

    @property
    def weak(self) -> weakref.ref[Any] | None:
        return self._weak


def identity(expected: Any) -> int:
    """The id of an expected object, given as itself or as a `Ref`."""
    return expected.id if type(expected) is Ref else id(expected)


def name_of(expected: Any) -> str:
    """What a person calls an expected object, given as itself or as a `Ref`."""
    if type(expected) is Ref:
        return expected.label
    if issubclass(type(expected), type):
        return type_name(expected)
    return expected.__qualname__ if type(expected) is types.FunctionType else summarise(expected)


class Keeper:
    """The references of one compiled entry. `state["alive"]` is what C++ looks at."""

    __slots__ = ("_die", "_refs", "_roots", "_sources", "on_death", "state", "__weakref__")

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"alive": True}
        self.on_death: Callable[[], None] | None = None
        self._refs: dict[int, Ref] = {}
        self._roots: dict[int, Source] = {}
        self._sources: dict[Source, Source] = {}
        state, me = self.state, weakref.ref(self)

        def die(_ref: Any) -> None:
            if not state["alive"]:
                return
            state["alive"] = False
            keeper = me()
            if keeper is not None and keeper.on_death is not None:
                keeper.on_death()

        self._die = die

    def ref(self, value: Any) -> Ref:
        found = self._refs.get(id(value))
        if found is None:
            found = self._refs[id(value)] = Ref(value, self._die)
        return found

    def root(self, value: Any, label: str = "") -> Source:
        """A root source for an object that the entry must not keep alive."""
        found = self._roots.get(id(value))
        if found is None:
            found = self._roots[id(value)] = Source(None, "held", self.ref(value), label or name_of(value))
        return found

    def release(self, source: Source) -> Source:
        """The same source without a strong hold on a pinned object. `held` roots have a `Ref` as their key."""
        found = self._sources.get(source)
        if found is not None:
            return found
        if source.base is None:
            found = self.root(source.key, source.label) if source.kind == "pinned" else source
        else:
            base = self.release(source.base)
            found = source if base is source.base else base.step(source.kind, source.key)
            found.label = source.label
        self._sources[source] = found
        return found

    def forget(self) -> None:
        """Let go of the sources that `release` was given: their roots hold objects."""
        self._sources.clear()

    @property
    def kept(self) -> list[Any]:
        """The objects held strongly, for tests and for people who look for a leak."""
        strong = (ref.strong for ref in self._refs.values())
        return [value for value in strong if value is not None and not issubclass(type(value), type)]
