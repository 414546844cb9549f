"""Finding one's way in events: by kind, by frame, as a tree of spans, and what was given up.

What comes in: a list of events, possibly still growing. What goes out: answers about it; the list is never changed.
The index reads only what was appended since the last question. Invariant: `events[i].seq == i`, parents come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

from tracer.events import AttemptEnded, AttemptStarted, Begin, Event, Instruction, Outcome, RolledBack
from tracer.journal.state import State, Timeline

__all__ = ["Journal"]

E = TypeVar("E", bound=Event)
_NONE: tuple[int, ...] = ()


class Journal:
    """An index over events. `truncated`: the file that it was read from was cut short."""

    def __init__(
        self,
        events: Sequence[Event],
        *,
        header: Mapping[str, Any] | None = None,
        truncated: bool = False,
        sources: Mapping[str, Mapping[int, str]] | None = None,
    ):
        self.events, self.header, self.truncated = events, dict(header or {}), truncated
        #: Source lines that came with a file: {file: {line number: text}}.
        self.sources = sources or {}
        self._read = 0
        self._kinds: dict[type[Event], list[int]] = {}
        self._frames: dict[str, list[int]] = {}
        self._attempts: dict[tuple[str, int], list[int]] = {}
        self._children: dict[int, list[int]] = {}
        self._closed: dict[int, int] = {}
        self._abandoned = bytearray()
        self._timeline = Timeline(events)
        self._trying: dict[int, int] = {}  # a frame's span → its attempt that has not ended

    def __len__(self) -> int:
        return len(self.events)

    # --- look-ups -----------------------------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind, in order."""
        self._advance()
        return [self.events[seq] for seq in self._kinds.get(kind, _NONE)]  # type: ignore[misc]

    def in_frame(self, frame: str) -> list[Event]:
        """All events of one compile of a frame (`id/entry`), in order."""
        self._advance()
        return [self.events[seq] for seq in self._frames.get(frame, _NONE)]

    def in_attempt(self, frame: str, attempt: int) -> list[Event]:
        """All events of one attempt, in order."""
        self._advance()
        return [self.events[seq] for seq in self._attempts.get((frame, attempt), _NONE)]

    @property
    def frames(self) -> list[str]:
        """Every frame (`id/entry`) in the order in which it was first met."""
        self._advance()
        return [frame for frame in self._frames if frame]

    def abandoned(self, seq: int) -> bool:
        """Whether the event lies in an attempt that was given up or a body that was rolled back (their begins and
        outcomes don't: views still show that something was tried)."""
        self._advance()
        return bool(self._abandoned[seq])

    def kept(self) -> Iterator[Event]:
        """The events that views show by default: all but the abandoned ones."""
        self._advance()
        flags = self._abandoned
        return (event for event in self.events[: self._read] if not flags[event.seq])

    def state_at(self, seq: int) -> State:
        """What was known at an event: frames with stacks and locals, graphs, inputs, guards, variables. IndexError where
        there is no such event. Stacks and locals need a recording at level `all`."""
        return self._timeline.at(seq)

    # --- the tree of spans --------------------------------------------------------------------------------------

    def children(self, seq: int) -> list[Event]:
        """What happened directly inside a span; -1: the roots. An outcome stands beside its begin, not inside it."""
        self._advance()
        return [self.events[child] for child in self._children.get(seq, _NONE)]

    def outcome(self, seq: int) -> Outcome | None:
        """What closed the span; None while it is open, when it ended with its enclosing span, and for instructions."""
        self._advance()
        closed = self._closed.get(seq)
        return None if closed is None else self.events[closed]  # type: ignore[return-value]

    def enclosing(self, seq: int, kind: type[E]) -> E | None:
        """The innermost span of that kind around an event (not itself)."""
        parent = self.events[seq].parent
        while parent >= 0:
            event = self.events[parent]
            if isinstance(event, kind):
                return event
            parent = event.parent
        return None

    def span(self, seq: int) -> tuple[int, int]:
        """First and last event of a span. Not closed: up to the end of the enclosing one; a point is itself."""
        self._advance()
        event = self.events[seq]
        if not isinstance(event, Begin):
            return seq, seq
        if seq in self._closed:
            return seq, self._closed[seq]
        siblings = self._children.get(event.parent, _NONE)
        if type(event) is Instruction:
            for sibling in siblings[_after(siblings, seq) :]:
                if type(self.events[sibling]) is Instruction:
                    return seq, sibling - 1
        if event.parent < 0:
            return seq, self._read - 1
        first, last = self.span(event.parent)
        return seq, last - 1 if first in self._closed else last

    # --- reading on ---------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        events, end = self.events, len(self.events)
        if self._read == end:
            return
        kinds, frames, attempts, children = self._kinds, self._frames, self._attempts, self._children
        self._abandoned.extend(bytes(end - self._read))
        for seq in range(self._read, end):
            event = events[seq]
            kinds.setdefault(type(event), []).append(seq)
            frames.setdefault(event.frame, []).append(seq)
            attempts.setdefault((event.frame, event.attempt), []).append(seq)
            children.setdefault(event.parent, []).append(seq)
            if isinstance(event, Outcome):
                self._close(event)
            elif type(event) is AttemptStarted:
                unended = self._trying.get(event.parent)
                if unended is not None:
                    self._abandon(unended, seq)
                self._trying[event.parent] = seq
            if event.parent >= 0 and self._abandoned[event.parent]:
                self._abandoned[seq] = 1
        self._read = end

    def _close(self, event: Outcome) -> None:
        self._closed[event.opens] = event.seq
        if type(event) is AttemptEnded:
            self._trying.pop(event.parent, None)
            if event.outcome == "restarted":
                self._abandon(event.opens, event.seq)
        elif type(event) is RolledBack:
            self._abandon(event.opens, event.seq)

    def _abandon(self, opens: int, until: int) -> None:
        """Marks all that happened inside the span `opens`; what other threads wrote in between has other parents."""
        events, flags = self.events, self._abandoned
        inside = {opens}
        for seq in range(opens + 1, until):
            if events[seq].parent in inside:
                inside.add(seq)
                flags[seq] = 1

    # --- files --------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Writes a recording (see tracer/journal/files.py); compressed if the name ends in .gz."""
        from tracer.journal.files import save

        save(self, path)


def _after(ordered: Sequence[int], value: int) -> int:
    from bisect import bisect_right

    return bisect_right(ordered, value)
