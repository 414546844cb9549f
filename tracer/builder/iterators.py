"""Builtin iterators from outside: how far they are is guarded, what they go over is built as anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..iterated import DICT_PARTS, ENDED, READERS, position
from ..signals import Break, Declined
from ..variables import (
    CallIteratorVariable,
    DictIteratorVariable,
    DictVariable,
    DictViewVariable,
    EnumerateVariable,
    FilterVariable,
    IteratorVariable,
    MapVariable,
    ObjectVariable,
    RangeIteratorVariable,
    ReverseIteratorVariable,
    SequenceIteratorVariable,
    SequenceVariable,
    Variable,
    ZipVariable,
)
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

#: So many entries of one code object may differ in how far an iterator is; later ones leave iterators to Python.
_POSITIONS = 3


@rules.exact(*READERS)
def iterator(ctx: Context, value: Any, source: Source) -> Any:
    """A builtin iterator over a sequence, a dict or other iterators: its position is guarded."""
    if ctx.entries >= _POSITIONS:
        raise Break("loop-elsewhere", type=type(value).__name__, why="it is somewhere else at each call")
    where = position(value)
    if where is None:
        return Declined("how far it is can't be told")
    cls = type(value)
    ctx.guard(source, "ITERATOR", (cls, where))
    made = _over_dict(ctx, value, source, where) if cls in DICT_PARTS else _MAKERS[cls](ctx, value, source, where)
    if isinstance(made, IteratorVariable):
        made.source = source
    return made


def _sequence(ctx: Context, value: Any, source: Source, where: int) -> Any:
    cls = ReverseIteratorVariable if type(value) is type(reversed([])) else SequenceIteratorVariable
    if where == ENDED:
        made = cls([], type(value))
        made.done = True
        return made
    owner = _below(ctx, value, source, 0)
    if isinstance(owner, ObjectVariable):
        owner = owner.data
    if isinstance(owner, SequenceVariable):
        return cls(owner, type(value), where)
    if cls is SequenceIteratorVariable and isinstance(owner.constant(), str | bytes):
        return cls(owner.unpack(ctx), type(value), where)
    return Declined("what it goes over isn't a modelled sequence")


def _below(ctx: Context, value: Any, source: Source, index: int) -> Variable:
    held = READERS[type(value)](value)[0][index]
    return ctx.build(held, source.iterated(index))


def _all_below(ctx: Context, value: Any, source: Source) -> list[Variable]:
    return [_below(ctx, value, source, i) for i in range(len(READERS[type(value)](value)[0]))]


def _over_dict(ctx: Context, value: Any, source: Source, where: int) -> Any:
    if where == ENDED:
        made = DictIteratorVariable(DictViewVariable(DictVariable({}), DICT_PARTS[type(value)]))
        made.done = True
        return made
    owner = _below(ctx, value, source, 0)
    if isinstance(owner, ObjectVariable):
        owner = owner.data
    if not isinstance(owner, DictVariable):
        return Declined("what it goes over isn't a modelled dict")
    made = DictIteratorVariable(DictViewVariable(owner, DICT_PARTS[type(value)]))
    made.index = where
    return made


def _enumerate(ctx: Context, value: Any, source: Source, where: int) -> Any:
    part = _below(ctx, value, source, 0)
    if not _only_steps(part):
        return Declined("advancing it again would run the program's code")
    return EnumerateVariable(part, where)


def _only_steps(part: Variable) -> bool:
    """Whether advancing the real iterator does nothing but move it and those below it."""
    if isinstance(part, ZipVariable):
        return all(map(_only_steps, part.parts))
    if isinstance(part, EnumerateVariable):
        return _only_steps(part.part)
    return isinstance(part, SequenceIteratorVariable | RangeIteratorVariable | DictIteratorVariable)


def _map(ctx: Context, value: Any, source: Source, strict: bool) -> Any:
    function, *below = _all_below(ctx, value, source)
    return MapVariable(function, below, strict)


def _call(ctx: Context, value: Any, source: Source, where: int) -> Any:
    return CallIteratorVariable(*_all_below(ctx, value, source)) if where != ENDED else Declined("it has ended")


_MAKERS: dict[type, Any] = {
    **dict.fromkeys(READERS, _sequence),
    enumerate: _enumerate,
    zip: lambda ctx, value, source, where: ZipVariable(_all_below(ctx, value, source), where),
    map: _map,
    filter: lambda ctx, value, source, where: FilterVariable(*_all_below(ctx, value, source)),
    type(iter(int, 1)): _call,
}
