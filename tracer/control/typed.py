"""Places to stop at and their conditions, as a person types them: at a prompt, in a page.

In: text. Out: terms for `Stepper.until` and `Stepper.breakpoint`, and functions of an event.
"""

from __future__ import annotations

import shlex
from typing import Any

from tracer.errors import TracerError
from tracer.events import KINDS, Event

__all__ = ["TERMS", "Condition", "terms"]

#: Terms that can be typed; what is none of them is a line, a kind of event, or a function.
TERMS = ("kind", "line", "file", "function", "source", "target", "reason")


def terms(text: str, *, function: bool = False) -> dict[str, Any]:
    """`12`, `model.py:12`, `GraphBreak`, `forward` (where a function is meant), `target=add source=x`. TracerError for what is no term."""
    found: dict[str, Any] = {}
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if equals and name in TERMS:
            found[name] = int(value) if name == "line" and value.isdigit() else value
        elif word.isdigit():
            found["line"] = int(word)
        elif ":" in word:
            found["line"] = word
        elif word in KINDS:
            found["kind"] = word
        elif function:
            found["function"] = word
        else:
            raise TracerError(f"{word!r} is no term.", next=f"a line, a kind of event, or one of {', '.join(f'{t}=…' for t in TERMS)}")
    return found


class Condition:
    """An expression of `event`, as a person typed it. SyntaxError where it is none."""

    def __init__(self, text: str):
        self.text = text
        self._code = compile(text, "<condition>", "eval", dont_inherit=True)

    def __call__(self, event: Event) -> Any:
        return eval(self._code, {"event": event})  # what the person typed
