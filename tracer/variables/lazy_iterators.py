"""The iterators of `itertools`, as state machines over variables. All that changes is in `state`, a tuple that is replaced."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..signals import Break
from .base import EPOCH, Variable
from .iterators import IteratorVariable
from .sequences import TupleVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = [
    "AccumulateVariable", "BatchedVariable", "ChainVariable", "CompressVariable", "CycleVariable", "GroupByVariable", "GroupVariable",
    "IndexedVariable", "IsliceVariable", "LongestVariable", "PairwiseVariable", "PredicateVariable", "RepeatVariable", "StarmapVariable",
    "TeeBuffer", "TeeVariable",
]  # fmt: skip


class LazyIteratorVariable(IteratorVariable):
    __slots__ = ("state",)

    def __init__(self, cls: type, *state: Any):
        self.cls, self.state, self.source, self.vid, self.done = cls, state, None, 0, False
        self.born = EPOCH.now

    def snapshot(self) -> Any:
        return self.state, self.done

    def restore(self, state: Any) -> None:
        self.state, self.done = state

    def pinned(self, body: Body) -> str:
        return body.pin(self.cls, self.cls.__name__)


class ChainVariable(LazyIteratorVariable):
    """`state` = (iterator over the iterables, iterator of the one that is being read or None)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        while True:
            outer, current = self.state
            if current is None:
                following = ctx.protocol.next_item(ctx, outer)
                if following is None:
                    return None
                current = ctx.protocol.iterator(ctx, following)
                self.state = (outer, current)
            item = ctx.protocol.next_item(ctx, current)
            if item is not None:
                return item
            self.state = (outer, None)

    def rebuild(self, body: Body) -> str:
        outer, current = self.state
        name, chain = body.fresh("iterator"), self.pinned(body)
        if self.done:
            body.line(f"{name} = {chain}()")
        elif current is None:
            body.line(f"{name} = {chain}.from_iterable({body.value(outer)})")
        else:
            body.line(f"{name} = {chain}({body.value(current)}, {chain}.from_iterable({body.value(outer)}))")
        return name


class IsliceVariable(LazyIteratorVariable):
    """`state` = (iterator, items read so far, index of the next item to give, stop or None, step)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        iterator, count, following, stop, step = self.state
        while count < following:
            if ctx.protocol.next_item(ctx, iterator) is None:
                return None
            count += 1
            self.state = (iterator, count, following, stop, step)
        if stop is not None and count >= stop:
            return None
        item = ctx.protocol.next_item(ctx, iterator)
        if item is None:
            return None
        following += step
        self.state = (iterator, count + 1, following if stop is None or following <= stop else stop, stop, step)
        return item

    def rebuild(self, body: Body) -> str:
        iterator, count, following, stop, step = self.state
        name = body.fresh("iterator")
        if self.done:
            body.line(f"{name} = {self.pinned(body)}((), 0)")
        else:
            body.line(f"{name} = {self.pinned(body)}({body.value(iterator)}, {following - count}, {None if stop is None else stop - count}, {step})")
        return name


class IndexedVariable(LazyIteratorVariable):
    """product, permutations, combinations: tuples of items of pools, chosen by index. `state` = (position,)."""

    __slots__ = ("args", "chosen", "indices", "pools")

    def __init__(self, cls: type, pools: list[list[Variable]], indices: Iterator[tuple[int, ...]], args: tuple[Any, ...]):
        super().__init__(cls, 0)
        self.pools, self.indices, self.args = pools, indices, args
        self.chosen: list[tuple[int, ...]] = []  # what `indices` gave so far: never shrinks

    def advance(self, ctx: Context) -> Variable | None:
        (position,) = self.state
        if position >= len(self.chosen):
            found = next(self.indices, None)
            if found is None:
                return None
            self.chosen.append(found)
        self.state = (position + 1,)
        one = len(self.pools) == 1 and self.cls is not itertools.product
        return TupleVariable([self.pools[0 if one else i][j] for i, j in enumerate(self.chosen[position])], tuple)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        pools = [f"({''.join(body.value(v) + ', ' for v in pool)})" for pool in self.pools]
        body.line(f"{name} = {self.pinned(body)}({', '.join([*pools, *map(repr, self.args)])})")
        if self.done:
            body.line(f"for _ in {name}: pass")
        elif self.state[0]:
            body.line(f"for _ in range({self.state[0]}): next({name})")
        return name


class RepeatVariable(LazyIteratorVariable):
    """`state` = (item, times left or None)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        item, left = self.state
        if left is None:
            return item
        if left <= 0:
            return None
        self.state = (item, left - 1)
        return item

    def length_hint(self) -> int | None:
        return self.state[1]

    def rebuild(self, body: Body) -> str:
        item, left = self.state
        name = body.fresh("iterator")
        body.line(f"{name} = {self.pinned(body)}({body.value(item)}{'' if left is None else f', {left}'})")
        return name


class CycleVariable(LazyIteratorVariable):
    """`state` = (iterator or None once it ended, items seen, index of the next of them)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        iterator, saved, index = self.state
        if iterator is not None:
            item = ctx.protocol.next_item(ctx, iterator)
            if item is not None:
                self.state = (iterator, (*saved, item), 0)
                return item
        if not saved:
            return None
        self.state = (None, saved, (index + 1) % len(saved))
        return saved[index]

    def rebuild(self, body: Body) -> str:
        iterator, saved, index = self.state
        name = body.fresh("iterator")
        if iterator is None:
            turned = saved[index:] + saved[:index]
            body.line(f"{name} = {self.pinned(body)}(({''.join(body.value(v) + ', ' for v in turned)}))")
        elif saved:
            raise Break("unknown-iterator", type="cycle", expr="itertools.cycle", why="it leaves half-consumed")
        else:
            body.line(f"{name} = {self.pinned(body)}({body.value(iterator)})")
        return name


class AccumulateVariable(LazyIteratorVariable):
    """`state` = (iterator, total or None, initial or None); `function` adds one item."""

    __slots__ = ("function",)

    def __init__(self, iterator: Variable, function: Variable, initial: Variable | None):
        super().__init__(itertools.accumulate, iterator, None, initial)
        self.function = function

    def advance(self, ctx: Context) -> Variable | None:
        iterator, total, initial = self.state
        if initial is not None:
            self.state = (iterator, initial, None)
            return initial
        item = ctx.protocol.next_item(ctx, iterator)
        if item is None:
            return None
        if total is not None:
            if self.function.python_type() is type(None):
                item = ctx.protocol.binary_now(ctx, operator.add, total, item)
            else:
                item = ctx.call_now(self.function, [total, item])
        self.state = (iterator, item, None)
        return item

    def rebuild(self, body: Body) -> str:
        iterator, total, initial = self.state
        if total is not None:
            raise Break("unknown-iterator", type="accumulate", expr="itertools.accumulate", why="it leaves half-consumed")
        name = body.fresh("iterator")
        start = "" if initial is None else f", initial={body.value(initial)}"
        body.line(f"{name} = {self.pinned(body)}({body.value(iterator)}, {body.value(self.function)}{start})")
        return name


class LongestVariable(LazyIteratorVariable):
    """`itertools.zip_longest`: `state` = (iterators, None for ended ones)."""

    __slots__ = ("fill",)

    def __init__(self, parts: list[Variable], fill: Variable):
        super().__init__(itertools.zip_longest, *parts)
        self.fill = fill

    def advance(self, ctx: Context) -> Variable | None:
        items: list[Variable] = []
        for i, part in enumerate(self.state):
            item = None if part is None else ctx.protocol.next_item(ctx, part)
            if item is None and part is not None:
                self.state = (*self.state[:i], None, *self.state[i + 1 :])
                if all(p is None for p in self.state):
                    return None
            items.append(self.fill if item is None else item)
        return TupleVariable(items, tuple) if items and any(p is not None for p in self.state) else None

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        parts = "".join(f"{'()' if p is None else body.value(p)}, " for p in self.state)
        body.line(f"{name} = {self.pinned(body)}({parts}fillvalue={body.value(self.fill)})")
        return name


class StarmapVariable(LazyIteratorVariable):
    """`state` = (function, iterator over argument tuples)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        function, iterator = self.state
        item = ctx.protocol.next_item(ctx, iterator)
        return None if item is None else ctx.call_now(function, ctx.protocol.unpack(ctx, item))

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = {self.pinned(body)}({body.value(self.state[0])}, {body.value(self.state[1])})")
        return name


class PredicateVariable(LazyIteratorVariable):
    """takewhile, dropwhile, filterfalse: `state` = (predicate, iterator, whether dropping has ended)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        predicate, iterator, started = self.state
        while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
            if started:
                return item
            plain = self.cls is itertools.filterfalse and predicate.python_type() is type(None)
            holds = ctx.protocol.truth(ctx, item if plain else ctx.call_now(predicate, [item]))
            if self.cls is itertools.takewhile:
                return item if holds else None
            if not holds:
                if self.cls is itertools.dropwhile:
                    self.state = (predicate, iterator, True)
                return item
        return None

    def rebuild(self, body: Body) -> str:
        predicate, iterator, started = self.state
        name = body.fresh("iterator")
        if self.done:
            body.line(f"{name} = {self.pinned(body)}({body.value(predicate)}, ())")
        elif started:
            body.line(f"{name} = {self.pinned(body)}({body.pin(_never, 'never')}, {body.value(iterator)})")
        else:
            body.line(f"{name} = {self.pinned(body)}({body.value(predicate)}, {body.value(iterator)})")
        return name


def _never(_: Any) -> bool:
    return False


class CompressVariable(LazyIteratorVariable):
    """`state` = (data, selectors)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        data, selectors = self.state
        while (item := ctx.protocol.next_item(ctx, data)) is not None:
            chosen = ctx.protocol.next_item(ctx, selectors)
            if chosen is None:
                return None
            if ctx.protocol.truth(ctx, chosen):
                return item
        return None

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        body.line(f"{name} = {self.pinned(body)}({body.value(self.state[0])}, {body.value(self.state[1])})")
        return name


class PairwiseVariable(LazyIteratorVariable):
    """`state` = (iterator, the item before or None)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        iterator, before = self.state
        if before is None:
            before = ctx.protocol.next_item(ctx, iterator)
            if before is None:
                return None
        item = ctx.protocol.next_item(ctx, iterator)
        if item is None:
            return None
        self.state = (iterator, item)
        return TupleVariable([before, item], tuple)

    def rebuild(self, body: Body) -> str:
        iterator, before = self.state
        name = body.fresh("iterator")
        rest = body.value(iterator)
        if before is not None:
            rest = f"{body.pin(itertools.chain, 'chain')}(({body.value(before)},), {rest})"
        body.line(f"{name} = {self.pinned(body)}({'()' if self.done else rest})")
        return name


class BatchedVariable(LazyIteratorVariable):
    """`itertools.batched` (3.12): `state` = (iterator, size, whether the last batch may not be shorter)."""

    __slots__ = ()

    def advance(self, ctx: Context) -> Variable | None:
        iterator, size, strict = self.state
        items: list[Variable] = []
        while len(items) < size and (item := ctx.protocol.next_item(ctx, iterator)) is not None:
            items.append(item)
        if strict and 0 < len(items) < size:
            self.done = True
            ctx.raise_(ValueError, "batched(): incomplete batch")
        return TupleVariable(items, tuple) if items else None

    def rebuild(self, body: Body) -> str:
        iterator, size, strict = self.state
        name = body.fresh("iterator")
        body.line(f"{name} = {self.pinned(body)}({'()' if self.done else body.value(iterator)}, {size}{', strict=True' if strict else ''})")
        return name


class GroupByVariable(LazyIteratorVariable):
    """`state` = (target key, current key, current value, the group that is being read), None for "not yet"."""

    __slots__ = ("function", "origin")

    def __init__(self, iterator: Variable, function: Variable):
        super().__init__(itertools.groupby, None, None, None, None)
        self.origin, self.function = iterator, function

    def step(self, ctx: Context) -> bool:
        item = ctx.protocol.next_item(ctx, self.origin)
        if item is None:
            return False
        key = item if self.function.python_type() is type(None) else ctx.call_now(self.function, [item])
        ctx.mutate(self)
        self.state = (self.state[0], key, item, self.state[3])
        return True

    def equal(self, ctx: Context) -> bool:
        target, current = self.state[:2]
        return ctx.protocol.same_or_equal(ctx, target, current)

    def advance(self, ctx: Context) -> Variable | None:
        self.state = (*self.state[:3], None)
        while True:
            target, current = self.state[:2]
            if current is not None and (target is None or not self.equal(ctx)):
                break
            if not self.step(ctx):
                return None
        group = GroupVariable(self)
        self.state = (current, current, self.state[2], group)
        return TupleVariable([current, group], tuple)

    def rebuild(self, body: Body) -> str:
        if self.state[1] is not None:
            raise Break("unknown-iterator", type="groupby", expr="itertools.groupby", why="it leaves half-consumed")
        name = body.fresh("iterator")
        body.line(f"{name} = {self.pinned(body)}({body.value(self.origin)}, {body.value(self.function)})")
        return name


class GroupVariable(IteratorVariable):
    """One group of `groupby`: ends when its parent moves on."""

    __slots__ = ("parent",)

    def __init__(self, parent: GroupByVariable):
        self.parent, self.source, self.vid, self.done = parent, None, 0, False
        self.born = EPOCH.now
        self.cls = itertools._grouper  # type: ignore[attr-defined]

    def next(self, ctx: Context) -> Variable | None:
        return self.advance(ctx)  # a group that ended may have more later, in CPython too

    def advance(self, ctx: Context) -> Variable | None:
        parent = self.parent
        if parent.state[3] is not self:
            return None
        if parent.state[2] is None and not parent.step(ctx):
            return None
        if not parent.equal(ctx):
            return None
        ctx.mutate(parent)
        target, current, value, group = parent.state
        parent.state = (target, current, None, group)
        return value

    def snapshot(self) -> Any:
        return self.done

    def restore(self, state: Any) -> None:
        self.done = state


class TeeBuffer:
    """What the iterators of one `tee` share: the source and the items that any of them has read."""

    __slots__ = ("items", "iterator")

    def __init__(self, iterator: Variable):
        self.iterator, self.items = iterator, []  # type: ignore[var-annotated]


class TeeVariable(LazyIteratorVariable):
    """`state` = (index of the next item,)."""

    __slots__ = ("buffer",)

    def __init__(self, buffer: TeeBuffer, index: int = 0):
        super().__init__(itertools._tee, index)  # type: ignore[attr-defined]
        self.buffer = buffer

    def next(self, ctx: Context) -> Variable | None:
        ctx.mutate(self)
        return self.advance(ctx)

    def advance(self, ctx: Context) -> Variable | None:
        (index,) = self.state
        buffer = self.buffer
        if index >= len(buffer.items):
            item = ctx.protocol.next_item(ctx, buffer.iterator)
            if item is None:
                return None
            buffer.items.append(item)
        self.state = (index + 1,)
        return buffer.items[index]

    def snapshot(self) -> Any:
        return self.state, self.done, len(self.buffer.items)

    def restore(self, state: Any) -> None:
        self.state, self.done = state[:2]
        del self.buffer.items[state[2] :]
