"""torch.compile's graph breaks in its own words, joined to our catalogue where an entry means the same.

A break is told three times: its text is made when it is raised, logged when it is caught, and the graph ends in the attempt
after that, which only knows the text's first lines. Only the last is a break: what was raised may yet be caught.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..breaks.registry import ids_of
from ..compat.dynamo import break_registry
from ..events import GraphBreak, Location

__all__ = ["Texts", "payload"]

_NUMBER = re.compile(r"/gb/gb(\d{4})\.html")


#: How the reason of a jump on a tensor's value begins.
_JUMP = "generic_jump"

#: Where one number stands for several entries: (what the context says, the entry that means that).
_CLOSER = ((re.compile(r"\bprint\b.*Tensor", re.DOTALL), "print-tensor"), (re.compile(r"\bprint\b"), "print-call"))
#: How torch's hints name a setting that captures the line.
_SETTING = re.compile(r"torch\._dynamo\.config\.(\w+) ?= ?True")


class Text(NamedTuple):
    """A break as it was worded. `number`: torch's own for it, "GB0059", or ""."""

    title: str
    context: str
    explanation: str
    hints: tuple[str, ...]
    number: str
    location: Location


class Texts:
    """The texts of one call by what they begin with."""

    def __init__(self) -> None:
        self._texts: dict[str, Text] = {}
        self.last = ""

    def note(self, message: str, title: str, context: str, explanation: str, hints: Any, location: Location) -> None:
        found = _number_in(message) or next((number for number, known in break_registry().items() if known[0] == title), "")
        self._texts.pop(message, None)  # what is told again is the newest
        self._texts[message] = Text(str(title), str(context), str(explanation), tuple(map(str, hints)), found, location)

    def of(self, reason: str) -> Text | None:
        """The text that a reason quotes: the newest that it holds, else the newest whose title is a line of it. A jump on a tensor is
        told and ends the graph at once, for a reason that quotes nothing: the newest text is its own."""
        if reason.startswith(_JUMP):
            return next(reversed(self._texts.values()), None)
        for message, text in reversed(self._texts.items()):
            if message in reason or reason and reason in message:
                return text
        lines = {line.strip() for line in reason.splitlines()}  # an operator puts a line of its own between title and explanation
        return next((text for text in reversed(self._texts.values()) if text.title in lines), None)

    def clear(self) -> None:
        self._texts.clear()


def _number_in(message: str) -> str:
    number = _NUMBER.search(message)
    return f"GB{number[1]}" if number else ""


def _registered(reason: str) -> Text | None:
    """A reason of which no text was heard, by the number that it holds, as the registry of the installed torch words it."""
    number = _number_in(reason)
    known = break_registry().get(number)
    return None if known is None else Text(known[0], "", known[1], known[2], number, ())


def payload(text: Text | None, reason: str, stack: list[Any], here: Location) -> tuple[Any, ...]:
    """A GraphBreak's fields. Its reason is the id of our catalogue's entry, else torch's number, else "dynamo"."""
    first, _, rest = reason.strip().partition("\n")
    if text is None:
        text = _registered(reason) or Text(first or "graph break", "", rest.strip(), (), "", ())
    ids = _entries_of(text)
    context = [
        ("engine", "torch.compile"),
        ("number", text.number),
        ("alike", ", ".join(ids)),
        ("details", text.context),
        ("setting", next((named[1] for hint in text.hints if (named := _SETTING.search(hint))), "")),
    ]
    return (
        ids[0] if ids else text.number.lower() or "dynamo",
        text.title,
        text.explanation,
        text.hints,
        tuple((name, value) for name, value in context if value),
        tuple(_entries(stack, text.location or here)),
    )


def _entries_of(text: Text) -> tuple[str, ...]:
    """Entries of our catalogue that mean the same, the likeliest first."""
    ids = ids_of(text.number) if text.number else ()
    closer = next((id for words, id in _CLOSER if id in ids and words.search(text.context)), None)
    return (closer, *(id for id in ids if id != closer)) if closer is not None else ids


def _entries(stack: list[Any], here: Location) -> list[tuple[Any, ...]]:
    """The user's frames; the innermost with columns, where they are known."""
    found = []
    for number, frame in enumerate(stack):
        end = getattr(frame, "end_lineno", None) or frame.lineno
        place: tuple[Any, ...] = (
            frame.filename,
            frame.lineno,
            getattr(frame, "colno", None),
            end,
            getattr(frame, "end_colno", None),
        )
        if number == len(stack) - 1 and here and here[:2] == place[:2]:
            place = tuple(here)
        found.append((*place, frame.name))
    return found


def event_of(watch: Any, reason: str, stack: list[Any]) -> None:
    """Records a break."""
    here = watch.where()
    watch.rec.point(GraphBreak, *payload(watch.told.of(reason), reason, stack, here))
