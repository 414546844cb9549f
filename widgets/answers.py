"""What the page may ask the kernel, by name: each a function of the widget and the question's parameters."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracer.errors import TracerError
from tracer.export.table import export, exporters
from widgets.exports import files_of
from widgets.models.events import facts
from widgets.models.stages import text_of
from widgets.models.state import state_at
from widgets.points import change

__all__ = ["ANSWERS"]


def _event(widget: Any, *, seq: int) -> Any:
    return facts(widget.book(), seq)


def _runs(widget: Any) -> Any:
    return widget.runs.plain()


def _compare(widget: Any, *, left: int, right: int) -> Any:
    return widget.runs.compare(left, right)


def _recompile(widget: Any, *, changes: dict[str, Any]) -> Any:
    return widget.runs.recompile(changes)


def _try(widget: Any, *, seq: int, number: int) -> Any:
    again = next((one for one in (*widget.session.recompiles, *widget.session.records.limits) if one.seq == seq), None)
    return widget.runs.attempt_again(again, number) if again is not None else widget.runs.attempt(_break_at(widget, seq), number)


def _elsewhere(widget: Any, *, seq: int) -> Any:
    (found,) = widget.session.compare_breaks(_break_at(widget, seq))
    return found.elsewhere


def _break_at(widget: Any, seq: int) -> Any:
    event = widget.book().events[seq]
    place = tuple(event.user_stack[-1][:2]) if event.user_stack else ()
    for found in widget.session.graph_breaks:
        if found.reason == event.reason and (not place or (found.location and tuple(found.location[:2]) == place)):
            return found
    raise TracerError("this break is not recorded any more.", next="look at the list of breaks")


def _formats(_widget: Any) -> Any:
    return [[one.name, one.label] for one in exporters().values()]


def _telling(widget: Any) -> Callable[[str], None]:
    """Says in the page what an export is doing: loading and running what was written takes long for a large model."""
    return lambda words: widget.send({"type": "exporting", "text": words})


def _export(widget: Any, *, suffix: str) -> Any:
    return [
        {"name": name, "mime": mime, "data": b64encode(data).decode()}
        for name, mime, data in files_of(widget.session, suffix, _telling(widget))
    ]


def _save(widget: Any, *, suffix: str) -> list[str]:
    """Written into the kernel's folder, which is the notebook's; files that are there already stay, the new ones are numbered."""
    stem, number = "trace", 1
    while any(Path().glob(f"{stem}.*")):
        number += 1
        stem = f"trace-{number}"
    return [str(path) for path in export(widget.session, f"{stem}.{suffix}", tell=_telling(widget))]


def _state(widget: Any, *, seq: int) -> Any:
    return state_at(widget.book(), seq)


def _stage(widget: Any, *, graph: str, number: int) -> Any:
    return text_of(widget.book(), graph, number)


#: Question → what answers it, with plain data.
ANSWERS: dict[str, Callable[..., Any]] = {
    "compare": _compare,
    "elsewhere": _elsewhere,
    "event": _event,
    "export": _export,
    "formats": _formats,
    "point": change,
    "recompile": _recompile,
    "runs": _runs,
    "save": _save,
    "stage": _stage,
    "state": _state,
    "try": _try,
}
