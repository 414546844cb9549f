"""Call rules of Python's builtin functions and types."""

from __future__ import annotations

import collections
import operator
from typing import TYPE_CHECKING, Any

from ...compat import words
from ...compat.builtins import MAP_TAKES_STRICT, SUM_KEEPS_WHAT_ROUNDING_LOSES
from ...compat.python_classes import is_python_class
from ...compat.type_names import type_name
from ...protocol.instances import instance_namespace, native_base
from ...signals import Break, Declined, NotConstant
from ...variables import (
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
    RangeIteratorVariable,
    RangeVariable,
    ReverseIteratorVariable,
    SequenceIteratorVariable,
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
from ...variables.base import mention
from ..known import plain
from ..table import calls
from .class_rules import MRO, class_said
from .dicts import merge
from .sets import any_order, made

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(len)
def len_(ctx: Context, value: Variable) -> Any:
    """`len(x)`, by the object's own length."""
    return ctx.protocol.length(ctx, value)


@calls.exact(type)
def type_(ctx: Context, value: Variable, /) -> Any:
    """`type(x)`; making classes declines."""
    return ctx.type_of(value)


@calls.exact(getattr)
def getattr_(ctx: Context, value: Variable, name: Variable, default: Variable | None = None, /) -> Any:
    """`getattr(x, name[, default])`."""
    key = _attribute_name(ctx, name)
    if default is None:
        return value.attribute(ctx, key)
    found = ctx.protocol.getattr_or_none(ctx, value, key)
    return default if found is None else found


def _attribute_name(ctx: Context, name: Variable) -> str:
    text = plain(name)
    if not isinstance(text, ConstantVariable) or not isinstance(text.value, str):
        ctx.raise_(TypeError, f"attribute name must be string, not {ctx.protocol.shown_type(name)!r}")
    return text.value


@calls.exact(hasattr)
def hasattr_(ctx: Context, value: Variable, name: Variable) -> Any:
    """`hasattr(x, name)`: whether reading raises AttributeError."""
    return literal(ctx.protocol.getattr_or_none(ctx, value, _attribute_name(ctx, name)) is not None)


@calls.exact(setattr)
def setattr_(ctx: Context, owner: Variable, name: Variable, value: Variable) -> Any:
    """`setattr(x, name, value)`."""
    result = owner.set_attribute(ctx, _attribute_name(ctx, name), value)
    if result is not None:
        ctx.settle(result)
    return NONE


@calls.exact(delattr)
def delattr_(ctx: Context, owner: Variable, name: Variable) -> Any:
    """`delattr(x, name)`."""
    result = ctx.protocol.delete_attribute(ctx, owner, _attribute_name(ctx, name))
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
        ctx.raise_(TypeError, f"super() argument 1 must be a type, not {type_name(cls.python_type())}")
    if not _is_below(ctx, owner, held):
        other = owner.value if isinstance(owner, PinnedVariable) and isinstance(owner.value, type) else None
        text = words.NOT_BELOW if other is None else words.CLASS_NOT_BELOW
        ctx.raise_(TypeError, text.format(cls=type_name(held), type=type_name(other or owner.python_type())))
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
        ctx.raise_(RuntimeError, f"super(): __class__ is not a type ({type_name(cls.python_type())})")
    owner = ctx.settle(owner)
    if owner.python_type() is type(None):
        ctx.break_("unsupported-builtin", func="super", why="without an object it is unbound")
    return cls, owner


@calls.exact(callable)
def callable_(ctx: Context, value: Variable) -> Any:
    """`callable(x)`: whether its class has `__call__`."""
    return literal(is_callable(ctx, value))


def is_callable(ctx: Context, value: Variable) -> bool:
    if isinstance(value, FunctionVariable | BoundVariable | PartialVariable):
        return True
    if isinstance(value, PinnedVariable):
        return callable(value.value)
    return ctx.protocol.has(ctx, value.python_type(), "__call__")


@calls.exact(vars)
def vars_(ctx: Context, *args: Variable) -> Any:
    """`vars(x)` of an instance."""
    if len(args) == 1 and isinstance(args[0], ObjectVariable):
        return instance_namespace(ctx, args[0])
    return Declined("not an instance")


@calls.exact(locals)
def locals_(ctx: Context) -> Any:
    """`locals()`: a fresh dict."""
    from ...interpreter.names import locals_dict

    assert ctx.frame is not None
    return locals_dict(ctx, ctx.frame)


@calls.exact(id)
def id_(ctx: Context, value: Variable) -> Any:
    """`id(x)` of an object that existed before; guarded by identity."""
    if value.source is None or isinstance(value, TensorVariable):
        ctx.break_("unsupported-builtin", func="id", type=value.python_type().__name__, why="the number is a memory address")
    try:
        real = value.real()
    except NotConstant:
        ctx.break_("unsupported-builtin", func="id", type=value.python_type().__name__, why="the number is a memory address")
    ctx.guard(value.source, "ID_MATCH", real)
    return literal(id(real))


@calls.exact(hash)
def hash_(ctx: Context, value: Variable) -> Any:
    """`hash(x)` of values that are known."""
    if isinstance(value, ConstantVariable | TupleVariable | SymVariable):
        return ctx.native_methods.call(ctx, value, "__hash__", [], {})
    if ctx.protocol.find(ctx, value.python_type(), "__hash__")[1] is None:
        ctx.raise_(TypeError, f"unhashable type: {ctx.protocol.shown_type(value)!r}")
    return ctx.protocol.special_answer(ctx, value, "__hash__")


# ---- iteration
@calls.exact(iter)
def iter_(ctx: Context, value: Variable, sentinel: Variable | None = None, /) -> Any:
    """`iter(x)` and `iter(callable, sentinel)`."""
    if sentinel is None:
        return ctx.protocol.iterator(ctx, value)
    if not is_callable(ctx, value):
        ctx.raise_(TypeError, "iter(v, w): v must be callable")
    return CallIteratorVariable(value, sentinel)


@calls.exact(next)
def next_(ctx: Context, value: Variable, default: Variable | None = None, /) -> Any:
    """`next(it[, default])`."""
    if default is not None:
        item = ctx.protocol.next_item(ctx, value)
        return default if item is None else item
    return ctx.protocol.special(ctx, value, "__next__", [], "is not an iterator")


@calls.exact(range)
def range_(ctx: Context, *args: Variable) -> Any:
    """`range(...)` of integers, symbolic ones too."""
    if not 1 <= len(args) <= 3:
        return Declined("one to three arguments")
    for arg in args:
        if isinstance(arg, TensorVariable):
            ctx.break_("tensor-to-python-number", expr="range", var=mention(arg))
    parts = [arg if isinstance(arg, SymVariable) or arg.python_type() is int else literal(ctx.protocol.index(ctx, arg)) for arg in args]
    start, stop, step = literal(0), parts[0], literal(1)
    if len(parts) > 1:
        start, stop = parts[0], parts[1]
    if len(parts) > 2:
        step = parts[2]
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
    first = ctx.protocol.index(ctx, start) if start is not None else 0
    return EnumerateVariable(ctx.protocol.iterator(ctx, iterable), first)


@calls.exact(map)
def map_(ctx: Context, function: Variable, first: Variable, /, *others: Variable, strict: Variable | None = None) -> Any:
    """`map(f, ...)`, lazily."""
    if strict is not None and not MAP_TAKES_STRICT:
        return Declined("map takes no keywords")
    together = strict is not None and ctx.protocol.truth(ctx, strict)
    return MapVariable(function, [ctx.protocol.iterator(ctx, p) for p in (first, *others)], together)


@calls.exact(filter)
def filter_(ctx: Context, function: Variable, part: Variable, /) -> Any:
    """`filter(f, x)`, lazily."""
    return FilterVariable(function, ctx.protocol.iterator(ctx, part))


@calls.exact(reversed)
def reversed_(ctx: Context, value: Variable) -> Any:
    """`reversed(x)` of sequences, dicts and classes with `__reversed__`."""
    if isinstance(value, ListVariable) and value.cls is list:
        return ReverseIteratorVariable(value, type(reversed([])), len(value.items) - 1)
    if isinstance(value, RangeVariable):
        return RangeIteratorVariable(value.concrete(ctx)[::-1])
    if isinstance(value, TupleVariable) and not ctx.protocol.overrides(ctx, value.cls, "__reversed__", "__len__", "__getitem__"):
        return SequenceIteratorVariable(value.settled(ctx)[::-1], reversed)
    if isinstance(value, TensorVariable):
        return Declined("a tensor")
    own = ctx.protocol.find(ctx, value.python_type(), "__reversed__")[1]
    if own is not ctx.protocol.MISSING and own is not None:
        return ctx.protocol.special(ctx, value, "__reversed__", [], "")
    if own is None or not ctx.protocol.has(ctx, value.python_type(), "__getitem__") or isinstance(value, DictVariable):
        ctx.raise_(TypeError, f"{type_name(value.python_type())!r} object is not reversible")
    return ctx.protocol.IndexIterator(value, ctx.protocol.index(ctx, ctx.protocol.length(ctx, value)) - 1, -1)


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
    """`sum(x, start)`, item by item; numbers that are known as Python adds them, for it adds floats together since 3.12."""
    if start is not None and issubclass(start.python_type(), str | bytes | bytearray):
        return Declined("sum takes no text")
    total = start if start is not None else literal(0)
    iterator = ctx.protocol.iterator(ctx, iterable)
    known: list[Any] = []
    item = ctx.protocol.next_item(ctx, iterator)
    while item is not None and _is_number(total) and _is_number(item):
        known.append(item.value)  # type: ignore[attr-defined]
        item = ctx.protocol.next_item(ctx, iterator)
    if known:
        try:
            total = ctx.wrap(sum(known, total.value))  # type: ignore[attr-defined]
        except OverflowError as error:
            ctx.raise_from_host(error)
    floats = len(known) + (start is not None)
    while item is not None:
        floats += 1
        if SUM_KEEPS_WHAT_ROUNDING_LOSES and floats > 2 and SymVariable in (type(item), type(total)) and _is_float(item, total):
            raise Break("unsupported-builtin", func="sum", name="sum", expr="sum()", type="float")
        total = ctx.protocol.binary_now(ctx, operator.add, total, item)
        item = ctx.protocol.next_item(ctx, iterator)
    return total


def _is_number(value: Variable) -> bool:
    return isinstance(value, ConstantVariable) and type(value.value) in (bool, int, float, complex)


def _is_float(item: Variable, total: Variable) -> bool:
    """Whether a number is added to a number, of which one is a float."""
    kinds = item.python_type(), total.python_type()
    return float in kinds and all(kind in (int, float, complex) for kind in kinds)


def _extreme(fn: Any, compare: Any) -> Any:
    def rule(ctx: Context, *args: Variable, key: Variable | None = None, default: Variable | None = None) -> Any:
        """`min`/`max`, with `key` and `default`; the first of equals wins."""
        if not args or len(args) > 1 and default is not None:
            return Declined("nothing to compare, or a default for known arguments")
        items = any_order(ctx, args[0], key) if len(args) == 1 else list(args)
        if not items:
            if default is not None:
                return default
            ctx.raise_(ValueError, words.EMPTY.format(name=fn.__name__))
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


class _Score:
    """A key of the program in native sorting: compared by the program's own `<`, as often and in the order that CPython compares."""

    __slots__ = ("ctx", "variable")

    def __init__(self, ctx: Context, variable: Variable):
        self.ctx, self.variable = ctx, variable

    def __lt__(self, other: _Score) -> bool:
        ctx = self.ctx
        return ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.lt, self.variable, other.variable)))


def sort_items(ctx: Context, items: list[Variable], key: Variable | None, reverse: bool) -> None:
    """Sort in place, stable; where a comparison raises, the items are left in the order that CPython leaves."""
    scores = [v if _no(key) else ctx.call_now(key, [v]) for v in items]  # type: ignore[arg-type]
    known = all(isinstance(s, ConstantVariable) for s in scores)
    keys = iter([s.value if known else _Score(ctx, s) for s in scores])  # type: ignore[attr-defined]
    try:
        items.sort(key=lambda _: next(keys), reverse=reverse)
    except TypeError as error:
        ctx.raise_from_host(error)


@calls.exact(sorted)
def sorted_(ctx: Context, iterable: Variable, *, key: Variable | None = None, reverse: Variable | None = None) -> Any:
    """`sorted(x, key=, reverse=)`."""
    backwards = reverse is not None and bool(ctx.protocol.index(ctx, reverse))
    items = list(any_order(ctx, iterable, key) if isinstance(iterable, SetVariable) else ctx.protocol.listed(ctx, iterable))
    sort_items(ctx, items, key, backwards)
    return ListVariable(items)


# ---- containers
@calls.exact(list)
def list_(ctx: Context, iterable: Variable | None = None, /) -> Any:
    """`list(x)`."""
    return ListVariable(list(ctx.protocol.listed(ctx, iterable)) if iterable is not None else [])


@calls.exact(tuple)
def tuple_(ctx: Context, iterable: Variable | None = None, /) -> Any:
    """`tuple(x)`; a tuple itself is returned."""
    if isinstance(iterable, TupleVariable) and iterable.cls is tuple:
        return iterable
    return TupleVariable(list(ctx.protocol.tupled(ctx, iterable)) if iterable is not None else [], tuple)


def _set(cls: type) -> Any:
    def rule(ctx: Context, iterable: Variable | None = None, /) -> Any:
        """`set(x)`, `frozenset(x)`."""
        if cls is frozenset and isinstance(iterable, SetVariable) and iterable.cls is frozenset:
            return iterable
        return made(ctx, cls, iterable)

    rule.__name__ = f"{cls.__name__}_"
    return rule


calls.exact(set)(_set(set))
calls.exact(frozenset)(_set(frozenset))


def _dict(cls: type) -> Any:
    def rule(ctx: Context, other: Variable | None = None, /, **kwargs: Variable) -> Any:
        """`dict(...)`, `OrderedDict(...)`."""
        made = DictVariable({}, cls)
        merge(ctx, made, (other,) if other is not None else (), kwargs)
        return made

    rule.__name__ = f"{cls.__name__}_"
    return rule


calls.exact(dict)(_dict(dict))
calls.exact(collections.OrderedDict)(_dict(collections.OrderedDict))


@calls.exact(slice)
def slice_(ctx: Context, first: Variable, stop: Variable | None = None, step: Variable = NONE, /) -> Any:
    """`slice(...)`."""
    return SliceVariable([NONE, first, NONE] if stop is None else [first, stop, step])


@calls.exact(object)
def object_(ctx: Context) -> Any:
    """`object()`: a fresh sentinel."""
    return ObjectVariable(None, object)


@calls.exact(object.__new__)
def object_new(ctx: Context, cls: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """`object.__new__(cls)`: takes no more where the class has a `__new__` of its own."""
    real = made_by(ctx, object, cls)
    if args or kwargs:
        if ctx.protocol.find(ctx, real, "__new__")[0] is not object:
            ctx.raise_(TypeError, "object.__new__() takes exactly one argument (the type to instantiate)")
        if ctx.protocol.find(ctx, real, "__init__")[0] is object:
            ctx.raise_(TypeError, f"{real.__name__}() takes no arguments")
    return ctx.classes.native_instance(ctx, real, [], {})


@calls.exact(object.__init__)
def object_init(ctx: Context, value: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
    """`object.__init__(x)`: takes no more where the class has an `__init__` of its own."""
    if (args or kwargs) and ctx.protocol.find(ctx, value.python_type(), "__init__")[0] is not object:
        ctx.raise_(TypeError, "object.__init__() takes exactly one argument (the instance to initialize)")
    if (args or kwargs) and ctx.protocol.find(ctx, value.python_type(), "__new__")[0] is object:
        ctx.raise_(TypeError, f"{ctx.protocol.shown_type(value)}.__init__() takes exactly one argument (the instance to initialize)")
    return NONE


def made_by(ctx: Context, native: type, cls: Variable) -> type:
    """The class whose object `native.__new__(cls)` makes; raises where it isn't for `native` to make."""
    real = cls.value if isinstance(cls, PinnedVariable) else None
    if not isinstance(real, type) or not issubclass(real, native) or native_base(real) is not native:
        try:
            native.__new__(real if isinstance(real, type) else ctx.protocol.stand_in(ctx, cls))
        except TypeError as error:
            ctx.raise_from_host(error)
        except NotConstant:
            pass
        ctx.break_("unsupported-builtin", func=f"{native.__name__}.__new__", type=cls.describe())
    return real


def _new(native: type) -> Any:
    def rule(ctx: Context, cls: Variable, /, *args: Variable, **kwargs: Variable) -> Any:
        """`native.__new__(cls, ...)`: the builtin part of an instance."""
        from ...variables import is_named_tuple

        real = cls.real() if issubclass(native, BaseException) else made_by(ctx, native, cls)
        if is_named_tuple(real) and not real.__dictoffset__:
            return TupleVariable(list(ctx.protocol.tupled(ctx, args[0])), real) if len(args) == 1 else Declined("a tuple of one iterable")
        if not is_python_class(real):
            return cls.call(ctx, list(args), kwargs)
        return ctx.classes.native_instance(ctx, real, list(args), kwargs)

    rule.__name__ = "builtin_new"
    return rule


for _native in (dict, list, set, tuple, str, int, float, frozenset, BaseException, Exception):
    calls.exact(_native.__new__)(_new(_native))


@calls.exact(print)
def print_(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`print` shows text now: everything before it has to have happened."""
    if print in ctx.config.ignore_logging_functions:
        return NONE
    expr = "print(…)" if args else "print()"
    for shown in args:
        if isinstance(shown, TensorVariable):
            ctx.break_("print-tensor", expr=expr, func="print", var=mention(shown), shape=str(tuple(shown.fake.shape)))
    ctx.break_("print-call", expr=expr, func="print")


