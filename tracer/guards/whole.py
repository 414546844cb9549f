"""Guards that are Python functions, and Ctrl-C: torch's C++ asks them, and takes whatever they raise for a no.

So an interrupt that comes while guards are checked would be lost. Two things keep it: a guard doesn't look for signals when it is
entered (an interrupt that waits there leaves later, in the program's own code), and one that is raised inside is sent
again a moment later.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from typing import Any

from ..compat.evalframe import unasked

__all__ = ["again", "whole"]

#: Seconds until an interrupt that a guard met is sent again.
_LATER = 0.001


def again() -> bool:
    """The answer of a guard that was interrupted: no; and the interrupt comes again."""
    _thread.start_new_thread(_send, ())  # a `threading.Thread` would wait for its start here, on a busy machine until the interrupt comes
    return False


def _send() -> None:
    time.sleep(_LATER)
    _thread.interrupt_main()


def _template(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            return function(value)
        except KeyboardInterrupt:
            return again()

    return check


_CODE = unasked(_template(bool)).__code__


def whole(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A guard that loses no interrupt. About 50 ns more a check."""
    made = _template(function)
    made.__code__ = _CODE  # type: ignore[attr-defined]
    return made
