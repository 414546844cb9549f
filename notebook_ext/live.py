"""Live widgets of one notebook: which session each shows, and which cell's output it stands in.

A kernel is needed for them; in a terminal there are none, and the static summary says all. Running a cell again gives the
call that it was stepping up.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.display_functions import display

__all__ = ["Live"]


class Live:
    """The widgets and steppers of one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.widgets: list[Any] = []
        self._steppers: dict[str, Any] = {}  # cell → what was stepped there last
        self._points: dict[str, list[Any]] = {}  # cell → its breakpoints, of a stepper that is gone
        atexit.register(self.leave)

    @property
    def possible(self) -> bool:
        """Whether there is a kernel, hence perhaps a page, at the other end."""
        return getattr(self.shell, "kernel", None) is not None

    def show(self, session: Any, *, stepper: Any = None) -> Any:
        """Display a widget for the session; None where there is no kernel."""
        if not self.possible or not hasattr(session, "recorder"):
            return None
        from widgets.root import TraceWidget

        widget = TraceWidget(session, stepper=stepper)
        self.widgets.append(widget)
        display(widget)
        return widget

    def step(self, session: Any, run: Callable[[], Any], *, breaks: Sequence[str] = ()) -> Any:
        """Begin to step through `run` in a thread of its own, and show it. Returns the stepper at once."""
        from tracer.control import Stepper

        cell = self._cell()
        earlier = self._steppers.pop(cell, None)
        points = self._points.pop(cell, [])
        if earlier is not None:
            points = earlier.breakpoints
            if not earlier.done:
                earlier.abandon()
        stepper = Stepper(session, run, wait=False)
        if breaks:
            stepper.breakpoint(breaks)
        stepper.adopt(points)
        self._steppers[cell] = stepper
        self.show(session, stepper=stepper)
        return stepper

    def forget(self, session: Any) -> None:
        """The session is closed: whoever waits in it is let go, its widgets stay as they are."""
        for cell, stepper in self._steppers.items():
            if stepper.session is session:
                self._points[cell] = stepper.breakpoints
                if not stepper.done:
                    stepper.abandon()
        self._steppers = {cell: s for cell, s in self._steppers.items() if s.session is not session}
        for widget in [w for w in self.widgets if w.session is session]:
            widget.retire()
            self.widgets.remove(widget)

    def leave(self) -> None:
        """The kernel ends, or the magics go: steppers are given up, widgets send nothing more."""
        atexit.unregister(self.leave)
        for stepper in self._steppers.values():
            if not stepper.done:
                stepper.abandon()
        for widget in self.widgets:
            widget.stop()

    def _cell(self) -> str:
        """What the page calls the running cell; "" where it doesn't say."""
        parent: dict[str, Any] = getattr(self.shell, "get_parent", dict)()
        return str((parent.get("metadata") or {}).get("cellId", ""))
