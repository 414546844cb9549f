"""Call rules of `itertools`: what CPython reads when the iterator is made is read then, the rest when it is asked for."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any

from ...compat.builtins import BATCHED_TAKES_STRICT
from ...signals import Declined
from ...variables import NONE, CountVariable, SequenceIteratorVariable, TupleVariable, Variable, literal
from ...variables.lazy_iterators import (
    AccumulateVariable,
    BatchedVariable,
    ChainVariable,
    CompressVariable,
    CycleVariable,
    GroupByVariable,
    IndexedVariable,
    IsliceVariable,
    LongestVariable,
    PairwiseVariable,
    PredicateVariable,
    RepeatVariable,
    StarmapVariable,
    TeeBuffer,
    TeeVariable,
)
from ..known import is_none
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_SEQUENCE_ITERATOR = type(iter(()))


def _iter(ctx: Context, value: Variable) -> Variable:
    return ctx.protocol.iterator(ctx, value)


@calls.exact(itertools.chain)
def chain(ctx: Context, *parts: Variable) -> Any:
    """`chain(a, b, …)`: each is iterated when the one before it has ended."""
    return ChainVariable(itertools.chain, SequenceIteratorVariable(list(parts), _SEQUENCE_ITERATOR), None)


@calls.exact(itertools.chain.__dict__["from_iterable"])
def from_iterable(ctx: Context, cls: Variable, parts: Variable) -> Any:
    """`chain.from_iterable(x)`."""
    return ChainVariable(itertools.chain, _iter(ctx, parts), None)


@calls.exact(itertools.islice)
def islice(ctx: Context, iterable: Variable, *bounds: Variable) -> Any:
    """`islice(x, stop)` and `islice(x, start, stop, step)`."""
    if not 1 <= len(bounds) <= 3:
        return Declined("two to four arguments")
    start, stop, step = NONE, bounds[0], NONE
    if len(bounds) > 1:
        start, stop, step = bounds[0], bounds[1], bounds[2] if len(bounds) > 2 else NONE
    limit = None if is_none(stop) else _bound(ctx, stop, "Stop argument for islice() must be None or an integer: 0 <= x <= sys.maxsize.")
    first = 0 if is_none(start) else _bound(ctx, start, "Indices for islice() must be None or an integer: 0 <= x <= sys.maxsize.")
    stride = 1 if is_none(step) else _bound(ctx, step, "Step for islice() must be a positive integer or None.")
    if stride < 1:
        ctx.raise_(ValueError, "Step for islice() must be a positive integer or None.")
    return IsliceVariable(itertools.islice, _iter(ctx, iterable), 0, first, limit, stride)


def _bound(ctx: Context, value: Variable, complaint: str) -> int:
    if not ctx.protocol.has(ctx, value.python_type(), "__index__"):
        ctx.raise_(ValueError, complaint)
    number = ctx.protocol.index(ctx, value)
    if not 0 <= number <= sys.maxsize:
        ctx.raise_(ValueError, complaint)
    return number


@calls.exact(itertools.product)
def product(ctx: Context, *parts: Variable, repeat: Variable | None = None) -> Any:
    """`product(a, b, …, repeat=n)`: all are read at once."""
    times = 1 if repeat is None else ctx.protocol.index(ctx, repeat)
    if times < 0:
        ctx.raise_(ValueError, "repeat argument cannot be negative")
    pools = [ctx.protocol.tupled(ctx, p) for p in parts] * times
    ctx.check_length(math.prod(map(len, pools)))
    return IndexedVariable(itertools.product, pools, itertools.product(*[range(len(p)) for p in pools]), ())


def _chosen(cls: Any) -> Any:
    def rule(ctx: Context, iterable: Variable, r: Variable | None = None) -> Any:
        """`permutations(x, r)`, `combinations(x, r)`, `combinations_with_replacement(x, r)`: x is read at once."""
        pool = ctx.protocol.tupled(ctx, iterable)
        if r is None and cls is not itertools.permutations:
            return Declined("r is missing")
        size = len(pool) if is_none(r) else ctx.protocol.index(ctx, r)  # type: ignore[arg-type]
        if size < 0:
            ctx.raise_(ValueError, "r must be non-negative")
        return IndexedVariable(cls, [pool], cls(range(len(pool)), size), (size,))

    rule.__name__ = cls.__name__
    return rule


for _cls in (itertools.permutations, itertools.combinations, itertools.combinations_with_replacement):
    calls.exact(_cls)(_chosen(_cls))


@calls.exact(itertools.repeat)
def repeat(ctx: Context, object: Variable, times: Variable | None = None) -> Any:
    """`repeat(x, times)`."""
    return RepeatVariable(itertools.repeat, object, None if times is None else max(ctx.protocol.index(ctx, times, size=True), 0))


@calls.exact(itertools.cycle)
def cycle(ctx: Context, iterable: Variable) -> Any:
    """`cycle(x)`."""
    return CycleVariable(itertools.cycle, _iter(ctx, iterable), (), 0)


@calls.exact(itertools.count)
def count(ctx: Context, start: Variable | None = None, step: Variable | None = None) -> Any:
    """`count(start, step)`."""
    for number in (start, step):
        if number is not None and not any(ctx.protocol.has(ctx, number.python_type(), name) for name in ("__index__", "__int__", "__float__", "__complex__")):
            ctx.raise_(TypeError, "a number is required")
    return CountVariable(start or literal(0), step or literal(1))


@calls.exact(itertools.accumulate)
def accumulate(ctx: Context, iterable: Variable, func: Variable = NONE, *, initial: Variable | None = None) -> Any:
    """`accumulate(x, f, initial=…)`."""
    return AccumulateVariable(_iter(ctx, iterable), func, None if is_none(initial) else initial)


@calls.exact(itertools.zip_longest)
def zip_longest(ctx: Context, *parts: Variable, fillvalue: Variable = NONE) -> Any:
    """`zip_longest(…, fillvalue=…)`."""
    return LongestVariable([_iter(ctx, p) for p in parts], fillvalue)


@calls.exact(itertools.starmap)
def starmap(ctx: Context, function: Variable, iterable: Variable) -> Any:
    """`starmap(f, x)`."""
    return StarmapVariable(itertools.starmap, function, _iter(ctx, iterable))


def _filtering(cls: Any) -> Any:
    def rule(ctx: Context, predicate: Variable, iterable: Variable) -> Any:
        """`takewhile(f, x)`, `dropwhile(f, x)`, `filterfalse(f, x)`."""
        return PredicateVariable(cls, predicate, _iter(ctx, iterable), False)

    rule.__name__ = cls.__name__
    return rule


for _cls in (itertools.takewhile, itertools.dropwhile, itertools.filterfalse):
    calls.exact(_cls)(_filtering(_cls))


@calls.exact(itertools.compress)
def compress(ctx: Context, data: Variable, selectors: Variable) -> Any:
    """`compress(data, selectors)`."""
    return CompressVariable(itertools.compress, _iter(ctx, data), _iter(ctx, selectors))


@calls.exact(itertools.pairwise)
def pairwise(ctx: Context, iterable: Variable) -> Any:
    """`pairwise(x)`."""
    return PairwiseVariable(itertools.pairwise, _iter(ctx, iterable), None)


@calls.exact(itertools.groupby)
def groupby(ctx: Context, iterable: Variable, key: Variable = NONE) -> Any:
    """`groupby(x, key)`: groups share its iterator and end when it moves on."""
    return GroupByVariable(_iter(ctx, iterable), key)


@calls.exact(itertools.tee)
def tee(ctx: Context, iterable: Variable, n: Variable | None = None) -> Any:
    """`tee(x, n)`: iterators that share what they have read."""
    times = 2 if n is None else ctx.protocol.index(ctx, n)
    if times < 0:
        ctx.raise_(ValueError, "n must be >= 0")
    source = _iter(ctx, iterable)
    if isinstance(source, TeeVariable):
        made = [source, *[TeeVariable(source.buffer, source.state[0]) for _ in range(times - 1)]][:times]
    else:
        buffer = TeeBuffer(source)
        made = [TeeVariable(buffer) for _ in range(times)]
    return TupleVariable(list(made), tuple)


if hasattr(itertools, "batched"):

    @calls.exact(itertools.batched)
    def batched(ctx: Context, iterable: Variable, n: Variable, *, strict: Variable | None = None) -> Any:
        """`batched(x, n)`; a strict one (3.13) raises where the last batch is shorter."""
        if strict is not None and not BATCHED_TAKES_STRICT:
            return Declined("it takes no strict")
        size = ctx.protocol.index(ctx, n)
        together = strict is not None and ctx.protocol.truth(ctx, strict)
        if size < 1:
            ctx.raise_(ValueError, "n must be at least one")
        return BatchedVariable(itertools.batched, _iter(ctx, iterable), size, together)  # type: ignore[attr-defined]
