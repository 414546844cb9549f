"""Writing events down: the one place through which every event goes.

The translator keeps the position (`call`, `frame`, `attempt`, `depth`, `parent`) up to date by plain assignment; each
emit copies it into the event's header. Callers guard every emit with `if recorder.on:` (instructions: `if
recorder.every:`), so that a silent session pays one attribute test. Invariant: `events[i].seq == i`.

Threads: whoever holds the session's compile lock owns the recorder and uses `begin`, `end`, `point` and `instruction`.
Code that may run elsewhere or without the lock uses `aside` (a cache hit in generated code) or `later` (an artifact of
the backward, out of torch).
"""

from __future__ import annotations

import contextlib
from builtins import id, len, range, type  # a program may replace them while it runs
from collections import deque
from collections.abc import Callable, Iterator
from threading import get_ident
from time import perf_counter_ns
from typing import Any, Protocol

from tracer.events import BuildStarted, Event, Instruction, Location, Outcome, Shape, Summary

__all__ = ["LEVELS", "Recorder", "Summarised"]

#: What may be recorded: all; all but instructions; nothing.
LEVELS = ("all", "decisions", "nothing")


class Summarised(Protocol):
    """What the recorder needs of a variable."""

    vid: int | None  #: 0: no number yet; None: shared by recordings (and never freed), each keeps its own number for it

    def summary(self) -> tuple[str, str, str, Shape, str, str]:
        """(kind, text, python type, shape, dtype, source text), without running user code."""


class Recorder:
    """The growing list of events of one session, and the position that goes into the next one."""

    __slots__ = (
        "_append",
        "_asides",
        "_began",
        "_owner",
        "_shared",
        "_threads",
        "_variables",
        "attempt",
        "call",
        "depth",
        "events",
        "every",
        "frame",
        "on",
        "parent",
        "thread",
        "where",
    )

    def __init__(self, level: str = "all"):
        if level not in LEVELS:
            raise ValueError(f"record level {level!r} is none of {', '.join(LEVELS)}")
        self.on = level != "nothing"
        self.every = level == "all"
        self.events: list[Event] = []
        self.call, self.frame, self.attempt, self.depth, self.parent, self.thread = 0, "", 0, 0, -1, 0
        self.where: Callable[[], Location] = tuple
        self._began = perf_counter_ns()
        self._owner = get_ident()
        self._threads = {self._owner: 0}
        self._asides: deque[tuple[type[Event], int, int, str, tuple[Any, ...]]] = deque()
        self._variables = 0
        self._shared: dict[int, int] = {}
        self._append: Callable[[Event], None] = self.events.append

    def intercept(self, seen: Callable[[Event], None] | None) -> None:
        """Calls `seen` with each event just after it was appended (it may block, or raise to abort); None: stops that.

        Silence stays free: without an interceptor `_append` is the list's own method.
        """
        append = self.events.append
        if seen is None:
            self._append = append
            return

        def append_and_tell(event: Event) -> None:
            append(event)
            seen(event)

        self._append = append_and_tell

    # --- the clock ----------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Since the recorder was made, without the time that its clock stood still."""
        return (perf_counter_ns() - self._began) / 1e9

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """While a call waits for a person: the time isn't what tracing takes."""
        stopped = perf_counter_ns()
        try:
            yield
        finally:
            self._began += perf_counter_ns() - stopped

    # --- emitting -----------------------------------------------------------------------------------------------

    def begin(self, kind: type[Event], *payload: Any) -> int:
        """Opens a span: what follows belongs to it until `end`. Returns the number that `end` needs."""
        if get_ident() != self._owner or self._asides:
            self._settle()
        seq = len(self.events)
        event = kind(
            seq,
            perf_counter_ns() - self._began,
            self.call,
            self.thread,
            self.frame,
            self.attempt,
            self.depth,
            self.parent,
            self.where(),
            *payload,
        )
        self.parent = seq  # not before the event is made: an interrupt there would leave a span that was never opened
        self._append(event)
        return seq

    def end(self, kind: type[Outcome], opens: int, *payload: Any) -> int:
        """Closes the span `opens`; spans that were opened in it and never closed (an exception passed) end with it."""
        if self._asides:
            self._settle()
        begun = self.events[opens]
        self.parent = parent = begun.parent
        seq = len(self.events)
        self._append(
            kind(
                seq,
                perf_counter_ns() - self._began,
                begun.call,
                self.thread,
                begun.frame,
                begun.attempt,
                begun.depth,
                parent,
                self.where(),
                opens,
                *payload,
            )
        )
        return seq

    def point(self, kind: type[Event], *payload: Any) -> int:
        """Records something without length, inside the span that is open."""
        seq = len(self.events)
        self._append(
            kind(
                seq,
                perf_counter_ns() - self._began,
                self.call,
                self.thread,
                self.frame,
                self.attempt,
                self.depth,
                self.parent,
                self.where(),
                *payload,
            )
        )
        return seq

    def instruction(self, name: str, arg: str, height: int, ids: tuple[int, ...], location: Location) -> None:
        """The fast path: the next operation of the frame. It ends the one before it and encloses what it causes."""
        events = self.events
        parent = self.parent
        if parent >= 0:
            holder = events[parent]
            while type(holder) is Instruction or type(holder) is BuildStarted:
                parent = (
                    holder.parent
                )  # a build encloses no instructions of its frame: one still open was left by an exception
                if parent < 0:
                    break
                holder = events[parent]
        seq = len(events)
        event = Instruction(
            seq,
            perf_counter_ns() - self._began,
            self.call,
            self.thread,
            self.frame,
            self.attempt,
            self.depth,
            parent,
            location,
            name,
            arg,
            height,
            ids,
        )
        self.parent = seq
        self._append(event)

    @contextlib.contextmanager
    def located(self, location: Location) -> Iterator[None]:
        """What is recorded inside lies there, wherever the tracing is now."""
        outer, self.where = self.where, lambda: location
        try:
            yield
        finally:
            self.where = outer

    def aside(self, kind: type[Event], *payload: Any, frame: str = "") -> None:
        """Records a point from any thread, with or without the lock; another thread's joins the list a little later."""
        if get_ident() == self._owner:
            self.point(kind, *payload)
        else:
            self.later(kind, *payload, frame=frame)

    def later(self, kind: type[Event], *payload: Any, frame: str = "") -> None:
        """Records a point from anywhere, also out of torch's own callbacks: nobody pauses at it, and nothing is raised."""
        self._asides.append((kind, perf_counter_ns() - self._began, get_ident(), frame, payload))

    def flush(self) -> None:
        """Lets other threads' asides join. For the owner, or when no call is running (before reading or saving)."""
        for _ in range(len(self._asides)):
            kind, t, ident, frame, payload = self._asides.popleft()
            parent = 0 if self.events else -1
            thread = self._threads.setdefault(ident, len(self._threads))
            self._append(kind(len(self.events), t, self.call, thread, frame, 0, 0, parent, (), *payload))

    def _settle(self) -> None:
        """The calling thread takes over, and what other threads left joins."""
        self._owner = ident = get_ident()
        self.thread = self._threads.setdefault(ident, len(self._threads))
        self.flush()

    # --- variables ----------------------------------------------------------------------------------------------

    def variable(self, v: Summarised) -> int:
        """The number of a variable in this recording (from 1); the first time, what is known of it is recorded."""
        vid = v.vid
        if vid is None:
            return self._shared.get(id(v)) or self._number(v)
        if not vid:
            v.vid = vid = self._number(v)
        return vid

    def _number(self, v: Summarised) -> int:
        self._variables = vid = self._variables + 1
        if v.vid is None:
            self._shared[id(v)] = vid
        self.point(Summary, vid, *v.summary())
        return vid

    def changed(self, v: Summarised) -> None:
        """A variable was mutated: what is known of it now. One that was never recorded needs no number yet."""
        if v.vid:
            self.point(Summary, v.vid, *v.summary())

    # --- position -----------------------------------------------------------------------------------------------

    def mark(self) -> tuple[int, str, int, int, int]:
        """The position now, for `restore` after an exception or a nested frame."""
        return self.call, self.frame, self.attempt, self.depth, self.parent

    def restore(self, mark: tuple[int, str, int, int, int]) -> None:
        """Puts the position back; what was recorded since stays."""
        self.call, self.frame, self.attempt, self.depth, self.parent = mark
