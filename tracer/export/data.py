"""What a session found, as one JSON document: frames, graphs with nodes, breaks, guards, recompiles, speculations."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tracer.events import SessionStarted

__all__ = ["plain", "write"]

PARTS = ("calls", "frames", "graphs", "graph_breaks", "guards", "recompiles", "speculations", "faults")
#: Live objects of a session; a recording has none.
LIVE = frozenset({"gm", "example_inputs", "cause"})


def write(session: Any, path: Path) -> None:
    path.write_text(json.dumps(plain(session), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def plain(session: Any) -> dict[str, Any]:
    """{"config", "stats", "calls", "frames", "graphs", …}: the attributes of the records, by name."""
    records = session.records
    versions = {name: text for event in session.journal.of(SessionStarted) for name, text in event.versions.items()}
    found: dict[str, Any] = {
        "versions": versions,
        "config": _plain(session.config.plain()),
        "stats": _plain(records.stats),
    }
    for part in PARTS:
        held = getattr(records, part, None)
        if held is not None:
            found[part] = _plain(held)
    return found


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name: _plain(getattr(value, name)) for name in fields if name not in LIVE}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _plain(part) for name, part in zip(value._fields, value, strict=True)}
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)  # JSON has no word for these
    return str(value)
