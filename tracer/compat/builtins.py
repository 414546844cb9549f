"""What CPython's builtins do in this version, found by trying."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["MAP_TAKES_STRICT", "PLACEHOLDER", "SUM_KEEPS_WHAT_ROUNDING_LOSES"]


def _takes_strict() -> bool:
    make: Any = map
    try:
        make(abs, (), strict=True)
    except TypeError:
        return False
    return True


#: `map(…, strict=True)`, since 3.14.
MAP_TAKES_STRICT = _takes_strict()
#: Whether `sum` adds floats as if they were rounded once, as since 3.12.
SUM_KEEPS_WHAT_ROUNDING_LOSES = sum([0.1] * 10) == 1.0
#: What stands for an argument of a `functools.partial` that is given later; None before 3.14.
PLACEHOLDER: Any = getattr(functools, "Placeholder", None)
