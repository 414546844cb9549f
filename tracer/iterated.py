"""What a builtin iterator goes over and how far it is, read without advancing it and without the program's code.

In: an iterator. Out: `parts`, the objects it goes over (its list, its dict, the iterators below it, the function that it
calls), and `position`, a constant that tells the rest of its state. Where its type isn't in `READERS`, or its state can't
be told, `position` is None.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

__all__ = ["DICT_PARTS", "ENDED", "READERS", "parts", "position"]

#: The position of an iterator that has forgotten what it went over.
ENDED = -1
#: Types of iterators over dicts, and the view that each belongs to.
DICT_PARTS: dict[type, str] = {
    type(iter({}.keys())): "keys", type(iter({}.values())): "values", type(iter({}.items())): "items",
}  # fmt: skip


def _sequence(iterator: Any) -> tuple[tuple[Any, ...], Any]:
    kind: Any = type(iterator)
    state: Any = kind.__reduce__(iterator)
    return (state[1], state[2]) if len(state) > 2 else ((), ENDED)


def _dict(iterator: Any) -> tuple[tuple[Any, ...], Any]:
    """CPython's iterators over dicts refer to the dict, and to nothing else but the tuple that they reuse."""
    held = [part for part in gc.get_referents(iterator) if isinstance(part, dict)]
    if not held:
        return (), ENDED
    left, count = type(iterator).__length_hint__(iterator), len(held[0])
    # None left: at the end, or the dict has changed its size and the next step raises.
    return (held[0],), (count - left if left or not count else None)


def _enumerate(iterator: Any) -> tuple[tuple[Any, ...], Any]:
    state: Any = enumerate.__reduce__(iterator)
    below, count = state[1]
    return (below,), count


def _in_step(iterator: Any) -> tuple[tuple[Any, ...], Any]:
    """The position of one that takes an item of each in turn is whether it is strict: a `zip`, and since 3.14 a `map`."""
    kind: Any = type(iterator)
    state: Any = kind.__reduce__(iterator)
    return state[1], len(state) > 2


def _call(iterator: Any) -> tuple[tuple[Any, ...], Any]:
    kind: Any = type(iterator)
    state: Any = kind.__reduce__(iterator)[1]
    return (state, 0) if len(state) == 2 else ((), ENDED)


#: How each type is read: (parts, position).
READERS: dict[type, Callable[[Any], tuple[tuple[Any, ...], Any]]] = {
    **dict.fromkeys([type(iter([])), type(iter(())), type(iter("")), type(iter("\u00e9")), type(iter(b"")), type(reversed([]))], _sequence),
    **dict.fromkeys(DICT_PARTS, _dict),
    enumerate: _enumerate,
    zip: _in_step,
    map: _in_step,
    filter: lambda iterator: (filter.__reduce__(iterator)[1], 0),  # type: ignore[dict-item,return-value]
    type(iter(int, 1)): _call,
}


def parts(iterator: Any) -> tuple[Any, ...]:
    """What it goes over; nothing for one that has ended, or of an unknown type."""
    reader = READERS.get(type(iterator))
    return () if reader is None else reader(iterator)[0]


def position(iterator: Any) -> Any:
    """The state besides the parts; None where it can't be told."""
    reader = READERS.get(type(iterator))
    return None if reader is None else reader(iterator)[1]
