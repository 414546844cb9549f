"""CLASS_ATTRIBUTE: what looking a name up along a class's MRO finds, guarded once per class and name.

C++ gets primitive checks, shared by all guards that need them: the MRO is the same tuple (by id); the name is absent
from the dict of each changeable class before the owner; the owner's entry is the same object. Builtin classes can't
change and cost nothing. A class's dict is read through `type_dict_manager`, whose children are skipped while the dict's
version stays, so that a look-up found costs about 4 ns in a later check and an absence about 10.
"""

from __future__ import annotations

from typing import Any

from .held import Keeper, Ref, name_of
from .kind import Place, define
from .summary import summarise, type_name

__all__ = ["ClassLookup"]

_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]
_FLAGS = type.__dict__["__flags__"]
_IMMUTABLE = 1 << 8


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
            lowering.manager(lowering.class_dict(base)).add_dict_contains_guard(False, name, parts, None)


define(  # source: the pinned class; expected: (name, class that holds it or None, its raw entry)
    "CLASS_ATTRIBUTE",
    _check,
    _text,
    _lower,
    hold=_hold,
    see=_see,
    rank=4,
)
