"""Time travel: what was known at any event, rebuilt from the events alone.

What comes in: a journal's events, possibly still growing. What goes out: a `State`. Two ways of remembering, both read
on only from where they stood: the frames are followed, with a moment kept every `STEP` events (they share every frame
that did not change in between); nodes, inputs, guards and summaries are lists of numbers, each with the event that took
it back, if any. A seek is a look-up in those lists and at most `STEP` events followed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from tracer import events as ev
from tracer.journal.replay import FOLLOW, Kinds, Moment, Replay, Slots

__all__ = ["STEP", "Difference", "FrameState", "State", "Timeline", "Variables"]

#: Events between two kept moments: a seek follows half as many on average, about a tenth of a millisecond.
STEP = 256
_LISTED = (ev.NodeCreated, ev.InputLifted, ev.GuardInstalled)


class FrameState:
    """One frame of the inline stack: `stack` bottom to top (None: NULL or unknown), `locals` by name, `unread`: locals
    that have a value which nothing has looked at, `cells`: the names among them that live in cells."""

    def __init__(self, state: State, slots: Slots, depth: int):
        begun = state._events[slots.span]
        frame = state._enclosing_frame(begun) if type(begun) is ev.AttemptStarted else None
        self.function: str = frame.name if frame is not None else getattr(begun, "function", "")
        self.file: str = frame.file if frame is not None else getattr(begun, "file", "")
        self.line: int = frame.line if frame is not None else getattr(begun, "line", 0)
        self.frame, self.depth, self.span, self.at = begun.frame, depth, slots.span, slots.at
        #: Of the operation that runs, else where the frame was entered from.
        self.location: ev.Location = state._events[slots.at].location
        self.operation: str = f"{slots.op} {slots.arg}".strip()
        nulls, contents = state._kinds.nulls, state._moment.contents
        self.stack: tuple[int | None, ...] = tuple(None if number in nulls else number for number in slots.stack)
        known = dict(slots.locals)
        for name, key in slots.cells.items():
            if key in contents:
                known[name] = contents[key]
        self.locals: dict[str, int] = {name: number for name, number in known.items() if number}
        self.unread: tuple[str, ...] = tuple(name for name, number in known.items() if not number)
        self.cells: tuple[str, ...] = tuple(slots.cells)

    def __repr__(self) -> str:
        return f"<{self.function}: {len(self.stack)} on the stack, {len(self.locals)} locals>"


class Variables(Mapping[int, ev.Summary]):
    """The latest summary of every variable at one moment, by its number."""

    def __init__(self, timeline: Timeline, seq: int):
        self._timeline, self._seq = timeline, seq

    def __getitem__(self, number: int) -> ev.Summary:
        seqs = self._timeline.summaries.get(number, [])
        for seq in reversed(seqs[: bisect_right(seqs, self._seq)]):
            if self._timeline.alive(seq, self._seq) or seq == seqs[0]:
                return self._timeline.events[seq]  # type: ignore[return-value]
        raise KeyError(number)

    def __iter__(self) -> Iterator[int]:
        return (number for number, seqs in self._timeline.summaries.items() if seqs[0] <= self._seq)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Difference(NamedTuple):
    """What changed from one state to a later one: names of locals of the innermost frame, and what was added."""

    locals: tuple[str, ...]
    stack: bool
    frames: bool
    nodes: tuple[str, ...]
    guards: int


class State:
    """What was known just before event `seq` took effect. `frames` from the outermost to the innermost."""

    def __init__(self, timeline: Timeline, seq: int, moment: Moment):
        self.seq, self._timeline, self._moment = seq, timeline, moment
        self._events, self._kinds = timeline.events, timeline.kinds
        self.variables = Variables(timeline, seq)

    def _enclosing_frame(self, event: Any) -> ev.FrameStarted | None:
        begun = self._events[event.parent] if event.parent >= 0 else None
        return begun if isinstance(begun, ev.FrameStarted) else None

    @cached_property
    def frames(self) -> tuple[FrameState, ...]:
        """The inline stack; empty where no frame is being traced."""
        return tuple(FrameState(self, slots, depth) for depth, slots in enumerate(self._moment.frames))

    @property
    def stack(self) -> tuple[int | None, ...]:
        """The innermost frame's stack, bottom to top."""
        return self.frames[-1].stack if self.frames else ()

    @property
    def locals(self) -> dict[str, int]:
        """The innermost frame's locals: name → variable."""
        return self.frames[-1].locals if self.frames else {}

    def _listed(self, kind: type[ev.Event]) -> list[Any]:
        attempts = self._moment.attempts
        return self._timeline.listed(kind, attempts[-1], self.seq) if attempts else []

    @cached_property
    def graphs(self) -> dict[str, list[ev.NodeCreated]]:
        """The nodes so far of each graph of the current attempt (the last one, where none is open)."""
        found: dict[str, list[ev.NodeCreated]] = {}
        for event in self._listed(ev.NodeCreated):
            found.setdefault(event.graph, []).append(event)
        return found

    @property
    def graph(self) -> list[ev.NodeCreated]:
        """The nodes of the graph that is being captured: the body that is tried, or the frame's own."""
        return self.graphs.get(self.graph_name, [])

    @property
    def graph_name(self) -> str:
        """The graph that is being captured; "" before its first node or input."""
        if self._moment.tried:
            return self._moment.tried[-1].body
        attempts = self._moment.attempts
        return self._moment.graphs.get(attempts[-1], "") if attempts else ""

    @cached_property
    def inputs(self) -> list[ev.InputLifted]:
        """The inputs lifted so far."""
        return self._listed(ev.InputLifted)

    @cached_property
    def guards(self) -> list[ev.GuardInstalled | ev.GuardRelaxed | ev.GuardSettled]:
        """The guards in force."""
        return self._listed(ev.GuardInstalled)

    # --- for views
    def text(self, number: int | None) -> str:
        """A variable in words: its summary's text, and where it was found."""
        summary = self.variables.get(number) if number else None
        if summary is None:
            return "?" if number else "NULL"
        return f"{summary.text} ({summary.source})" if summary.source else summary.text

    def stack_rows(self, depth: int = -1) -> list[tuple[int | None, str]]:
        """(variable, text) of a frame's stack, bottom to top; the innermost frame unless `depth` says which."""
        return [(number, self.text(number)) for number in self.frames[depth].stack] if self.frames else []

    def local_rows(self, depth: int = -1) -> list[tuple[str, int, str]]:
        """(name, variable, text) of a frame's locals; variable 0: not read yet."""
        if not self.frames:
            return []
        frame = self.frames[depth]
        rows = [(name, number, self.text(number)) for name, number in frame.locals.items()]
        return [*rows, *((name, 0, "not read yet") for name in frame.unread)]

    def diff(self, later: State) -> Difference:
        """What changed from here to `later` (a variable's own changes are in its summaries)."""
        mine, theirs = self.locals, later.locals
        names = tuple(name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name))
        known = {event.seq for events in self.graphs.values() for event in events}
        nodes = tuple(e.name for events in later.graphs.values() for e in events if e.seq not in known)
        spans = [frame.span for frame in self.frames] != [frame.span for frame in later.frames]
        return Difference(names, self.stack != later.stack, spans, nodes, len(later.guards) - len(self.guards))

    def __repr__(self) -> str:
        names = " > ".join(frame.function for frame in self.frames)
        return f"<tracer.journal.State at {self.seq}: {names or 'no frame'}>"


class Timeline:
    """What `state_at` remembers of the events read so far."""

    def __init__(self, events: Sequence[ev.Event]):
        self.events, self.kinds = events, Kinds()
        self.summaries: dict[int, list[int]] = {}
        self._listed: dict[type[ev.Event], list[int]] = {kind: [] for kind in _LISTED}
        self._gone: dict[int, int] = {}  # event → the event that took it back
        self._named: dict[tuple[str, str], int] = {}
        self._moments: list[Moment] = []
        self._replay = Replay(self.kinds)
        self._read = 0

    def at(self, seq: int) -> State:
        """IndexError where there is no such event."""
        if not 0 <= seq < len(self.events):
            raise IndexError(f"there is no event {seq}; events 0 to {len(self.events) - 1} are recorded")
        self.advance(seq + 1)
        kept, rest = divmod(seq + 1, STEP)
        replay = Replay(self.kinds, self._moments[kept])
        for event in self.events[seq + 1 - rest : seq + 1]:
            replay.feed(event)
        return State(self, seq, replay.keep())

    def alive(self, event: int, seq: int) -> bool:
        """Whether what `event` said had not been taken back up to event `seq`."""
        gone = self._gone.get(event)
        return gone is None or gone > seq

    def listed(self, kind: type[ev.Event], first: int, last: int) -> list[Any]:
        """The events of one kind from `first` to `last` in the frame and attempt of `first`, less what was taken back."""
        events, gone, seqs = self.events, self._gone, self._listed[kind]
        frame, attempt = events[first].frame, events[first].attempt
        found = [events[seq] for seq in seqs[bisect_left(seqs, first) : bisect_right(seqs, last)]]
        if gone:
            found = [event for event in found if self.alive(event.seq, last)]
        return [event for event in found if event.attempt == attempt and event.frame == frame]

    def advance(self, end: int) -> None:
        """Reads on, up to event `end` (not included)."""
        moments, replay = self._moments, self._replay
        while True:
            if not self._read % STEP and len(moments) == self._read // STEP:
                moments.append(replay.keep())
            if self._read >= end:
                return
            self._read_on(min(end, self._read - self._read % STEP + STEP))

    def _read_on(self, end: int) -> None:
        """The innermost loop of the first seek: nothing here but two look-ups an event."""
        note, follow, replay, seq = _NOTE.get, FOLLOW.get, self._replay, self._read
        guards = self._listed[ev.GuardInstalled]
        try:
            for event in self.events[seq:end]:
                seq += 1
                kind = type(event)
                if kind is ev.GuardInstalled:
                    guards.append(event.seq)
                    continue
                noting = note(kind)
                if noting is not None:
                    noting(self, event)
                following = follow(kind)
                if following is not None:
                    following(replay, event)
        finally:
            self._read = seq

    def _summary(self, event: ev.Summary) -> None:
        known = self.summaries.setdefault(event.variable, [])
        if not known:
            self.kinds.note(event)
        known.append(event.seq)

    def _list(self, event: ev.NodeCreated | ev.InputLifted) -> None:
        self._listed[type(event)].append(event.seq)
        self._named[event.graph, event.name] = event.seq

    def _changed(self, event: ev.GuardRelaxed | ev.GuardSettled) -> None:
        self._listed[ev.GuardInstalled].append(event.seq)
        self._gone.setdefault(event.of, event.seq)

    def _removed(self, event: ev.NodeRemoved) -> None:
        seq = self._named.pop((event.graph, event.name), None)
        if seq is not None:
            self._gone.setdefault(seq, event.seq)

    def _rolled_back(self, event: ev.RolledBack) -> None:
        for seqs in self._listed.values():
            for seq in seqs[bisect_left(seqs, event.opens) :]:
                self._gone.setdefault(seq, event.seq)
        for seq in range(event.opens, event.seq):
            summary = self.events[seq]
            if type(summary) is ev.Summary and self.summaries[summary.variable][0] != seq:
                self._gone.setdefault(seq, event.seq)


_NOTE: dict[type[ev.Event], Any] = {
    ev.Summary: Timeline._summary,
    ev.NodeCreated: Timeline._list,
    ev.InputLifted: Timeline._list,
    ev.GuardRelaxed: Timeline._changed,
    ev.GuardSettled: Timeline._changed,
    ev.NodeRemoved: Timeline._removed,
    ev.RolledBack: Timeline._rolled_back,
}
