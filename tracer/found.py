"""What sessions and recordings are asked alike: the records, what is said of them, comparisons and files.

In: `records` and `journal`, which each of them makes in its own way. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracer.explain import explain, html, why_nothing
from tracer.journal import Journal
from tracer.records import Fault, Frame, Graph, GraphBreak, Guard, Recompile, Records, Speculation

__all__ = ["Found"]


class Found:
    """What was found out in one session."""

    @property
    def journal(self) -> Journal:
        """The index over the events: by kind, by frame, as a tree, and what was known at each of them."""
        raise NotImplementedError

    @property
    def records(self) -> Records:
        """Typed records of what happened so far, made from the events."""
        raise NotImplementedError

    @property
    def frames(self) -> list[Frame]:
        return self.records.frames

    @property
    def graphs(self) -> list[Graph]:
        return self.records.graphs

    @property
    def graph_breaks(self) -> list[GraphBreak]:
        return self.records.graph_breaks

    @property
    def guards(self) -> list[Guard]:
        return self.records.guards

    @property
    def speculations(self) -> list[Speculation]:
        return self.records.speculations

    @property
    def recompiles(self) -> list[Recompile]:
        return self.records.recompiles

    @property
    def faults(self) -> list[Fault]:
        return self.records.faults

    @property
    def stats(self) -> dict[str, float]:
        return self.records.stats

    @property
    def runs(self) -> list[Any]:
        """What `run_graph` found (`tracer.execution.model.GraphRun`), in order."""
        from tracer.events import GraphRan
        from tracer.execution.model import from_text

        return [from_text(event.text) for event in self.journal.of(GraphRan)]

    @property
    def why_nothing(self) -> str:
        """Why there is no graph, in a sentence; "" where there is one."""
        return why_nothing(self.records)

    def explain(self) -> str:
        """What happened, as text for a terminal."""
        return explain(self.records)

    def diff(self, other: Any) -> Any:
        """What changed from this run to another session or recording: a `tracer.diff.Diff`."""
        from tracer.diff import diff

        return diff(self, other)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording: JSON lines, gzip where the path ends in .gz."""
        self.journal.save(path)

    def export(
        self, path: str | os.PathLike[str], format: str | None = None, *, check: bool = True, tell: Callable[[str], object] | None = None
    ) -> list[Path]:
        """Write what was captured in the format that the suffix names (or `format`): py, pt2, html, jsonl, json, perfetto, svg, png,
        dot, txt, and what installed packages add (docs/export.md). Returns the paths that were written.

        py and pt2 run the last call of a session that compiled something once more, on copies; a recording can't. The file is then run by a
        Python of its own, which takes some seconds, and is there only if that finds what was recorded; `check=False` leaves it out. `tell`
        hears what is being done, a line each. TracerError where the format is unknown or can't be had, with the reason.
        """
        from tracer.export.table import export
        from tracer.export.trying import silent

        return export(self, path, format, check=check, tell=tell or silent)

    def _repr_html_(self) -> str:
        return html(self.records)
