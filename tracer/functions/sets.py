"""Methods of set and frozenset: members are modelled by their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..signals import Declined
from ..variables import NONE, IdentityKey, SetVariable, Variable, key_variable, literal
from .dicts import keys_of
from .native_methods import OPERATIONS
from .table import calls

if TYPE_CHECKING:
    from ..context import Context

_OTHER = Declined("the receiver is not a modelled set")


@calls.exact(set.add)
def add(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.add(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = item.dict_key(ctx)
    if key not in target.items:
        ctx.mutate(target)
        target.items[key] = None
    return NONE


def _lookup(ctx: Context, item: Variable) -> Any:
    """A member to look for; a set stands for the frozenset of its members, as in CPython."""
    return frozenset(item.items) if isinstance(item, SetVariable) else item.dict_key(ctx)


@calls.exact(set.remove)
def remove(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.remove(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = _lookup(ctx, item)
    if key not in target.items:
        ctx.raise_with(KeyError, [item])
    ctx.mutate(target)
    del target.items[key]
    return NONE


@calls.exact(set.discard)
def discard(ctx: Context, target: Variable, item: Variable) -> Any:
    """`s.discard(x)`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    key = _lookup(ctx, item)
    if key in target.items:
        ctx.mutate(target)
        del target.items[key]
    return NONE


@calls.exact(set.pop)
def pop(ctx: Context, target: Variable) -> Any:
    """`s.pop()`: the first member in the set's own order, where that is known."""
    if not isinstance(target, SetVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(KeyError, "pop from an empty set")
    keys = target.keys()
    if len(keys) > 1 and (target.source is not None or any(type(k) is IdentityKey or type(k) is tuple for k in keys)):
        ctx.break_("unsupported-builtin", func="set.pop", type="set", why="which member comes first is known only when it runs")
    ctx.mutate(target)
    del target.items[keys[0]]
    return key_variable(keys[0])


@calls.exact(set.clear)
def clear(ctx: Context, target: Variable) -> Any:
    """`s.clear()`."""
    if not isinstance(target, SetVariable):
        return _OTHER
    ctx.mutate(target)
    target.items.clear()
    return NONE


@calls.exact(set.copy, frozenset.copy)
def copy(ctx: Context, target: Variable) -> Any:
    """`s.copy()`; a frozenset is its own copy."""
    if not isinstance(target, SetVariable):
        return _OTHER
    return target if target.cls is frozenset else SetVariable(dict(target.items), target.cls)


def _union(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        for key in keys_of(ctx, other):
            result.setdefault(key)
    return result


def _intersection(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        result = OPERATIONS["and"](result, keys_of(ctx, other))
    return result


def _difference(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    result = dict(target.items)
    for other in others:
        result = OPERATIONS["sub"](result, keys_of(ctx, other))
    return result


def _symmetric(ctx: Context, target: SetVariable, others: tuple[Variable, ...]) -> dict[Any, None]:
    return OPERATIONS["xor"](dict(target.items), keys_of(ctx, others[0]))


def _register(name: str, inplace: str, combine: Callable[..., dict[Any, None]]) -> None:
    def fresh(ctx: Context, target: Variable, *others: Variable) -> Any:
        """`s.union(...)`, `intersection`, `difference`, `symmetric_difference`: a new set."""
        if not isinstance(target, SetVariable) or name == "symmetric_difference" and len(others) != 1:
            return _OTHER
        return SetVariable(combine(ctx, target, others), target.cls)

    def change(ctx: Context, target: Variable, *others: Variable) -> Any:
        """`s.update(...)`, `intersection_update`, `difference_update`, `symmetric_difference_update`."""
        if not isinstance(target, SetVariable) or name == "symmetric_difference" and len(others) != 1:
            return _OTHER
        result = combine(ctx, target, others)
        ctx.mutate(target)
        target.items.clear()
        target.items.update(result)
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
    keys = keys_of(ctx, items[0]) if items else {}
    ctx.mutate(target)
    target.items.clear()
    target.items.update(keys)
    return NONE
