"""CLASS_ATTRIBUTE: what looking a name up along a class's MRO finds, guarded once per class and name.

C++ gets primitive checks, shared by all guards that need them: the MRO is the same tuple (by id); the name is absent
from the dict of each changeable class before the owner; the owner's entry is the same object. Builtin classes can't
change and cost nothing. A class's dict is read through `type_dict_manager`, whose children are skipped while the dict's
version stays, so that a look-up found costs about 4 ns in a later check, and all absences of one class as much together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .held import Keeper, Ref, name_of
from .kind import Place, define
from .summary import summarise, type_name
from .whole import whole

if TYPE_CHECKING:
    from .lower import Lowering

__all__ = ["Absences", "ClassLookup"]

_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]
_FLAGS = type.__dict__["__flags__"]
_IMMUTABLE = 1 << 8
#: What `type` puts into the dict of every class, and `del` can't take out.
_ALWAYS = "__doc__"


class ClassLookup:
    """What is left of (name, owner, raw): the owner and the entry as `Ref`s (None: nothing was found), the MRO's id."""

    __slots__ = ("mro", "name", "owner", "raw")

    def __init__(self, name: str, owner: Ref | None, raw: Ref | None):
        self.name, self.owner, self.raw = name, owner, raw
        self.mro = 0


def _hold(expected: tuple[str, type | None, Any], keeper: Keeper) -> ClassLookup:
    name, owner, raw = expected
    if owner is None:
        return ClassLookup(name, None, None)
    return ClassLookup(name, keeper.ref(owner), keeper.ref(raw))


def _parts(expected: Any) -> tuple[str, Any, Any]:
    return (expected.name, expected.owner, expected.raw) if type(expected) is ClassLookup else expected


def _find(cls: type, name: str) -> tuple[type | None, Any]:
    for base in _MRO.__get__(cls):
        entries = _DICT.__get__(base)
        if name in entries:
            return base, entries[name]
    return None, None


def _is(value: Any, expected: Any) -> bool:
    return expected.matches(value) if type(expected) is Ref else value is expected


def _check(value: Any, expected: Any) -> bool:
    if not issubclass(type(value), type):
        return False
    if type(expected) is ClassLookup and expected.mro and id(_MRO.__get__(value)) != expected.mro:
        return False
    name, owner, raw = _parts(expected)
    found, entry = _find(value, name)
    if owner is None or found is None:
        return owner is None and found is None
    return _is(found, owner) and _is(entry, raw)


def _text(source: str, expected: Any) -> str:
    name, owner, _raw = _parts(expected)
    if owner is None:
        return f"not hasattr({source}, {name!r})"
    owner_name = name_of(owner)
    return f"{source}.{name} is unchanged" if source == owner_name else f"{source}.{name} is {owner_name}.{name}"


def _see(value: Any, expected: Any) -> str:
    if not issubclass(type(value), type):
        return summarise(value)
    name, _owner, _raw = _parts(expected)
    found, entry = _find(value, name)
    return f"no {name}" if found is None else f"{summarise(entry)} in {type_name(found)}"


def _changeable(cls: type) -> bool:
    return not _FLAGS.__get__(cls) & _IMMUTABLE


def _lower(at: Place, expected: ClassLookup, parts: list[Any]) -> None:
    cls, name, owner = at.value, expected.name, expected.owner
    mro = _MRO.__get__(cls)
    expected.mro = id(mro)
    if not _changeable(cls):
        return
    lowering, enum = at.lowering, at.lowering.enum
    if lowering.once((id(cls), "mro")):
        at.manager.type_mro_manager("", at.lowering.mutable, enum).add_id_match_guard(expected.mro, parts, None)
    for base in mro:
        key = id(base)
        if owner is not None and key == owner.id:
            assert expected.raw is not None
            if _changeable(base) and lowering.once((key, name)):
                entry = lowering.class_dict(base).item(name)
                lowering.manager(entry, identity=True).add_id_match_guard(expected.raw.id, parts, None)
            return
        if _changeable(base) and lowering.once((key, name)):
            lowering.absences.add(base, name, parts)


class Absences:
    """The names that the dict of a class must not have, by class. They are checked below an entry that the dict always
    has: C++ skips it, like every entry, while the dict's version stays, and asks Python once the class has changed."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[int, tuple[type, list[str], list[Any]]] = {}

    def add(self, cls: type, name: str, parts: list[Any]) -> None:
        _cls, names, together = self._names.setdefault(id(cls), (cls, [], []))
        names.append(name)
        together.extend(parts)

    def lower(self, lowering: Lowering) -> None:
        for cls, names, parts in self._names.values():
            inside = lowering.class_dict(cls)
            if _ALWAYS in _DICT.__get__(cls):
                below = lowering.manager(inside.item(_ALWAYS), identity=True)
                below.add_lambda_guard(whole(_without(lowering.keeper.ref(cls), names)), parts, None)
                continue
            manager = lowering.manager(inside)
            for name in names:
                manager.add_dict_contains_guard(False, name, parts, None)
        self._names.clear()


def _without(ref: Ref, names: list[str]) -> Any:
    """Whether the class still has none of the names in its own dict."""

    def check(_entry: Any) -> bool:
        cls = ref.get()
        return cls is not None and _DICT.__get__(cls).keys().isdisjoint(names)

    return check


define(  # source: the pinned class; expected: (name, class that holds it or None, its raw entry)
    "CLASS_ATTRIBUTE",
    _check,
    _text,
    _lower,
    hold=_hold,
    see=_see,
    rank=4,
)
