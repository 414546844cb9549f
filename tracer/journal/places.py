"""Where the user's own code was when something happened."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.events import Event

__all__ = ["is_library", "user_place"]

#: Code of these belongs to nobody who reads here.
_LIBRARIES = ("/torch/", "/lib/python3.", "<frozen", "<call of")


def is_library(file: str) -> bool:
    """Whether a file is torch's, the standard library's or our own: not what a person wrote or chose to read."""
    return any(part in file for part in _LIBRARIES) and "/site-packages/" not in file.replace("/site-packages/torch/", "")


def user_place(events: Sequence[Event], event: Event) -> tuple[str, int] | None:
    """(file, line) of the innermost code around an event that is no library's: the caller's, where a library did it."""
    first: tuple[str, int] | None = None
    while True:
        if event.location and event.location[1]:
            here = (str(event.location[0]), int(event.location[1]))
            if not is_library(here[0]):
                return here
            first = first or here
        if event.parent < 0:
            return first
        event = events[event.parent]
