"""A recorded call run again and its decisions held against the recorded ones.

In: the events of the recorded call, and a run of it in a new session with the same settings, from the same state and with an empty
cache. Out: a `Replay`, whose `divergence` is the first event that is another one. Both streams are compared in normal form
(`tracer.journal.normal`). A frame that the recorded call found in its cache is compiled anew here: it is left out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import FIELDS
from ..errors import TracerError
from ..events import CacheHit, Event, FrameFinished, FrameStarted, Summary
from ..journal.normal import Normal
from .running import find, run_again

if TYPE_CHECKING:
    from ..recording import Recording
    from ..session import Session

__all__ = ["Divergence", "Replay", "Step", "compare", "replay", "replay_session"]


class Step(NamedTuple):
    """One event in normal form. `place`: file and line, "" where none is known. `event`: as it was recorded."""

    words: str
    place: str
    event: Event


class Divergence(NamedTuple):
    """Where two runs part. `expected` is None where the recording had ended, `actual` where the new run had."""

    expected: Step | None
    actual: Step | None
    location: str  # file:line of the program, of the recorded event where it has one
    after: str  # the last line on which both agreed, in the same words

    def __str__(self) -> str:
        return "\n".join(
            [
                f"diverges at {self.location or 'the beginning'}:",
                f"  expected: {_shown(self.expected)}",
                f"  actual:   {_shown(self.actual)}",
                *([f"  after:    {self.after}"] if self.after else []),
            ]
        )


def _shown(step: Step | None) -> str:
    return "nothing more" if step is None else step.words + (f"  @ {step.place}" if step.place else "")


class Replay(NamedTuple):
    """`ok`: the same decisions were taken. `compared`: how many events agreed. `session`: of the new run. `notes`: what was left
    out of the comparison, or was not as recorded."""

    divergence: Divergence | None
    compared: int
    session: Session
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.divergence is None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        head = f"replayed: {self.compared:,} events agree." if self.ok else f"replay {self.divergence}"
        return "\n".join([head, *(f"  note: {note}" for note in self.notes)])


# ---- comparing
#: Said once in a session, or about the cache: they tell of what came before, not of this call.
_LEFT_OUT = frozenset(
    ("SessionStarted", "SessionFinished", "FrameSkipped", "GuardFailed", "Recompiled", "Output", "ArtifactProduced", "GraphRan")
)


class _Normal(Normal):
    """Numbers of frames without those of entries, which count what was compiled before. A variable is described where it is
    first named, and again once it changed: a session describes it once, perhaps in an earlier call."""

    def __init__(self, before: Iterable[Event] = ()):
        super().__init__()
        self._known: dict[int, str] = {}
        for event in before:
            self.hear(event)

    def hear(self, event: Event) -> bool:
        """Whether this is a description, which is kept for where the variable is named."""
        if not isinstance(event, Summary):
            return False
        self._known[event.variable] = (
            f"<{event.kind} {event.text} {event.python_type} {event.shape} {event.dtype} {event.source}>"
        )
        return True

    def value(self, event: Any, name: str, value: Any) -> str:
        if name == "name" and type(event).__name__ == "CodeGenerated":
            value = value.removesuffix(f" {event.frame}")
        text = super().value(event, name, value)
        if name in ("variable", "ids", "stack"):
            named = value if isinstance(value, tuple | list) else (value,)
        else:
            named = [number for _, number in value] if name == "bound" else ()
        told = [self.text(self._known.pop(number)) for number in named if number in self._known]
        return " ".join([text, *told])

    def frame(self, frame: str) -> str:
        return super().frame(frame).partition("/")[0]


class _Segment:
    """What belongs together: one frame's compile, a hit, or a single event outside of frames."""

    def __init__(self, events: list[Event]):
        self.events = events
        first = events[0]
        self.frame = isinstance(first, FrameStarted)
        self.hit = isinstance(first, CacheHit)
        self.name = first.name if isinstance(first, FrameStarted | CacheHit) else ""


def _segments(events: Iterable[Event]) -> list[_Segment]:
    found: list[_Segment] = []
    open_frame: list[Event] | None = None
    for event in events:
        if type(event).__name__ in _LEFT_OUT:
            continue
        if open_frame is not None:
            open_frame.append(event)
            if isinstance(event, FrameFinished) and event.opens == open_frame[0].seq:
                open_frame = None
            continue
        found.append(_Segment([event]))
        if isinstance(event, FrameStarted):
            open_frame = found[-1].events
    return found


def compare(
    expected: Sequence[Event], actual: Sequence[Event], before: Iterable[Event] = ()
) -> tuple[Divergence | None, int, list[str]]:
    """The first divergence of two calls' events, how many agreed before it, and what was left out. `before`: what the first
    session had recorded by then; the second began with an empty cache."""
    wanted, got = _segments(expected), _segments(actual)
    left, right = _Normal(before), _Normal()
    notes: list[str] = []
    agreed, last, here = 0, "", 0
    for segment in wanted:
        other = got[here] if here < len(got) else None
        here += 1
        if segment.hit and other is not None and other.name == segment.name:
            if other.frame:
                notes.append(f"{segment.name} ran from the cache in the recorded call: its compile is left out")
                for event in other.events:
                    right.hear(event)
            continue
        ours, theirs = _steps(left, segment), _steps(right, other)
        for one, two in itertools.zip_longest(ours, theirs):
            if one is None or two is None or one[:2] != two[:2]:
                return _divergence(one, two, last), agreed, notes
            agreed, last = agreed + 1, _shown(one)
    if here < len(got):
        return _divergence(None, next(_steps(right, got[here]), None), last), agreed, notes
    return None, agreed, notes


def _steps(normal: _Normal, segment: _Segment | None) -> Iterator[Step]:
    for event in segment.events if segment is not None else ():
        if not normal.hear(event):
            yield Step(normal.words(event), normal.place(event.location), event)


def _divergence(expected: Step | None, actual: Step | None, last: str) -> Divergence:
    place = next((step.event.location for step in (expected, actual) if step is not None and step.event.location), None)
    return Divergence(expected, actual, f"{place[0]}:{place[1]}" if place else last.rpartition("  @ ")[2], last)


# ---- running
def replay_session(session: Session, call: int | None) -> Replay:
    """See `Session.replay`."""
    kept = find(session, call)
    if not session.recorder.on:
        raise TracerError(
            "this session recorded nothing to hold a replay against.", next="make it with record='all' or 'decisions'"
        )
    if kept.block:
        raise TracerError(
            "a block of code can't be replayed: what ran between its calls is not known.",
            next="replay a call made with session.run(fn, …) or tracer.trace(fn, …)",
        )
    recorded = [event for event in session.events if event.call == kept.number]
    new = run_again(
        session, [kept], overrides=session.overrides, settings={name: getattr(session.config, name) for name in FIELDS}
    )
    before = itertools.takewhile(lambda event: event.call < kept.number, session.events)
    divergence, agreed, notes = compare(recorded, [event for event in new.events if event.call == 1], before)
    if kept.metadata or kept.parameters.written() or kept.parameters.exchanged():
        notes.append(new.not_comparable)
    return Replay(divergence, agreed, new, tuple(dict.fromkeys([*notes, *new.rerun_notes])))


def replay(
    fn: Callable[..., Any], recording: Recording | str | os.PathLike[str], /, *args: Any, **kwargs: Any
) -> Replay:
    """Run `fn(*args, **kwargs)` with the settings of a recording and hold what the compiler decides against it.

    recording: a `Recording` or its path, perhaps of another process; a recording holds no program and no data, so both are
    given again. It is held against the first call of the recording that compiled something, before which no
    sizes were known. The call happens for real, on `fn` and the arguments themselves; an exception of the program is the `error` of
    the replay's session and one of its notes. TracerError where the recording can't be read or compiled nothing.
    """
    from ..recording import Recording, load
    from ..session import Session

    book = recording if isinstance(recording, Recording) else load(recording)
    number = next((event.call for event in book.events if isinstance(event, FrameStarted)), None)
    if number is None:
        raise TracerError(
            "nothing was compiled in this recording, so there is nothing to compare.",
            next="record a call with tracer.trace",
        )
    config = book.config
    new = Session(overrides=book.overrides, **{name: getattr(config, name) for name in FIELDS})
    notes = []
    try:
        new.run(fn, *args, **kwargs)
    except TracerError:
        raise
    except Exception as error:
        new.error = error
        notes.append(f"the call raised {type(error).__name__}: {error}")
    recorded = [event for event in book.events if event.call == number]
    before = itertools.takewhile(lambda event: event.call < number, book.events)
    divergence, agreed, more = compare(recorded, [event for event in new.events if event.call == 1], before)
    return Replay(divergence, agreed, new, tuple([*notes, *more]))
