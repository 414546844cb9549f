"""Methods of lists and deques. Receivers are ListVariables; an instance of a subclass arrives as its builtin part."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from ...compat import words
from ...signals import Declined
from ...variables import NONE, ListVariable, SequenceIteratorVariable, SequenceVariable, Variable, literal
from ..known import plain
from ..stdlib.collections_rules import deque_limit
from ..table import calls
from .builtins_rules import sort_items

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("the receiver is not a modelled list")
_REVERSED = {list: type(reversed([])), collections.deque: type(reversed(collections.deque()))}


def trim(target: ListVariable, *, left: bool) -> None:
    """Drop what a deque's maxlen doesn't hold, from the end opposite to the one that grew."""
    if target.limit is not None and len(target.items) > target.limit:
        excess = len(target.items) - target.limit
        if left:
            del target.items[target.limit :]
        else:
            del target.items[:excess]


@calls.exact(list.append, collections.deque.append)
def append(ctx: Context, target: Variable, value: Variable) -> Any:
    """`x.append(value)`; a full deque drops its first item."""
    if not isinstance(target, ListVariable):
        return _OTHER
    ctx.mutate(target)
    target.add([value])
    trim(target, left=False)
    return NONE


@calls.exact(collections.deque.appendleft)
def appendleft(ctx: Context, target: Variable, value: Variable) -> Any:
    """`d.appendleft(value)`; a full deque drops its last item."""
    if not isinstance(target, ListVariable):
        return _OTHER
    ctx.mutate(target)
    target.items.insert(0, value)
    trim(target, left=True)
    return NONE


@calls.exact(list.extend, collections.deque.extend)
def extend(ctx: Context, target: Variable, values: Variable) -> Any:
    """`x.extend(values)`: item by item, so that what was read before an error stays."""
    if not isinstance(target, ListVariable):
        return _OTHER
    _grow(ctx, target, values, left=False)
    return NONE


@calls.exact(list.__iadd__, collections.deque.__iadd__)
def iadd(ctx: Context, target: Variable, values: Variable) -> Any:
    """`x += values`: extends, and is the list itself."""
    if not isinstance(target, ListVariable):
        return _OTHER
    _grow(ctx, target, values, left=False)
    return target


@calls.exact(collections.deque.extendleft)
def extendleft(ctx: Context, target: Variable, values: Variable) -> Any:
    """`d.extendleft(values)`: each goes to the front."""
    if not isinstance(target, ListVariable):
        return _OTHER
    _grow(ctx, target, values, left=True)
    return NONE


def _grow(ctx: Context, target: ListVariable, values: Variable, *, left: bool) -> None:
    if isinstance(values, SequenceVariable) and ctx.protocol.iterates_natively(values):
        _add(ctx, target, values.settled(ctx), left=left)
        return
    take = _one_by_one if issubclass(target.cls, collections.deque) else ctx.protocol.taken
    for item in take(ctx, values):
        _add(ctx, target, [item], left=left)


def _one_by_one(ctx: Context, values: Variable) -> Iterator[Variable]:
    """A deque asks for no length."""
    iterator = ctx.protocol.iterator(ctx, values)
    count = 0
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        yield item
        count += 1
        ctx.check_length(count)


def _add(ctx: Context, target: ListVariable, items: list[Variable], *, left: bool) -> None:
    if not items:
        return
    ctx.mutate(target)
    if left:
        target.items[:0] = items[::-1]
    else:
        target.add(items)
    trim(target, left=left)


@calls.exact(list.insert, collections.deque.insert)
def insert(ctx: Context, target: Variable, index: Variable, value: Variable) -> Any:
    """`x.insert(index, value)`; a full deque raises IndexError."""
    if not isinstance(target, ListVariable):
        return _OTHER
    if target.limit is not None and len(target.items) >= target.limit:
        ctx.raise_(IndexError, "deque already at its maximum size")
    where = ctx.protocol.index(ctx, index)
    ctx.mutate(target)
    target.items.insert(where, value)
    return NONE


@calls.exact(list.pop)
def pop(ctx: Context, target: Variable, *index: Variable) -> Any:
    """`x.pop([index])`."""
    if not isinstance(target, ListVariable) or len(index) > 1:
        return _OTHER
    where = ctx.protocol.index(ctx, index[0]) if index else -1
    if not target.items:
        ctx.raise_(IndexError, "pop from empty list")
    if not -len(target.items) <= where < len(target.items):
        ctx.raise_(IndexError, "pop index out of range")
    return _take(ctx, target, where)


def _take(ctx: Context, target: ListVariable, where: int) -> Variable:
    value = target.item(ctx, where)
    ctx.mutate(target)
    del target.items[where]
    return value


@calls.exact(collections.deque.pop)
def deque_pop(ctx: Context, target: Variable) -> Any:
    """`d.pop()`."""
    if not isinstance(target, ListVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(IndexError, "pop from an empty deque")
    return _take(ctx, target, -1)


@calls.exact(collections.deque.popleft)
def popleft(ctx: Context, target: Variable) -> Any:
    """`d.popleft()`."""
    if not isinstance(target, ListVariable):
        return _OTHER
    if not target.items:
        ctx.raise_(IndexError, "pop from an empty deque")
    return _take(ctx, target, 0)


@calls.exact(list.remove, collections.deque.remove)
def remove(ctx: Context, target: Variable, value: Variable) -> Any:
    """`x.remove(value)`: the first equal item."""
    if not isinstance(target, ListVariable):
        return _OTHER
    held = list(target.items)
    for i, equal in target.compared(ctx, value):
        if issubclass(target.cls, collections.deque) and list(target.items) != held:
            ctx.raise_(IndexError, "deque mutated during iteration")
        if equal:
            ctx.mutate(target)
            del target.items[i : i + 1]
            return NONE
    _absent(ctx, target, "remove", value)


def _absent(ctx: Context, target: SequenceVariable, method: str, value: Variable) -> NoReturn:
    text = next(text for (cls, name), text in words.ABSENT.items() if name == method and issubclass(target.cls, cls))
    ctx.raise_(ValueError, text.format(item=ctx.protocol.repr_text(ctx, value)) if "{item}" in text else text)


@calls.exact(list.clear, collections.deque.clear)
def clear(ctx: Context, target: Variable) -> Any:
    """`x.clear()`."""
    if not isinstance(target, ListVariable):
        return _OTHER
    ctx.mutate(target)
    target.items.clear()
    return NONE


@calls.exact(list.copy, collections.deque.copy, collections.deque.__copy__)
def copy(ctx: Context, target: Variable) -> Any:
    """`x.copy()`: a new one with the same items; of a deque subclass, its class called with them."""
    data = plain(target)
    if target is not data and isinstance(data, ListVariable) and data.cls is collections.deque:
        kept = [] if data.limit is None else [literal(data.limit)]
        return ctx.call(ctx.type_of(target), [target, *kept])
    if not isinstance(target, ListVariable):
        return _OTHER
    return ListVariable(target.settled(ctx), target.cls, None, target.limit)


@calls.exact(list.reverse, collections.deque.reverse)
def reverse(ctx: Context, target: Variable) -> Any:
    """`x.reverse()`."""
    if not isinstance(target, ListVariable):
        return _OTHER
    ctx.mutate(target)
    target.items.reverse()
    return NONE


@calls.exact(list.__reversed__, collections.deque.__reversed__)
def reversed_(ctx: Context, target: Variable) -> Any:
    """`reversed(x)` of a list or deque."""
    if not isinstance(target, ListVariable):
        return _OTHER
    return SequenceIteratorVariable(target.settled(ctx)[::-1], _REVERSED.get(target.cls, _REVERSED[list]))


@calls.exact(collections.deque.rotate)
def rotate(ctx: Context, target: Variable, *steps: Variable) -> Any:
    """`d.rotate(n)`."""
    if not isinstance(target, ListVariable) or len(steps) > 1:
        return _OTHER
    count = ctx.protocol.index(ctx, steps[0]) if steps else 1
    if target.items:
        ctx.mutate(target)
        count %= len(target.items)
        target.items[:] = target.items[-count:] + target.items[:-count] if count else target.items[:]
    return NONE


@calls.exact(list.sort)
def sort(ctx: Context, target: Variable, *, key: Variable | None = None, reverse: Variable | None = None) -> Any:
    """`x.sort(key=, reverse=)`: stable, by the program's own `<`. Meanwhile the list is empty, and must not be touched."""
    if not isinstance(target, ListVariable):
        return _OTHER
    asked = ctx.protocol.index if words.REVERSE_IS_INDEX else ctx.protocol.truth
    backwards = reverse is not None and bool(asked(ctx, reverse))
    items = target.settled(ctx)
    ctx.mutate(target)
    held, meanwhile = target.held, _Untouched()
    target.held = meanwhile
    try:
        sort_items(ctx, items, key, backwards)
    finally:
        target.held = held
        held[:] = items
    if meanwhile.touched:
        ctx.raise_(ValueError, "list modified during sort")
    return NONE


class _Untouched(list[Any]):
    """The items of a list while it is sorted: notes that something was put there, even if it was taken out again."""

    touched = False


def _watched(name: str) -> Any:
    def method(self: _Untouched, *args: Any) -> Any:
        self.touched = True
        return getattr(list, name)(self, *args)

    return method


for _name in ("append", "extend", "insert", "__setitem__", "__iadd__"):
    setattr(_Untouched, _name, _watched(_name))


@calls.exact(list.index, tuple.index, collections.deque.index)
def index(ctx: Context, target: Variable, value: Variable, *bounds: Variable) -> Any:
    """`x.index(value, start, stop)`."""
    if not isinstance(target, SequenceVariable) or len(bounds) > 2:
        return _OTHER
    count = len(target.items)
    limits = [0, count]
    for i, bound in enumerate(bounds):
        if not ctx.protocol.has(ctx, bound.python_type(), "__index__"):
            ctx.raise_(TypeError, "slice indices must be integers or have an __index__ method")
        limits[i] = ctx.protocol.index(ctx, bound)
    start, stop, _ = slice(*limits).indices(count)
    for i, equal in target.compared(ctx, value, start, stop):
        if equal:
            return literal(i)
    _absent(ctx, target, "index", value)


@calls.exact(list.count, tuple.count, collections.deque.count)
def count(ctx: Context, target: Variable, value: Variable) -> Any:
    """`x.count(value)`."""
    if not isinstance(target, SequenceVariable):
        return _OTHER
    return literal(sum(equal for _, equal in target.compared(ctx, value)))


@calls.exact(list.__init__)
def list_init(ctx: Context, target: Variable, iterable: Variable | None = None, /) -> Any:
    """`list.__init__(x, iterable)`, as subclasses call it."""
    if not isinstance(target, ListVariable):
        return _OTHER
    values = ctx.protocol.listed(ctx, iterable) if iterable is not None else []
    ctx.mutate(target)
    target.items[:] = values
    return NONE


@calls.exact(collections.deque.__init__)
def deque_init(ctx: Context, target: Variable, /, iterable: Variable | None = None, maxlen: Variable = NONE) -> Any:
    """`deque.__init__(d, iterable, maxlen)`, as subclasses call it."""
    if not isinstance(target, ListVariable):
        return _OTHER
    limit = deque_limit(ctx, maxlen)
    ctx.mutate(target)
    target.limit = limit
    target.items.clear()
    if iterable is not None:
        _grow(ctx, target, iterable, left=False)
    return NONE
