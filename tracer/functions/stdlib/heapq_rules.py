"""Call rules of `heapq` and `bisect`: the same comparisons, and the same places in the list, as CPython's."""

from __future__ import annotations

import _bisect
import _heapq
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...compat.python_classes import has_items_in_order
from ...compat.type_names import type_name
from ...signals import Declined
from ...variables import NONE, ListVariable, Variable, literal
from ..known import is_none, plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("not a modelled list")
Order = Callable[[Any, Any], bool]


def _less(ctx: Context) -> Order:
    return lambda a, b: ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.lt, a, b)))


def _greater(ctx: Context) -> Order:
    less = _less(ctx)
    return lambda a, b: less(b, a)


def _rise(items: list[Any], start: int, at: int, before: Order) -> None:
    """Move the item at `at` up to its place below `start`."""
    item = items[at]
    while at > start:
        parent = (at - 1) // 2
        if not before(item, items[parent]):
            break
        items[at] = items[parent]
        at = parent
    items[at] = item


def _sink(items: list[Any], at: int, before: Order) -> None:
    """Move the item at `at` down to a leaf along the smaller children, then up to its place."""
    start, end = at, len(items)
    item = items[at]
    while (child := 2 * at + 1) < end:
        if child + 1 < end and not before(items[child], items[child + 1]):
            child += 1
        items[at] = items[child]
        at = child
    items[at] = item
    _rise(items, start, at, before)


def _heap(ctx: Context, variable: Variable) -> ListVariable | None:
    heap = plain(variable)
    if not isinstance(heap, ListVariable) or heap.cls is not list:
        return None
    ctx.mutate(heap)
    heap.items[:] = heap.settled(ctx)
    return heap


def _registered(function: Any, order: Callable[[Context], Order], action: Callable[..., Any]) -> None:
    def rule(ctx: Context, heap: Variable, *item: Variable) -> Any:
        """`heappush`, `heappop`, `heapreplace`, `heappushpop`, `heapify` of a list, smallest or largest first."""
        found = _heap(ctx, heap)
        return _OTHER if found is None else action(ctx, found.items, order(ctx), *item)

    rule.__name__ = function.__name__
    calls.exact(function)(rule)


def _push(ctx: Context, items: list[Any], before: Order, item: Variable) -> Any:
    items.append(item)
    _rise(items, 0, len(items) - 1, before)
    return NONE


def _pop(ctx: Context, items: list[Any], before: Order) -> Any:
    if not items:
        ctx.raise_(IndexError, "index out of range")
    last = items.pop()
    return _replace(ctx, items, before, last) if items else last


def _replace(ctx: Context, items: list[Any], before: Order, item: Variable) -> Any:
    if not items:
        ctx.raise_(IndexError, "index out of range")
    first, items[0] = items[0], item
    _sink(items, 0, before)
    return first


def _push_pop(ctx: Context, items: list[Any], before: Order, item: Variable) -> Any:
    return _replace(ctx, items, before, item) if items and before(items[0], item) else item


def _heapify(ctx: Context, items: list[Any], before: Order) -> Any:
    for at in reversed(range(len(items) // 2)):
        _sink(items, at, before)
    return NONE


for _name, _action in (("heappush", _push), ("heappop", _pop), ("heapreplace", _replace), ("heappushpop", _push_pop), ("heapify", _heapify)):
    _registered(getattr(_heapq, _name), _less, _action)
    for _largest in (f"_{_name}_max", f"{_name}_max"):  # private names, and not all of them, before 3.14
        if hasattr(_heapq, _largest):
            _registered(getattr(_heapq, _largest), _greater, _action)


# ---- bisect
def _place(ctx: Context, right: bool, a: Variable, x: Variable, lo: Variable | None, hi: Variable | None, key: Variable | None) -> int:
    low = 0 if lo is None else ctx.protocol.index(ctx, lo, size=True)
    given = None if is_none(hi) else ctx.protocol.index(ctx, hi, size=True)  # type: ignore[arg-type]
    if low < 0:
        ctx.raise_(ValueError, "lo must be non-negative")
    name, ordered = type_name(a.python_type()), has_items_in_order(a.python_type())
    if not ordered and ctx.protocol.has(ctx, a.python_type(), "__getitem__"):
        ctx.raise_(TypeError, f"{name} is not a sequence")
    high = given if given is not None else ctx.protocol.index(ctx, ctx.protocol.length(ctx, a))
    less = _less(ctx)
    if low < high and not ordered:
        ctx.raise_(TypeError, f"{name!r} object does not support indexing")
    while low < high:
        middle = (low + high) // 2
        item = ctx.settle(a.getitem(ctx, literal(middle)))
        if not is_none(key):
            item = ctx.call_now(key, [item])  # type: ignore[arg-type]
        if right and not less(x, item) or not right and less(item, x):
            low = middle + 1
        else:
            high = middle
    return low


def _bisecting(name: str, right: bool, insert: bool) -> None:
    def rule(
        ctx: Context, a: Variable, x: Variable, lo: Variable | None = None, hi: Variable | None = None, *, key: Variable | None = None
    ) -> Any:
        """`bisect_left`, `bisect_right`, `insort_left`, `insort_right`."""
        wanted = ctx.call_now(key, [x]) if insert and not is_none(key) else x  # type: ignore[arg-type]
        where = _place(ctx, right, a, wanted, lo, hi, key)
        if not insert:
            return literal(where)
        ctx.call_now(ctx.protocol.getattr_now(ctx, a, "insert"), [literal(where), x])
        return NONE

    rule.__name__ = name
    calls.exact(getattr(_bisect, name))(rule)


for _name, _right, _insert in (("bisect_left", False, False), ("bisect_right", True, False), ("insort_left", False, True), ("insort_right", True, True)):
    _bisecting(_name, _right, _insert)
