"""Iterators: what `iter(x)` answers. Each advances by `next(ctx)`, which answers None when it is exhausted."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..signals import Break
from .base import EPOCH, Variable
from .constants import ConstantVariable
from .keys import has_user_keys
from .mappings import DictViewVariable
from .sequences import SequenceVariable, TupleVariable
from .sets import SetVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = [
    "CallIteratorVariable", "CountVariable", "DictIteratorVariable", "EnumerateVariable", "FilterVariable", "IteratorVariable", "MapVariable",
    "RangeIteratorVariable", "ReverseIteratorVariable", "SequenceIteratorVariable", "ZipVariable",
]  # fmt: skip


class IteratorVariable(Variable):
    """`done` stays true once the iterator was exhausted, as in CPython."""

    __slots__ = ("born", "cls", "done")
    mutable = True

    def python_type(self) -> type:
        return self.cls

    def truth(self, ctx: Context) -> bool:
        return True

    def iterator(self, ctx: Context) -> Variable:
        return self

    def advance(self, ctx: Context) -> Variable | None:
        raise NotImplementedError

    def next(self, ctx: Context) -> Variable | None:
        """The next item, or None at the end."""
        if self.done:
            return None
        ctx.mutate(self)
        item = self.advance(ctx)
        if item is None:
            self.done = True
        return item

    def unpack(self, ctx: Context) -> list[Variable]:
        items = []
        while (item := self.next(ctx)) is not None:
            items.append(item)
            ctx.check_length(len(items))
        return items

    def rebuild(self, body: Body) -> str:
        raise Break(
            "unsupported-type", type=self.cls.__name__, why="a half-consumed iterator of this kind can't be rebuilt"
        )

    def replay(self, body: Body, name: str) -> None:
        raise Break(
            "unsupported-type", type=self.cls.__name__, why="an iterator of this kind can't be advanced after the graph"
        )


class SequenceIteratorVariable(IteratorVariable):
    """Over a modelled sequence (seen live, as CPython does) or over a fixed list of variables."""

    __slots__ = ("index", "owner", "reverse", "size")

    def __init__(
        self, owner: SequenceVariable | list[Variable], cls: type, index: int = 0, source: Source | None = None
    ):
        self.owner, self.cls, self.index, self.source, self.vid, self.done = owner, cls, index, source, 0, False
        self.born = EPOCH.now
        #: The length that must stay, where CPython looks.
        self.size = len(owner.items) if type(owner) is not list and issubclass(owner.cls, collections.deque) else None  # type: ignore[union-attr]

    def advance(self, ctx: Context) -> Variable | None:
        owner, index = self.owner, self.index
        if type(owner) is list:
            if index >= len(owner):
                return None
            self.index = index + 1
            return owner[index]
        count = len(owner.items)  # type: ignore[union-attr]
        if self.size is not None and count != self.size:
            self.done = True
            ctx.raise_(RuntimeError, "deque mutated during iteration")
        if index >= count:
            return None
        self.index = index + 1
        return owner.item(ctx, index)  # type: ignore[union-attr]

    def remaining(self) -> int:
        return len(self.owner if type(self.owner) is list else self.owner.items) - self.index  # type: ignore[union-attr]

    def snapshot(self) -> Any:
        return self.index, self.done

    def restore(self, state: Any) -> None:
        self.index, self.done = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        if type(self.owner) is list:
            self._remake(body, name, self.owner)
        else:
            if self.size is not None:
                return self._of_deque(body, name)
            body.declare(self, name)
            body.line(f"{name} = {self.maker}({body.value(self.owner)})")  # type: ignore[arg-type]
            self._move(body, name, self.first())
        return name

    def _of_deque(self, body: Body, name: str) -> str:
        """A deque's iterator can only be moved step by step, and ends when the deque changes."""
        owner: Any = self.owner
        if owner in body.ctx.effects:
            raise Break("mutated-while-iterating", type=self.cls.__name__)
        body.line(f"{name} = {self.maker}({body.value(owner)})")
        body.line(f"for _ in {name}: pass" if self.done else f"for _ in range({self.index}): next({name})")
        return name

    #: How an iterator of this kind is made from what it goes over.
    maker = "iter"

    def first(self) -> int:
        """The index at which a new iterator begins."""
        return 0

    def last(self) -> int:
        """The highest index that CPython lets an iterator be put at."""
        return len(self.owner.items)  # type: ignore[union-attr]

    def _move(self, body: Body, name: str, now: int) -> None:
        """Put the iterator `name`, which is at `now`, where this one is: once what it goes over is as the program left it."""
        owner = self.owner
        if self.done:
            body.at_end(lambda: f"for _ in {name}: pass")
        elif self.index != now or type(owner) is not list and owner in body.ctx.effects:
            if type(owner) is not list and self.index > self.last():
                raise Break("mutated-while-iterating", type=self.cls.__name__)
            body.at_end(lambda: f"{name}.__setstate__({self.index})")

    def _remake(self, body: Body, name: str, items: list[Variable]) -> None:
        """An iterator over what is left, of the class that the program sees where that is a class of sequences."""
        kind = self.cls.__name__
        if kind in ("str_ascii_iterator", "str_iterator", "bytes_iterator"):
            parts = [i.constant() for i in items]
            body.line(f"{name} = iter({body.constant(bytes(parts) if kind == 'bytes_iterator' else ''.join(parts))})")
            if self.index:
                body.line(f"{name}.__setstate__({self.index})")
            return
        backwards = kind in ("list_reverseiterator", "reversed", "_deque_reverse_iterator")
        rest = items[self.index :][::-1] if backwards else items[self.index :]
        text = "".join(f"{body.value(v)}, " for v in rest)
        text = f"[{text}]" if kind.startswith("list") else f"({text})"
        if kind.startswith("_deque"):
            text = f"{body.pin(collections.deque, 'deque')}({text})"
        body.line(f"{name} = {'reversed' if backwards else 'iter'}({text})")

    def replay(self, body: Body, name: str) -> None:
        self._move(body, name, body.ctx.effects.before(self)[0])


class ReverseIteratorVariable(SequenceIteratorVariable):
    """`reversed(a_list)`: `index` is the next one, which goes down; the list is seen live."""

    __slots__ = ()
    maker = "reversed"

    def first(self) -> int:
        return len(self.owner.items) - 1  # type: ignore[union-attr]

    last = first

    def advance(self, ctx: Context) -> Variable | None:
        owner, index = self.owner, self.index
        if type(owner) is list or not 0 <= index < len(owner.items):  # type: ignore[union-attr]
            return None
        self.index = index - 1
        return owner.item(ctx, index)  # type: ignore[union-attr]

    def remaining(self) -> int:
        return self.index + 1


class RangeIteratorVariable(IteratorVariable):
    __slots__ = ("index", "values")

    def __init__(self, values: range, index: int = 0, source: Source | None = None):
        self.values, self.index, self.source, self.vid, self.done, self.cls = (
            values,
            index,
            source,
            0,
            False,
            type(iter(values)),
        )
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        values = self.values
        value = values.start + self.index * values.step  # `len` and positions have limits that a range hasn't
        if value >= values.stop if values.step > 0 else value <= values.stop:
            return None
        self.index += 1
        return ConstantVariable(value)

    def snapshot(self) -> Any:
        return self.index, self.done

    def restore(self, state: Any) -> None:
        self.index, self.done = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        rest = self.values[self.index :]
        body.line(f"{name} = iter(range({rest.start}, {rest.stop}, {rest.step}))")
        return name

    def replay(self, body: Body, name: str) -> None:
        steps = self.index - body.ctx.effects.before(self)[0]
        body.at_end(lambda: f"for _ in range({steps - body.advanced.get(self, 0)}): next({name})")


class SetIteratorVariable(SequenceIteratorVariable):
    """Over a modelled set; one that changes size meanwhile raises, as CPython does, and from then on."""

    __slots__ = ("broken", "members")

    def __init__(self, members: SetVariable, items: list[Variable]):
        super().__init__(items, type(iter(set())))
        self.members, self.broken = members, False

    def advance(self, ctx: Context) -> Variable | None:
        self.broken = self.broken or len(self.members.items) != len(self.owner)  # type: ignore[arg-type]
        if self.broken:
            ctx.raise_(RuntimeError, "Set changed size during iteration")
        return super().advance(ctx)

    def snapshot(self) -> Any:
        return super().snapshot(), self.broken

    def restore(self, state: Any) -> None:
        super().restore(state[0])
        self.broken = state[1]

    def rebuild(self, body: Body) -> str:
        if self.members in body.ctx.effects or self.broken:
            raise Break("mutated-while-iterating", type=self.cls.__name__)
        name = body.fresh("iterator")
        body.line(f"{name} = iter({body.value(self.members)})")
        body.line(f"for _ in {name}: pass" if self.done else f"for _ in range({self.index}): next({name})")
        return name


class DictIteratorVariable(IteratorVariable):
    """Over a dict view; a dict that changes size meanwhile raises, as CPython does, and from then on."""

    __slots__ = ("backwards", "broken", "index", "keys", "view")

    def __init__(self, view: DictViewVariable, source: Source | None = None, *, backwards: bool = False):
        self.view, self.index, self.source, self.vid, self.done = view, 0, source, 0, False
        self.born = EPOCH.now
        self.keys, self.backwards, self.broken = list(view.owner.items), backwards, False
        self.cls = type((reversed if backwards else iter)(getattr(collections.OrderedDict() if self.ordered() else {}, view.part)()))  # type: ignore[operator]

    def ordered(self) -> bool:
        return issubclass(self.view.owner.cls, collections.OrderedDict)

    def advance(self, ctx: Context) -> Variable | None:
        owner = self.view.owner
        if self.ordered():
            if self.index < len(self.keys) and list(owner.items) != self.keys:
                ctx.raise_(RuntimeError, "OrderedDict mutated during iteration")
        elif self.broken or len(owner.items) != len(self.keys):
            self.broken = True
            ctx.raise_(RuntimeError, "dictionary changed size during iteration")
        elif self.keys and next(reversed(owner.items)) is not self.keys[-1]:
            # where new keys stand, and what is passed over, is the table's own affair
            raise Break("mutated-while-iterating", type=self.cls.__name__)
        if self.index >= len(self.keys):
            return None
        key = self.keys[-1 - self.index if self.backwards else self.index]
        if key not in owner.items:
            raise Break("mutated-while-iterating", type=self.cls.__name__)
        self.index += 1
        return self.view.entry(ctx, key)

    def snapshot(self) -> Any:
        return self.index, self.done, self.broken

    def restore(self, state: Any) -> None:
        self.index, self.done, self.broken = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        self._check(body)
        body.line(f"{name} = {'reversed' if self.backwards else 'iter'}({body.value(self.view)})")
        if self.broken:
            self._break(body, name)
        else:
            body.line(self._steps(name, self.index))
        return name

    def _check(self, body: Body) -> None:
        """The dict must have its keys when the iterator is made or moved, which is before changes are replayed."""
        owner = self.view.owner
        before = body.ctx.effects.before(owner)
        changed = list(owner.items) != self.keys or before is not None and list(before[0]) != list(owner.items)
        if self.broken:
            changed = len(owner.items) == len(self.keys)
        if changed and not self.done or owner.source is None and (body.cyclic(owner) or has_user_keys(owner.items)):
            raise Break("mutated-while-iterating", type=self.cls.__name__)

    def _steps(self, name: str, count: int) -> str:
        return f"for _ in {name}: pass" if self.done else f"for _ in range({count}): next({name})"

    def _break(self, body: Body, name: str) -> None:
        broken = body.pin(_meet_the_change, "meet_the_change")
        body.at_end(lambda: f"{broken}({name})")

    def replay(self, body: Body, name: str) -> None:
        self._check(body)
        if self.broken:
            self._break(body, name)
        elif self.done:
            body.line(self._steps(name, 0))  # before the dict changes
        else:
            steps = self.index - body.ctx.effects.before(self)[0]
            body.at_end(lambda: self._steps(name, steps - body.advanced.get(self, 0)))


def _meet_the_change(iterator: Any) -> None:
    """A step of an iterator whose dict has changed its size: it raises, and does so from then on."""
    with contextlib.suppress(RuntimeError):
        next(iterator)


class _Composite(IteratorVariable):
    """An iterator over other iterators; `sources` are rebuilt, then the whole."""

    __slots__ = ("parts",)

    def snapshot(self) -> Any:
        return self.done

    def restore(self, state: Any) -> None:
        self.done = state

    def replay(self, body: Body, name: str) -> None:
        """It has no state of its own: the iterators below it are advanced, or what its function changed is replayed."""


class _InStep(_Composite):
    """One that takes an item of each in turn; a `strict` one raises where one of them ends before another."""

    __slots__ = ("strict",)

    def row(self, ctx: Context) -> list[Variable] | None:
        items: list[Variable] = []
        for position, part in enumerate(self.parts):
            item = ctx.protocol.next_item(ctx, part)
            if item is None:
                if self.strict:
                    self._complain(ctx, position)
                return None
            items.append(item)
        return items

    def _complain(self, ctx: Context, position: int) -> None:
        name = self.cls.__name__
        if position:
            plural = " " if position == 1 else "s 1-"
            ctx.raise_(ValueError, f"{name}() argument {position + 1} is shorter than argument{plural}{position}")
        for later in range(1, len(self.parts)):
            if ctx.protocol.next_item(ctx, self.parts[later]) is not None:
                plural = " " if later == 1 else "s 1-"
                ctx.raise_(ValueError, f"{name}() argument {later + 1} is longer than argument{plural}{later}")


class ZipVariable(_InStep):
    __slots__ = ()

    def __init__(self, parts: list[Variable], strict: bool = False):
        self.parts, self.strict, self.source, self.vid, self.done, self.cls = parts, strict, None, 0, False, zip
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        items = self.row(ctx)
        return TupleVariable(items, tuple) if items else None

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        parts = "".join(f"{body.value(p)}, " for p in self.parts)
        body.line(f"{name} = zip({parts}strict={self.strict})")
        return name


class EnumerateVariable(_Composite):
    __slots__ = ("count", "part")

    def __init__(self, part: Variable, start: int = 0):
        self.part, self.count, self.source, self.vid, self.done, self.cls = part, start, None, 0, False, enumerate
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        item = ctx.protocol.next_item(ctx, self.part)
        if item is None:
            return None
        self.count += 1
        return TupleVariable([ConstantVariable(self.count - 1), item], tuple)

    def snapshot(self) -> Any:
        return self.done, self.count

    def restore(self, state: Any) -> None:
        self.done, self.count = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = enumerate({body.value(self.part)}, {self.count})")
        return name

    def replay(self, body: Body, name: str) -> None:
        """Only advancing it counts; so it is advanced, and those below it by so much less (or to where they are)."""
        steps = self.count - body.ctx.effects.before(self)[1] - body.advanced.get(self, 0)
        _advanced(body, self.part, steps)
        if steps:
            body.effect(f"for _ in range({steps}): next({name})")


def _advanced(body: Body, part: Variable, steps: int) -> None:
    """Note that replaying moves the real iterator of `part`, and those below it, by `steps`."""
    if isinstance(part, SequenceIteratorVariable) and type(part.owner) is not list and part.owner in body.ctx.effects:
        raise Break("mutated-while-iterating", type=part.cls.__name__)
    body.advanced[part] = body.advanced.get(part, 0) + steps
    for below in part.parts if isinstance(part, ZipVariable) else [part.part] if isinstance(part, EnumerateVariable) else []:
        _advanced(body, below, steps)


class MapVariable(_InStep):
    __slots__ = ("function",)

    def __init__(self, function: Variable, parts: list[Variable], strict: bool = False):
        self.function, self.parts, self.strict, self.source, self.vid, self.done, self.cls = function, parts, strict, None, 0, False, map
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        items = self.row(ctx)
        return None if items is None else ctx.call_now(self.function, items)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        strict = ", strict=True" if self.strict else ""
        body.line(f"{name} = map({body.value(self.function)}, {', '.join(body.value(p) for p in self.parts)}{strict})")
        return name


class FilterVariable(_Composite):
    __slots__ = ("function", "part")

    def __init__(self, function: Variable, part: Variable):
        self.function, self.part, self.source, self.vid, self.done, self.cls = function, part, None, 0, False, filter
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        while True:
            item = ctx.protocol.next_item(ctx, self.part)
            if item is None:
                return None
            if self.function.python_type() is type(None):
                if ctx.protocol.truth(ctx, item):
                    return item
            elif ctx.protocol.truth(ctx, ctx.call_now(self.function, [item])):
                return item

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = filter({body.value(self.function)}, {body.value(self.part)})")
        return name


class CallIteratorVariable(_Composite):
    """`iter(callable, sentinel)`."""

    __slots__ = ("function", "sentinel")

    def __init__(self, function: Variable, sentinel: Variable):
        self.function, self.sentinel, self.source, self.vid, self.done = function, sentinel, None, 0, False
        self.born = EPOCH.now
        self.cls = type(iter(int, 1))

    def advance(self, ctx: Context) -> Variable | None:
        item = ctx.call_now(self.function, [])
        return None if ctx.protocol.same_or_equal(ctx, item, self.sentinel) else item

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = iter({body.value(self.function)}, {body.value(self.sentinel)})")
        return name


class CountVariable(IteratorVariable):
    """`itertools.count`: never exhausted."""

    __slots__ = ("step", "value")

    def __init__(
        self, start: Variable, step: Variable, add: Callable[..., Variable] | None = None, source: Source | None = None
    ):
        self.value, self.step, self.source, self.vid, self.done, self.cls = (
            start,
            step,
            source,
            0,
            False,
            itertools.count,
        )
        self.born = EPOCH.now

    def advance(self, ctx: Context) -> Variable | None:
        import operator

        value = self.value
        self.value = ctx.protocol.binary_now(ctx, operator.add, value, self.step)
        return value

    def snapshot(self) -> Any:
        return self.value

    def restore(self, state: Any) -> None:
        self.value = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = {body.pin(itertools.count, 'count')}({body.value(self.value)}, {body.value(self.step)})")
        return name
