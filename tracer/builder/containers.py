"""Containers: their type and their length or keys are guarded; what they hold is built when it is read."""

from __future__ import annotations

import collections
import enum
import functools
import itertools
import operator
import types
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from ..guards.accessors import proxied
from ..signals import Break, Declined
from ..variables import (
    LITERALS,
    DictVariable,
    IdentityKey,
    Lazy,
    ListVariable,
    MappingProxyVariable,
    ObjectVariable,
    PinnedVariable,
    RangeIteratorVariable,
    RangeVariable,
    SetVariable,
    SliceVariable,
    TupleVariable,
    is_named_tuple,
    is_structseq,
    literal,
)
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


#: What subclasses may have in another form is read as C does.
_maxlen: Any = collections.deque.maxlen  # type: ignore[attr-defined]
_default_factory: Any = collections.defaultdict.default_factory


def refuse_hidden(value: Any, name: str, base: type, source: Source) -> None:
    """What C keeps under `name` can't be guarded or written down where the class has something else of that name."""
    for cls in type.__dict__["__mro__"].__get__(type(value)):
        if name in type.__dict__["__dict__"].__get__(cls):
            if cls is not base:
                raise Break("unsupported-type", expr=source.text, type=type(value).__name__, why=f"its class has its own `{name}`")
            return


def _sequence_guards(ctx: Context, value: Any, source: Source, base: type) -> None:
    ctx.guard(source, "TYPE_MATCH", type(value))
    ctx.guard(source, "LENGTH", base.__len__(value))  # type: ignore[attr-defined]


@rules.exact(list)
def list_(ctx: Context, value: list[Any], source: Source) -> Any:
    """A list: type guarded; items, and the length with them, when they are read."""
    ctx.guard(source, "TYPE_MATCH", list)
    return _unread(ctx, ListVariable([Lazy(v, source.item(i)) for i, v in enumerate(value)], list, source))


def _unread(ctx: Context, variable: ListVariable) -> ListVariable:
    variable.unread = weakref.ref(ctx), len(variable.held)
    return variable


@rules.exact(tuple, torch.Size)
def tuple_(ctx: Context, value: Any, source: Source) -> Any:
    """A tuple or torch.Size: type and length guarded, items read lazily; one of constants on a module or object is one guard."""
    if source.base is not None and source.base.kind == "dict" and len(value) <= 8 and all(type(v) in LITERALS for v in value):
        if not ctx.config.allow_unspec_int_on_nn_module:
            ctx.guard(source, "EQUALS_MATCH", value)
            return TupleVariable([literal(v) for v in value], type(value), source, value)
    _sequence_guards(ctx, value, source, tuple)
    return TupleVariable([Lazy(v, source.item(i)) for i, v in enumerate(value)], type(value), source, value)


@rules.exact(collections.deque)
def deque(ctx: Context, value: Any, source: Source) -> Any:
    """A deque: type and maxlen guarded; items, and the length with them, when they are read."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    ctx.guard(source.attr("maxlen"), "EQUALS_MATCH", value.maxlen) if value.maxlen is not None else ctx.guard(
        source.attr("maxlen"), "CONSTANT_MATCH", None
    )
    items: list[Any] = [Lazy(v, source.item(i)) for i, v in enumerate(value)]
    return _unread(ctx, ListVariable(items, collections.deque, source, value.maxlen))


@rules.base(tuple)
def tuple_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """Named tuples and struct sequences are tuples with a class; other subclasses are objects with a tuple in them."""
    _sequence_guards(ctx, value, source, tuple)
    items: list[Any] = [Lazy(v, source.item(i)) for i, v in enumerate(tuple.__iter__(value))]
    if is_named_tuple(type(value)) and not type(value).__dictoffset__ or is_structseq(type(value)):
        return TupleVariable(items, type(value), source, value)
    return ObjectVariable(value, type(value), source, TupleVariable(items, tuple))


@rules.base(list)
def list_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """An instance of a list subclass: an object with a list in it."""
    _sequence_guards(ctx, value, source, list)
    data = ListVariable([Lazy(v, source.item(i)) for i, v in enumerate(list.__iter__(value))], list, None)
    return _holder(value, source, data)


@rules.base(collections.deque)
def deque_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """An instance of a deque subclass: an object with a deque in it."""
    _sequence_guards(ctx, value, source, collections.deque)
    refuse_hidden(value, "maxlen", collections.deque, source)
    limit = _maxlen.__get__(value)
    ctx.guard(source.attr("maxlen"), "CONSTANT_MATCH" if limit is None else "EQUALS_MATCH", limit)
    items: list[Any] = [Lazy(v, source.item(i)) for i, v in enumerate(collections.deque.__iter__(value))]
    return _holder(value, source, ListVariable(items, collections.deque, None, limit))


def _holder(value: Any, source: Source, data: Any) -> ObjectVariable:
    data.source = source  # so that changes of the builtin part are noted; it is replayed through its holder
    return ObjectVariable(value, type(value), source, data)


def dict_keys(ctx: Context, value: Any, source: Source) -> dict[Any, Any]:
    """The items of a dict with lazily read values; keys that aren't constants are built and guarded one by one."""
    keys = list(dict.keys(value))
    if all(_is_constant_key(k) for k in keys):
        ctx.guard(source, "DICT_KEYS", tuple(keys))
        return _constant_keys(ctx, value, source)
    _refuse_user_keys(keys, source)
    ctx.guard(source, "DICT_LENGTH", len(keys))
    items: dict[Any, Any] = {}
    for i, key in enumerate(keys):
        variable = ctx.build(key, source.nth_key(i))
        place = source.item(key)
        if variable.source is not None and not place.label:
            place.label = variable.source.text
        items[variable.dict_key(ctx)] = Lazy(dict.__getitem__(value, key), place)
    return items


def _constant_keys(ctx: Context, value: Any, source: Source) -> dict[Any, Any]:
    """The items of a dict whose keys are all constants, or tuples of them."""
    return {
        _tuple_key(ctx, k, source.nth_key(i)) if type(k) is tuple else k: Lazy(dict.__getitem__(value, k), source.item(k))
        for i, k in enumerate(dict.keys(value))
    }


def _tuple_key(ctx: Context, key: tuple[Any, ...], source: Source) -> Any:
    """A tuple of constants as a key. Who reads it guards all the keys of its table."""
    return TupleVariable([ctx.wrap(part) for part in key], tuple, source, key).dict_key(ctx)


def _refuse_user_keys(keys: Iterable[Any], source: Source) -> None:
    """What a table holds can't be modelled without the hashes, and asking for them runs the program's code."""
    for key in keys:
        if type(key) is tuple:
            _refuse_user_keys(key, source)
        elif issubclass(type(key), weakref.ReferenceType):
            raise Break("weakref-call", expr=source.text)
        elif not isinstance(key, torch.Tensor | torch.nn.Module | enum.Enum | type):
            for name in ("__hash__", "__eq__"):
                found = next((vars(base)[name] for base in type(key).__mro__ if name in vars(base)), None)
                if type(found) is types.FunctionType:
                    why = "the table was made before, and they would run to tell what it holds"
                    raise Break("user-hash-or-eq", expr=source.text, type=type(key).__name__, why=why)


def _is_constant_key(key: Any) -> bool:
    if type(key) is tuple:
        return all(_is_constant_key(k) for k in key)
    return type(key) in LITERALS


class _InOrder:
    """A condition of a guard: an OrderedDict has its keys in the order in which they came, the one that C++ guards see."""

    __qualname__ = "keys are in the order of insertion"

    def __call__(self, value: Any) -> bool:
        try:
            keys = list(collections.OrderedDict.keys(value))
        except KeyError:  # a method of dict took one out behind the order
            return False
        return len(keys) == dict.__len__(value) and all(map(operator.is_, keys, dict.keys(value)))

    def python(self, text: str) -> str:
        """The same as an expression, for files that check it themselves."""
        return f"list({text}) == list(dict.keys({text}))"


_IN_ORDER = _InOrder()


def _guard_order(ctx: Context, value: Any, source: Source) -> None:
    """Of an OrderedDict, or an instance of a subclass; nothing to do for other dicts."""
    if not issubclass(type(value), collections.OrderedDict):
        return
    if not _IN_ORDER(value):
        raise Break("unsupported-type", type="OrderedDict", why="its keys are in another order than they came in, which guards don't see")
    ctx.guard(source, "USER", _IN_ORDER)


@rules.exact(dict, collections.OrderedDict)
def dict_(ctx: Context, value: Any, source: Source) -> Any:
    """A dict: values read lazily; its keys and their order are guarded when more than values under known keys is read."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    owner = ctx.objects.owner_of(ctx, value, source) if type(value) is dict else None
    if owner is not None:
        return ctx.objects.instance_namespace(ctx, owner)
    keys = list(dict.keys(value))
    _guard_order(ctx, value, source)
    if keys and all(_is_class(key) or type(key) is types.FunctionType for key in keys) and any(map(_is_class, keys)):
        return _by_class(ctx, value, source)
    if not keys or not all(map(_is_constant_key, keys)):
        return DictVariable(dict_keys(ctx, value, source), type(value), source)
    variable = DictVariable(_constant_keys(ctx, value, source), type(value), source)
    variable.guard_keys = functools.partial(ctx.guard, source, "DICT_KEYS", tuple(keys))
    return variable


def _is_class(key: Any) -> bool:
    """Whether a key is a class that hashes and compares by identity."""
    meta = type(key)
    return issubclass(meta, type) and meta.__hash__ is type.__hash__ and meta.__eq__ is type.__eq__


def _by_class(ctx: Context, value: Any, source: Source) -> DictVariable:
    """A registry: values by class (torch's of pytrees has a function among them), of which a program reads a few and asks whether others are there."""
    items = {}
    for key in dict.keys(value):
        known = ctx.class_variable(key) if isinstance(key, type) else ctx.wrap(key)
        held = IdentityKey(known) if type(known) is PinnedVariable else known.dict_key(ctx)
        items[held] = Lazy(dict.__getitem__(value, key), source.item(key))
    variable = DictVariable(items, type(value), source)
    variable.guard_keys = functools.partial(dict_keys, ctx, value, source)
    variable.guard_key = functools.partial(_guard_class, ctx, value, source)
    return variable


def _guard_class(ctx: Context, value: Any, source: Source, key: Any) -> None:
    ctx.guard(source, "DICT_CONTAINS" if dict.__contains__(value, key) else "DICT_ABSENT", key, id(key))


@rules.exact(collections.defaultdict)
def defaultdict(ctx: Context, value: Any, source: Source) -> Any:
    """A defaultdict: as a dict, with its factory."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    factory = ctx.build(value.default_factory, source.attr("default_factory"))
    return DictVariable(dict_keys(ctx, value, source), type(value), source, factory)


@rules.base(dict)
def dict_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """An instance of a dict subclass: an object with a dict in it."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    _guard_order(ctx, value, source)
    cls = collections.OrderedDict if issubclass(type(value), collections.OrderedDict) else dict
    factory = None
    if issubclass(type(value), collections.defaultdict):
        refuse_hidden(value, "default_factory", collections.defaultdict, source)
        cls, factory = collections.defaultdict, ctx.build(_default_factory.__get__(value), source.attr("default_factory"))
    return _holder(value, source, DictVariable(dict_keys(ctx, value, source), cls, None, factory))


@rules.base(set, frozenset)
def set_(ctx: Context, value: Any, source: Source) -> Any:
    """A set of constants: its members guarded. Members known by identity are guarded by it; tensors break."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    base = frozenset if issubclass(type(value), frozenset) else set
    held = list(base.__iter__(value))
    members: dict[Any, None] = {}
    if all(_is_constant_key(k) for k in held):
        members.update((_tuple_key(ctx, m, ctx.pinned(m)) if type(m) is tuple else m, None) for m in held)
    else:
        if any(issubclass(type(v), torch.Tensor) for v in held):
            raise Break("set-of-tensors", expr=source.text, type=type(value).__name__)
        _refuse_user_keys(held, source)
        for member in held:
            pinned = ctx.build(member, ctx.pinned(member))
            members[pinned.dict_key(ctx) if _is_constant_key(member) or issubclass(type(member), tuple | frozenset) else IdentityKey(pinned)] = None
    ctx.guard(source, "SET_MATCH", frozenset(value))
    own_way = any(getattr(type(value), name) is not getattr(base, name) for name in ("__iter__", "__len__"))
    data = SetVariable(members, base, source, order=None if own_way else value, origins=() if own_way else ((source, value),))
    return data if type(value) is base else _holder(value, source, data)


@rules.exact(range)
def range_(ctx: Context, value: range, source: Source) -> Any:
    """A range is its three integers; each may be symbolic, so they are built, not copied."""
    ctx.guard(source, "TYPE_MATCH", range)
    return RangeVariable(
        [ctx.build(getattr(value, part), source.attr(part)) for part in ("start", "stop", "step")], source
    )


@rules.exact(slice)
def slice_(ctx: Context, value: slice, source: Source) -> Any:
    """A slice is its three parts."""
    ctx.guard(source, "TYPE_MATCH", slice)
    return SliceVariable(
        [ctx.build(getattr(value, part), source.attr(part)) for part in ("start", "stop", "step")], source
    )


@rules.exact(type({}.keys()), type({}.values()), type({}.items()))
def dict_view(ctx: Context, value: Any, source: Source) -> Any:
    """A view of a dict that came from outside."""
    return Declined("a dict view from outside: pass the dict")


@rules.exact(types.MappingProxyType)
def mapping_proxy(ctx: Context, value: Any, source: Source) -> Any:
    """A mappingproxy (of a class: a new one at each access): its keys are guarded, values are read lazily."""
    held = proxied(value)
    if type(held) not in (dict, collections.OrderedDict) or not all(map(_is_constant_key, held)):
        return Declined("a mappingproxy whose keys aren't constants")
    if source.kind != "dict":  # there, guards see the dict itself
        ctx.guard(source, "TYPE_MATCH", types.MappingProxyType)
    ctx.guard(source, "DICT_KEYS", tuple(held))
    return MappingProxyVariable(DictVariable({k: Lazy(v, source.item(k)) for k, v in held.items()}, type(held)), source)


@rules.exact(type(iter(range(0))))
def range_iterator(ctx: Context, value: Any, source: Source) -> Any:
    """A range iterator: what is left of it."""
    reduced = value.__reduce__()
    rest = reduced[1][0][reduced[2] if len(reduced) > 2 else 0 :]
    ctx.guard(source, "RANGE_ITERATOR", (rest.start, rest.stop, rest.step))
    return RangeIteratorVariable(rest, 0, source)


@rules.exact(itertools.count)
def count(ctx: Context, value: Any, source: Source) -> Any:
    """itertools.count moves with every call: each position would be a recompile."""
    return Declined("an itertools.count from outside moves with every call")
