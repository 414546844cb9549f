"""The special methods that builtin types implement in C, over variables. Reached as `ctx.native_methods`."""

from __future__ import annotations

import collections
import inspect
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ...compat.python_classes import is_python_class
from ...compat.type_names import type_name
from ...protocol.instances import delete_raw, get_raw, set_raw
from ...protocol.lookup import MISSING
from ...variables import (
    NONE,
    BoundVariable,
    CellVariable,
    ConstantVariable,
    DictVariable,
    DictViewVariable,
    ExceptionVariable,
    FunctionVariable,
    GeneratorVariable,
    IdentityKey,
    IteratorVariable,
    ListVariable,
    MappingProxyVariable,
    ObjectVariable,
    PinnedVariable,
    RangeVariable,
    SequenceVariable,
    SetVariable,
    SymVariable,
    TupleVariable,
    Variable,
    literal,
    shared,
)
from ...variables.keys import ValueKey, as_key, as_member, common, found

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["call"]

_METHODS: dict[str, Callable[..., Any]] = {}
_NOT_IMPLEMENTED: ConstantVariable = shared(ConstantVariable(NotImplemented))


def _method(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            _METHODS[name] = function
        return function

    return register


def call(ctx: Context, receiver: Variable, name: str, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """The result of `receiver.name(*args)`, or None where this family has no such method."""
    method = _METHODS.get(name)
    if method is None or kwargs:
        return None
    code = method.__code__
    most = code.co_argcount - 2
    if len(args) < most - len(method.__defaults__ or ()) or len(args) > most and not code.co_flags & inspect.CO_VARARGS:
        return _misfit(ctx, receiver, name, len(args))
    return method(ctx, receiver, *args)


def _misfit(ctx: Context, receiver: Variable, name: str, count: int) -> None:
    """CPython says what is wrong, where an empty object of the same builtin class can be asked in the same way."""
    cls = ctx.objects.native_base(receiver.python_type())
    try:
        bare = cls.__new__(cls)
    except TypeError:
        return
    try:
        getattr(cls, name)(bare, *[None] * count)
    except TypeError as error:
        ctx.raise_from_host(error)


_CONTAINERS = (SequenceVariable, DictVariable, SetVariable, DictViewVariable, MappingProxyVariable, RangeVariable)


@_method("__len__")
def len_(ctx: Context, receiver: Variable) -> Any:
    if isinstance(receiver, SequenceVariable | DictVariable | SetVariable):
        return literal(len(receiver.items))
    return receiver.length(ctx) if isinstance(receiver, _CONTAINERS) else None


@_method("__getitem__")
def getitem(ctx: Context, receiver: Variable, key: Variable) -> Any:
    if isinstance(receiver, SequenceVariable | DictVariable):
        return receiver.pick(ctx, key)
    return receiver.getitem(ctx, key) if isinstance(receiver, RangeVariable | MappingProxyVariable) else None


@_method("__setitem__")
def setitem(ctx: Context, receiver: Variable, key: Variable, value: Variable) -> Any:
    if isinstance(receiver, ListVariable | DictVariable):
        receiver.put(ctx, key, value)
        return NONE
    return None


@_method("__delitem__")
def delitem(ctx: Context, receiver: Variable, key: Variable) -> Any:
    if isinstance(receiver, DictVariable):
        receiver.drop(ctx, key)
        return NONE
    if isinstance(receiver, ListVariable):
        receiver.delitem(ctx, key)
        return NONE
    return None


@_method("__contains__")
def contains(ctx: Context, receiver: Variable, item: Variable) -> Any:
    if isinstance(receiver, DictVariable | SetVariable):
        return literal(receiver.contains(ctx, item) if isinstance(receiver, SetVariable) else found(ctx, receiver.items, as_key(ctx, item)))
    if isinstance(receiver, SequenceVariable):
        return literal(any(ctx.protocol.same_or_equal(ctx, receiver.item(ctx, i), item) for i in range(len(receiver.items))))
    return literal(receiver.contains(ctx, item)) if isinstance(receiver, _CONTAINERS) else None


@_method("__iter__")
def iter_(ctx: Context, receiver: Variable) -> Any:
    if isinstance(receiver, DictVariable):
        return DictViewVariable(receiver, "keys").iterator(ctx)
    if isinstance(receiver, IteratorVariable):
        return receiver
    text = isinstance(receiver, ConstantVariable) and isinstance(receiver.value, str | bytes)
    return receiver.iterator(ctx) if text or isinstance(receiver, _CONTAINERS) else None


@_method("__next__")
def next_(ctx: Context, receiver: Variable) -> Any:
    if not isinstance(receiver, IteratorVariable):
        return None
    item = receiver.next(ctx)
    if item is None:
        value = receiver.result if isinstance(receiver, GeneratorVariable) else None
        ctx.raise_with(StopIteration, [value] if value is not None and value.python_type() is not type(None) else [])
    return item


@_method("__bool__")
def bool_(ctx: Context, receiver: Variable) -> Any:
    return literal(receiver.truth(ctx)) if isinstance(receiver, SymVariable) else None


def _comparison(name: str) -> Callable[..., Any]:
    fn = getattr(operator, name)

    def compare(ctx: Context, receiver: Variable, other: Variable) -> Any:
        if isinstance(receiver, ObjectVariable) and issubclass(receiver.cls, types.SimpleNamespace):
            if not (isinstance(other, ObjectVariable) and issubclass(other.cls, types.SimpleNamespace)):
                return _NOT_IMPLEMENTED
            mine, theirs = ctx.objects.instance_namespace(ctx, receiver), ctx.objects.instance_namespace(ctx, other)
            return ctx.protocol.compare(ctx, fn, mine, theirs)
        if isinstance(receiver, ObjectVariable) and receiver.data is None and ctx.objects.native_base(receiver.cls).__eq__ is not object.__eq__:
            return None  # C compares what it holds
        if name == "ne" and isinstance(receiver, ObjectVariable) and receiver.data is None and ctx.protocol.overrides(ctx, receiver.cls, "__eq__"):
            equal = ctx.settle(ctx.protocol.special(ctx, receiver, "__eq__", [other], ""))  # object's `!=` asks the class's `==`
            return equal if ctx.protocol.is_not_implemented(equal) else literal(not ctx.protocol.truth(ctx, equal))
        if isinstance(receiver, ObjectVariable | ExceptionVariable) or isinstance(receiver, FunctionVariable | BoundVariable | CellVariable | PinnedVariable):
            if name in ("eq", "ne") and not (isinstance(receiver, ObjectVariable) and receiver.data is not None):
                same = ctx.protocol.same(ctx, receiver, other)
                if not same and not isinstance(receiver, BoundVariable):
                    return _NOT_IMPLEMENTED
                if isinstance(receiver, BoundVariable) and isinstance(other, BoundVariable):
                    same = ctx.protocol.is_same(ctx, receiver.function, other.function) and ctx.protocol.is_same(ctx, receiver.owner, other.owner)
                return literal(same == (name == "eq"))
            return None
        plain = _plain_side(other)
        if isinstance(receiver, DictVariable) and name not in ("eq", "ne"):
            return _NOT_IMPLEMENTED
        if isinstance(receiver, SequenceVariable | DictVariable | SetVariable | DictViewVariable):
            if plain is None or not _comparable(receiver, plain):
                return _NOT_IMPLEMENTED
            return ctx.protocol.operators_native(ctx, fn, receiver, plain)
        return None

    return compare


def _plain_side(other: Variable) -> Variable | None:
    if isinstance(other, ObjectVariable):
        return other.data
    return other


def _comparable(left: Variable, right: Variable) -> bool:
    if isinstance(left, SetVariable | DictViewVariable):
        views = [side for side in (left, right) if isinstance(side, DictViewVariable)]
        return isinstance(right, SetVariable | DictViewVariable) and all(view.part != "values" for view in views)
    if isinstance(left, DictVariable):
        return isinstance(right, DictVariable)
    return isinstance(left, SequenceVariable) and left.is_like(right)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _METHODS[f"__{_name}__"] = _comparison(_name)


def _by_address(key: Any) -> bool:
    """Whether the hash of a modelled key is that of an address."""
    if type(key) is ValueKey:
        return _by_address(key.value)
    return isinstance(key, IdentityKey) or isinstance(key, tuple | frozenset) and any(map(_by_address, key))


@_method("__hash__")
def hash_(ctx: Context, receiver: Variable) -> Any:
    key = receiver.dict_key(ctx)
    if _by_address(key):
        ctx.break_("unsupported-builtin", func="hash", type=receiver.python_type().__name__, why="the number is a memory address")
    return literal(hash(key))


# ---- sequences
@_method("__add__")
def add(ctx: Context, receiver: Variable, other: Variable) -> Any:
    given, other = other, _plain_side(other) or other
    if isinstance(receiver, ListVariable) and receiver.is_like(other):
        return ListVariable(receiver.settled(ctx) + other.settled(ctx), receiver.cls, None, receiver.limit)
    if isinstance(receiver, TupleVariable) and isinstance(other, TupleVariable):
        if not receiver.items and other.cls is tuple and receiver.cls is not torch.Size:
            return other  # CPython gives the tuple itself
        return _joined(ctx, receiver, receiver.settled(ctx) + other.settled(ctx))
    if isinstance(receiver, TupleVariable) and receiver.cls is torch.Size:
        ctx.raise_(TypeError, f"can only concatenate tuple (not {type_name(given.python_type())}) to torch.Size")
    if isinstance(receiver, SequenceVariable):
        name = "tuple" if isinstance(receiver, TupleVariable) else "deque" if issubclass(receiver.cls, collections.deque) else "list"
        ctx.raise_(TypeError, f'can only concatenate {name} (not "{type_name(given.python_type())}") to {name}')
    return None


@_method("__radd__")
def radd(ctx: Context, receiver: Variable, other: Variable) -> Any:
    """`tuple + torch.Size` is a torch.Size."""
    other = _plain_side(other) or other
    if not isinstance(receiver, TupleVariable) or receiver.cls is not torch.Size:
        return None
    if not isinstance(other, TupleVariable):
        return _NOT_IMPLEMENTED
    return _joined(ctx, receiver, other.settled(ctx) + receiver.settled(ctx))


def _joined(ctx: Context, receiver: TupleVariable, items: list[Variable]) -> Variable:
    """A new tuple; of the kind torch.Size, which takes integers only, where `receiver` is one."""
    if receiver.cls is not torch.Size:
        return receiver if len(items) == len(receiver.items) and receiver.cls is tuple else TupleVariable(items, tuple)
    for i, item in enumerate(items):
        if not issubclass(item.python_type(), int):
            ctx.raise_(TypeError, f"torch.Size() takes an iterable of 'int' (item {i} is '{type_name(item.python_type())}')")
    return TupleVariable(items, torch.Size)


@_method("__iadd__")
def iadd(ctx: Context, receiver: Variable, other: Variable) -> Any:
    if not isinstance(receiver, ListVariable):
        return None
    values = ctx.protocol.unpack(ctx, other)
    ctx.mutate(receiver)
    receiver.items.extend(values)
    return receiver


@_method("__mul__", "__rmul__")
def mul(ctx: Context, receiver: Variable, count: Variable) -> Any:
    if not isinstance(receiver, SequenceVariable):
        return None
    times = ctx.protocol.index(ctx, count)
    if times == 1 and receiver.cls is tuple:
        return receiver  # CPython gives the tuple itself
    items = _times(ctx, receiver, times)
    if isinstance(receiver, ListVariable):
        return ListVariable(items, receiver.cls, None, receiver.limit)
    return TupleVariable(items, torch.Size if receiver.cls is torch.Size else tuple)


def _times(ctx: Context, receiver: SequenceVariable, times: int) -> list[Variable]:
    try:
        return receiver.settled(ctx) * times
    except (MemoryError, OverflowError) as error:
        ctx.raise_from_host(error)


@_method("__imul__")
def imul(ctx: Context, receiver: Variable, count: Variable) -> Any:
    if not isinstance(receiver, ListVariable):
        return None
    items = _times(ctx, receiver, ctx.protocol.index(ctx, count))
    ctx.mutate(receiver)
    receiver.items[:] = items
    return receiver


# ---- dicts and sets
def _keys(ctx: Context, variable: Any) -> dict[Any, None] | None:
    if isinstance(variable, ObjectVariable):
        variable = variable.data
    if isinstance(variable, SetVariable):
        return variable.items
    if isinstance(variable, DictViewVariable) and variable.part != "values":
        return variable.as_set(ctx).items
    return None


def _real(variable: Any, keys: dict[Any, None]) -> Any:
    from .sets import real_of

    return real_of(variable.data if isinstance(variable, ObjectVariable) else variable, keys)


def _set_operator(name: str) -> Callable[..., Any]:
    combine, real_operator = OPERATIONS[name], getattr(operator, _OPERATOR.get(name, name))

    def run(ctx: Context, receiver: Variable, other: Variable) -> Any:
        from .sets import made, origins_of

        if isinstance(receiver, DictViewVariable) and receiver.part != "values":
            if name == "and":
                return _view_and(ctx, receiver, other)
            if _keys(ctx, other) is None:
                other = made(ctx, set, other)
        if isinstance(other, DictViewVariable) and name == "and" and other.part != "values" and isinstance(receiver, SetVariable):
            return _view_and(ctx, other, receiver)
        mine = _keys(ctx, receiver)
        if mine is None:
            return None
        theirs = _keys(ctx, other)
        if theirs is None:
            return _NOT_IMPLEMENTED
        left, right = _real(receiver, mine), _real(other, theirs)
        order = None if left is None or right is None else real_operator(left, right)
        cls = receiver.cls if isinstance(receiver, SetVariable) and not isinstance(other, DictViewVariable) else set
        return SetVariable(combine(mine, theirs), cls, order=order, origins=origins_of(receiver, other))

    return run


def _view_and(ctx: Context, view: DictViewVariable, other: Variable) -> Any:
    """`view & other`: the members of the other that the view has; the view's own are not hashed for it."""
    if isinstance(other, DictViewVariable) and other.part != "values" and len(other.owner.items) > len(view.owner.items):
        view, other = other, view
    result = SetVariable({}, set, order=set())
    for member in ctx.protocol.unpack(ctx, other):
        if view.contains(ctx, member):
            result.insert(as_member(ctx, member))
    return result


#: Where the operator module calls it otherwise than the method.
_OPERATOR = {"or": "or_", "and": "and_"}
OPERATIONS: dict[str, Callable[[dict[Any, None], dict[Any, None]], dict[Any, None]]] = {
    "or": lambda a, b: {**a, **b},
    "and": common,
    "sub": lambda a, b: {k: None for k in a if k not in b},
    "xor": lambda a, b: {**{k: None for k in a if k not in b}, **{k: None for k in b if k not in a}},
}


def _inplace_set(name: str) -> Callable[..., Any]:
    combine, real_operator = OPERATIONS[name], getattr(operator, f"i{name}")

    def run(ctx: Context, receiver: Variable, other: Variable) -> Any:
        from .sets import change_set, origins_of

        if not isinstance(receiver, SetVariable) or receiver.cls is frozenset:
            return None
        theirs = _keys(ctx, other)
        if theirs is None:
            return _NOT_IMPLEMENTED
        result, right = combine(receiver.items, theirs), _real(other, theirs)
        ctx.mutate(receiver)
        change_set(receiver, result, real_operator, [right], origins_of(other))
        return receiver

    return run


def _dict_or(ctx: Context, receiver: Variable, other: Variable) -> Any:
    other = _plain_side(other) or other
    if isinstance(receiver, DictVariable):
        if not isinstance(other, DictVariable):
            return _NOT_IMPLEMENTED
        return DictVariable({**receiver.items, **other.items}, receiver.cls, None, receiver.factory)
    return _set_operator("or")(ctx, receiver, other)


def _dict_ior(ctx: Context, receiver: Variable, other: Variable) -> Any:
    if isinstance(receiver, DictVariable):
        pairs = ctx.protocol.mapping_items(ctx, other)
        ctx.mutate(receiver)
        for key, value in pairs:
            receiver.items[as_key(ctx, key)] = value
        return receiver
    return _inplace_set("or")(ctx, receiver, other)


for _name in OPERATIONS:
    _METHODS[f"__{_name}__"] = _set_operator(_name)
    _METHODS[f"__i{_name}__"] = _inplace_set(_name)
_METHODS["__or__"] = _dict_or
_METHODS["__ior__"] = _dict_ior


# ---- object
@_method("__setattr__")
def setattr_(ctx: Context, receiver: Variable, name: Variable, value: Variable) -> Any:
    if isinstance(receiver, ObjectVariable):
        result = set_raw(ctx, receiver, name.constant(), value)
        return ctx.settle(result) if result is not None else NONE
    return None


@_method("__delattr__")
def delattr_(ctx: Context, receiver: Variable, name: Variable) -> Any:
    if isinstance(receiver, ObjectVariable):
        delete_raw(ctx, receiver, name.constant())
        return NONE
    return None


@_method("__getattribute__")
def getattribute(ctx: Context, receiver: Variable, name: Variable) -> Any:
    if isinstance(receiver, ObjectVariable):
        found = get_raw(ctx, receiver, name.constant())
        if found is MISSING:
            ctx.raise_(AttributeError, f"{receiver.cls.__name__!r} object has no attribute {name.constant()!r}")
        return found
    return receiver.attribute(ctx, name.constant())


@_method("__init__")
def init(ctx: Context, receiver: Variable, *args: Variable) -> Any:
    if isinstance(receiver, ExceptionVariable):
        if receiver.source is not None and receiver.fields(ctx):
            return None
        ctx.mutate(receiver)
        receiver.args = list(args)
        for raw in [raw for raw in receiver.slots if not is_python_class(raw.__objclass__)]:
            del receiver.slots[raw]  # fields of the builtin class begin anew
        return NONE
    return NONE if isinstance(receiver, ObjectVariable) and receiver.data is None else None


@_method("__init_subclass__", "__subclasshook__")
def nothing(ctx: Context, receiver: Variable, *args: Variable) -> Any:
    return NONE


@_method("__call__")
def call_(ctx: Context, receiver: Variable, *args: Variable) -> Any:
    if isinstance(receiver, FunctionVariable | BoundVariable):
        return receiver.call(ctx, list(args), {})
    return None


@_method("__get__")
def get(ctx: Context, receiver: Variable, instance: Variable, owner: Variable | None = None) -> Any:
    if isinstance(receiver, FunctionVariable):
        return receiver if instance.python_type() is type(None) else BoundVariable(receiver, instance)
    if isinstance(receiver, PinnedVariable) and isinstance(receiver.value, property):
        return ctx.call_now(ctx.wrap(receiver.value.fget), [instance])
    if isinstance(receiver, PinnedVariable) and isinstance(receiver.value, types.MethodDescriptorType | types.WrapperDescriptorType):
        return BoundVariable(receiver, instance)
    return None


@_method("__str__")
def str_(ctx: Context, receiver: Variable) -> Any:
    return literal(ctx.protocol.str_text(ctx, receiver))


@_method("__repr__")
def repr_(ctx: Context, receiver: Variable) -> Any:
    if isinstance(receiver, ObjectVariable) and receiver.data is None and not isinstance(receiver, ExceptionVariable):
        ctx.break_("unsupported-builtin", func="repr", type=receiver.cls.__name__, why="the text holds a memory address")
    text = ctx.protocol.native_text(ctx, receiver)
    return literal(text) if text is not None else None


@_method("__reduce_ex__", "__reduce__", "__sizeof__", "__dir__")
def refused(ctx: Context, receiver: Variable, *args: Variable) -> Any:
    ctx.break_("unsupported-builtin", func="object method", type=receiver.python_type().__name__)


