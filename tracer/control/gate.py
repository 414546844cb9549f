"""The rendezvous of a tracing thread and its controller.

The worker meets `seen` with each event that it records and waits there when a condition says so. The controller writes
conditions, lets the worker go on, and hands it small orders to carry out where it waits. Neither holds the other: a gate
outlives a stepper that was dropped just long enough to let the worker go.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..compat import evalframe as ef
from ..events import Event
from ..signals import Restart
from . import stops
from .stops import Breakpoint, Progress, Stop

__all__ = ["Aborted", "Gate"]


#: Seconds between two looks at whether the waiting thread was interrupted.
_ATTENTION = 0.2


class Aborted(BaseException):
    """The controller gave the call up. Raised out of every later event of that call, so that no handler can swallow it."""


class _Order:
    """Something to do in the worker while it waits; what it raised or returned."""

    def __init__(self, action: Callable[[], Any]):
        self.action, self.result, self.done = action, None, False
        self.error: Exception | None = None


class Gate:
    """`mute()` turns the hook off for the worker's thread when the call is given up; `pausing()` is entered for each wait.

    State changes only under `_changed`; `at` and `why` say where the worker waits, and `at` is None while it runs.
    """

    def __init__(self, events: Sequence[Event], mute: Callable[[int], None], pausing: Callable[[], Any] = contextlib.nullcontext):
        self.progress = Progress(events)
        self.breakpoints: list[Breakpoint] = []
        self.at: Event | None = None
        self.why = ""
        self.ident = 0
        self.aborting = self.finished = False
        self.on_change: Callable[[], None] | None = None
        self._stop: Stop = stops.never
        self._orders: list[_Order] = []
        self._changed = threading.Condition()
        self._outside = ef.current_region()
        self._mute = mute
        self._pausing = pausing

    # --- the worker's side ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The worker names itself: only its events can stop it."""
        self.ident = threading.get_ident()

    def seen(self, event: Event) -> None:
        """Called with each event. Waits here as long as the controller wants; raises Aborted once it gave the call up."""
        if threading.get_ident() != self.ident:
            return
        if self.aborting:
            self._give_up()
        self.progress.see(event)
        why = self._wanted(event)
        if why:
            self._wait(event, why)

    def _wanted(self, event: Event) -> str:
        found = ""
        for point in tuple(self.breakpoints):
            why = point.wants(self.progress, event)
            if why:
                found = found or why
                if point.temporary:
                    self.breakpoints.remove(point)
        try:
            return self._stop(self.progress, event) or found
        except Exception as error:
            return f"the condition raised {type(error).__name__}: {error}"

    def _wait(self, event: Event, why: str) -> None:
        region = ef.set_region(self._outside)  # one number for the whole process: not ours while others run
        try:
            with self._pausing(), self._changed:
                self.at, self.why = event, why
                self._tell()
                while True:
                    self._changed.wait_for(lambda: self.at is None or self.aborting or self._orders)
                    if self.aborting or self.at is None:
                        break
                    self._carry_out(self._orders.pop(0))
        finally:
            ef.set_region(region)
        if self.aborting:
            self._give_up()

    def _carry_out(self, order: _Order) -> None:
        """A restart of the frame leaves through the event; any other error is the controller's, and the call waits on."""
        try:
            order.result = order.action()
        except Restart:
            self.at = None
            raise
        except Exception as error:
            order.error = error
        finally:
            order.done = True
            self._tell()

    def _give_up(self) -> None:
        self.at = None
        self._mute(self.ident)
        raise Aborted("the call was given up")

    def finish(self) -> None:
        with self._changed:
            self.finished, self.at = True, None
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        if self.on_change is not None:
            self.on_change()

    # --- the controller's side --------------------------------------------------------------------------------------

    def go(self, stop: Stop) -> None:
        """Let the worker run until `stop`, or a breakpoint, wants it to wait."""
        with self._changed:
            self._stop = stop
            self.at = None
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Until the worker waits or the call has ended; False when the time, in seconds, is over.

        Interrupted (Ctrl-C), it asks the worker to stop at its next event, and raises.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            with self._changed:
                while not self._changed.wait_for(self._arrived, _ATTENTION):  # a signal may have reached another thread
                    if deadline is not None and time.monotonic() > deadline:
                        return False
                return True
        except KeyboardInterrupt:
            self._stop = stops.into
            raise

    def _arrived(self) -> bool:
        return self.finished or self.at is not None

    def order(self, action: Callable[[], Any], stop: Stop) -> Any:
        """Do something in the worker, where it waits. If it raises there, the worker goes on until `stop`."""
        order = _Order(action)
        with self._changed:
            self._stop = stop
            self._orders.append(order)
            self._changed.notify_all()
            self._changed.wait_for(lambda: order.done or self.finished)
        if order.error is not None:
            raise order.error
        return order.result

    def abort(self) -> None:
        with self._changed:
            self.aborting = True
            self._changed.notify_all()
