"""Where the user's own code was when something happened, and which events made the nodes of graphs."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.events import Event, InputLifted, Location, NodeCreated
from tracer.journal.index import Journal
from tracer.libraries import is_library

__all__ = ["makers", "user_location", "user_place"]


def user_place(events: Sequence[Event], event: Event) -> tuple[str, int] | None:
    """(file, line) of the innermost code around an event that is no library's: the caller's, where a library did it."""
    here = user_location(events, event)
    return (str(here[0]), here[1]) if here and isinstance(here[1], int) else None


def user_location(events: Sequence[Event], event: Event) -> Location:
    """The same place with its columns; () where nothing around the event has one."""
    first: Location = ()
    while True:
        here = event.location
        if here and here[1]:
            if not is_library(str(here[0])):
                return here
            first = first or here
        if event.parent < 0:
            return first
        event = events[event.parent]


def makers(journal: Journal) -> dict[tuple[str, str], int]:
    """(graph, node) → the event that made it, in attempts that were kept (or are still going on); inputs too."""
    made: tuple[InputLifted | NodeCreated, ...] = (*journal.of(InputLifted), *journal.of(NodeCreated))
    return {(e.graph, e.name): e.seq for e in made if not journal.abandoned(e.seq)}
