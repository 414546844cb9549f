"""What `collections` adds to lists and dicts: making deques and defaultdicts, the factory of classes.

Counter, ChainMap, UserDict, UserList and the methods of named tuples are Python code, which is inlined.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from ...variables import NONE, ConstantVariable, DictVariable, ListVariable, Variable
from ..known import is_none, plain
from ..python.dicts import check_factory, merge
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(collections.namedtuple)
def namedtuple(ctx: Context, typename: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`namedtuple(…)` makes a class, which has to exist before the graph."""
    ctx.break_("class-definition-inside", what="class", expr="namedtuple(…)", type=typename.describe())


@calls.exact(collections.defaultdict)
def defaultdict_(ctx: Context, factory: Variable = NONE, other: Variable | None = None, /, **kwargs: Variable) -> Any:
    """`defaultdict(factory, ...)`."""
    check_factory(ctx, factory)
    made = DictVariable({}, collections.defaultdict, None, factory)
    merge(ctx, made, (other,) if other is not None else (), kwargs)
    return made


@calls.exact(collections.deque)
def deque_(ctx: Context, iterable: Variable | None = None, maxlen: Variable = NONE) -> Any:
    """`deque(x, maxlen)`."""
    limit = deque_limit(ctx, maxlen)
    items = list(ctx.protocol.unpack(ctx, iterable)) if iterable is not None else []
    return ListVariable(items[-limit:] if limit else [] if limit == 0 else items, collections.deque, None, limit)


def deque_limit(ctx: Context, maxlen: Variable) -> int | None:
    """What a deque takes as its `maxlen`."""
    if is_none(maxlen):
        return None
    limit = plain(maxlen)
    if not isinstance(limit, ConstantVariable):
        limit = ctx.literal(ctx.protocol.index(ctx, maxlen)) if issubclass(maxlen.python_type(), int) else limit
    if not isinstance(limit, ConstantVariable) or not isinstance(limit.value, int):
        ctx.raise_(TypeError, "an integer is required")
    ctx.protocol.index(ctx, limit, size=True)
    if limit.value < 0:
        ctx.raise_(ValueError, "maxlen must be non-negative")
    return int(limit.value)
