"""Guards between several sources: the same object, different tensors, memory that overlaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat.guards import disable_torch_function, memory_layout, object_aliasing, overlapping, tensor_aliasing
from ..sources import Roots
from .explain import Reader
from .kind import Place, define
from .summary import summarise
from .whole import whole

if TYPE_CHECKING:
    from ..sources import Source

__all__: list[str] = []

# --- the same object --------------------------------------------------------------------------------------------------


def _lower_same(at: Place, other: Source, parts: list[Any]) -> None:
    theirs = at.lowering.manager(other)
    if theirs is not at.manager:
        object_aliasing(at.manager, theirs, parts, None)


define(  # source and expected: two sources that gave the same object
    "SAME_OBJECT",
    lambda read, guard: read(guard.source) is read(guard.expected),
    lambda source, other: f"{source} is {other.text}",
    _lower_same,
    hold=lambda other, keeper: keeper.release(other),
    see=lambda read, guard: f"{summarise(read(guard.source))}, and another {summarise(read(guard.expected))}",
    rank=7,
    live=True,
    scope="many",
    reads=lambda guard: [guard.source, guard.expected],
)


# --- different objects ------------------------------------------------------------------------------------------------


def _lower_not_same(at: Place, other: Source, parts: list[Any]) -> None:
    theirs = at.lowering.manager(other)
    if theirs is not at.manager:
        tensor_aliasing([at.manager, theirs], ["0", "1"], parts, None)


define(  # source and expected: two sources that gave different objects
    "NOT_SAME_OBJECT",
    lambda read, guard: read(guard.source) is not read(guard.expected),
    lambda source, other: f"{source} is not {other.text}",
    _lower_not_same,
    hold=lambda other, keeper: keeper.release(other),
    see=lambda read, guard: f"one {summarise(read(guard.source))}",
    rank=7,
    live=True,
    scope="many",
    reads=lambda guard: [guard.source, guard.expected],
)

# --- different tensors ------------------------------------------------------------------------------------------------


def _repeated(read: Callable[[Source], Any], guard: Any) -> list[Source]:
    """The sources that give a tensor that an earlier one gave."""
    seen: set[int] = set()
    values = [(source, read(source)) for source in guard.expected]
    return [source for source, value in values if id(value) in seen or seen.add(id(value))]  # type: ignore[func-returns-value]


def _lower_different(at: Place, sources: list[Source], parts: list[Any]) -> None:
    managers = [at.lowering.manager(source) for source in dict.fromkeys(sources)]
    if len(managers) > 1:
        tensor_aliasing(managers, [str(i) for i in range(len(managers))], parts, None)


def _define_different(kind: str, what: str) -> None:
    """expected: a list of sources of values that all differ."""
    define(  # source None
        kind,
        lambda read, guard: not _repeated(read, guard),
        lambda _, sources: f"{', '.join(s.text for s in sources)} are different {what}",
        _lower_different,
        hold=lambda sources, keeper: list(dict.fromkeys(map(keeper.release, sources))),
        see=lambda read, guard: f"{', '.join(s.text for s in _repeated(read, guard))} repeated",
        rank=7,
        live=True,
        scope="many",
        reads=lambda guard: list(guard.expected),
    )


_define_different("NO_TENSOR_ALIASING", "tensors")
_define_different("DIFFERENT_OBJECTS", "objects")  # of which the program changes one at least

# --- overlapping memory -----------------------------------------------------------------------------------------------


def _check_overlap(read: Callable[[Source], Any], expected: Overlaps) -> bool:
    shared, apart, places = expected
    values = [read(source) for source in (*shared, *apart)]
    if not all(issubclass(type(value), torch.Tensor) for value in values):
        return False
    with disable_torch_function():
        if overlapping(values) != set(range(len(shared))):
            return False
        if places is None:
            return True
        tensors = [read(source) for source in places[0]]
        return memory_layout(tensors, overlapping(tensors)) == places[1]


def _overlap_text(_source: str, expected: Overlaps) -> str:
    shared, apart = (", ".join(source.text for source in group) for group in expected[:2])
    return f"the memory of {shared or 'none'} overlaps{' as it did' if expected[2] else ''}, that of {apart or 'no other'} doesn't"


def _lower_overlap(at: Place, expected: Overlaps, parts: list[Any]) -> None:
    """In Python: torch's own guard takes all tensors for views of one storage."""
    at.manager.add_epilogue_lambda_guard(
        whole(lambda locals: _check_overlap(Reader(Roots(locals), {}, {}), expected)), parts, None
    )


def _hold_overlap(expected: Overlaps, keeper: Any) -> Overlaps:
    shared, apart, places = expected
    held = {source: keeper.release(source) for source in (*shared, *apart)}
    return [held[s] for s in shared], [held[s] for s in apart], places and ([held[s] for s in places[0]], places[1])


#: (sources whose memory overlaps another's, the others) as `overlapping(tensors)` says, and, where it matters where they lie, all of
#: them with their `memory_layout`
Overlaps = tuple[list["Source"], list["Source"], "tuple[list[Source], tuple[Any, ...]] | None"]

define(  # source None; expected: Overlaps
    "STORAGE_OVERLAP",
    lambda read, guard: _check_overlap(read, guard.expected),
    _overlap_text,
    _lower_overlap,
    hold=_hold_overlap,
    see=lambda _read, _guard: "other tensors overlap",
    rank=7,
    scope="many",
    reads=lambda guard: [*guard.expected[0], *guard.expected[1]],
)
