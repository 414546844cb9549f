"""Iterating, unpacking, mappings: what `for`, `*x` and `**x` ask of an object."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..compat import words
from ..compat.python_classes import is_python_class
from ..compat.type_names import type_name
from ..signals import Raised
from ..variables import (
    NONE,
    BoundVariable,
    DictVariable,
    FunctionVariable,
    IteratorVariable,
    MappingProxyVariable,
    ObjectVariable,
    OpaqueVariable,
    PinnedVariable,
    SequenceVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
    literal,
)
from ..variables.base import EPOCH, mention
from .lookup import MISSING, find, has, overrides
from .operators import special

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "IndexIterator", "callable_name", "called_name", "drain", "iterates_natively", "iterator", "iterator_through_type", "mapping_items",
    "match_class", "next_item", "send", "unpack", "unpack_exactly",
]  # fmt: skip


def iterates_natively(variable: SequenceVariable) -> bool:
    cls = variable.cls
    if not is_python_class(cls):
        return True
    for base in type.__dict__["__mro__"].__get__(cls):
        if "__iter__" in type.__dict__["__dict__"].__get__(base):
            return not is_python_class(base)
    return True


def iterator(ctx: Context, variable: Variable) -> Variable:
    """`iter(x)`, a variable with `next(ctx)` or an object with `__next__`."""
    return ctx.settle(variable.iterator(ctx))


def iterator_through_type(ctx: Context, variable: Variable) -> Variable:
    cls = variable.python_type()
    raw = find(ctx, cls, "__iter__")[1]
    foreign = isinstance(variable, PinnedVariable | OpaqueVariable) or isinstance(variable, ObjectVariable) and variable.data is None
    if foreign and isinstance(raw, types.WrapperDescriptorType) and isinstance(find(ctx, cls, "__next__")[1], types.WrapperDescriptorType):
        ctx.break_("unknown-iterator", expr=mention(variable), type=cls.__name__)
    if raw is None or (raw is MISSING and not has(ctx, cls, "__getitem__")):
        ctx.raise_(TypeError, f"{type_name(cls)!r} object is not iterable")
    if raw is MISSING:
        return IndexIterator(variable)
    made = ctx.settle(special(ctx, variable, "__iter__", [], ""))
    if not isinstance(made, IteratorVariable) and not has(ctx, made.python_type(), "__next__"):
        ctx.raise_(TypeError, f"iter() returned non-iterator of type {type_name(made.python_type())!r}")
    return made


class IndexIterator(IteratorVariable):
    """The old protocol: `x[0]`, `x[1]`, … until IndexError; or from an index down to 0, as `reversed` has it."""

    __slots__ = ("index", "owner", "step")

    def __init__(self, owner: Variable, start: int = 0, step: int = 1):
        self.owner, self.index, self.step, self.source, self.vid, self.done = owner, start, step, None, 0, False
        self.born = EPOCH.now
        self.cls = reversed if step < 0 else type(iter(type("Indexed", (), {"__getitem__": lambda self, i: i})()))

    def advance(self, ctx: Context) -> Variable | None:
        if self.index < 0:
            return None
        try:
            item = ctx.settle(self.owner.getitem(ctx, literal(self.index)))
        except Raised as error:
            if issubclass(error.variable.python_type(), IndexError | StopIteration):
                return None
            raise
        self.index += self.step
        return item

    def snapshot(self) -> Any:
        return self.index, self.done

    def restore(self, state: Any) -> None:
        self.index, self.done = state


def next_item(ctx: Context, variable: Variable) -> Variable | None:
    """The next item, or None where `__next__` raises StopIteration."""
    ctx.items += 1
    if ctx.items > 1_000_000:
        ctx.check_length(ctx.items)
    if isinstance(variable, IteratorVariable):
        return variable.next(ctx)
    if isinstance(variable, OpaqueVariable) and variable.stop.reason != "unsupported-type":
        variable.used()
    if not has(ctx, variable.python_type(), "__next__"):
        ctx.raise_(TypeError, f"{type_name(variable.python_type())!r} object is not an iterator")
    try:
        return ctx.settle(special(ctx, variable, "__next__", [], ""))
    except Raised as error:
        if issubclass(error.variable.python_type(), StopIteration):
            return None
        raise


def drain(ctx: Context, variable: Variable) -> list[Variable]:
    if isinstance(variable, IteratorVariable):
        return variable.unpack(ctx)
    items: list[Variable] = []
    while (item := next_item(ctx, variable)) is not None:
        items.append(item)
        ctx.check_length(len(items))
    return items


def unpack(ctx: Context, variable: Variable, what: str = "{!r} object is not iterable") -> list[Variable]:
    cls = variable.python_type()
    if isinstance(variable, FunctionVariable | BoundVariable | SymVariable) or not (
        isinstance(variable, SequenceVariable | TensorVariable | IteratorVariable | DictVariable | PinnedVariable)
        or has(ctx, cls, "__iter__")
        or has(ctx, cls, "__getitem__")
    ):
        ctx.raise_(TypeError, what.format(type_name(cls)))
    return variable.unpack(ctx)


def unpack_exactly(ctx: Context, variable: Variable, count: int) -> list[Variable]:
    """What `a, b = x` binds; CPython's errors where the number differs."""
    if isinstance(variable, TensorVariable) or isinstance(variable, SequenceVariable) and iterates_natively(variable):
        values = unpack(ctx, variable, "cannot unpack non-iterable {} object")
        if len(values) > count:
            ctx.raise_(ValueError, words.too_many(count, len(values) if variable.python_type() in (list, tuple) else None))
    else:
        cls = variable.python_type()
        if (
            not isinstance(variable, IteratorVariable)
            and not has(ctx, cls, "__iter__")
            and not has(ctx, cls, "__getitem__")
        ):
            ctx.raise_(TypeError, f"cannot unpack non-iterable {type_name(cls)} object")
        source = iterator(ctx, variable)
        values = []
        while (item := next_item(ctx, source)) is not None:
            values.append(item)
            if len(values) > count:
                known = variable.length(ctx).constant() if variable.python_type() is dict else None
                ctx.raise_(ValueError, words.too_many(count, known))
    if len(values) < count:
        ctx.raise_(ValueError, f"not enough values to unpack (expected {count}, got {len(values)})")
    return values


def mapping_items(ctx: Context, variable: Variable) -> list[tuple[Variable, Variable]]:
    """(key, value) pairs as `dict.update` and `**` read them."""
    if isinstance(variable, MappingProxyVariable):
        variable = variable.owner
    if (
        isinstance(variable, ObjectVariable)
        and isinstance(variable.data, DictVariable)
        and not overrides(ctx, variable.cls, "keys", "__getitem__", "__iter__")
    ):
        variable = variable.data
    if isinstance(variable, DictVariable):
        return [(key_variable(k), v) for k, v in zip(list(variable.items), variable.values(ctx), strict=True)]
    if has(ctx, variable.python_type(), "keys"):
        keys = ctx.call_now(ctx.protocol.getattr_now(ctx, variable, "keys"), [])
        return [(k, ctx.settle(variable.getitem(ctx, k))) for k in unpack(ctx, keys)]
    ctx.raise_(TypeError, f"{type_name(variable.python_type())!r} object is not a mapping")


def callable_name(variable: Variable) -> str:
    if isinstance(variable, FunctionVariable):
        module = variable.globals.get("__name__") if variable.function is None else variable.function.__module__
        return f"{module}.{variable.qualname}" if isinstance(module, str) else variable.qualname
    if isinstance(variable, BoundVariable):
        return callable_name(variable.function)
    return variable.describe()


def called_name(ctx: Context, variable: Variable) -> str:
    """How errors about a call's arguments name what is called: `module.name()`, without the module for builtins."""
    function = variable.function if isinstance(variable, BoundVariable) else variable
    if isinstance(function, FunctionVariable):
        return f"{callable_name(function)}()"
    value = function.value if isinstance(function, PinnedVariable) else None
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(qualname, str):
        return ctx.protocol.str_text(ctx, variable)
    return f"{module}.{qualname}()" if module is not None and module != "builtins" else f"{qualname}()"


def send(ctx: Context, receiver: Variable, value: Variable) -> tuple[Variable | None, Variable]:
    """`receiver.send(value)` (or next) on an object of a user's class: (yielded, NONE) or (None, result)."""
    try:
        if value.python_type() is type(None):
            return ctx.settle(special(ctx, receiver, "__next__", [], "")), NONE
        return ctx.call_now(ctx.protocol.getattr_now(ctx, receiver, "send"), [value]), NONE
    except Raised as error:
        raised = error.variable
        if issubclass(raised.python_type(), StopIteration):
            return None, raised.args[0] if raised.args else NONE  # type: ignore[attr-defined]
        raise


_MATCH_SELF = 1 << 22  # Py_TPFLAGS_MATCH_SELF: `int(n)` binds the subject itself


def _match_args(ctx: Context, cls: Variable, positional: int) -> list[Variable] | None:
    """The attributes that positional patterns of a class mean; None: the one pattern means the subject itself."""
    name = cls.real().__name__
    order: list[Variable] = []
    try:
        held = ctx.protocol.getattr_now(ctx, cls, "__match_args__")
        if held.python_type() is not tuple:
            ctx.raise_(TypeError, f"{name}.__match_args__ must be a tuple (got {type_name(held.python_type())})")
        order = held.unpack(ctx)
        allowed = len(order)
    except Raised as error:
        if not issubclass(error.variable.python_type(), AttributeError):
            raise
        allowed = 1 if cls.real().__flags__ & _MATCH_SELF else 0
    if allowed < positional:
        plural = "" if allowed == 1 else "s"
        ctx.raise_(TypeError, f"{name}() accepts {allowed} positional sub-pattern{plural} ({positional} given)")
    return order[:positional] if order else None


def _attribute(ctx: Context, part: Variable) -> str:
    if part.python_type() is not str:
        ctx.raise_(TypeError, f"__match_args__ elements must be strings (got {type_name(part.python_type())})")
    return str(part.constant())


def _no_class() -> str:
    """What this CPython says of a class pattern whose name isn't that of a class."""
    try:
        match 0:
            case types.__name__():  # type: ignore[misc]
                pass
    except TypeError as error:
        return str(error)
    raise AssertionError


_NO_CLASS = _no_class()


def match_class(ctx: Context, subject: Variable, cls: Variable, positional: int, names: Sequence[Variable | str]) -> Variable:
    """MATCH_CLASS: a tuple of the attributes, or None where the pattern doesn't match."""
    if not (isinstance(cls, PinnedVariable) and isinstance(cls.value, type)):
        ctx.raise_(TypeError, _NO_CLASS)
    if not ctx.protocol.truth(ctx, ctx.call_now(PinnedVariable(isinstance), [subject, cls])):
        return NONE
    attributes: list[Variable] = []
    if positional:
        order = _match_args(ctx, cls, positional)
        if order is None:
            attributes.append(subject)
        else:
            names = [*order, *names]
    seen: set[str] = set()
    for part in names:
        name = part if isinstance(part, str) else _attribute(ctx, part)
        if name in seen:
            ctx.raise_(TypeError, f"{cls.value.__name__}() got multiple sub-patterns for attribute {name!r}")
        seen.add(name)
        found = ctx.protocol.getattr_or_none(ctx, subject, name)
        if found is None:
            return NONE
        attributes.append(found)
    return TupleVariable(attributes, tuple)
