"""Guards that are Python functions, and Ctrl-C: torch's C++ asks them, and takes whatever they raise for a no.

So an interrupt that comes while guards are checked would be lost. Two things keep it: a guard doesn't look for signals when it is
entered (an interrupt that waits there leaves later, in the program's own code), and one that is raised inside is sent
again a moment later.
"""

from __future__ import annotations

import _thread
import dis
import threading
import types
from collections.abc import Callable
from typing import Any

__all__ = ["again", "unasked", "whole"]

#: Seconds until an interrupt that a guard met is sent again.
_LATER = 0.001
#: The argument with which RESUME looks for no signals: as behind a `yield from`, for which the outer frame looks.
_QUIET = 2


def again() -> bool:
    """The answer of a guard that was interrupted: no; and the interrupt comes again."""
    threading.Timer(_LATER, _thread.interrupt_main).start()
    return False


def unasked(function: types.FunctionType) -> types.FunctionType:
    """The function, entered without a look for signals."""
    code = function.__code__
    steps = bytearray(code.co_code)
    for offset in range(0, len(steps), 2):
        if steps[offset] == dis.opmap["RESUME"]:
            steps[offset + 1] = _QUIET
            break
    function.__code__ = code.replace(co_code=bytes(steps))
    return function


def _template(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            return function(value)
        except KeyboardInterrupt:
            return again()

    return check


_CODE = unasked(_template(bool)).__code__  # type: ignore[arg-type]


def whole(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A guard that loses no interrupt. About 50 ns more a check."""
    made = _template(function)
    made.__code__ = _CODE  # type: ignore[attr-defined]
    return made
