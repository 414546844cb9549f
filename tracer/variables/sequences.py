"""Lists, tuples and what is laid out like them: `torch.Size`, named tuples, struct sequences, deques, slices, ranges."""

from __future__ import annotations

import collections
import operator
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..compat.type_names import type_name
from ..signals import NotConstant
from .base import EPOCH, Lazy, Variable
from .constants import ConstantVariable, literal
from .keys import TupleKey, ValueKey

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = [
    "ListVariable",
    "RangeVariable",
    "SequenceVariable",
    "SliceVariable",
    "TupleVariable",
    "is_named_tuple",
    "is_structseq",
]


def is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make")


def is_structseq(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "n_sequence_fields")


class SequenceVariable(Variable):
    """Slots hold variables, or `Lazy` ones that nobody has read; read them through `item`."""

    __slots__ = ("cls", "items")

    def __init__(self, items: list[Any], cls: type, source: Source | None = None):
        self.items, self.cls, self.source, self.vid = items, cls, source, 0

    def python_type(self) -> type:
        return self.cls

    def is_like(self, other: Variable) -> bool:
        """Whether both are lists, both tuples or both deques: others don't compare, and aren't joined."""
        return isinstance(other, SequenceVariable) and _native(self.cls) is _native(other.cls)

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.items)}"

    def item(self, ctx: Context, index: int) -> Variable:
        item = self.items[index]
        return ctx.build(item.value, item.source) if type(item) is Lazy else item

    def unpack(self, ctx: Context) -> list[Variable]:
        if not ctx.protocol.iterates_natively(self):
            return super().unpack(ctx)
        return self.settled(ctx)

    def settled(self, ctx: Context) -> list[Variable]:
        """All items as variables, without asking the class how it iterates."""
        return [ctx.build(i.value, i.source) if type(i) is Lazy else i for i in self.items]

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import SequenceIteratorVariable

        if not ctx.protocol.iterates_natively(self):
            return super().iterator(ctx)
        return SequenceIteratorVariable(self, ITERATORS.get(_native(self.cls), type(iter(()))))

    def truth(self, ctx: Context) -> bool:
        if ctx.protocol.overrides(ctx, self.cls, "__bool__", "__len__"):
            return super().truth(ctx)
        return bool(self.items)

    def length(self, ctx: Context) -> Variable:
        if ctx.protocol.overrides(ctx, self.cls, "__len__"):
            return super().length(ctx)
        return ConstantVariable(len(self.items))

    def getitem(self, ctx: Context, key: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__getitem__"):
            return super().getitem(ctx, key)
        return self.pick(ctx, key)

    def pick(self, ctx: Context, key: Variable) -> Variable:
        """The builtin `__getitem__`."""
        if type(key) is SliceVariable:
            part = key.concrete(ctx)
            if self.cls is tuple and part.indices(len(self.items)) == (0, len(self.items), 1):
                return self  # CPython gives the tuple itself
            chosen = self.items[part]
            cls = self.cls if self.cls is torch.Size else _native(self.cls)
            if cls is collections.deque:
                ctx.raise_(TypeError, "sequence index must be integer, not 'slice'")
            return type(self)([ctx.build(i.value, i.source) if type(i) is Lazy else i for i in chosen], cls)
        index = ctx.protocol.index(ctx, key, _COMPLAINTS[_native(self.cls)])
        try:
            return self.item(ctx, index)
        except IndexError:
            name = _native(self.cls).__name__
            ctx.raise_(
                IndexError, f"{name} index out of range" if name in ("list", "tuple") else "deque index out of range"
            )

    def contains(self, ctx: Context, item: Variable) -> bool:
        if ctx.protocol.overrides(ctx, self.cls, "__contains__"):
            return super().contains(ctx, item)
        return any(equal for _, equal in self.compared(ctx, item))

    def compared(self, ctx: Context, wanted: Variable, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bool]]:
        """(position, whether the item there equals `wanted`), for the items as they are by then: `__eq__` may change them."""
        held, index = list(self.items), start
        while index < len(self.items) and (stop is None or index < stop):
            before = ctx.changes
            equal = ctx.protocol.same_or_equal(ctx, self.item(ctx, index), wanted)
            yield index, equal
            if ctx.changes != before and _native(self.cls) is collections.deque and list(self.items) != held:
                ctx.raise_(RuntimeError, "deque mutated during iteration")
            index += 1

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        pairs = [ctx.argument(v) for v in self.settled(ctx)]
        return self._pack([node for node, _ in pairs]), self._pack([fake for _, fake in pairs])

    def _pack(self, values: list[Any]) -> Any:
        raise NotImplementedError

    def constant(self) -> Any:
        values = []
        for item in self.items:
            if type(item) is Lazy:
                raise NotConstant(self)
            try:
                values.append(item.constant())
            except RecursionError:  # it holds itself
                raise NotConstant(self) from None
        return self._make(values)

    def _make(self, values: list[Any]) -> Any:
        cls = self.cls
        if cls is tuple or cls is list:
            return cls(values)
        if is_named_tuple(cls):
            return tuple.__new__(cls, values)
        if cls is torch.Size or is_structseq(cls):
            return cls(values)
        raise NotConstant(self)


def _native(cls: type) -> type:
    for base in (list, tuple, collections.deque):
        if issubclass(cls, base):
            return base
    return cls


_COMPLAINTS = {
    list: "list indices must be integers or slices, not {}",
    tuple: "tuple indices must be integers or slices, not {}",
    collections.deque: "sequence index must be integer, not {!r}",
}
ITERATORS: dict[type, type] = {
    list: type(iter([])),
    tuple: type(iter(())),
    collections.deque: type(iter(collections.deque())),
}


class ListVariable(SequenceVariable):
    """A list or a deque; `limit` is a deque's maxlen.

    `unread` is (what guards its length, length at entry) of one from outside: once `items` is read the length is a guard; a
    program that only appends to it (`add`) works for every length.
    """

    __slots__ = ("born", "held", "limit", "unread")
    mutable = True

    def __init__(self, items: list[Any], cls: type = list, source: Source | None = None, limit: int | None = None):
        self.held, self.cls, self.source, self.vid, self.limit = items, cls, source, 0, limit
        self.born = EPOCH.now
        self.unread: tuple[weakref.ref[Context], int] | None = None

    @property
    def items(self) -> list[Any]:  # type: ignore[override]
        if self.unread is not None:
            ctx, source = self.unread[0](), self.source
            assert ctx is not None and source is not None
            ctx.guard(source, "LENGTH", self.unread[1])
        return self.held

    def add(self, values: list[Any]) -> None:
        """Append; asks nothing of what is there already."""
        self.held.extend(values)

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.held)}"

    def _pack(self, values: list[Any]) -> Any:
        return values

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return literal(self.limit) if name == "maxlen" and issubclass(self.cls, collections.deque) else None

    def setitem(self, ctx: Context, key: Variable, value: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__setitem__"):
            return super().setitem(ctx, key, value)
        return self.put(ctx, key, value)

    def put(self, ctx: Context, key: Variable, value: Variable) -> None:
        if type(key) is SliceVariable:
            values = value.unpack(ctx)
            ctx.mutate(self)
            try:
                self.items[key.concrete(ctx)] = values
            except ValueError as error:
                ctx.raise_from_host(error)
            return
        index = ctx.protocol.index(ctx, key, _COMPLAINTS[_native(self.cls)])
        if not -len(self.items) <= index < len(self.items):
            ctx.raise_(
                IndexError, "list assignment index out of range" if self.cls is list else "deque index out of range"
            )
        ctx.mutate(self)
        self.items[index] = value

    def delitem(self, ctx: Context, key: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__delitem__"):
            return super().delitem(ctx, key)
        where: Any = (
            key.concrete(ctx)
            if type(key) is SliceVariable
            else ctx.protocol.index(ctx, key, _COMPLAINTS[_native(self.cls)])
        )
        if type(where) is int and not -len(self.items) <= where < len(self.items):
            ctx.raise_(IndexError, "list assignment index out of range")
        ctx.mutate(self)
        del self.items[where]

    def dict_key(self, ctx: Context) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__hash__"):
            return super().dict_key(ctx)
        ctx.raise_(TypeError, f"unhashable type: {type_name(self.cls)!r}")

    def snapshot(self) -> Any:
        return list(self.held)

    def restore(self, state: Any) -> None:
        self.held[:] = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("list")
        if self.cls is list:
            body.declare(self, name)
            if body.cyclic(self):
                body.line(f"{name} = []")
                body.later(lambda: f"{name}.extend([{', '.join(body.items(self))}])", self)
            else:
                body.line(f"{name} = [{', '.join(body.items(self))}]")
            return name
        if self.cls is collections.deque:
            body.declare(self, name)
            body.line(
                f"{name} = {body.pin(collections.deque, 'deque')}([{', '.join(body.items(self))}], {self.limit!r})"
            )
            return name
        return super().rebuild(body)

    def replay(self, body: Body, name: str) -> None:
        if self.unread is not None and (self.source, "LENGTH", None) not in body.ctx.guards:
            native = body.pin(self.cls, self.cls.__name__)
            added = [body.value(body.ctx.settle(item)) for item in self.held[self.unread[1] :]]
            body.effect(f"{native}.extend({name}, [{', '.join(added)}])")
        elif self.cls is collections.deque or issubclass(self.cls, collections.deque):
            deque = body.pin(collections.deque, "deque")
            body.effect(f"{deque}.clear({name}); {deque}.extend({name}, [{', '.join(body.items(self))}])")
        else:
            body.effect(f"{body.pin(list, 'list')}.__setitem__({name}, slice(None), [{', '.join(body.items(self))}])")


class TupleVariable(SequenceVariable):
    """A tuple, `torch.Size`, a named tuple or a struct sequence. `origin`: the object, where it existed before."""

    __slots__ = ("origin",)

    def __init__(self, items: list[Any], cls: type, source: Source | None = None, origin: Any = None):
        self.items, self.cls, self.source, self.vid, self.origin = items, cls, source, 0, origin

    def _pack(self, values: list[Any]) -> Any:
        if self.cls is torch.Size or self.cls is tuple:
            return tuple(values)
        return self.cls(*values) if is_named_tuple(self.cls) else tuple(values)

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if is_structseq(self.cls):
            fields = [f for f in self.cls.__match_args__ if f != "unnamed"]  # type: ignore[attr-defined]
            if name in fields:
                return self.item(ctx, fields.index(name))
        return None

    def identity(self) -> Any:
        if not self.items and self.cls is tuple:
            return ()
        return self if self.origin is None else ("object", id(self.origin))

    def dict_key(self, ctx: Context) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__hash__", "__eq__"):
            return super().dict_key(ctx)
        made = TupleKey([v.dict_key(ctx) for v in self.settled(ctx)])
        made.variable = self
        return made

    def rebuild(self, body: Body) -> str:
        if self.origin is not None:
            return body.pin(self.origin, "tuple")
        name = body.fresh("tuple")
        items = ", ".join(body.items(self))
        body.declare(self, name)
        if self.cls is tuple:
            body.line(f"{name} = ({items}{',' if len(self.items) == 1 else ''})")
        elif is_named_tuple(self.cls):
            body.line(
                f"{name} = {body.pin(tuple, 'tuple')}.__new__({body.pin(self.cls, self.cls.__name__)}, ({items}{',' if self.items else ''}))"
            )
        elif self.cls is torch.Size or is_structseq(self.cls):
            body.line(f"{name} = {body.pin(self.cls, self.cls.__name__)}(({items}{',' if self.items else ''}))")
        else:
            return super().rebuild(body)
        return name


class SliceVariable(Variable):
    """A slice. `origin`: the object, where it is a constant (since 3.14)."""

    __slots__ = ("origin", "parts")

    def __init__(self, parts: list[Variable], source: Source | None = None, origin: slice | None = None):
        self.parts, self.source, self.vid, self.origin = parts, source, 0, origin

    def python_type(self) -> type:
        return slice

    def constant(self) -> Any:
        return slice(*[p.constant() for p in self.parts])

    def concrete(self, ctx: Context) -> slice:
        """The slice with integers that Python's own sequences accept; symbolic bounds specialise."""
        start, stop, step = (
            None if p.python_type() is type(None) else ctx.protocol.index(ctx, p, "slice indices must be integers or None or have an __index__ method")
            for p in self.parts
        )
        if step == 0:
            ctx.raise_(ValueError, "slice step cannot be zero")
        return slice(start, stop, step)

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return self.parts[("start", "stop", "step").index(name)] if name in ("start", "stop", "step") else None

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        pairs = [ctx.argument(p) for p in self.parts]
        return slice(*[n for n, _ in pairs]), slice(*[f for _, f in pairs])

    def identity(self) -> Any:
        return self if self.origin is None else ("object", id(self.origin))

    def rebuild(self, body: Body) -> str:
        if self.origin is not None:
            return body.pin(self.origin, "slice")
        name = body.fresh("slice")
        body.line(f"{name} = slice({', '.join(body.value(p) for p in self.parts)})")
        return name


class RangeVariable(Variable):
    """A range is its three integers; each may be symbolic."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Variable], source: Source | None = None):
        self.parts, self.source, self.vid = parts, source, 0

    def python_type(self) -> type:
        return range

    def constant(self) -> Any:
        return range(*[p.constant() for p in self.parts])

    def describe(self) -> str:
        return f"range({', '.join(p.describe() for p in self.parts)})"

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return self.parts[("start", "stop", "step").index(name)] if name in ("start", "stop", "step") else None

    def concrete(self, ctx: Context) -> range:
        return range(*[operator.index(ctx.protocol.index(ctx, p, "'range' needs integers, not {}")) for p in self.parts])

    def truth(self, ctx: Context) -> bool:
        return bool(self.concrete(ctx))

    def length(self, ctx: Context) -> Variable:
        try:
            return ConstantVariable(len(self.concrete(ctx)))
        except OverflowError as error:
            ctx.raise_from_host(error)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        if type(key) is SliceVariable:
            part = self.concrete(ctx)[key.concrete(ctx)]
            return RangeVariable([literal(part.start), literal(part.stop), literal(part.step)])
        try:
            return literal(
                self.concrete(ctx)[ctx.protocol.index(ctx, key, "range indices must be integers or slices, not {}")]
            )
        except IndexError as error:
            ctx.raise_from_host(error)

    def contains(self, ctx: Context, item: Variable) -> bool:
        try:
            return item.constant() in self.concrete(ctx)
        except NotConstant:
            return any(ctx.protocol.same_or_equal(ctx, v, item) for v in self.unpack(ctx))

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import RangeIteratorVariable

        return RangeIteratorVariable(self.concrete(ctx))

    def unpack(self, ctx: Context) -> list[Variable]:
        return [ConstantVariable(i) for i in self.concrete(ctx)]

    def dict_key(self, ctx: Context) -> Any:
        return ValueKey(self.concrete(ctx), self)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("range")
        body.line(f"{name} = range({', '.join(body.value(p) for p in self.parts)})")
        return name
