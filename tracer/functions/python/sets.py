"""Methods of set and frozenset: members are modelled by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...signals import Declined
from ...variables import (
    NONE,
    DictVariable,
    DictViewVariable,
    ListVariable,
    SequenceVariable,
    SetVariable,
    Variable,
    key_variable,
    literal,
)
from ...variables.keys import as_member, common, found, is_plain
from ..table import calls
from .dicts import keys_of
from .native_methods import OPERATIONS

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("the receiver is not a modelled set")


@calls.exact(set.add)
def add(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.add(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = as_member(ctx, item)
    if not found(ctx, target.items, key):
        ctx.mutate(target)
        target.insert(key)
    return NONE


def _lookup(ctx: Context, item: Variable) -> Any:
    """A member to look for; a set stands for the frozenset of its members, as in CPython."""
    return frozenset(item.items) if isinstance(item, SetVariable) else as_member(ctx, item)


@calls.exact(set.remove)
def remove(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.remove(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = _lookup(ctx, item)
    if not found(ctx, target.items, key):
        ctx.raise_with(KeyError, [item])
    ctx.mutate(target)
    target.remove(key)
    return NONE


@calls.exact(set.discard)
def discard(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.discard(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = _lookup(ctx, item)
    if found(ctx, target.items, key):
        ctx.mutate(target)
        target.remove(key)
    return NONE


@calls.exact(set.pop)
def pop(ctx: Context, target: Variable) -> Any:
    """`s.pop()`: the first member in the set's own order, where that is known."""
    if not isinstance(target, SetVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(KeyError, "pop from an empty set")
    keys = target.keys(ctx)
    if len(keys) > 1 and target.source is not None:
        ctx.break_("unsupported-builtin", func="set.pop", type="set", why="which member comes first is known only when it runs")
    ctx.mutate(target)
    target.remove(keys[0])
    return key_variable(keys[0])


@calls.exact(set.clear)
def clear(ctx: Context, target: Variable) -> Any:
    """`s.clear()`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    ctx.mutate(target)
    target.become({}, set())
    return NONE


@calls.exact(set.copy, frozenset.copy)
def copy(ctx: Context, target: Variable) -> Any:
    """`s.copy()`; a frozenset is its own copy."""
    if not isinstance(target, SetVariable):
        return _OTHER
    return target if target.cls is frozenset else copied(target)


def copied(target: SetVariable) -> SetVariable:
    """A copy of the same class."""
    order = target.real()
    return SetVariable(dict(target.items), target.cls, order=None if order is None else target.cls(order), origins=target.origins)


def real_of(variable: Variable, keys: Iterable[Any]) -> Any:
    """What stands for an operand when the same is done to real sets: None where that isn't known. `keys`: its items."""
    if isinstance(variable, SetVariable):
        return variable.real()
    keys = list(keys)
    if not all(map(is_plain, keys)):
        return None
    if isinstance(variable, DictVariable):
        return dict.fromkeys(keys)
    if isinstance(variable, DictViewVariable) and variable.part == "keys":
        return dict.fromkeys(keys).keys()
    if isinstance(variable, DictViewVariable) and variable.part == "items":
        return dict(keys).items()
    return keys


def origins_of(*variables: Variable) -> tuple[Any, ...]:
    """The sets from outside whose order that of these depends on, each once."""
    return tuple({origin[0]: origin for v in variables if isinstance(v, SetVariable) for origin in v.origins}.values())


def made(ctx: Context, cls: type, items: Variable | None) -> SetVariable:
    """`set(items)`, `frozenset(items)`."""
    if items is None:
        return SetVariable({}, cls, order=cls())
    if isinstance(items, SetVariable) or not isinstance(items, DictVariable | DictViewVariable):
        keys = keys_of(ctx, items) if isinstance(items, SetVariable) else {as_member(ctx, v): None for v in ctx.protocol.unpack(ctx, items)}
    else:
        keys = keys_of(ctx, items)
    real = real_of(items, keys)
    return SetVariable(keys, cls, order=None if real is None else cls(real), origins=origins_of(items))


def update_set(ctx: Context, target: SetVariable, items: Variable) -> None:
    """`target.update(items)`."""
    (items,) = _concrete(ctx, (items,))
    keys = keys_of(ctx, items)
    ctx.mutate(target)
    change_set(target, {**target.items, **keys}, set.update, [real_of(items, keys)], origins_of(items))


def change_set(target: SetVariable, result: dict[Any, None], change: Callable[..., Any], reals: list[Any], origins: tuple[Any, ...]) -> None:
    """Change a set in place: its members to `result`, its order by doing the same to the real one."""
    order = target.order if target._own() and target.real() is not None and all(r is not None for r in reals) else None
    if order is not None:
        change(order, *reals)
    target.become(result, order, origins)


def any_order(ctx: Context, items: Variable, key: Variable | None) -> Any:
    """The items of an iterable for what doesn't depend on their order: constants that no two of are equal, compared as they are."""
    if isinstance(items, SetVariable) and key is None and all(type(k) in (str, int, float) for k in items.items):
        return items.members()
    return ctx.protocol.unpack(ctx, items)


def _union(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        for key in keys_of(ctx, other):
            result.setdefault(key)
    return result


def _intersection(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        result = common(result, keys_of(ctx, other), isinstance(other, SetVariable))
    return result


def _difference(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        result = OPERATIONS["sub"](result, keys_of(ctx, other))
    return result


def _symmetric(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    return OPERATIONS["xor"](dict(target.items), keys_of(ctx, others[0]))


def _concrete(ctx: Context, others: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """What can be gone through once only is gone through here."""
    kept = (SetVariable, DictVariable, DictViewVariable, SequenceVariable)
    return tuple(o if isinstance(o, kept) else ListVariable(list(ctx.protocol.unpack(ctx, o))) for o in others)


def _reals(ctx: Context, others: tuple[Variable, ...]) -> list[Any]:
    return [real_of(other, keys_of(ctx, other)) for other in others]


def _register(name: str, inplace: str, combine: Callable[..., dict[Any, None]]) -> None:
    def fresh(ctx: Context, target: Variable, *others: Variable) -> Any:
        """`s.union(...)`, `intersection`, `difference`, `symmetric_difference`: a new set."""
        if not isinstance(target, SetVariable) or name == "symmetric_difference" and len(others) != 1:
            return _OTHER
        others = _concrete(ctx, others)
        result, reals = combine(ctx, target, others), _reals(ctx, others)
        mine = target.real()
        order = None if mine is None or any(r is None for r in reals) else getattr(mine, name)(*reals)
        return SetVariable(result, target.cls, order=order, origins=origins_of(target, *others))

    def change(ctx: Context, target: Variable, *others: Variable) -> Any:
        """`s.update(...)`, `intersection_update`, `difference_update`, `symmetric_difference_update`."""
        if not isinstance(target, SetVariable) or name == "symmetric_difference" and len(others) != 1:
            return _OTHER
        others = _concrete(ctx, others)
        result, reals = combine(ctx, target, others), _reals(ctx, others)
        ctx.mutate(target)
        change_set(target, result, getattr(set, inplace), reals, origins_of(*others))
        return NONE

    fresh.__name__, change.__name__ = name, inplace
    calls.exact(getattr(set, name), getattr(frozenset, name))(fresh)
    calls.exact(getattr(set, inplace))(change)


_register("union", "update", _union)
_register("intersection", "intersection_update", _intersection)
_register("difference", "difference_update", _difference)
_register("symmetric_difference", "symmetric_difference_update", _symmetric)


@calls.exact(set.issubset, frozenset.issubset)
def issubset(ctx: Context, target: Variable, other: Variable) -> Any:
    """`s.issubset(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    theirs = keys_of(ctx, other)
    return literal(all(k in theirs for k in target.items))


@calls.exact(set.issuperset, frozenset.issuperset)
def issuperset(ctx: Context, target: Variable, other: Variable) -> Any:
    """`s.issuperset(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    return literal(all(k in target.items for k in keys_of(ctx, other)))


@calls.exact(set.isdisjoint, frozenset.isdisjoint)
def isdisjoint(ctx: Context, target: Variable, other: Variable) -> Any:
    """`s.isdisjoint(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    return literal(not any(k in target.items for k in keys_of(ctx, other)))


@calls.exact(set.__init__)
def init(ctx: Context, target: Variable, *items: Variable) -> Any:
    """`set.__init__(s, iterable)`, as subclasses call it."""
    if not isinstance(target, SetVariable) or len(items) > 1:
        return _OTHER
    fresh = made(ctx, set, items[0] if items else None)
    ctx.mutate(target)
    target.become(fresh.items, fresh.order, fresh.origins)
    return NONE
