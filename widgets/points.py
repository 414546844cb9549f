"""Breakpoints of a stepped call, as the page lists and changes them."""

from __future__ import annotations

from typing import Any

from tracer.control.typed import Condition, terms
from tracer.errors import TracerError
from tracer.explain.words import at_line

__all__ = ["change", "points_of"]


def points_of(stepper: Any) -> list[dict[str, Any]]:
    """[{number, text, line, condition, hits, enabled}]: `line` is "file:12" for one at a line and nothing else, as selections name it."""
    return [
        {
            "number": point.number,
            "text": _text(point.terms),
            "line": _line(point.terms),
            "condition": getattr(point.condition, "text", "a function" if point.condition is not None else ""),
            "hits": point.hits,
            "enabled": point.enabled,
        }
        for point in stepper.breakpoints
    ]


def _line(found: Any) -> str:
    others = (found.kind, found.function, found.source, found.target, found.reason, found.when)
    return f"{found.file}:{found.line}" if found.file and found.line and all(other is None for other in others) else ""


def _text(found: Any) -> str:
    return at_line(found.file, found.line) if _line(found) else str(found)


def change(widget: Any, *, what: str, text: str = "", number: int = 0, value: Any = None) -> list[dict[str, Any]]:
    """What the page asks for, and the breakpoints after it. `what`: "toggle" (one at the line `text`), "add" (terms as typed), "remove",
    "condition" (`value` as typed, "" for none), "enable" (`value`). TracerError where no call is stepped, or for what can't be."""
    stepper = widget.stepper
    if stepper is None or stepper.done:
        raise TracerError("no call is being stepped.", next="%%trace --step, or tracer.step(fn, …)")
    if what == "toggle":
        known = [point.number for point in stepper.breakpoints if _line(point.terms) == text]
        if known:
            stepper.clear(*known)
        else:
            stepper.breakpoint(line=text)
    elif what == "add":
        if not text.strip():
            raise TracerError("a breakpoint needs a place.", next="model.py:12, forward, GraphBreak, source=x, target=add")
        stepper.breakpoint(**terms(text, function=True))
    elif what == "remove":
        stepper.clear(number)
    else:
        point = next((one for one in stepper.breakpoints if one.number == number), None)
        if point is None:
            raise TracerError(f"there is no breakpoint {number}.", next="it went when it had stopped the call, or was removed")
        if what == "condition":
            try:
                point.condition = Condition(value) if value else None
            except SyntaxError as error:
                raise TracerError(f"{value!r} is no expression: {error.msg}.", next="an expression of `event`, such as event.depth > 2") from None
        else:
            point.enabled = bool(value)
    widget.refresh()
    return points_of(stepper)
