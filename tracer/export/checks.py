"""The guards that can be read from the arguments of a call, as Python: what an exported file checks before it runs its graph.

In: the guards that the compiled entry holds, and where in the arguments their sources lie (`Arguments`). Out: `Check`s in their order:
a statement over the helpers of the written file, and an expression for torch.export's guards. Guards on anything but arguments
are left out: modules, globals and modes are as they were. Raises Unreadable for a guard on an argument that no file can check.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch

from tracer.compat.guards import memory_layout
from tracer.compat.trees import leaves_with_path
from tracer.export.constants import constant, importable, plain
from tracer.export.places import Arguments, Place, Unreadable
from tracer.export.sizes import conditions
from tracer.guards import Guard
from tracer.guards.held import Ref, name_of
from tracer.guards.kind import KINDS
from tracer.sources import Source

__all__ = ["Check", "checks", "specialised"]


Spelled = Callable[[str], str]


class Check(NamedTuple):
    """`what` as a person reads it. `line`: a statement. `exported`: the expression for torch.export, "" where it checks that itself, None
    where it can't."""

    what: str
    line: str
    exported: str | None


def _fits(what: str, read: str, expected: str, exported: str | None) -> Check:
    return Check(what, f"fits({what!r}, lambda: {read}, {expected})", exported)


def _holds(what: str, read: str, exported: str | None) -> Check:
    return Check(what, f"holds({what!r}, lambda: {read})", exported)


# ---- one value
class _Read:
    """One value that a guard is about."""

    def __init__(self, arguments: Arguments, leaves: frozenset[str], place: Place, guard: Guard):
        self.arguments, self.place, self.guard, self.expected = arguments, place, guard, guard.expected
        self.leaf = place.what in leaves

    @property
    def exported(self) -> str:
        return _exported(self.arguments, self.place)

    def fits(self, spelled: Spelled, expected: str, exported: Spelled | None = None, what: Spelled | None = None) -> Check:
        """All are given the value's own text."""
        return _fits((what or spelled)(self.place.what), spelled(self.place.read), expected, self._exported(exported))

    def holds(self, spelled: Spelled, exported: Spelled | None = None) -> Check:
        return _holds(spelled(self.place.what), spelled(self.place.read), self._exported(exported))

    def _exported(self, spelled: Spelled | None) -> str | None:
        """Of containers torch.export checks types, lengths and keys itself."""
        return "" if not self.leaf else None if spelled is None else spelled(self.exported)


def _exported(arguments: Arguments, place: Place) -> str:
    """A leaf as torch.export's guards call it."""
    number = arguments.starred.get(place.root)
    if type(number) is int:
        index, _, rest = place.text.removeprefix("[").partition("]")
        return f"L['{place.root}_{index}']{rest}"
    return f"L{place.text}" if number is not None else f"L['{place.root}']{place.text}"


def _tensor(read: _Read) -> Iterator[Check]:
    facts, place = read.expected, read.place
    cls = facts.cls.get() if type(facts.cls) is Ref else facts.cls
    if cls not in (torch.Tensor, torch.nn.Parameter):
        raise Unreadable(f"{place.what}, a {name_of(facts.cls)}")
    sizes, strides = tuple(facts.sizes), tuple(facts.strides)
    kind = f"torch.{'Tensor' if cls is torch.Tensor else 'nn.Parameter'}"
    device, leaf = str(facts.device), read.exported if read.leaf else ""
    exported = None
    if read.leaf:
        wanted = [f"isinstance({leaf}, torch.nn.Parameter) == {cls is torch.nn.Parameter}", f"{leaf}.dtype == {facts.dtype}"]
        wanted += [f"{leaf}.stride()[{index}] == {stride}" for index, stride in enumerate(strides) if stride is not None]
        wanted += [f"{leaf}.requires_grad == {facts.requires_grad}", f"str({leaf}.device) == {device!r}"]
        exported = " and ".join(wanted)
    yield Check(
        place.what,
        f"tensor({place.what!r}, lambda: {place.read}, {kind}, {facts.dtype}, {sizes}, {strides}, {device!r}, {facts.requires_grad})",
        exported,
    )


def _object(read: _Read) -> Any:
    """What a guard expects, of one that holds it by identity."""
    expected = read.expected
    if type(expected) is not Ref:
        return expected
    value = expected.get()
    if value is None and expected.weak is not None:
        raise Unreadable(f"{read.place.what}, which was {name_of(expected)}: it is gone")
    return value


def _itself(text: str) -> str:
    return text


def _value(read: _Read) -> Iterator[Check]:
    """The very value that was captured: a plain one, one that Python or torch has by a name, a member of an enumeration."""
    value = _object(read)
    found = "" if plain(value) else importable(value)
    if plain(value):
        yield read.fits(_itself, constant(value), _exported_value(value))
    elif found:
        yield read.fits(_itself, found)
    elif isinstance(value, type):
        yield read.fits(lambda text: f"class_name({text})", repr(_name(value)), what=_itself)
    elif isinstance(value, enum.Enum):
        yield read.fits(lambda text: f"(kind({text}), {text}.name)", constant((_name(type(value)), value.name)), what=_itself)
    else:
        raise Unreadable(f"{read.place.what}, which was {name_of(read.expected)}: only the program has it")


_QUOTES = frozenset("'\"\\{}")


def _exported_value(value: Any) -> Spelled | None:
    """What torch.export writes of a text into its own guards has to be one itself."""
    if value is None:
        return lambda text: f"{text} is None"
    if type(value) is float:
        return lambda text: f"type({text}).__name__ == 'float' and repr({text}) == '{value!r}'"
    if type(value) not in (bool, int) and not (type(value) is str and value.isprintable() and not _QUOTES.intersection(value)):
        return None
    return lambda text: f"type({text}).__name__ == '{type(value).__name__}' and {text} == {value!r}"


def _name(cls: type) -> str:
    """What the file's `kind` says of an instance."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def _type(read: _Read) -> Iterator[Check]:
    cls = _object(read)
    yield read.fits(
        lambda text: f"kind({text})", repr(_name(cls)), lambda text: f"type({text}).__name__ == '{cls.__name__}'",
        what=lambda text: f"type({text})",
    )  # fmt: skip


def _length(read: _Read) -> Iterator[Check]:
    count = str(read.expected or 0)
    yield read.fits(lambda text: f"len({text})", count, lambda text: f"len({text}) == {count}")


def _keys(read: _Read) -> Iterator[Check]:
    _known(read, read.expected, "keys")
    check = read.fits(lambda text: f"tuple({text})", constant(tuple(read.expected)))
    yield check._replace(exported=None, what=f"the order of the keys of {read.place.what}") if len(read.expected) > 1 else check


def _known(read: _Read, parts: Iterable[Any], what: str) -> None:
    if not all(map(plain, parts)):
        raise Unreadable(f"the {what} of {read.place.what}: only the program has them")


def _member(present: bool) -> Callable[[_Read], Iterator[Check]]:
    def key(read: _Read) -> Iterator[Check]:
        _known(read, [read.expected], "keys")
        yield read.holds(lambda text: f"{constant(read.expected)} {'' if present else 'not '}in {text}")

    return key


def _attribute(present: bool) -> Callable[[_Read], Iterator[Check]]:
    def attribute(read: _Read) -> Iterator[Check]:
        yield read.holds(lambda text: f"{'' if present else 'not '}hasattr({text}, {read.expected!r})")

    return attribute


def _says(read: _Read) -> Iterator[Check]:
    name, answer = read.expected
    if not plain(answer):
        raise Unreadable(f"{name} of {read.place.what}")
    call = "" if name in ("is_leaf", "output_nr", "names") else "()"
    yield read.fits(lambda text: f"{text}.{name}{call}", constant(answer), lambda text: f"{text}.{name}{call} == {constant(answer)}")


def _user(read: _Read) -> Iterator[Check]:
    """A condition in Python that says how else it is written."""
    spelled = getattr(read.expected, "python", None)
    if spelled is None:
        raise Unreadable(read.guard.expression)
    yield read.holds(spelled)


def _not_none(text: str) -> str:
    return f"{text} is not None"


def _set(read: _Read) -> Iterator[Check]:
    _known(read, read.expected, "members")
    yield read.fits(lambda text: f"frozenset({text})", constant(frozenset(read.expected)))


_ONE: dict[str, Callable[[_Read], Iterator[Check]]] = {
    "TENSOR_MATCH": _tensor,
    "EQUALS_MATCH": _value, "CONSTANT_MATCH": _value, "ID_MATCH": _value, "NONE_MATCH": _value,
    "NOT_NONE_MATCH": lambda read: iter([read.holds(_not_none, _not_none)]),
    "TYPE_MATCH": _type,
    "LENGTH": _length, "DICT_LENGTH": _length, "EMPTY_DICT": _length,
    "DICT_KEYS": _keys, "DICT_CONTAINS": _member(True), "DICT_ABSENT": _member(False), "SET_MATCH": _set,
    "HASATTR": _attribute(True), "NOHASATTR": _attribute(False),
    "TENSOR_SAYS": _says, "USER": _user,
}  # fmt: skip


# ---- several values
class _Many:
    """What a guard between several sources reads: the places of those that are arguments."""

    def __init__(self, arguments: Arguments, leaves: dict[str, Any], guard: Guard, dynamic: set[str]):
        self.arguments, self.guard, self.leaves, self.dynamic = arguments, guard, leaves, dynamic
        sources = KINDS[guard.kind].reads(guard)  # type: ignore[misc]
        self.places = [place for place in map(arguments.place, sources) if place is not None]

    def reads(self) -> str:
        return ", ".join(place.read for place in self.places)

    def what(self) -> str:
        return ", ".join(place.what for place in self.places)

    def exported(self) -> list[str] | None:
        """None where torch.export's guards can't see one of them."""
        if not all(place.what in self.leaves for place in self.places):
            return None
        return [_exported(self.arguments, place) for place in self.places]


def _same(many: _Many) -> Iterator[Check]:
    if not many.places:
        return
    if len(many.places) == 1:
        raise Unreadable(many.guard.expression)
    (one, other), leaves = many.places, many.exported()
    exported = f"{leaves[0]} is {leaves[1]}" if leaves else None
    yield _holds(f"{one.what} is {other.what}", f"{one.read} is {other.read}", exported)


def _different(many: _Many) -> Iterator[Check]:
    if len(many.places) < 2:
        return
    leaves = many.exported()
    pairs = " and ".join(f"{one} is not {other}" for one, other in itertools.combinations(leaves, 2)) if leaves else None
    yield _holds(f"that {many.what()} are different objects", f"different({many.reads()})", pairs)


def _overlap(many: _Many) -> Iterator[Check]:
    """The file wants memory to be laid out as it was, which is more than the guard does."""
    tensors = [many.leaves.get(place.what) for place in many.places]
    if len(tensors) < 2:
        return
    if not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        raise Unreadable("whether tensors share memory")
    shared = memory_layout(tensors, set(range(len(tensors))))  # type: ignore[arg-type]
    firsts = [place[0] for place in shared]
    layout = tuple(place if firsts.count(place[0]) > 1 else None for place in shared)
    if any(layout) and any(place.what in many.dynamic for place in many.places):
        raise Unreadable(f"how {many.what()} share memory, whose sizes may be any")
    exported, names = [], many.exported() or []
    for (i, one), (j, other) in itertools.combinations(enumerate(names), 2):
        exported.append(f"({one}.untyped_storage()._cdata == {other}.untyped_storage()._cdata) == {firsts[i] == firsts[j]}")
    exported += [f"{one}.storage_offset() == {place[1]}" for one, place in zip(names, layout, strict=True) if place is not None]
    yield _fits(f"how {many.what()} lie in memory", f"memory({many.reads()})", constant(layout), " and ".join(exported))


_SEVERAL: dict[str, Callable[[_Many], Iterator[Check]]] = {
    "SAME_OBJECT": _same, "NOT_SAME_OBJECT": _different, "NO_TENSOR_ALIASING": _different, "DIFFERENT_OBJECTS": _different,
    "STORAGE_OVERLAP": _overlap,
}  # fmt: skip


# ---- sizes
def _conditions(guard: Guard, arguments: Arguments, leaves: dict[str, Any]) -> Iterator[Check]:
    """Those on arguments. What is symbolic elsewhere doesn't change with them."""

    def read(source: Source) -> str | None:
        place = arguments.place(source)
        return None if place is None else place.read

    def exported(source: Source) -> str | None:
        place = arguments.place(source)
        return _exported(arguments, place) if place is not None and place.what in leaves else None

    def what(source: Source) -> str | None:
        place = arguments.place(source)
        return None if place is None else place.what

    for one, said, other in zip(*(conditions(guard, spell) for spell in (read, what, exported)), strict=True):
        if one.missing == one.reads:
            continue
        if one.missing != 0:
            raise Unreadable(one.text)
        yield _holds(said.code, one.code, other.code if other.missing == 0 else None)


# ---- a graph of another compiler
def specialised(arguments: Arguments, inputs: Iterable[Any]) -> Iterator[Check]:
    """That numbers, and sizes of tensors, are as they were where a graph doesn't take them: another compiler than the one whose guards these
    are may have taken them for constants."""
    taken = [(one.path, one.source) for one in inputs]
    paths, sources = {path for path, _ in taken}, {source for _, source in taken}
    for path, leaf in leaves_with_path(arguments.given):
        place = arguments.leaf(path)
        there = _exported(arguments, place)
        if isinstance(leaf, torch.Tensor) and path not in paths:
            shape = constant(tuple(leaf.shape))
            yield _fits(f"tuple({place.what}.shape)", f"tuple({place.read}.shape)", shape, f"tuple({there}.shape) == {shape}")
        elif type(leaf) in (bool, int, float) and place.what not in sources:
            spelled = _exported_value(leaf)
            yield _fits(place.what, place.read, constant(leaf), spelled and spelled(there))


# ---- all
def checks(guards: Iterable[Guard], arguments: Arguments, leaves: dict[str, Any]) -> list[Check]:
    """`leaves`: what lies where in the arguments, as `Place.what` says it."""
    made: dict[Check, None] = {}
    names, dynamic = frozenset(leaves), set[str]()
    made.update(dict.fromkeys(_starred(arguments)))
    for guard in guards:
        made.update(dict.fromkeys(_of_guard(guard, arguments, leaves, names, dynamic)))
    return list(made)


def _starred(arguments: Arguments) -> Iterator[Check]:
    """How many values *args and **kwargs take where the frame has no such locals of its own: guards then speak of all arguments."""
    for name, held in arguments.starred.items():
        if name in arguments.stars:
            continue
        read = arguments.safe[name]
        if type(held) is int:
            yield _fits(f"len({name})", f"len({read})", str(held), "")
        else:
            yield _fits(f"tuple({name})", f"tuple({read})", constant(held), "")


def _of_guard(
    guard: Guard, arguments: Arguments, leaves: dict[str, Any], names: frozenset[str], dynamic: set[str]
) -> Iterable[Check]:
    """The checks of one guard; `dynamic` collects the tensors whose sizes may be any."""
    if guard.kind in ("SHAPES", "WITHIN"):
        return _conditions(guard, arguments, leaves)
    scope = KINDS[guard.kind].scope
    if scope == "many":
        several, many = _SEVERAL.get(guard.kind), _Many(arguments, leaves, guard, dynamic)
        if several is None and many.places:
            raise Unreadable(guard.expression)
        return several(many) if several is not None else ()
    place = None if scope == "thread" or guard.source is None else arguments.place(guard.source)
    if place is None or place.root in arguments.starred and not place.text:
        return ()
    if guard.kind == "TENSOR_MATCH" and None in guard.expected.sizes:
        dynamic.add(place.what)
    one = _ONE.get(guard.kind)
    if one is None:
        raise Unreadable(guard.expression)
    return one(_Read(arguments, names, place, guard))
