"""Call rules of weak references. The containers of `weakref` are Python code over them, which is inlined."""

from __future__ import annotations

import operator
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from ...signals import Break, Declined
from ...variables import (
    FALSE,
    NONE,
    BoundVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    GeneratorVariable,
    ObjectVariable,
    PartialVariable,
    PinnedVariable,
    SetVariable,
    TensorVariable,
    Variable,
    literal,
)
from ...variables.weakrefs import WeakReferenceVariable, plain_reference
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_REFERENCE = weakref.ReferenceType
#: Families whose end the interpreter's own reference counts tell.
_COUNTED = (ObjectVariable, FunctionVariable, SetVariable, GeneratorVariable, BoundVariable, PartialVariable, TensorVariable, WeakReferenceVariable)


def _is_reference(variable: Variable) -> bool:
    part = variable.data if isinstance(variable, ObjectVariable) else variable
    return isinstance(part, WeakReferenceVariable)


def _natively(expr: str, why: str = "") -> NoReturn:
    """The object becomes a real one here, and so does the reference to it: from here on Python counts."""
    stop = Break("weakref-call", expr=expr, why=why)
    stop.stays = True
    raise stop


def make(ctx: Context, cls: type, target: Variable, callback: Variable = NONE) -> Variable:
    """`ref.__new__(cls, target, callback)`. Without a callback an object has one plain reference."""
    kind = target.python_type()
    if isinstance(target, ConstantVariable) or not kind.__weakrefoffset__:
        ctx.raise_(TypeError, f"cannot create weak reference to {kind.__name__!r} object")
    if not isinstance(target, _COUNTED):
        _natively("weakref.ref(…)")
    none = callback.python_type() is type(None)
    life = ctx.lifetimes.watch(ctx, target)
    if none and cls is _REFERENCE:
        for held in life.references:
            known = held()
            if isinstance(known, WeakReferenceVariable) and known.callback is None:
                return known
    part = WeakReferenceVariable(life, None if none else callback)
    made = part if cls is _REFERENCE else ctx.lifetimes.born(ctx, ObjectVariable(None, cls, None, part))
    life.references.append(weakref.ref(made))
    return made


@calls.exact(weakref.ref)
def make_reference(ctx: Context, target: Variable, callback: Variable = NONE) -> Any:
    """`weakref.ref(x)`, `weakref.ref(x, callback)`."""
    return make(ctx, _REFERENCE, target, callback)


@calls.exact(weakref.ref.__new__)
def new_reference(ctx: Context, cls: Variable, target: Variable, callback: Variable = NONE, *rest: Variable) -> Any:
    """`ref.__new__(cls, x, callback)`."""
    return make(ctx, cls.real(), target, callback)


@calls.exact(weakref.ref.__init__)
def initialise_reference(ctx: Context, reference: Variable, *args: Variable) -> Any:
    """`ref.__init__(r, x, callback)` does nothing: the reference is whole."""
    return NONE


@calls.exact(_REFERENCE.__call__)
def dereference(ctx: Context, reference: Variable) -> Any:
    """`r()`: the object, or None once it is gone."""
    if _is_reference(reference):
        return plain_reference(reference).ask(ctx)
    if not isinstance(reference, PinnedVariable):
        return Declined("not a known weak reference")
    target = reference.value()
    if target is None:
        ctx.break_("weakref-call", expr="the weak reference", why="its object is gone")
    known = ctx.by_id.get(id(target))
    for source in [source for source, variable in ctx.by_source.items() if variable is known]:
        ctx.lifetimes.check_held(ctx, source)
    for name, value in ctx.entered.items():
        if value is target:
            ctx.lifetimes.check_held(ctx, ctx.local(name))
    return ctx.build(target, (reference.source or ctx.pinned(reference.value)).deref())


@calls.exact(_REFERENCE.__hash__)
def hash_reference(ctx: Context, reference: Variable) -> Any:
    """`hash(r)`: the object's."""
    if not _is_reference(reference):
        return Declined("not a modelled weak reference")
    plain_reference(reference).dict_key(ctx)
    ctx.break_("weakref-call", expr="hash(…)")


def _equal(ctx: Context, left: Variable, right: Variable) -> Variable | None:
    if not _is_reference(left) or not _is_reference(right):
        return None
    one, other = plain_reference(left).life.target, plain_reference(right).life.target
    if one is None or other is None:
        return literal(left is right)
    return literal(ctx.protocol.same(ctx, one, other) or ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.eq, one, other))))


@calls.exact(_REFERENCE.__eq__)
def equal_references(ctx: Context, left: Variable, right: Variable) -> Any:
    """`r == s`: their objects compared while both live, else whether they are the same reference."""
    answer = _equal(ctx, left, right)
    return Declined("not modelled weak references") if answer is None else answer


@calls.exact(_REFERENCE.__ne__)
def different_references(ctx: Context, left: Variable, right: Variable) -> Any:
    """`r != s`."""
    answer = _equal(ctx, left, right)
    return Declined("not modelled weak references") if answer is None else literal(answer is FALSE)


@calls.exact(weakref._remove_dead_weakref)
def remove_dead_reference(ctx: Context, table: Variable, key: Variable) -> Any:
    """Takes a dead reference out of a `WeakValueDictionary`'s dict, unless a live one came in its place."""
    if not isinstance(table, DictVariable):
        return Declined("not a modelled dict")
    held = table.at(ctx, key.dict_key(ctx))
    if held is not None and _is_reference(held) and plain_reference(held).life.target is None:
        table.delitem(ctx, key)
    return NONE


@calls.exact(weakref.proxy)
def make_proxy(ctx: Context, *args: Variable) -> Any:
    """A weak proxy made inside breaks the graph."""
    _natively("weakref.proxy(…)")
