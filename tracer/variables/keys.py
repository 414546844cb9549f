"""Keys of dicts and members of sets: how they are modelled (`Variable.dict_key`), and how a table of them leaves the trace.

Equal keys are equal in the program. A key knows the variable of the object that it is, so that a table gives back the object that was
put in. A table holds each key under the hash that it had then, whatever became of the object: so it is made again with these hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..compat import words
from ..compat.tables import KEEPS_HASHES, Stored, keyed
from ..signals import Break, Raised
from .base import Variable
from .constants import literal

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = [
    "FrozenKey", "Hashed", "IdentityKey", "TupleKey", "UserKey", "ValueKey", "check_equality", "check_hashes", "common", "found", "has_user_keys",
    "is_plain", "key_variable", "real_set", "table_text",
]  # fmt: skip


class IdentityKey:
    """A key that equals only itself: tensors, modules, functions, objects with the default `__hash__`."""

    __slots__ = ("handle", "variable")

    def __init__(self, variable: Variable):
        self.variable = variable
        self.handle = variable.identity()

    def __hash__(self) -> int:
        return hash(self.handle) if not isinstance(self.handle, Variable) else id(self.handle)

    def __eq__(self, other: object) -> bool:
        if type(other) is not IdentityKey:
            return False
        mine, theirs = self.handle, other.handle
        return mine is theirs or (
            not isinstance(mine, Variable) and not isinstance(theirs, Variable) and mine == theirs
        )


class TupleKey(tuple[Any, ...]):
    """A tuple that is the key `variable`: the keys of its items, equal to every tuple of equal ones."""

    variable: Variable


class FrozenKey(frozenset[Any]):
    """A frozenset that is the key `variable`."""

    variable: Variable


class ValueKey:
    """An object that hashes and compares as `value` does."""

    __slots__ = ("value", "variable")

    def __init__(self, value: Any, variable: Variable):
        self.value, self.variable = value, variable

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if type(other) is ValueKey else other))


class UserKey:
    """A key whose class defines `__hash__`: the number that the traced method gave, and the traced `__eq__`, which runs
    where CPython's own table asks for it (equal hashes, not the same object). One of these stands for one operation."""

    __slots__ = ("answers", "compare", "number", "variable")

    def __init__(self, variable: Variable, number: int, compare: Callable[[Variable, Variable], bool]):
        self.variable, self.number, self.compare = variable, number, compare
        self.answers: dict[int, tuple[Any, bool]] = {}

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        if self is other or isinstance(other, UserKey) and other.variable is self.variable:
            return True
        known = self.answers.get(id(other))
        if known is None:
            known = self.answers[id(other)] = other, self.compare(self.variable, key_variable(other))
            if isinstance(other, UserKey):
                other.answers[id(self)] = self, known[1]
        return known[1]


_KNOWN = (IdentityKey, TupleKey, FrozenKey, ValueKey, UserKey)


def key_variable(key: Any) -> Variable:
    """The variable of a modelled key."""
    if type(key) in _KNOWN:
        return key.variable  # type: ignore[no-any-return]
    if type(key) is tuple:
        from .sequences import TupleVariable

        return TupleVariable([key_variable(k) for k in key], tuple)
    return literal(key)


# ---- looking
def identities(key: Any) -> Iterator[IdentityKey]:
    """The parts of a key, or of the keys of a table, that equal only themselves."""
    if type(key) is IdentityKey:
        yield key
    elif type(key) is ValueKey:
        yield from identities(key.value)
    elif isinstance(key, tuple | frozenset | dict):
        for part in key:
            yield from identities(part)


def found(ctx: Context, table: dict[Any, Any], key: Any) -> bool:
    """Whether the table has the key. Where it hasn't, an object from outside must not be one of its keys at the next call."""
    if key in table:
        return True
    for wanted in identities(key):
        if wanted.variable.source is not None:
            for stored in list(identities(table)):
                ctx.protocol.is_same(ctx, wanted.variable, stored.variable)
    return False


def common(mine: dict[Any, Any], theirs: dict[Any, Any], sets: bool = True) -> dict[Any, None]:
    """The keys that both have. CPython goes over the other operand, of two sets over the smaller, and takes what it finds there."""
    if sets and len(theirs) > len(mine):
        mine, theirs = theirs, mine
    return {key: None for key in theirs if key in mine}


_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None)})
_PLAIN_WHOLES = frozenset({tuple, frozenset, TupleKey, FrozenKey})


def is_plain(key: Any) -> bool:
    """Whether a key is the program's own object or one that hashes and compares like it, without running any code."""
    kind = type(key)
    return kind in _PLAIN or (kind in _PLAIN_WHOLES and all(map(is_plain, key)))


def real_set(keys: Iterable[Any]) -> set[Any] | None:
    """The set that Python makes of these members, one after the other; None where that isn't known."""
    made = set()
    for key in keys:
        if not is_plain(key):
            return None
        made.add(key)
    return made


class Hashed:
    """Stands in for a key that differs from all others: has its hash, and doesn't ask for equality."""

    __slots__ = ("key",)

    def __init__(self, key: Any):
        self.key = key

    def __hash__(self) -> int:
        return hash(self.key)


# ---- leaving
def _user_keys(keys: Iterable[Any]) -> Iterator[UserKey]:
    for key in keys:
        if type(key) is UserKey:
            yield key
        elif isinstance(key, tuple | frozenset):
            yield from _user_keys(key)


def has_user_keys(keys: Iterable[Any]) -> bool:
    return any(True for _ in _user_keys(keys))


def table_text(body: Body, entries: Iterable[tuple[Any, str]]) -> str:
    """A new dict of these (key, name of the value), with the hashes under which the program put them in."""
    entries = list(entries)
    keys = [key for key, _ in entries]
    if not has_user_keys(keys):
        return f"{{{', '.join(f'{body.value(key_variable(key))}: {value}' for key, value in entries)}}}"
    if not KEEPS_HASHES:
        check_hashes(body.ctx, keys)
        return f"{{{', '.join(f'{body.value(key_variable(key))}: {value}' for key, value in entries)}}}"
    check_equality(body.ctx, keys)
    lines = ", ".join(f"({body.value(key_variable(key))}, {_hash_text(body, key)}, {value})" for key, value in entries)
    return f"{body.pin(keyed, 'keyed')}([{lines}])"


def _hash_text(body: Body, key: Any) -> str:
    return str(key.number) if type(key) is UserKey else f"hash({_stored_text(body, key)})"


def _stored_text(body: Body, key: Any) -> str:
    """Something that hashes as the key did."""
    if type(key) is UserKey:
        return f"{body.pin(Stored, 'stored')}({key.number})"
    if not isinstance(key, tuple | frozenset) or not has_user_keys(key):
        return body.value(key_variable(key))
    parts = f"({', '.join(_stored_text(body, part) for part in key)},)"
    return parts if isinstance(key, tuple) else f"frozenset({parts})"


def check_equality(ctx: Context, keys: Iterable[Any]) -> None:
    """Keys of one hash are compared where the table is made again: they must still differ, and nothing may come of asking."""
    alike: dict[int, list[Any]] = {}
    for key in keys:
        alike.setdefault(hash(key), []).append(key)
    for group in alike.values():
        if len(group) > 1 and has_user_keys(group):
            for i, wanted in enumerate(group):
                for stored in group[:i]:
                    _ask(ctx, wanted, lambda s=stored, w=wanted: ctx.protocol.same_or_equal(ctx, key_variable(s), key_variable(w)), False)  # type: ignore[misc]


def as_key(ctx: Context, variable: Variable, what: str = "dict key") -> Any:
    """How a table models this key; where it has no hash, CPython says for what it was wanted (since 3.14)."""
    try:
        return variable.dict_key(ctx)
    except Raised as error:
        if words.UNUSABLE is None or error.variable.python_type() is not TypeError:
            raise
        cls, text = variable.python_type(), error.variable.args[0].constant()
        ctx.raise_(TypeError, words.UNUSABLE.format(type=words.full_name(cls), what=what, text=text))


def as_member(ctx: Context, variable: Variable) -> Any:
    """The same of a member of a set."""
    return as_key(ctx, variable, "set element")


def check_hashes(ctx: Context, keys: Iterable[Any]) -> None:
    """Where only the class itself can put the keys in: they must still hash as they did, and nothing may come of asking."""
    for key in _user_keys(keys):
        _ask(ctx, key, lambda k=key: int(ctx.protocol.special_answer(ctx, k.variable, "__hash__").constant()), key.number)  # type: ignore[misc]
    check_equality(ctx, keys)


def _ask(ctx: Context, key: Any, question: Callable[[], Any], answer: Any) -> None:
    before, same = ctx.changes, False
    try:
        same = question() == answer
    except Raised:
        pass
    if not same or ctx.changes != before:
        name = next(_user_keys([key])).variable.python_type().__name__
        raise Break("user-hash-or-eq", type=name, why="the table is made again, and they answer something else by now, or change something")
