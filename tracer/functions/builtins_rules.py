"""Call rules of Python's builtin functions and types."""

from __future__ import annotations

import collections
import operator
from typing import TYPE_CHECKING, Any

from ..compat.python_classes import is_python_class
from ..protocol.instances import instance_namespace
from ..signals import Declined, Raised
from ..variables import (
    NONE,
    UNSET,
    BoundVariable,
    CallIteratorVariable,
    ConstantVariable,
    DictVariable,
    EnumerateVariable,
    FilterVariable,
    FunctionVariable,
    ListVariable,
    MapVariable,
    ObjectVariable,
    PartialVariable,
    PinnedVariable,
    RangeVariable,
    ReverseIteratorVariable,
    SequenceIteratorVariable,
    SequenceVariable,
    SetVariable,
    SliceVariable,
    SuperVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    ZipVariable,
    literal,
)
from .class_rules import MRO, class_said
from .dicts import merge
from .sets import any_order, made
from .table import calls

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(len)
def len_(ctx: Context, value: Variable) -> Any:
    """`len(x)`, by the object's own length."""
    return ctx.protocol.length(ctx, value)


@calls.exact(type)
def type_(ctx: Context, value: Variable) -> Any:
    """`type(x)`; making classes declines."""
    return ctx.type_of(value)


@calls.exact(getattr)
def getattr_(ctx: Context, value: Variable, name: Variable, *default: Variable) -> Any:
    """`getattr(x, name[, default])`."""
    key = name.constant()
    if not isinstance(key, str):
        ctx.raise_(TypeError, "attribute name must be string, not 'int'")
    if not default:
        return value.attribute(ctx, key)
    try:
        return ctx.protocol.getattr_now(ctx, value, key)
    except Raised as error:
        if issubclass(error.variable.python_type(), AttributeError):
            return default[0]
        raise


@calls.exact(hasattr)
def hasattr_(ctx: Context, value: Variable, name: Variable) -> Any:
    """`hasattr(x, name)`: whether reading raises AttributeError."""
    try:
        ctx.protocol.getattr_now(ctx, value, name.constant())
    except Raised as error:
        if issubclass(error.variable.python_type(), AttributeError):
            return literal(False)
        raise
    return literal(True)


@calls.exact(setattr)
def setattr_(ctx: Context, owner: Variable, name: Variable, value: Variable) -> Any:
    """`setattr(x, name, value)`."""
    result = owner.set_attribute(ctx, name.constant(), value)
    if result is not None:
        ctx.settle(result)
    return NONE


@calls.exact(delattr)
def delattr_(ctx: Context, owner: Variable, name: Variable) -> Any:
    """`delattr(x, name)`."""
    result = ctx.protocol.delete_attribute(ctx, owner, name.constant())
    if result is not None:
        ctx.settle(result)
    return NONE


@calls.exact(super)
def super_(ctx: Context, *args: Variable) -> Any:
    """`super(cls, x)`; `super()` finds the class cell and the first argument of the frame that calls it."""
    if len(args) not in (0, 2) or args and args[1].python_type() is type(None):
        return Declined("an unbound super")
    cls, owner = args or _of_frame(ctx)
    held = cls.value if isinstance(cls, PinnedVariable) else None
    if not isinstance(held, type):
        ctx.raise_(TypeError, f"super() argument 1 must be a type, not {cls.python_type().__name__}")
    if not _is_below(ctx, owner, held):
        ctx.raise_(TypeError, "super(type, obj): obj must be an instance or subtype of type")
    return SuperVariable(held, owner)


def _is_below(ctx: Context, owner: Variable, cls: type) -> bool:
    if isinstance(owner, PinnedVariable) and isinstance(owner.value, type) and cls in MRO(owner.value) or cls in MRO(owner.python_type()):
        return True
    if class_said(ctx, owner) is not None:
        ctx.break_("unsupported-builtin", func="super", type=owner.python_type().__name__, why="the object says that it is of another class")
    return False


def _of_frame(ctx: Context) -> tuple[Variable, Variable]:
    """What `super()` takes of the frame that calls it."""
    frame = ctx.frame
    assert frame is not None
    names = frame.program.names
    if not frame.program.argcount:
        ctx.raise_(RuntimeError, "super(): no arguments")
    owner = frame.locals[0]
    owner = owner.load(ctx) if hasattr(owner, "load") else owner
    if owner is None or owner is UNSET:
        ctx.raise_(RuntimeError, "super(): arg[0] deleted")
    if "__class__" not in names:
        ctx.raise_(RuntimeError, "super(): __class__ cell not found")
    cls = frame.locals[names.index("__class__")].load(ctx)
    if cls is UNSET:
        ctx.raise_(RuntimeError, "super(): empty __class__ cell")
    if not (isinstance(cls, PinnedVariable) and isinstance(cls.value, type)):
        ctx.raise_(RuntimeError, f"super(): __class__ is not a type ({cls.python_type().__name__})")
    owner = ctx.settle(owner)
    if owner.python_type() is type(None):
        ctx.break_("unsupported-builtin", func="super", why="without an object it is unbound")
    return cls, owner


@calls.exact(callable)
def callable_(ctx: Context, value: Variable) -> Any:
    """`callable(x)`: whether its class has `__call__`."""
    if isinstance(value, FunctionVariable | BoundVariable | PartialVariable):
        return literal(True)
    if isinstance(value, PinnedVariable):
        return literal(callable(value.value))
    return literal(ctx.protocol.has(ctx, value.python_type(), "__call__"))


@calls.exact(vars)
def vars_(ctx: Context, *args: Variable) -> Any:
    """`vars(x)` of an instance."""
    if len(args) == 1 and isinstance(args[0], ObjectVariable):
        return instance_namespace(ctx, args[0])
    return Declined("not an instance")


@calls.exact(locals)
def locals_(ctx: Context) -> Any:
    """`locals()`: a fresh dict."""
    from ..interpreter.names import locals_dict

    assert ctx.frame is not None
    return locals_dict(ctx, ctx.frame)


@calls.exact(id)
def id_(ctx: Context, value: Variable) -> Any:
    """`id(x)` of an object that existed before; guarded by identity."""
    if value.source is None or isinstance(value, TensorVariable):
        ctx.break_("unsupported-builtin", func="id", type=value.python_type().__name__, why="the number is a memory address")
    real = value.real()
    ctx.guard(value.source, "ID_MATCH", real)
    return literal(id(real))


@calls.exact(hash)
def hash_(ctx: Context, value: Variable) -> Any:
    """`hash(x)` of values that are known."""
    if isinstance(value, ConstantVariable | TupleVariable | SymVariable):
        return ctx.native_methods.call(ctx, value, "__hash__", [], {})
    return ctx.protocol.special(ctx, value, "__hash__", [], "is unhashable")


# ---- iteration
@calls.exact(iter)
def iter_(ctx: Context, value: Variable, *sentinel: Variable) -> Any:
    """`iter(x)` and `iter(callable, sentinel)`."""
    return CallIteratorVariable(value, sentinel[0]) if sentinel else ctx.protocol.iterator(ctx, value)


@calls.exact(next)
def next_(ctx: Context, value: Variable, *default: Variable) -> Any:
    """`next(it[, default])`."""
    if default:
        item = ctx.protocol.next_item(ctx, value)
        return default[0] if item is None else item
    return ctx.protocol.special(ctx, value, "__next__", [], "is not an iterator")


@calls.exact(range)
def range_(ctx: Context, *args: Variable) -> Any:
    """`range(...)` of integers, symbolic ones too."""
    if not 1 <= len(args) <= 3:
        return Declined("one to three arguments")
    for arg in args:
        if isinstance(arg, TensorVariable):
            ctx.break_("tensor-to-python-number", expr="range", var=arg.describe())
        if not isinstance(arg, SymVariable):
            kind = arg.python_type()
            refusal = "" if issubclass(kind, int) else f"'{kind.__name__}' object cannot be interpreted as an integer"
            ctx.protocol.index(ctx, arg, refusal)
    start, stop, step = literal(0), args[0], literal(1)
    if len(args) > 1:
        start, stop = args[0], args[1]
    if len(args) > 2:
        step = args[2]
        if isinstance(step, ConstantVariable) and step.value == 0:
            ctx.raise_(ValueError, "range() arg 3 must not be zero")
    return RangeVariable([start, stop, step])


@calls.exact(zip)
def zip_(ctx: Context, *args: Variable, strict: Variable | None = None) -> Any:
    """`zip(...)`, lazily."""
    return ZipVariable([ctx.protocol.iterator(ctx, a) for a in args], strict is not None and ctx.protocol.truth(ctx, strict))


@calls.exact(enumerate)
def enumerate_(ctx: Context, iterable: Variable, start: Variable | None = None) -> Any:
    """`enumerate(x, start)`, lazily."""
    return EnumerateVariable(ctx.protocol.iterator(ctx, iterable), ctx.protocol.index(ctx, start, "") if start is not None else 0)


@calls.exact(map)
def map_(ctx: Context, function: Variable, *parts: Variable) -> Any:
    """`map(f, ...)`, lazily."""
    return MapVariable(function, [ctx.protocol.iterator(ctx, p) for p in parts])


@calls.exact(filter)
def filter_(ctx: Context, function: Variable, part: Variable) -> Any:
    """`filter(f, x)`, lazily."""
    return FilterVariable(function, ctx.protocol.iterator(ctx, part))


@calls.exact(reversed)
def reversed_(ctx: Context, value: Variable) -> Any:
    """`reversed(x)` of sequences, dicts and classes with `__reversed__`."""
    if isinstance(value, ListVariable) and value.cls is list:
        return ReverseIteratorVariable(value, type(reversed([])), len(value.items) - 1)
    if isinstance(value, SequenceVariable | RangeVariable):
        return SequenceIteratorVariable(ctx.protocol.unpack(ctx, value)[::-1], type(reversed([])))
    if isinstance(value, DictVariable):
        return SequenceIteratorVariable(value.unpack(ctx)[::-1], type(reversed({})))
    if isinstance(value, TensorVariable):
        return Declined("a tensor")
    if ctx.protocol.has(ctx, value.python_type(), "__reversed__"):
        return ctx.protocol.special(ctx, value, "__reversed__", [], "")
    if not ctx.protocol.has(ctx, value.python_type(), "__len__"):
        ctx.raise_(TypeError, f"{value.python_type().__name__!r} object is not reversible")
    count = ctx.protocol.index(ctx, ctx.protocol.length(ctx, value), "")
    return SequenceIteratorVariable([ctx.settle(value.getitem(ctx, literal(i))) for i in range(count - 1, -1, -1)], reversed)


@calls.exact(any)
def any_(ctx: Context, iterable: Variable) -> Any:
    """`any(x)`, stopping at the first true item."""
    iterator = ctx.protocol.iterator(ctx, iterable)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        if ctx.protocol.truth(ctx, item):
            return literal(True)
    return literal(False)


@calls.exact(all)
def all_(ctx: Context, iterable: Variable) -> Any:
    """`all(x)`, stopping at the first false item."""
    iterator = ctx.protocol.iterator(ctx, iterable)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        if not ctx.protocol.truth(ctx, item):
            return literal(False)
    return literal(True)


@calls.exact(sum)
def sum_(ctx: Context, iterable: Variable, start: Variable | None = None) -> Any:
    """`sum(x, start)`, item by item."""
    total = start if start is not None else literal(0)
    iterator = ctx.protocol.iterator(ctx, iterable)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        total = ctx.protocol.binary_now(ctx, operator.add, total, item)
    return total


def _extreme(fn: Any, compare: Any) -> Any:
    def rule(ctx: Context, *args: Variable, key: Variable | None = None, default: Variable | None = None) -> Any:
        """`min`/`max`, with `key` and `default`; the first of equals wins."""
        items = any_order(ctx, args[0], key) if len(args) == 1 else list(args)
        if not items:
            if default is not None:
                return default
            ctx.raise_(ValueError, f"{fn.__name__}() arg is an empty sequence" if len(args) == 1 else f"{fn.__name__} expected at least 1 argument, got 0")
        if len(args) == 1 and default is None and key is None and all(isinstance(i, ConstantVariable) for i in items):
            try:
                return ctx.wrap(fn([i.value for i in items]))  # type: ignore[attr-defined]
            except TypeError as error:
                ctx.raise_from_host(error)
        best, score = items[0], items[0] if _no(key) else ctx.call_now(key, [items[0]])
        if any(isinstance(i, SymVariable) for i in items) and _no(key):
            return ctx.shapes.extreme(ctx, fn, items)
        for item in items[1:]:
            value = item if _no(key) else ctx.call_now(key, [item])
            if ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, compare, value, score))):
                best, score = item, value
        return best

    rule.__name__ = f"{fn.__name__}_"
    return rule


def _no(key: Variable | None) -> bool:
    return key is None or key.python_type() is type(None)


calls.exact(min)(_extreme(min, operator.lt))
calls.exact(max)(_extreme(max, operator.gt))


def sort_items(ctx: Context, items: list[Variable], key: Variable | None, reverse: bool) -> list[Variable]:
    """A stable sort with the program's own `<`, by insertion into a sorted list (binary search), as few comparisons as CPython's."""
    scores = [v if _no(key) else ctx.call_now(key, [v]) for v in items]  # type: ignore[arg-type]
    pairs = list(zip(scores, items, strict=True))
    if all(isinstance(s, ConstantVariable) for s in scores):
        try:
            return [v for _, v in sorted(pairs, key=lambda p: p[0].value, reverse=reverse)]  # type: ignore[attr-defined]
        except TypeError as error:
            ctx.raise_from_host(error)
    import functools

    def order(a: tuple[Variable, Variable], b: tuple[Variable, Variable]) -> int:
        if ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.lt, a[0], b[0]))):
            return -1
        return 1 if ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.lt, b[0], a[0]))) else 0

    return [v for _, v in sorted(pairs, key=functools.cmp_to_key(order), reverse=reverse)]


@calls.exact(sorted)
def sorted_(ctx: Context, iterable: Variable, *, key: Variable | None = None, reverse: Variable | None = None) -> Any:
    """`sorted(x, key=, reverse=)`."""
    return ListVariable(sort_items(ctx, list(any_order(ctx, iterable, key)), key, reverse is not None and ctx.protocol.truth(ctx, reverse)))


# ---- containers
@calls.exact(list)
def list_(ctx: Context, *args: Variable) -> Any:
    """`list(x)`."""
    return ListVariable(list(ctx.protocol.unpack(ctx, args[0])) if args else [])


@calls.exact(tuple)
def tuple_(ctx: Context, *args: Variable) -> Any:
    """`tuple(x)`; a tuple itself is returned."""
    if args and isinstance(args[0], TupleVariable) and args[0].cls is tuple:
        return args[0]
    return TupleVariable(list(ctx.protocol.unpack(ctx, args[0])) if args else [], tuple)


def _set(cls: type) -> Any:
    def rule(ctx: Context, *args: Variable) -> Any:
        """`set(x)`, `frozenset(x)`."""
        if args and cls is frozenset and isinstance(args[0], SetVariable) and args[0].cls is frozenset:
            return args[0]
        return made(ctx, cls, args[0] if args else None)

    rule.__name__ = f"{cls.__name__}_"
    return rule


calls.exact(set)(_set(set))
calls.exact(frozenset)(_set(frozenset))


def _dict(cls: type) -> Any:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """`dict(...)`, `OrderedDict(...)`."""
        made = DictVariable({}, cls)
        merge(ctx, made, args, kwargs)
        return made

    rule.__name__ = f"{cls.__name__}_"
    return rule


calls.exact(dict)(_dict(dict))
calls.exact(collections.OrderedDict)(_dict(collections.OrderedDict))


@calls.exact(collections.defaultdict)
def defaultdict_(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`defaultdict(factory, ...)`."""
    made = DictVariable({}, collections.defaultdict, None, args[0] if args else None)
    merge(ctx, made, args[1:], kwargs)
    return made


@calls.exact(collections.deque)
def deque_(ctx: Context, *args: Variable, maxlen: Variable | None = None) -> Any:
    """`deque(x, maxlen)`."""
    limit = maxlen.constant() if maxlen is not None else args[1].constant() if len(args) > 1 else None
    items = list(ctx.protocol.unpack(ctx, args[0])) if args else []
    return ListVariable(items[-limit:] if limit else [] if limit == 0 else items, collections.deque, None, limit)


@calls.exact(slice)
def slice_(ctx: Context, *args: Variable) -> Any:
    """`slice(...)`."""
    if len(args) == 1:
        return SliceVariable([NONE, args[0], NONE])
    return SliceVariable([args[0], args[1], args[2] if len(args) > 2 else NONE])


@calls.exact(object)
def object_(ctx: Context) -> Any:
    """`object()`: a fresh sentinel."""
    return ObjectVariable(None, object)


@calls.exact(object.__new__)
def object_new(ctx: Context, cls: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`object.__new__(cls)`."""
    return ctx.classes.native_instance(ctx, cls.real(), [], {})


@calls.exact(
    dict.__new__, list.__new__, set.__new__, tuple.__new__, str.__new__, int.__new__, float.__new__, frozenset.__new__,
    BaseException.__new__, Exception.__new__,
)
def builtin_new(ctx: Context, cls: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`native.__new__(cls, ...)`: the builtin part of an instance."""
    from ..variables import is_named_tuple

    real = cls.real()
    if is_named_tuple(real) and not real.__dictoffset__:
        return TupleVariable(list(ctx.protocol.unpack(ctx, args[0])), real)
    if not is_python_class(real):
        return cls.call(ctx, list(args), kwargs)
    return ctx.classes.native_instance(ctx, real, list(args), kwargs)


@calls.exact(print)
def print_(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`print` shows text now: everything before it has to have happened."""
    if print in ctx.config.ignore_logging_functions:
        return NONE
    shown = args[0].describe() if args else ""
    reason = "print-tensor" if any(isinstance(a, TensorVariable) for a in args) else "print-call"
    ctx.break_(reason, expr="print(…)" if args else "print()", func="print", var=shown, shape=shown)


