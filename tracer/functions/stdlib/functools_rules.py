"""Call rules of `functools`."""

from __future__ import annotations

import contextlib
import functools
import types
from typing import TYPE_CHECKING, Any

from ...signals import Declined, NotConstant, Raised
from ...variables import (
    LITERALS,
    NONE,
    BoundVariable,
    FunctionVariable,
    ObjectVariable,
    PartialVariable,
    PinnedVariable,
    TupleVariable,
    Variable,
)
from ...variables.functions import filled, is_placeholder
from ..known import known
from ..table import calls
from . import polyfills

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(functools.partial)
def partial(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`partial(f, *args, **kwargs)`; a partial of a partial is one."""
    if not ctx.protocol.truth(ctx, ctx.call_now(ctx.wrap(callable), [function])):
        ctx.raise_(TypeError, "the first argument must be callable")
    if args and is_placeholder(args[-1]) or any(map(is_placeholder, kwargs.values())):
        return Declined("an argument that is given later has no place")
    if isinstance(function, PartialVariable) and not function.has_dict(ctx):
        made = PartialVariable(function.function, filled(function.args, list(args)), {**function.named(ctx), **kwargs})
        if not args:  # the same tuple
            made.parts["args"] = function.native_attribute(ctx, "args")
        return made
    return PartialVariable(function, list(args), kwargs)


@calls.exact(functools.reduce)
def reduce(ctx: Context, function: Variable, iterable: Variable, /, *initial: Variable) -> Any:
    """`reduce(f, x[, initial])`, item by item."""
    if len(initial) > 1:
        return Declined("too many arguments")
    try:
        iterator = ctx.protocol.iterator(ctx, iterable)
    except Raised as error:
        if not issubclass(error.variable.python_type(), TypeError):
            raise
        ctx.raise_(TypeError, "reduce() arg 2 must support iteration")
    total = initial[0] if initial else ctx.protocol.next_item(ctx, iterator)
    if total is None:
        ctx.raise_(TypeError, "reduce() of empty iterable with no initial value")
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        total = ctx.call_now(function, [total, item])
    return total


@calls.exact(functools.cmp_to_key)
def cmp_to_key(ctx: Context, mycmp: Variable) -> Any:
    """`cmp_to_key(f)`: makes keys that compare by `f`."""
    return PartialVariable(ctx.wrap(polyfills.ComparedKey), [mycmp], {})


# ---- wrapping
@calls.exact(functools.update_wrapper)
def update_wrapper(ctx: Context, wrapper: Variable, wrapped: Variable, assigned: Variable | None = None, updated: Variable | None = None) -> Any:
    """`update_wrapper(new function, f)`: the names that it copies, its `__dict__`, and `__wrapped__`."""
    if not isinstance(wrapper, FunctionVariable) or wrapper.function is not None:
        return Declined("the wrapper is not a function made here")
    names = functools.WRAPPER_ASSIGNMENTS if assigned is None else known(ctx, assigned)
    if updated is not None and known(ctx, updated) != functools.WRAPPER_UPDATES:
        return Declined("other attributes to update")
    ctx.mutate(wrapper)
    stored = wrapper.attributes = dict(wrapper.attributes or {})
    for name in names:
        value = ctx.protocol.getattr_or_none(ctx, wrapped, name)
        if value is not None:
            stored[name] = value
    for name, value in _own_attributes(ctx, wrapped).items():
        stored[name] = value
    stored["__wrapped__"] = wrapped
    return wrapper


def _own_attributes(ctx: Context, wrapped: Variable) -> dict[str, Variable]:
    if isinstance(wrapped, BoundVariable):
        wrapped = wrapped.function
    if not isinstance(wrapped, FunctionVariable):
        return {}
    found = dict(wrapped.attributes or {})
    if wrapped.function is None:
        return {k: v for k, v in found.items() if not (k.startswith("__") and k != "__wrapped__")}
    source = wrapped.source or ctx.pinned(wrapped.function)
    held = wrapped.function.__dict__
    ctx.guard(source.dict(), "DICT_KEYS", tuple(held))
    return {k: ctx.build(v, source.dict().item(k)) for k, v in held.items()} | found


# ---- caches
def _is_cached(value: Any) -> bool:
    return isinstance(value, functools._lru_cache_wrapper)


@calls.when(_is_cached, 90)
def cached_call(ctx: Context, wrapper: Any, /, *args: Variable, **kwargs: Variable) -> Any:
    """A call of an `lru_cache` function: traced once for each set of arguments. With known arguments the answer is then the cache's
    own, which may be older than what the function would answer now; one that does tensor work or changes something runs apart."""
    key = _key(ctx, wrapper, args, kwargs)
    if key in ctx.memo:
        return ctx.memo[key]
    changes, nodes = ctx.outside_changes, len(ctx.graph.graph.nodes)
    function = ctx.build(wrapper.__wrapped__, ctx.pinned(wrapper).attr("__wrapped__"))
    answer = ctx.call_now(function, list(args), kwargs)
    identified = _has_identity(answer)
    if ctx.outside_changes != changes or identified and len(ctx.graph.graph.nodes) != nodes and _all_known(args, kwargs):
        name = wrapper.__wrapped__.__qualname__
        ctx.break_("opaque-call", func=name, expr=f"{name}()", why="it changes something, or makes tensors, and is called only where its cache has no answer")
    if not _all_known(args, kwargs):
        if identified and not ctx.speculating:
            ctx.memo[key] = answer
        return answer
    with contextlib.suppress(NotConstant):
        known(ctx, answer)  # symbolic numbers that it was computed from: the cache holds what they are now
    result = wrapper(*[known(ctx, a) for a in args], **{k: known(ctx, v) for k, v in kwargs.items()})
    return ctx.build(result, ctx.pinned(result)) if identified else ctx.wrap(result)


def _all_known(args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> bool:
    """Whether the cache can be asked without fixing a number that is symbolic."""
    try:
        for argument in (*args, *kwargs.values()):
            argument.constant()
    except NotConstant:
        return False
    return True


def _key(ctx: Context, wrapper: Any, args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> Any:
    def one(variable: Variable) -> Any:
        key = variable.dict_key(ctx)
        return (key, type(key)) if wrapper.cache_parameters()["typed"] else key

    return (id(wrapper), tuple(one(a) for a in args), tuple((k, one(v)) for k, v in kwargs.items()))


def _has_identity(answer: Variable) -> bool:
    if isinstance(answer, TupleVariable):
        return any(isinstance(i, Variable) and _has_identity(i) for i in answer.items) or answer.cls is not tuple
    return answer.python_type() not in LITERALS and not isinstance(answer, PinnedVariable | FunctionVariable)


# ---- single dispatch
def _is_dispatcher(value: Any) -> bool:
    if not isinstance(value, types.FunctionType):
        return False
    code = value.__code__
    return code.co_qualname == "singledispatch.<locals>.wrapper" and code.co_filename == functools.__file__


@calls.when(_is_dispatcher, 80)
def dispatched_call(ctx: Context, function: Any, /, *args: Variable, **kwargs: Variable) -> Any:
    """A call of a `singledispatch` function: the implementation for the class of the first argument."""
    if not args:
        ctx.raise_(TypeError, f"{getattr(function, '__name__', 'function')} requires at least 1 positional argument")
    return ctx.call(implementation(ctx, function, args[0].python_type()), list(args), kwargs)


def implementation(ctx: Context, dispatcher: Any, cls: type) -> Variable:
    """What a `singledispatch` function runs for `cls`; guarded by what is registered."""
    cells = dict(zip(dispatcher.dispatch.__code__.co_freevars, dispatcher.dispatch.__closure__, strict=True))
    registry = cells["registry"].cell_contents
    ctx.guard(ctx.pinned(registry), "DICT_LENGTH", len(registry))
    found = dispatcher.dispatch(cls)
    key = next((k for k, v in registry.items() if v is found), None)
    if key is not None:
        return ctx.build(found, ctx.pinned(registry).item(key))
    return ctx.wrap(found)


@calls.exact(functools.singledispatchmethod.__get__)
def bind_dispatched(ctx: Context, descriptor: Variable, instance: Variable, owner: Variable = NONE) -> Any:
    """A `singledispatchmethod` read on an object: chooses when it is called."""
    return PartialVariable(ctx.wrap(polyfills.call_dispatched), [descriptor, instance, owner], {})


@calls.exact(polyfills.dispatch)
def dispatch(ctx: Context, descriptor: Variable, first: Variable) -> Any:
    """The function that a `singledispatchmethod` chooses."""
    if not isinstance(descriptor, ObjectVariable):
        return Declined("not a singledispatchmethod")
    return implementation(ctx, descriptor.real().dispatcher, first.python_type())
