"""When the program's signal handlers run: while a frame is traced, between two operations of the program; or behind the trace.

A handler raises wherever Python happens to be: KeyboardInterrupt for Ctrl-C, the program's own timeout for SIGALRM. While operators run
on fakes, C++ of torch asks Python in places that can't take an exception (a node of the autograd graph that is being made asks a fake for
its device; guards on modes step aside), and the process ends. Nobody lists these places, and each version of torch has others. So
no handler runs in any of them: ours stands in for it while a frame is traced, and notes that the signal came.

In: `hold`, `let_go`, which give each handler its place again, exactly (the system's own action under it too: its flags, a library's
handler). Out: `Delivered`, around what the program's handler raised; whoever holds takes it out again, since an Exception of the program's must not be
taken for a fault of ours. Python runs handlers in the main thread only, so in other threads all of this does nothing. A second signal of the
same kind doesn't wait: whoever presses Ctrl-C twice means it. Backends compile with the program's handlers in place; a graph
with bodies of operators, which torch traces when it runs, runs as a trace does (`waiting`).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the functions in C: the enums of `signal` cost ten times as much, and a program may patch them
import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Delivered", "bells", "hold", "is_main_thread", "let_go", "waiting"]


class Delivered(BaseException):
    """What a handler of the program raised, on its way through a trace."""

    def __init__(self, error: BaseException):
        super().__init__()
        self.error = error


#: Lists whose owners look into them between two operations of the program, the innermost last: a signal that comes puts a `_Bell` there.
bells: list[list[Any]] = []

_NUMBERS = tuple(_signal.valid_signals())
_get, _set = _signal.getsignal, _signal.signal
_own: dict[int, tuple[Callable[..., Any], Any]] = {}  # number → (the program's handler, the system's action under it)
_came: list[int] = []

try:
    _sigaction: Any = ctypes.CDLL(None).sigaction
except (AttributeError, TypeError, OSError):  # Windows
    _sigaction = None
_ACTION = 1024  # bytes, more than any system's `struct sigaction` has: it is only kept


def is_main_thread() -> bool:
    """Whether this is the thread that runs handlers."""
    return threading.get_ident() == threading.main_thread().ident


def hold() -> bool:
    """From here on handlers wait, until `let_go`; whether they didn't yet. An interrupt that comes while this is done leaves nothing held."""
    if _own or not is_main_thread():
        return False
    try:
        for number in _NUMBERS:
            handler = _get(number)
            if callable(handler):
                _own[number] = handler, _action(number)
        for number in _own:
            _set(number, _wait)
        return True
    except BaseException:
        _give_back()
        raise


def let_go(deliver: bool = True) -> bool:
    """Handlers are the program's again, and those that waited are called; whether any could have. `deliver`: False drops them.
    Raises Delivered. Cut off by an interrupt (which only a second signal can be), this is to be called again."""
    if not (_own or _came) or not is_main_thread():
        return False
    _give_back()
    if not deliver:
        _came.clear()
    while _came:
        number = _came.pop(0)
        handler = _get(number)
        if callable(handler):
            try:
                handler(number, sys._getframe(1))
            except BaseException as error:
                raise Delivered(error) from None
    return True


def waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, during which handlers wait, as they do while a frame is traced: torch's operators over bodies trace these each time they run."""

    def call(*args: Any) -> Any:
        held = hold()
        try:
            return function(*args)
        finally:
            if held:
                try:
                    let_go()
                except Delivered as delivered:
                    raise delivered.error from None

    return call


def _give_back() -> None:
    for number in list(_own):
        handler, action = _own[number]
        if _get(number) is _wait:  # else somebody has set another one since
            _set(number, handler)
        if _get(number) is handler:
            _restore(number, action)
        del _own[number]


def _wait(number: int, frame: Any) -> None:
    """Stands in for the program's handler."""
    if number in _came and number in _own:
        _own[number][0](number, frame)
        return
    _came.append(number)
    if bells:
        bells[-1].append(_BELL)


class _Bell:
    """Among the objects that have come to their end since the last operation."""

    def end(self, _ctx: Any) -> None:
        """Handlers are called, and wait again if they return."""
        if let_go():
            hold()


_BELL = _Bell()


def _action(number: int) -> Any:
    if _sigaction is None:
        return None
    held = ctypes.create_string_buffer(_ACTION)
    return held if _sigaction(number, None, held) == 0 else None


def _restore(number: int, action: Any) -> None:
    if action is not None:
        _sigaction(number, action, None)
