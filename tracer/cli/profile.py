"""`--profile`: tables of what graphs do, for a terminal. In: runs of graphs. Out: text, the slowest rows by module and by line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tracer.errors import TracerError

__all__ = ["profiled", "tables"]

ROWS = 15


def profiled(session: Any) -> list[Any]:
    """Runs of all graphs of a session; a graph that can't be run is said on stderr, with the reason."""
    found = []
    for graph in session.graphs:
        try:
            found.append(session.run_graph(graph))
        except TracerError as error:
            print(f"tracer: {graph.name} isn't profiled: {error}", file=sys.stderr)
    return found


def tables(runs: Iterable[Any]) -> str:
    """Of each run the rows by module, then by line, the slowest first; TracerError where there is no run."""
    parts = [f"{run.table('module', ROWS)}\n\n{run.table('line', ROWS).partition(chr(10))[2]}" for run in runs]
    if not parts:
        raise TracerError("no graph was run.", next="tracer run SCRIPT --profile --save PATH, or session.run_graph() before session.save(PATH)")
    return "\n\n".join(parts)
