"""CLASS_ATTRIBUTE: what looking a name up along a class's MRO finds, guarded once per class and name; MRO: the classes of it.

C++ gets primitive checks, shared by all guards that need them: the MRO has the same classes (its tuple may die and another
get its place in memory); the name is absent from the dict of each changeable class before the owner; the owner's entry is
the same object. Builtin classes can't change and cost nothing. A class's dict is read through `type_dict_manager`, whose
children are skipped while the dict's version stays, so that a look-up found costs about 4 ns in a later check, and all
absences of one class as much together.
"""

from __future__ import annotations

import abc
import sys
from _abc import _abc_subclasscheck  # type: ignore[import-not-found]
from typing import TYPE_CHECKING, Any

from .held import Keeper, Ref, name_of
from .kind import Place, define
from .summary import summarise, type_name
from .whole import whole

if TYPE_CHECKING:
    from .lower import Lowering

__all__ = ["Absences", "ClassLookup", "Registries"]

_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]
_FLAGS = type.__dict__["__flags__"]
_IMMUTABLE = 1 << 8
#: What `type` puts into the dict of every class, and `del` can't take out.
_ALWAYS = "__doc__"


class ClassLookup:
    """What is left of (name, owner, raw, after): the classes and the entry as `Ref`s (owner None: nothing was found; after
    None: the look-up begins at the class itself, else behind that class of its MRO, as `super()` does), and the MRO."""

    __slots__ = ("after", "mro", "name", "owner", "raw")

    def __init__(self, name: str, owner: Ref | None, raw: Ref | None, after: Ref | None):
        self.name, self.owner, self.raw, self.after = name, owner, raw, after
        self.mro: tuple[Ref, ...] = ()


def _hold(expected: tuple[Any, ...], keeper: Keeper) -> ClassLookup:
    name, owner, raw, *rest = expected
    after = keeper.ref(rest[0]) if rest and rest[0] is not None else None
    if owner is None:
        return ClassLookup(name, None, None, after)
    return ClassLookup(name, keeper.ref(owner), keeper.ref(raw), after)


def _parts(expected: Any) -> tuple[str, Any, Any, Any]:
    if type(expected) is ClassLookup:
        return expected.name, expected.owner, expected.raw, expected.after
    name, owner, raw, *rest = expected
    return name, owner, raw, rest[0] if rest else None


def _behind(mro: tuple[type, ...], after: Any) -> tuple[type, ...]:
    """The part of the MRO that a look-up goes along."""
    if after is None:
        return mro
    for position, base in enumerate(mro):
        if _is(base, after):
            return mro[position + 1 :]
    return ()


def _find(cls: type, name: str, after: Any) -> tuple[type | None, Any]:
    for base in _behind(_MRO.__get__(cls), after):
        entries = _DICT.__get__(base)
        if name in entries:
            return base, entries[name]
    return None, None


def _is(value: Any, expected: Any) -> bool:
    return expected.matches(value) if type(expected) is Ref else value is expected


def _same_mro(value: type, mro: tuple[Any, ...]) -> bool:
    found = _MRO.__get__(value)
    return len(found) == len(mro) and all(map(_is, found, mro))


def _check(value: Any, expected: Any) -> bool:
    if not issubclass(type(value), type):
        return False
    if type(expected) is ClassLookup and expected.mro and not _same_mro(value, expected.mro):
        return False
    name, owner, raw, after = _parts(expected)
    found, entry = _find(value, name, after)
    if owner is None or found is None:
        return owner is None and found is None
    return _is(found, owner) and _is(entry, raw)


def _text(source: str, expected: Any) -> str:
    name, owner, _raw, after = _parts(expected)
    if after is not None:
        source = f"super({name_of(after)}, {source})"
    if owner is None:
        return f"not hasattr({source}, {name!r})"
    owner_name = name_of(owner)
    return f"{source}.{name} is unchanged" if source == owner_name else f"{source}.{name} is {owner_name}.{name}"


def _see(value: Any, expected: Any) -> str:
    if not issubclass(type(value), type):
        return summarise(value)
    name, _owner, _raw, after = _parts(expected)
    found, entry = _find(value, name, after)
    return f"no {name}" if found is None else f"{summarise(entry)} in {type_name(found)}"


def _changeable(cls: type) -> bool:
    return not _FLAGS.__get__(cls) & _IMMUTABLE


def _lower_mro(at: Place, parts: list[Any]) -> tuple[Ref, ...]:
    """The class is the first of its MRO and `object` the last, as a rule: the length and those between tell."""
    cls, lowering = at.value, at.lowering
    mro = lowering.mros.get(id(cls))
    if mro is not None:
        return mro
    classes = _MRO.__get__(cls)
    mro = lowering.mros[id(cls)] = tuple(map(lowering.keeper.ref, classes))
    if not _changeable(cls):
        return mro
    manager = at.manager.type_mro_manager("", lowering.mutable, lowering.enum)
    manager.add_length_check_guard(len(mro), parts, None)
    usual = classes[0] is cls and classes[-1] is object
    for position, base in enumerate(mro):
        if not usual or 0 < position < len(mro) - 1:
            manager.tuple_getitem_manager(position, "", None, lowering.enum).add_id_match_guard(base.id, parts, None)
    return mro


def _lower(at: Place, expected: ClassLookup, parts: list[Any]) -> None:
    cls, name, owner = at.value, expected.name, expected.owner
    expected.mro = _lower_mro(at, parts)
    if not _changeable(cls):
        return
    lowering = at.lowering
    for base in _behind(_MRO.__get__(cls), expected.after):
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


define(  # source: the pinned class; expected: (name, class that holds it or None, its raw entry[, class behind which it is looked up])
    "CLASS_ATTRIBUTE",
    _check,
    _text,
    _lower,
    hold=_hold,
    see=_see,
    rank=4,
)


def _mro_text(source: str, expected: Any) -> str:
    bases = ", ".join(name_of(base) for base in expected[1:-1])
    return f"{source} inherits from {bases or 'nothing but object'}"


define(  # source: the pinned class; expected: its MRO
    "MRO",
    lambda value, expected: issubclass(type(value), type) and _same_mro(value, expected),
    _mro_text,
    lambda at, _expected, parts: _lower_mro(at, parts) and None,
    hold=lambda expected, keeper: tuple(map(keeper.ref, expected)),
    see=lambda value, _: summarise(value) if not issubclass(type(value), type) else _mro_text("it", _MRO.__get__(value)),
    rank=4,
)


# --- abstract base classes --------------------------------------------------------------------------------------------


class Registries:
    """The pairs (class, abstract base class) of which the second said no. One check serves all of an entry: nothing was
    registered anywhere since; else each is asked again, unless that would run the program's code."""

    __slots__ = ("_pairs", "_token")

    def __init__(self) -> None:
        self._pairs: list[tuple[Ref, Ref]] = []
        self._token = abc.get_cache_token()

    def add(self, cls: Ref, wanted: Ref) -> bool:
        """Whether it is the first."""
        self._pairs.append((cls, wanted))
        return len(self._pairs) == 1

    def check(self, _value: Any) -> bool:
        token = abc.get_cache_token()
        if token != self._token:
            if not all(_says_no(cls.get(), wanted.get()) for cls, wanted in self._pairs):
                return False
            self._token = token
        return True


def _says_no(cls: Any, wanted: Any) -> bool:
    return cls is not None and wanted is not None and _asks_nobody(wanted) and not _abc_subclasscheck(wanted, cls)


def _asks_nobody(wanted: type) -> bool:
    """Whether `__subclasshook__` of the class and of those that inherit from it are Python's own."""
    left, seen = [wanted], set()
    while left:
        cls = left.pop()
        if id(cls) in seen:
            continue
        seen.add(id(cls))
        hook = _find(cls, "__subclasshook__", None)[1]
        if type(hook) is classmethod and str(hook.__func__.__module__).partition(".")[0] not in sys.stdlib_module_names:
            return False
        left += type.__subclasses__(cls)
    return True


def _not_registered(value: Any, expected: Any) -> bool:
    wanted, token = expected if type(expected) is tuple else (expected, None)
    if not issubclass(type(value), type):
        return False
    return token == abc.get_cache_token() or _says_no(value, wanted.get() if type(wanted) is Ref else wanted)


def _lower_registries(at: Place, expected: tuple[Ref, Any], parts: list[Any]) -> None:
    lowering = at.lowering
    if lowering.registries.add(lowering.keeper.ref(at.value), expected[0]):
        lowering.root.add_lambda_guard(whole(lowering.registries.check), parts, None)


define(  # source: the pinned class; expected: an abstract base class of which it is no subclass
    "NOT_REGISTERED",
    _not_registered,
    lambda source, expected: f"not issubclass({source}, {name_of(expected[0] if type(expected) is tuple else expected)})",
    _lower_registries,
    hold=lambda expected, keeper: (keeper.ref(expected), abc.get_cache_token()),
    see=lambda _value, _expected: "registered since, or with a __subclasshook__",
    rank=8,
)
