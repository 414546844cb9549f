"""What two runs have in common and what they don't, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tracer.records import Graph, GraphBreak, Guard, Node, Recompile, Records, Speculation

__all__ = ["BodyDiff", "Diff", "GraphDiff", "NodeDiff", "OutputDiff", "TimeDiff"]


@dataclass(frozen=True)
class NodeDiff:
    """One node: `state` is same, added, removed or changed; `what` says what changed: (name, before, now)."""

    state: str
    left: Node | None
    right: Node | None
    what: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class GraphDiff:
    """One graph in both runs, or in one only (`left` or `right` is None)."""

    name: str
    left: Graph | None
    right: Graph | None
    nodes: tuple[NodeDiff, ...] = ()

    @property
    def state(self) -> str:
        if self.left is None or self.right is None:
            return "added" if self.left is None else "removed"
        return "same" if all(node.state == "same" for node in self.nodes) else "changed"

    @property
    def changes(self) -> tuple[NodeDiff, ...]:
        return tuple(node for node in self.nodes if node.state != "same")


@dataclass(frozen=True)
class BodyDiff:
    """One body of a higher-order operator that was tried in one run only, or became something else: `what` as of a NodeDiff."""

    left: Speculation | None
    right: Speculation | None
    what: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class OutputDiff:
    """One tensor or number of the results, by its path in them: `out["logits"]`. Errors are of float64 values; None where they
    can't be compared, for the reason in `note`."""

    path: str
    max_abs: float | None = None
    max_rel: float | None = None
    note: str = ""
    compared: bool = True  # False: there was nothing to tell a difference by, so none is counted

    @property
    def same(self) -> bool:
        return not self.compared or self.max_abs == 0.0 and not self.note


@dataclass(frozen=True)
class TimeDiff:
    """Seconds in both runs; None where a run has none."""

    name: str
    left: float | None
    right: float | None

    @property
    def ratio(self) -> float | None:
        """right / left."""
        return self.right / self.left if self.left and self.right is not None else None


@dataclass(repr=False)
class Diff:
    """What changed from one run to another. `gained`, `lost`: in the second run only, in the first run only."""

    graphs: tuple[GraphDiff, ...] = ()
    breaks_gained: tuple[GraphBreak, ...] = ()
    breaks_lost: tuple[GraphBreak, ...] = ()
    guards_gained: tuple[Guard, ...] = ()
    guards_lost: tuple[Guard, ...] = ()
    guards_changed: tuple[tuple[Guard, Guard], ...] = ()
    recompiles: tuple[tuple[Recompile, ...], tuple[Recompile, ...]] = ((), ())
    bodies: tuple[BodyDiff, ...] = ()  # those that differ; what became of them is in the graphs
    symbols: tuple[tuple[str, str, str], ...] = ()  # (source of a size, before, now)
    outputs: tuple[OutputDiff, ...] = ()
    not_comparable: str = ""  # why the outputs were not compared
    settings: tuple[tuple[str, Any, Any], ...] = ()
    times: tuple[TimeDiff, ...] = ()
    figures: tuple[tuple[str, int, int], ...] = ()  # (what is counted, before, now)
    calls: str = ""  # which calls are compared, where not all are
    cache: str = ""  # why recompiles were not compared
    records: tuple[Records, Records] = field(default_factory=lambda: (Records(), Records()), compare=False)  # of the calls compared
    names: tuple[str, str] = field(default=("before", "now"))

    @property
    def same(self) -> bool:
        """Whether both runs captured the same: graphs, breaks, guards, recompiles, symbols, and equal outputs where they were
        compared. Settings and times may differ."""
        return not (
            any(graph.state != "same" for graph in self.graphs)
            or self.breaks_gained
            or self.breaks_lost
            or self.guards_gained
            or self.guards_lost
            or self.guards_changed
            or len(self.recompiles[0]) != len(self.recompiles[1])
            or any(before != now for name, before, now in self.figures if name == "entry")
            or self.symbols
            or any(not output.same for output in self.outputs)
        )

    def plain(self) -> dict[str, Any]:
        """Plain values only, for a page: each node as [state, name before, name now, what changed], the rest as text."""
        return {
            "same": self.same,
            "text": str(self),
            "graphs": [
                {
                    "name": graph.name,
                    "state": graph.state,
                    "left": graph.left.name if graph.left else None,
                    "right": graph.right.name if graph.right else None,
                    "nodes": [
                        [
                            n.state,
                            n.left.name if n.left else None,
                            n.right.name if n.right else None,
                            [list(w) for w in n.what],
                        ]
                        for n in graph.nodes
                    ],
                }
                for graph in self.graphs
            ],
            "breaks": {
                "gained": [_words(b) for b in self.breaks_gained],
                "lost": [_words(b) for b in self.breaks_lost],
            },
            "guards": {
                "gained": [g.expression for g in self.guards_gained],
                "lost": [g.expression for g in self.guards_lost],
                "changed": [[a.expression, b.expression] for a, b in self.guards_changed],
            },
            "recompiles": [len(side) for side in self.recompiles],
            "figures": [list(one) for one in self.figures],
            "calls": self.calls,
            "cache": self.cache,
            "symbols": [list(one) for one in self.symbols],
            "outputs": [[o.path, o.max_abs, o.max_rel, o.note] for o in self.outputs],
            "not_comparable": self.not_comparable,
            "settings": [[name, repr(a), repr(b)] for name, a, b in self.settings],
            "times": [[t.name, t.left, t.right, t.ratio] for t in self.times],
        }

    def __repr__(self) -> str:
        from tracer.diff.report import headline

        return f"<tracer.Diff: {headline(self)}>"

    def __str__(self) -> str:
        from tracer.diff.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from tracer.diff.report import html

        return html(self)


def _words(found: GraphBreak) -> str:
    return f"{found.title} at {found.location}" if found.location else found.title
