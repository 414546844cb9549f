"""Where the first NaN or infinity comes from, as data and in words. Without torch."""

from __future__ import annotations

from typing import Any

import msgspec

from tracer.execution.model import Stats
from tracer.records import Place

__all__ = ["Given", "NonFinite"]


class Given(msgspec.Struct, frozen=True):
    """One tensor that the operator read: the node that it comes from, its numbers (None: not known), and what is suspicious about it, "" for nothing."""

    name: str
    stats: Stats | None = None
    suspicious: str = ""
    location: Place | None = None
    dtype: str = ""
    shape: tuple[int, ...] | None = None


class NonFinite(msgspec.Struct, frozen=True):
    """The first operator that made a NaN or an infinity out of values without any.

    `kind`: NaN, inf, -inf. `phase`: forward; backward (the operator's gradient); input (it came into the graph so, and `name` is the input);
    gradient (it came into the backward so). `stats`: of what it gave. `suspect`: the first input that was suspicious already, "" where none was.
    `graph`, `run`: which graph, and in which of its runs, counted over all graphs of the calls. `note`: what has to be known to read it."""

    name: str
    graph: str
    kind: str
    phase: str = "forward"
    target: str = ""
    module: str = ""
    location: Place | None = None
    stats: Stats | None = None
    inputs: tuple[Given, ...] = ()
    run: int = 0
    note: str = ""

    @property
    def suspect(self) -> str:
        return next((one.name for one in self.inputs if one.suspicious), "")

    def __str__(self) -> str:
        place = f" at {self.location}" if self.location is not None else ""
        inside = f", in {self.module}" if self.module else ""
        count = f" ({_count(self.kind, self.stats)})" if self.stats is not None else ""
        verb = _VERBS[self.phase].format(kind=self.kind)
        lines = [f"{self.graph}: {self.name}{place}{inside} {verb}{count}."]
        for one in self.inputs:
            kind = " ".join(filter(None, (one.dtype, str(list(one.shape)) if one.shape is not None else "")))
            told = ", ".join(filter(None, (kind, str(one.stats) if one.stats is not None else "numbers not known")))
            lines.append(f"  {'read' if self.phase == 'forward' else 'from'} {one.name}: {told}" + (f"   ← {one.suspicious}" if one.suspicious else ""))
        if self.suspect:
            first = next(one for one in self.inputs if one.suspicious)
            at = f" ({first.location})" if first.location is not None else ""
            lines.append(f"  suspicious before: {first.name}{at} {first.suspicious}.")
        return "\n".join([*lines, *([f"  note: {self.note}"] if self.note else [])])


_VERBS = {
    "forward": "makes the first {kind}",
    "backward": "makes the first {kind} in the backward: its gradient",
    "input": "comes into the graph with {kind}",
    "gradient": "is given a gradient that holds {kind}",
}


def _count(kind: str, stats: Any) -> str:
    found = stats.nan if kind == "NaN" else stats.inf
    return f"{found:,} of {stats.count:,} items"
