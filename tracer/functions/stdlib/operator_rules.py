"""Call rules of `operator`: each function is the operator it names; getters and callers take their steps one by one."""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...compat.type_names import type_name
from ...protocol.operators import BINARY, COMPARE, INPLACE, UNARY
from ...signals import Declined, NotConstant
from ...variables import NONE, PinnedVariable, TupleVariable, Variable, literal
from ..known import known
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


def _two(fn: Callable[..., Any]) -> Any:
    def rule(ctx: Context, left: Variable, right: Variable) -> Any:
        """`operator.add(a, b)` and the other binary operators, in place too."""
        return ctx.protocol.binary(ctx, fn, left, right)

    rule.__name__ = fn.__name__
    return rule


def _comparison(fn: Callable[..., Any]) -> Any:
    def rule(ctx: Context, left: Variable, right: Variable) -> Any:
        """`operator.lt(a, b)` and the other comparisons."""
        return ctx.protocol.compare(ctx, fn, left, right)

    rule.__name__ = fn.__name__
    return rule


def _one(fn: Callable[..., Any]) -> Any:
    def rule(ctx: Context, value: Variable) -> Any:
        """`operator.neg(x)`, `pos`, `invert`, `abs`."""
        return ctx.protocol.unary(ctx, fn, value)

    rule.__name__ = fn.__name__
    return rule


for _fn in {*BINARY, *INPLACE}:
    calls.exact(_fn)(_two(_fn))
for _fn in COMPARE:
    calls.exact(_fn)(_comparison(_fn))
for _fn in UNARY:
    if _fn is not abs:
        calls.exact(_fn)(_one(_fn))
calls.exact(operator.abs)(_one(abs))


@calls.exact(operator.not_)
def not_(ctx: Context, value: Variable) -> Any:
    """`operator.not_(x)`."""
    return literal(not ctx.protocol.truth(ctx, value))


@calls.exact(operator.truth)
def truth(ctx: Context, value: Variable) -> Any:
    """`operator.truth(x)`."""
    return literal(ctx.protocol.truth(ctx, value))


@calls.exact(operator.is_)
def is_(ctx: Context, left: Variable, right: Variable) -> Any:
    """`operator.is_(a, b)`."""
    return literal(ctx.protocol.is_same(ctx, left, right))


@calls.exact(operator.is_not)
def is_not(ctx: Context, left: Variable, right: Variable) -> Any:
    """`operator.is_not(a, b)`."""
    return literal(not ctx.protocol.is_same(ctx, left, right))


def _none(fn: Callable[..., Any], wanted: bool) -> None:
    @calls.exact(fn)
    def rule(ctx: Context, value: Variable) -> Any:
        """`operator.is_none(x)` and `is_not_none` (3.14)."""
        return literal(ctx.protocol.is_same(ctx, value, NONE) is wanted)

    rule.__name__ = fn.__name__


for _name, _wanted in (("is_none", True), ("is_not_none", False)):
    if hasattr(operator, _name):
        _none(getattr(operator, _name), _wanted)


@calls.exact(operator.contains)
def contains(ctx: Context, container: Variable, item: Variable) -> Any:
    """`operator.contains(a, b)`."""
    return literal(container.contains(ctx, item))


@calls.exact(operator.countOf)
def count_of(ctx: Context, iterable: Variable, item: Variable) -> Any:
    """`operator.countOf(a, b)`."""
    return literal(sum(ctx.protocol.same_or_equal(ctx, v, item) for v in ctx.protocol.unpack(ctx, iterable)))


@calls.exact(operator.indexOf)
def index_of(ctx: Context, iterable: Variable, item: Variable) -> Any:
    """`operator.indexOf(a, b)`."""
    iterator = ctx.protocol.iterator(ctx, iterable)
    position = 0
    while (found := ctx.protocol.next_item(ctx, iterator)) is not None:
        if ctx.protocol.same_or_equal(ctx, found, item):
            return literal(position)
        position += 1
    ctx.raise_(ValueError, "sequence.index(x): x not in sequence")
    return None


@calls.exact(operator.getitem)
def getitem(ctx: Context, container: Variable, key: Variable) -> Any:
    """`operator.getitem(a, b)`."""
    return container.getitem(ctx, key)


@calls.exact(operator.setitem)
def setitem(ctx: Context, container: Variable, key: Variable, value: Variable) -> Any:
    """`operator.setitem(a, b, c)`."""
    ctx.settle(container.setitem(ctx, key, value) or NONE)
    return NONE


@calls.exact(operator.delitem)
def delitem(ctx: Context, container: Variable, key: Variable) -> Any:
    """`operator.delitem(a, b)`."""
    ctx.settle(container.delitem(ctx, key) or NONE)
    return NONE


@calls.exact(operator.index)
def index(ctx: Context, value: Variable) -> Any:
    """`operator.index(x)`; a symbolic integer stays symbolic."""
    if value.python_type() is int:
        return value
    return literal(ctx.protocol.index(ctx, value))


@calls.exact(operator.concat)
def concat(ctx: Context, left: Variable, right: Variable) -> Any:
    """`operator.concat(a, b)`."""
    classes = left.python_type(), right.python_type()
    native = issubclass(classes[0], list | tuple | str | bytes | bytearray | collections.deque)
    if not native and not all(ctx.protocol.has(ctx, cls, "__getitem__") and not issubclass(cls, dict) for cls in classes):
        ctx.raise_(TypeError, f"{type_name(classes[0])!r} object can't be concatenated")
    if not native and not any(ctx.protocol.has(ctx, cls, name) for cls, name in zip(classes, ("__add__", "__radd__"), strict=True)):
        ctx.raise_(TypeError, f"{type_name(classes[0])!r} object can't be concatenated")
    return ctx.protocol.binary(ctx, operator.add, left, right)


if hasattr(operator, "call"):

    @calls.exact(operator.call)
    def call(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
        """`operator.call(f, …)`."""
        return ctx.call(function, list(args), kwargs)


# ---- getters and callers: made of known parts, they are real objects that the trace pins
def _making(cls: Any) -> Any:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """`itemgetter(…)`, `attrgetter(…)`, `methodcaller(…)` with known arguments: made for real."""
        try:
            values, named = [known(ctx, a) for a in args], {k: known(ctx, v) for k, v in kwargs.items()}
        except NotConstant:
            return Declined("an argument isn't known while tracing")
        try:
            return PinnedVariable(cls(*values, **named))
        except TypeError as error:
            ctx.raise_from_host(error)

    rule.__name__ = cls.__name__
    return rule


for _cls in (operator.itemgetter, operator.attrgetter, operator.methodcaller):
    calls.exact(_cls)(_making(_cls))


@calls.exact(operator.itemgetter.__call__)
def get_items(ctx: Context, getter: Variable, subject: Variable) -> Any:
    """A call of an `itemgetter`."""
    if not isinstance(getter, PinnedVariable):
        return Declined("not a known itemgetter")
    keys = getter.value.__reduce__()[1]
    if len(keys) == 1:
        return subject.getitem(ctx, ctx.wrap(keys[0]))
    return TupleVariable([ctx.settle(subject.getitem(ctx, ctx.wrap(k))) for k in keys], tuple)


@calls.exact(operator.attrgetter.__call__)
def get_attributes(ctx: Context, getter: Variable, subject: Variable) -> Any:
    """A call of an `attrgetter`: dotted names are read step by step."""
    if not isinstance(getter, PinnedVariable):
        return Declined("not a known attrgetter")
    names = getter.value.__reduce__()[1]
    values = []
    for dotted in names:
        value = subject
        for name in dotted.split("."):
            value = ctx.protocol.getattr_now(ctx, value, name)
        values.append(value)
    return values[0] if len(values) == 1 else TupleVariable(values, tuple)


@calls.exact(operator.methodcaller.__call__)
def call_method(ctx: Context, caller: Variable, subject: Variable) -> Any:
    """A call of a `methodcaller`."""
    if not isinstance(caller, PinnedVariable):
        return Declined("not a known methodcaller")
    made, parts = caller.value.__reduce__()
    kwargs: dict[str, Any] = {}
    if made is not operator.methodcaller:  # functools.partial(methodcaller, name, **kwargs)
        parts, kwargs = (*made.args, *parts), made.keywords
    name, *args = parts
    method = ctx.protocol.getattr_now(ctx, subject, name)
    return ctx.call(method, [ctx.wrap(a) for a in args], {k: ctx.wrap(v) for k, v in kwargs.items()})
