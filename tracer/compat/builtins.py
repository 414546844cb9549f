"""What CPython's builtins do in this version, found by trying."""

from __future__ import annotations

import functools
import itertools
from typing import Any

__all__ = ["BATCHED_TAKES_STRICT", "MAP_TAKES_STRICT", "PLACEHOLDER", "SUM_KEEPS_WHAT_ROUNDING_LOSES", "TUPLE_ASKS_LENGTH"]


def _takes_strict(make: Any, *args: Any) -> bool:
    try:
        make(*args, strict=True)
    except TypeError:
        return False
    return True


def _tuple_asks() -> bool:
    asked: list[int] = []

    class Items:
        def __iter__(self) -> Any:
            return iter(())

        def __len__(self) -> int:
            asked.append(1)
            return 0

    tuple(Items())
    return bool(asked)


#: Whether C asks an iterable for its length where it makes a tuple of it, as until 3.13.
TUPLE_ASKS_LENGTH = _tuple_asks()
#: `map(…, strict=True)`, since 3.14.
MAP_TAKES_STRICT = _takes_strict(map, abs, ())
#: `itertools.batched(…, strict=True)`, since 3.13.
BATCHED_TAKES_STRICT = hasattr(itertools, "batched") and _takes_strict(itertools.batched, (), 1)
#: Whether `sum` adds floats as if they were rounded once, as since 3.12.
SUM_KEEPS_WHAT_ROUNDING_LOSES = sum([0.1] * 10) == 1.0
#: What stands for an argument of a `functools.partial` that is given later; None before 3.14.
PLACEHOLDER: Any = getattr(functools, "Placeholder", None)
