"""The events as a time line that ui.perfetto.dev and chrome://tracing open (Chrome's trace-event JSON).

A span is a complete event with its duration, a point an instant; times in microseconds since the session began, one track for
each thread of the program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tracer.events import HEADER, Begin, Event, Instruction, Outcome

__all__ = ["timeline", "write"]

#: The field that names an event best, the first one it has.
NAMES = ("function", "operator", "name", "source", "op", "target", "reason", "title", "graph", "kind", "what")
LONGEST = 400


def write(session: Any, path: Path) -> None:
    events = session.journal.events
    document = {"displayTimeUnit": "ms", "traceEvents": [*_tracks(events), *timeline(events)]}
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def _tracks(events: Iterable[Event]) -> list[dict[str, Any]]:
    threads = dict.fromkeys(event.thread for event in events)
    process = {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "tracer"}}
    return [
        process,
        *({"ph": "M", "pid": 1, "tid": n, "name": "thread_name", "args": {"name": f"thread {n}"}} for n in threads),
    ]


def timeline(events: Iterable[Event]) -> list[dict[str, Any]]:
    """One entry for each span and each point, in order; an outcome's fields join those of its span."""
    entries: dict[int, dict[str, Any]] = {}
    running: dict[int, int] = {}  # a span → its instruction that has not ended
    unclosed: dict[int, None] = {}
    last = 0.0
    for event in events:
        now = last = event.t / 1000
        parent = event.parent
        if isinstance(event, Outcome):
            _end(entries, running.pop(event.opens, -1), now)
            unclosed.pop(event.opens, None)
            _end(entries, event.opens, now)
            entries[event.opens]["args"].update(_fields(event, "opens"))
            continue
        if isinstance(event, Instruction):
            _end(entries, running.get(parent, -1), now)
            running[parent] = event.seq
        entry: dict[str, Any] = {
            "name": _name(event),
            "cat": type(event).__name__,
            "pid": 1,
            "tid": event.thread,
            "ts": now,
        }
        entry |= {"ph": "X", "dur": 0.0} if isinstance(event, Begin) else {"ph": "i", "s": "t"}
        entry["args"] = {"seq": event.seq, **_place(event), **_fields(event)}
        entries[event.seq] = entry
        if isinstance(event, Begin) and not isinstance(event, Instruction):
            unclosed[event.seq] = None
    for seq in (*running.values(), *unclosed):
        _end(entries, seq, last)
    return list(entries.values())


def _end(entries: dict[int, dict[str, Any]], seq: int, now: float) -> None:
    if seq >= 0:
        entries[seq]["dur"] = round(now - entries[seq]["ts"], 3)


def _name(event: Event) -> str:
    kind = type(event).__name__.removesuffix("Started")
    if isinstance(event, Instruction):
        return f"{event.op} {event.arg}".strip()
    text = next((str(getattr(event, name)) for name in NAMES if getattr(event, name, "")), "")
    return f"{kind} {text}".strip()[:LONGEST]


def _place(event: Event) -> dict[str, str]:
    if not event.location:
        return {}
    file, line = event.location[:2]
    return {"at": f"{file}:{line}" if line else str(file)}


def _fields(event: Event, *without: str) -> dict[str, Any]:
    names = (name for name in event.__struct_fields__ if name not in HEADER and name not in without)
    return {name: _short(getattr(event, name)) for name in names}


def _short(value: Any) -> Any:
    return value if type(value) in (int, float, bool) or value is None else str(value)[:LONGEST]
