"""Methods of dict, OrderedDict and defaultdict, and of their views."""

from __future__ import annotations

import collections
import types
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, NoReturn

from ...compat import words
from ...signals import Declined
from ...variables import (
    NONE,
    ConstantVariable,
    DictIteratorVariable,
    DictVariable,
    DictViewVariable,
    ExceptionVariable,
    ListVariable,
    MappingProxyVariable,
    ObjectVariable,
    PinnedVariable,
    SetVariable,
    TupleVariable,
    Variable,
    key_variable,
    literal,
)
from ...variables.keys import as_key, found
from ..known import is_none, plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("the receiver is not a modelled dict")
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


# ---- reading
@calls.exact(dict.__getitem__)
def getitem(ctx: Context, target: Variable, key: Variable) -> Any:
    """`dict.__getitem__` on an instance of a subclass: its `__missing__` answers for an absent key."""
    if not isinstance(target, ObjectVariable) or not isinstance(target.data, DictVariable):
        return Declined("not an instance of a dict subclass")
    value = target.data.find(ctx, key)
    if value is not None:
        return value
    if ctx.protocol.has(ctx, target.cls, "__missing__"):
        return ctx.protocol.special(ctx, target, "__missing__", [key], "")
    ctx.raise_with(KeyError, [key])
    return None


@calls.exact(defaultdict.__missing__)
def missing(ctx: Context, target: Variable, key: Variable) -> Any:
    """`defaultdict.__missing__`: calls the factory and stores what it made."""
    if not isinstance(target, DictVariable):
        return _OTHER
    if is_none(target.factory):
        ctx.raise_with(KeyError, [key])
    made = ctx.call_now(target.factory, [])  # type: ignore[arg-type]
    target.put(ctx, key, made)
    return made


@calls.exact(dict.get)
def get(ctx: Context, target: Variable, key: Variable, *default: Variable) -> Any:
    """`d.get(key[, default])`."""
    if not isinstance(target, DictVariable) or len(default) > 1:
        return _OTHER
    value = target.find(ctx, key)
    if value is not None:
        return value
    return default[0] if default else NONE


@calls.exact(types.MappingProxyType.get)
def proxy_get(ctx: Context, target: Variable, key: Variable, *default: Variable) -> Any:
    """`mappingproxy.get`: as the dict behind it."""
    if not isinstance(target, MappingProxyVariable):
        return _OTHER
    return get(ctx, plain(target.owner), key, *default)


def _view(part: str) -> Any:
    def rule(ctx: Context, target: Variable) -> Any:
        """`d.keys()`, `d.values()`, `d.items()`: a live view."""
        if isinstance(target, MappingProxyVariable):
            target = plain(target.owner)
        return DictViewVariable(target, part) if isinstance(target, DictVariable) else _OTHER

    rule.__name__ = part
    return rule


for _part in ("keys", "values", "items"):
    calls.exact(getattr(dict, _part), getattr(OrderedDict, _part), getattr(types.MappingProxyType, _part))(_view(_part))


@calls.exact(dict.__reversed__, OrderedDict.__reversed__)
def reversed_(ctx: Context, target: Variable) -> Any:
    """`reversed(d)`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    return DictIteratorVariable(DictViewVariable(target, "keys"), backwards=True)


@calls.exact(*[cls.__reversed__ for cls in _VIEWS])
def view_reversed(ctx: Context, view: Variable) -> Any:
    """`reversed(d.items())`."""
    if not isinstance(view, DictViewVariable):
        return _OTHER
    return DictIteratorVariable(view, backwards=True)


@calls.exact(_VIEWS[0].isdisjoint, _VIEWS[2].isdisjoint)
def view_isdisjoint(ctx: Context, view: Variable, other: Variable) -> Any:
    """`d.keys().isdisjoint(x)`."""
    if not isinstance(view, DictViewVariable):
        return _OTHER
    mine = view.as_set(ctx).items
    return literal(not any(v.dict_key(ctx) in mine for v in ctx.protocol.unpack(ctx, other)))


@calls.exact(dict.copy, OrderedDict.copy, OrderedDict.__copy__ if hasattr(OrderedDict, "__copy__") else dict.copy)
def copy(ctx: Context, target: Variable) -> Any:
    """`d.copy()`: a new dict with the same values. (Of an OrderedDict subclass CPython makes one of the subclass.)"""
    if isinstance(target, MappingProxyVariable):
        target = plain(target.owner)
    if isinstance(target, ObjectVariable) and isinstance(target.data, DictVariable) and issubclass(target.data.cls, OrderedDict):
        ctx.break_("unsupported-builtin", func="OrderedDict.copy", type=target.cls.__name__)
    if not isinstance(target, DictVariable):
        return _OTHER
    return DictVariable(dict(zip(list(target.items), target.values(ctx), strict=True)), target.cls, None, target.factory)


calls.exact(types.MappingProxyType.copy)(copy)


@calls.exact(defaultdict.copy, defaultdict.__copy__)
def defaultdict_copy(ctx: Context, target: Variable) -> Any:
    """`defaultdict.copy()`: the same factory, the same values; of a subclass, its class called with both."""
    data = plain(target)
    if target is not data and isinstance(data, DictVariable):
        return ctx.call(ctx.type_of(target), [data.factory or NONE, target])
    return copy(ctx, target) if isinstance(target, DictVariable) else _OTHER


# ---- changing
@calls.exact(*[getattr(dict, name) for name in ("__setitem__", "__delitem__", "pop", "popitem", "clear", "setdefault", "update", "__ior__", "__init__")])
def behind_order(ctx: Context, target: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """dict's own way to change, on an OrderedDict: its order is left as it was, and what comes of that only the object knows."""
    if isinstance(plain(target), DictVariable) and issubclass(target.python_type(), OrderedDict):
        ctx.break_("unsupported-builtin", func="a method of dict", type="OrderedDict", why="it changes the keys behind the back of their order")
    return Declined("a dict without an order of its own")


@calls.exact(dict.pop, OrderedDict.pop)
def pop(ctx: Context, target: Variable, key: Variable, *args: Variable, default: Variable | None = None) -> Any:
    """`d.pop(key[, default])`."""
    if not isinstance(target, DictVariable) or len(args) > 1:
        return _OTHER
    fallback = args[0] if args else default
    handle = as_key(ctx, key)
    value = target.at(ctx, handle)
    if value is None:
        if fallback is not None:
            return fallback
        ctx.raise_with(KeyError, [key])
    ctx.mutate(target)
    del target.items[handle]
    return value


@calls.exact(dict.popitem)
def popitem(ctx: Context, target: Variable) -> Any:
    """`d.popitem()`: the last entry."""
    if not isinstance(target, DictVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(KeyError, "popitem(): dictionary is empty")
    return _pop_entry(ctx, target, last=True)


@calls.exact(OrderedDict.popitem)
def ordered_popitem(ctx: Context, target: Variable, last: Variable | None = None) -> Any:
    """`OrderedDict.popitem(last)`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(KeyError, "dictionary is empty")
    return _pop_entry(ctx, target, last=last is None or ctx.protocol.truth(ctx, last))


def _pop_entry(ctx: Context, target: DictVariable, *, last: bool) -> Variable:
    key = next(reversed(target.items)) if last else next(iter(target.items))
    value = target.at(ctx, key)
    assert value is not None
    ctx.mutate(target)
    del target.items[key]
    return TupleVariable([key_variable(key), value], tuple)


@calls.exact(OrderedDict.move_to_end)
def move_to_end(ctx: Context, target: Variable, key: Variable, last: Variable | None = None) -> Any:
    """`OrderedDict.move_to_end(key, last)`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    handle = as_key(ctx, key)
    if not found(ctx, target.items, handle):
        ctx.raise_with(KeyError, [key])
    to_end = last is None or ctx.protocol.truth(ctx, last)
    ctx.mutate(target)
    real = next(k for k in target.items if k == handle)
    value = target.items.pop(handle)
    rest = dict(target.items)
    target.items.clear()
    if to_end:
        target.items.update(rest)
    target.items[real] = value
    if not to_end:
        target.items.update(rest)
    return NONE


@calls.exact(dict.setdefault, OrderedDict.setdefault)
def setdefault(ctx: Context, target: Variable, key: Variable, default: Variable = NONE) -> Any:
    """`d.setdefault(key, default)`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    handle = as_key(ctx, key)
    value = target.at(ctx, handle)
    if value is not None:
        return value
    ctx.mutate(target)
    target.items[handle] = default
    return default


@calls.exact(dict.clear, OrderedDict.clear)
def clear(ctx: Context, target: Variable) -> Any:
    """`d.clear()`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    ctx.mutate(target)
    target.items.clear()
    return NONE


def merge(ctx: Context, target: DictVariable, args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> None:
    """`dict.update(*args, **kwargs)`: entry by entry, so that what was read before an error stays."""
    if args:
        source = args[0]
        if isinstance(source, DictVariable) and type(target) is DictVariable:
            ctx.mutate(target)  # the keys' hashes are known: they aren't asked again
            _merge_known(ctx, target, source)
        elif isinstance(source, DictVariable | MappingProxyVariable) or ctx.protocol.has(ctx, source.python_type(), "keys"):
            for key, value in ctx.protocol.mapping_items(ctx, source):
                target.put(ctx, key, value)
        else:
            _merge_pairs(ctx, target, source)
    for name, value in kwargs.items():
        target.put(ctx, ConstantVariable(name), value)


def _merge_known(ctx: Context, target: DictVariable, source: DictVariable) -> None:
    keys = list(source.items)
    for key, value in zip(keys, source.values(ctx), strict=True):
        target.items[key] = value
        if len(source.items) != len(keys):  # a key's `__eq__` changed it
            ctx.raise_(RuntimeError, "dict mutated during update")


def _merge_pairs(ctx: Context, target: DictVariable, source: Variable) -> None:
    iterator = ctx.protocol.iterator(ctx, source)
    position = 0
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        ordered = issubclass(target.cls, OrderedDict)
        if not ordered and not ctx.protocol.has(ctx, item.python_type(), "__iter__") and not ctx.protocol.has(ctx, item.python_type(), "__getitem__"):
            _no_pair(ctx, position)
        pair = ctx.protocol.unpack(ctx, item)
        if len(pair) != 2 and ordered:
            few = f"need more than {len(pair)} value{'' if len(pair) == 1 else 's'} to unpack"
            ctx.raise_(ValueError, few if len(pair) < 2 else "too many values to unpack (expected 2)")
        if len(pair) != 2:
            ctx.raise_(ValueError, f"dictionary update sequence element #{position} has length {len(pair)}; 2 is required")
        target.put(ctx, pair[0], pair[1])
        position += 1


def _no_pair(ctx: Context, position: int) -> NoReturn:
    error = ExceptionVariable(TypeError, [literal(words.NO_PAIR.format(position=position))])
    error.implicit = True
    if words.NO_PAIR_NOTE is not None:
        error.store(ctx, "__notes__", ListVariable([literal(words.NO_PAIR_NOTE.format(position=position))]))
    ctx.throw(error)


@calls.exact(dict.update, OrderedDict.update)
def update(ctx: Context, target: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """`d.update(other, **kwargs)`."""
    if not isinstance(target, DictVariable):
        return _OTHER
    if len(args) > 1:
        ctx.raise_(TypeError, f"update expected at most 1 argument, got {len(args)}")
    merge(ctx, target, args, kwargs)
    return NONE


@calls.exact(dict.__init__, OrderedDict.__init__)
def init(ctx: Context, target: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """`dict.__init__(d, ...)`, as subclasses call it: an update."""
    if isinstance(target, ObjectVariable) and isinstance(target.data, DictVariable) and issubclass(target.data.cls, OrderedDict):
        return _ordered_init(ctx, target, args, kwargs)
    if not isinstance(target, DictVariable):
        return _OTHER
    if len(args) > 1:
        ctx.raise_(TypeError, f"{target.cls.__name__} expected at most 1 argument, got {len(args)}")
    merge(ctx, target, args, kwargs)
    return NONE


def _ordered_init(ctx: Context, target: ObjectVariable, args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> Any:
    """OrderedDict fills itself through the subclass's own `__setitem__`."""
    if not ctx.protocol.overrides(ctx, target.cls, "__setitem__"):
        return init(ctx, target.data, *args, **kwargs)  # type: ignore[arg-type]
    collected = DictVariable({})
    merge(ctx, collected, args, kwargs)
    for key, value in ctx.protocol.mapping_items(ctx, collected):
        ctx.settle(target.setitem(ctx, key, value) or NONE)
    return NONE


def check_factory(ctx: Context, factory: Variable) -> None:
    if not is_none(factory) and not ctx.protocol.truth(ctx, ctx.call_now(PinnedVariable(callable), [factory])):
        ctx.raise_(TypeError, "first argument must be callable or None")


@calls.exact(defaultdict.__init__)
def defaultdict_init(ctx: Context, target: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """`defaultdict.__init__(d, factory, ...)`."""
    if not isinstance(target, DictVariable) or len(args) > 2:
        return _OTHER
    if args:
        check_factory(ctx, args[0])
        ctx.mutate(target)
        target.factory = args[0]
    merge(ctx, target, args[1:], kwargs)
    return NONE


@calls.exact(dict.__ior__, OrderedDict.__ior__, defaultdict.__ior__)
def ior(ctx: Context, target: Variable, other: Variable) -> Any:
    """`d |= other`: a mapping, or pairs."""
    if not isinstance(target, DictVariable):
        return _OTHER
    merge(ctx, target, (other,), {})
    return target


@calls.exact(dict.__ror__, OrderedDict.__ror__)
def ror(ctx: Context, target: Variable, other: Variable) -> Any:
    """`other | d`, where `other` is a dict of another class."""
    other = plain(other)
    if not isinstance(target, DictVariable):
        return _OTHER
    if not isinstance(other, DictVariable):
        return ConstantVariable(NotImplemented)
    pairs = {**dict(zip(other.items, other.values(ctx), strict=True)), **dict(zip(target.items, target.values(ctx), strict=True))}
    return DictVariable(pairs, target.cls, None, target.factory)


# ---- making
def _fromkeys(ctx: Context, cls: Variable, keys: Variable, value: Variable = NONE) -> Any:
    """`dict.fromkeys(keys, value)`; for a subclass the keys are set on a new instance."""
    if not isinstance(cls, PinnedVariable):
        return Declined("not a class")
    if cls.value in (dict, OrderedDict):
        return DictVariable({as_key(ctx, k): value for k in ctx.protocol.unpack(ctx, keys)}, cls.value)
    made = ctx.call_now(cls, [])
    for key in ctx.protocol.unpack(ctx, keys):
        result = made.setitem(ctx, key, value)
        if result is not None:
            ctx.settle(result)
    return made


_fromkeys.__name__ = "fromkeys"
calls.exact(dict.__dict__["fromkeys"], OrderedDict.__dict__["fromkeys"])(_fromkeys)


@calls.exact(collections._count_elements)  # type: ignore[attr-defined]
def count_elements(ctx: Context, mapping: Variable, items: Variable) -> Any:
    """`Counter`'s helper: one more for each item, through the mapping's own `get` and `__setitem__`."""
    counts = plain(mapping)
    if not isinstance(counts, DictVariable) or isinstance(mapping, ObjectVariable) and ctx.protocol.overrides(ctx, mapping.cls, "__setitem__", "get"):
        return Declined("a mapping of its own kind")
    import operator

    iterator = ctx.protocol.iterator(ctx, items)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        before = counts.find(ctx, item) or literal(0)
        counts.put(ctx, item, ctx.protocol.binary_now(ctx, operator.add, before, literal(1)))
    return NONE


def keys_of(ctx: Context, variable: Variable) -> dict[Any, None]:
    """The modelled keys of any iterable, in order."""
    if isinstance(variable, SetVariable | DictVariable):
        return dict.fromkeys(variable.items)
    return {v.dict_key(ctx): None for v in ctx.protocol.unpack(ctx, variable)}
