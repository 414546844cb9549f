"""The live widget: one anywidget that shows a session, drives its stepper, and answers the page.

Events are never sent one by one: a pump looks whether something happened, makes the views anew from all events, and
sends what changed; not before the page has drawn what was sent last, and not more often than `RATE` times a second.
The kernel never waits for the page.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from tracer.errors import TracerError
from tracer.journal import Journal
from widgets.answers import ANSWERS
from widgets.bundle import BUNDLE, build
from widgets.models import VIEWS, Book
from widgets.points import points_of
from widgets.runs import Runs

__all__ = ["TraceWidget"]

#: Times a second that the page is sent something new, at most.
RATE = 30
#: Seconds that the pump waits for the page to say it has drawn: a page whose kernel is busy can't say so.
PATIENCE = 0.5
#: While a call is being traced, everything but the headline is made at most this often, in seconds.
PICTURES = 1.0


class TraceWidget(anywidget.AnyWidget):
    """Shows `session`; with a `stepper`, its buttons drive it. `snapshot` is the last view, for a page without a kernel."""

    _esm = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)

    def __init__(
        self, session: Any, *, stepper: Any = None, actions: dict[str, Callable[..., Any]] | None = None, **traits: Any
    ):
        build()
        super().__init__(_esm=BUNDLE.read_text(), **traits)
        self.session, self.stepper = session, stepper
        self.actions = actions or {}
        self.runs = Runs(session)
        self.journal = Journal(session.events)
        self.tracing = stepper is None
        self._sent: dict[str, str] = {}
        self._wake = threading.Event()
        self._drawn = threading.Event()
        self._drawn.set()
        self._closing = self._retired = False
        self.on_msg(self._heard)
        if stepper is not None:
            stepper.on_change = self._wake.set
        self._pump = threading.Thread(target=self._pumping, name="tracer-widget", daemon=True)
        self._pump.start()

    # ---- what the page says
    def _heard(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        if "hello" in message:
            self._sent.clear()
            self._wake.set()
            if not self._pump.is_alive():
                self._show(list(VIEWS))
        elif "drawn" in message:
            self._drawn.set()
        elif "do" in message:
            self._command(message)
        elif "ask" in message:
            self._answer(message)

    def _command(self, message: dict[str, Any]) -> None:
        stepper, name = self.stepper, message["do"]
        try:
            if stepper is None or stepper.done:
                raise TracerError("no call is being stepped.", next="%%trace --step, or tracer.step(fn, …)")
            if name == "abort":
                stepper.abandon()
            else:
                stepper.start(name, **message.get("terms", {}))
        except TracerError as error:
            self.send({"type": "problem", "text": str(error)})
        self._wake.set()

    def _answer(self, message: dict[str, Any]) -> None:
        what = message["ask"]
        try:
            answer = self.actions.get(what) or ANSWERS.get(what)
            if answer is None:
                raise TracerError(f"the page asked for {what!r}, which nobody answers.")
            value = answer(self, **{k: v for k, v in message.items() if k not in ("ask", "id")})
            self.send({"type": "answer", "id": message["id"], "value": value})
        except Exception as error:  # the page shows it where it was asked; the kernel goes on
            self.send({"type": "answer", "id": message["id"], "error": f"{type(error).__name__}: {error}"})

    # ---- what the page is told
    def finish(self) -> None:
        """The call has ended: everything is shown as it is now, and stays with the notebook."""
        self.tracing = False
        self._wake.set()

    def retire(self) -> None:
        """As `finish`, and nothing more will ever come: the thread that sends views sends the last ones and ends. A page that
        is opened again is answered all the same."""
        self._retired = True
        self.finish()

    def book(self) -> Book:
        """For an answer: what is known now, in the thread that asks."""
        return Book(self.session)

    def refresh(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more. The connection stays; where the process is about to end, sending would fail."""
        self._closing = True
        self._drawn.set()
        self._wake.set()
        if self._pump is not threading.current_thread():
            self._pump.join(PATIENCE)

    def close(self) -> None:
        self.stop()
        self.runs.close()
        super().close()

    def _pumping(self) -> None:
        pictures, seen = 0.0, -1
        while not self._closing:
            self._wake.wait(None if not self._running() else 1 / RATE)
            self._wake.clear()
            if self._closing:
                return
            self._drawn.wait(PATIENCE)
            if self._closing:
                return
            count, running = len(self.session.recorder.events), self._running()
            if running and count == seen:
                continue
            began = time.monotonic()
            names = ["head"] if running and began - pictures < PICTURES else list(VIEWS)
            self._show(names)
            if len(names) > 1:
                pictures = time.monotonic()
            seen = count
            if self._retired and not self._running():
                return
            time.sleep(max(1 / RATE, (time.monotonic() - began) / 2 if running else 0))

    def _running(self) -> bool:
        stepper = self.stepper
        return self.tracing if stepper is None else not stepper.done and stepper.waiting is None

    def _show(self, names: list[str]) -> None:
        stepper = self.stepper
        at = stepper.waiting if stepper is not None and not stepper.done else None
        book = Book(self.session, at=None if at is None else at.seq, tracing=self._running(), journal=self.journal)
        book.points = points_of(stepper) if stepper is not None and not stepper.done else None
        fresh = {}
        for name in names:
            data = VIEWS[name](book)
            text = json.dumps(data, separators=(",", ":"))
            if self._sent.get(name) != text:
                self._sent[name] = text
                fresh[name] = data
        if fresh:
            self._drawn.clear()
            self.send({"type": "views", "views": fresh})
        if not self._running():
            self.snapshot = (
                {name: json.loads(text) for name, text in self._sent.items()}
                if sum(map(len, self._sent.values())) < SNAPSHOT
                else {}
            )


#: Characters of a snapshot that a notebook is asked to keep; the static summary stands in for larger ones.
SNAPSHOT = 2_000_000
