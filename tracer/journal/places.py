"""Where the user's own code was when something happened, and which events made the nodes of graphs."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.events import Event, InputLifted, Location, NodeCreated
from tracer.journal.index import Journal

__all__ = ["CALL", "is_library", "makers", "user_location", "user_place"]

#: How the file is named of a function that was generated to call a module.
CALL = "<call of "
#: Code of these belongs to nobody who reads here.
_LIBRARIES = ("/torch/", "/lib/python3.", "<frozen", CALL)


def is_library(file: str) -> bool:
    """Whether a file is torch's, the standard library's or our own: not what a person wrote or chose to read."""
    return any(part in file for part in _LIBRARIES) and "/site-packages/" not in file.replace("/site-packages/torch/", "")


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
