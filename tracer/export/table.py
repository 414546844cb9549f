"""The formats a session can be exported to. What comes in: a session or a recording, a path. What goes out: files.

A format is an entry point: a name (the suffix without its dot) and where its writer lies. Ours are listed here, others come
from installed packages, under the group `tracer.exporters`. A writer is `write(session, path) -> None | list of paths`; what it
can't write it refuses with a TracerError. Attributes it may have: `label` (a few words for a menu), `mime`, `live` (it needs a
session whose call can be run again, a recording is not enough).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from tracer.errors import TracerError
from tracer.export.trying import Tell, silent

__all__ = ["GROUP", "Exporter", "export", "exporters", "find"]

GROUP = "tracer.exporters"


class Exporter(NamedTuple):
    """One format. `name` is its suffix without the dot; `live`: a recording alone is not enough. `tried`: what was written is run before it
    is called written, which takes as long as a start of Python and torch."""

    name: str
    label: str
    mime: str
    point: EntryPoint
    live: bool = False
    ours: bool = True
    tried: bool = False

    def write(self, session: Any, path: Path, *, check: bool = True, tell: Tell = silent) -> list[Path]:
        """The files that were written, the one that was asked for first."""
        try:
            writer = self.point.load()
        except Exception as error:
            raise TracerError(
                f"the exporter of .{self.name} can't be loaded ({self.point.value}): {type(error).__name__}: {error}",
                next="update or uninstall the package that brings it" if not self.ours else "install tracer anew",
            ) from error
        options: dict[str, Any] = {"check": check, "tell": tell} if self.tried else {}
        return list(writer(session, path, **options) or [path])


def _ours(name: str, label: str, mime: str, place: str, *, live: bool = False, tried: bool = False) -> Exporter:
    return Exporter(name, label, mime, EntryPoint(name, place, GROUP), live, tried=tried)


#: In the order of menus. By name: each is imported when it is used, and the page's own package stands above this one.
OURS: tuple[Exporter, ...] = (
    _ours("py", "Python module that runs on its own", "text/x-python", "tracer.export.python:write", live=True, tried=True),
    _ours("pt2", "torch.export program", "application/octet-stream", "tracer.export.pt2:write", live=True, tried=True),
    _ours("html", "Page with these views, no kernel needed", "text/html", "widgets.document:write"),
    _ours("jsonl", "Recording, for tracer.load and python -m tracer", "application/x-ndjson", "tracer.export.texts:recording"),
    _ours("jsonl.gz", "Recording, compressed", "application/gzip", "tracer.export.texts:recording"),
    _ours("json", "Frames, graphs, breaks, guards as data", "application/json", "tracer.export.data:write"),
    _ours("perfetto", "Time line for ui.perfetto.dev", "application/json", "tracer.export.perfetto:write"),
    _ours("svg", "Picture of the graphs", "image/svg+xml", "tracer.export.texts:picture"),
    _ours("png", "Picture drawn by the program dot", "image/png", "tracer.export.dot:draw"),
    _ours("dot", "Graphs as Graphviz text", "text/vnd.graphviz", "tracer.export.dot:write"),
    _ours("stages.txt", "AOT graphs and inductor's code, beside each graph", "text/plain", "tracer.export.listing:stages"),
    _ours("txt", "Explanation", "text/plain", "tracer.export.texts:explanation"),
)  # fmt: skip


def exporters() -> dict[str, Exporter]:
    """Every format by its name, ours first. A package's writer can't take the place of one of ours."""
    found = {one.name: one for one in OURS}
    for point in entry_points(group=GROUP):
        found.setdefault(
            point.name, Exporter(point.name, f"from {_package(point)}", "application/octet-stream", point, True, False)
        )
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def find(path: Path, format: str | None = None) -> Exporter:
    """The exporter of a format, or of the longest suffix that names one. TracerError lists the known ones."""
    known = exporters()
    wanted = [format.removeprefix(".")] if format is not None else _suffixes(path.name)
    for name in wanted:
        if name in known:
            return known[name]
    shown = f".{wanted[-1]}" if wanted and wanted[-1] else f"{path.name!r} (no suffix)"
    raise TracerError(f"there is no export format {shown}.", next=f"known: {', '.join('.' + name for name in known)}")


def _suffixes(name: str) -> list[str]:
    """`a.b.jsonl.gz` → b.jsonl.gz, jsonl.gz, gz."""
    parts = name.lstrip(".").split(".")[1:]
    return [".".join(parts[index:]) for index in range(len(parts))]


def export(session: Any, path: str | os.PathLike[str], format: str | None = None, *, check: bool = True, tell: Tell = silent) -> list[Path]:
    """See `Session.export`."""
    target = Path(path)
    exporter = find(target, format)
    if exporter.live and exporter.ours and not hasattr(session, "recompile"):
        raise TracerError(
            f"a recording holds no program and no tensors, so it can't be exported to .{exporter.name}.",
            next=f"export the session itself, or the recording to {_others(exporters().values())}",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    return exporter.write(session, target, check=check, tell=tell)


def _others(known: Iterable[Exporter]) -> str:
    return ", ".join(f".{one.name}" for one in known if not one.live)
