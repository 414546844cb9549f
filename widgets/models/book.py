"""One run as the views read it: events with an index, records, source lines, and where the person is in it."""

from __future__ import annotations

import linecache
from functools import cached_property
from typing import Any

from tracer.events import Event, GraphBreak, NodeCreated, SpeculationStarted
from tracer.journal import Journal
from tracer.journal.places import makers, user_place
from tracer.records import Body, Records, from_events

__all__ = ["Book"]


class Book:
    """`subject`: a session, a recording, or a journal. `at`: the event where a stepped call waits, None otherwise.
    `journal`: an index of one's own over the same events, for a thread that reads while the session goes on.

    A book is made anew when there are new events; what it found out is kept as long as it lives.
    """

    def __init__(self, subject: Any, *, at: int | None = None, tracing: bool = False, journal: Journal | None = None):
        self.subject, self.at, self.tracing = subject, at, tracing
        self.journal: Journal = journal or (subject if isinstance(subject, Journal) else subject.journal)
        self.events = self.journal.events
        self._own = journal is not None
        #: Whether the page that this is for can ask a kernel.
        self.live = journal is not None
        #: Where a call that is being stepped stops, as the page lists it; None where none is.
        self.points: list[dict[str, Any]] | None = None

    @cached_property
    def records(self) -> Records:
        held = None if self._own else getattr(self.subject, "records", None)
        return held if isinstance(held, Records) else from_events(self.journal)

    @cached_property
    def nodes(self) -> dict[tuple[str, str], int]:
        """(graph, node) → the event that made it, in attempts that were kept (or are still going on); inputs too."""
        return makers(self.journal)

    def made_in(self, body: Body) -> dict[str, int]:
        """The nodes of an operator's body → the events that made them."""
        first, last = self.journal.span(body.seq)
        found = {}
        for event in self.events[first : last + 1]:
            if isinstance(event, NodeCreated) and event.graph == body.name:
                around = self.journal.enclosing(event.seq, SpeculationStarted)
                if around is not None and around.seq == body.seq:  # not a body in it that has the same name
                    found[event.name] = event.seq
        return found

    @cached_property
    def breaks(self) -> list[GraphBreak]:
        """Events of the breaks that were kept, in order."""
        return [e for e in self.journal.of(GraphBreak) if not self.journal.abandoned(e.seq)]

    def line(self, file: str, number: int) -> str | None:
        """A line of source without its end: what the recording kept, else what the file says now; None: no such line."""
        kept = self.journal.sources.get(file) if self.journal.sources else None
        if kept is not None:
            return kept.get(number)
        text = linecache.getline(file, number)
        return text.rstrip("\n") if text else None

    def user_place(self, event: Event) -> tuple[str, int] | None:
        """(file, line) of the innermost code around an event that is no library's: the caller's, where a library did it."""
        return user_place(self.events, event)

    @staticmethod
    def stop(event: GraphBreak) -> str:
        """`file:line` of a break; "" where it has none."""
        return f"{event.user_stack[-1][0]}:{event.user_stack[-1][1]}" if event.user_stack else ""

    @staticmethod
    def place(event: Event) -> str:
        """`file:line` of an event, as selections on the page name lines; "" where it has none."""
        return f"{event.location[0]}:{event.location[1]}" if event.location else ""
