"""What the page's Export menu offers: each format as a name, what it is, and the text of the file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tracer.errors import TracerError

__all__ = ["FORMATS", "Format", "file_of"]


class Format(NamedTuple):
    """One entry of the menu."""

    suffix: str
    label: str
    mime: str
    make: Callable[[Any], str]  # session → the file's text


def _html(session: Any) -> str:
    from widgets.document import document

    return document(session)


def _svg(session: Any) -> str:
    from tracer.export import to_svg

    return to_svg(session.records)


def _dot(session: Any) -> str:
    from tracer.export import to_dot

    return to_dot(session.records)


def _recording(session: Any) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        session.save(path)
        return path.read_text()


FORMATS: tuple[Format, ...] = (
    Format("html", "Page with these views, no kernel needed", "text/html", _html),
    Format("jsonl", "Recording, for tracer.load and python -m tracer", "application/x-ndjson", _recording),
    Format("svg", "Picture of the graphs", "image/svg+xml", _svg),
    Format("dot", "Graphs as Graphviz text", "text/vnd.graphviz", _dot),
    Format("txt", "Explanation", "text/plain", lambda session: str(session.explain())),
)


def file_of(session: Any, suffix: str) -> tuple[str, str, str]:
    """(file name, MIME type, text) of one format. TracerError where there is no such format."""
    for one in FORMATS:
        if one.suffix == suffix:
            return f"trace.{suffix}", one.mime, one.make(session)
    raise TracerError(f"there is no format {suffix!r}.", next=f"known: {', '.join(one.suffix for one in FORMATS)}")
