"""Two runs side by side: both graphs on one layout, what was added, removed and changed, and the numbers of both.

In: two sessions or recordings and the `Diff` of them. Out: plain data as the graph view's, with a state for each node.
What is the same in both runs is quiet: the page closes modules without a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tracer.diff import Diff, GraphDiff, NodeDiff
from tracer.explain import clean, count
from tracer.explain.words import seconds, where
from tracer.export.bodies import flat
from tracer.export.figure import Drawing, drawing, shape_text
from tracer.export.session import gutter_after, subtitle
from tracer.export.svg import Gutter
from tracer.records import Graph, GraphInput, Node, Records
from widgets.models.graph import drawn

__all__ = ["compare"]

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
#: Rows of one list of changes; more are counted.
MOST = 200
_FIGURES = {"graph": "Graphs", "break": "Breaks", "guard": "Guards", "op": "Ops", "recompile": "Recompiles", "entry": "Entries"}


def compare(left: Any, right: Any, diff: Diff) -> dict[str, Any]:
    """{title, same, figures: [[name, before, now]], outputs: {text, equal}, lanes, groups: [{title, rows: [[sign, text, detail,
    node, line]]}], bars: [[name, [[part, seconds]]]]}. `lanes` are the graph view's, each with a `state` and `marks`: node → state.
    `node` is "graph_0:relu", "" where a row is of none."""
    a, b = diff.records
    lanes = [_Lane(one, a, b) for one in diff.graphs]
    outputs = _outputs(diff)
    return {
        "title": clean(str(diff).splitlines()[0]) if str(diff) else "",
        "same": diff.same,
        "figures": _figures(diff),
        "outputs": {"text": outputs[0], "detail": outputs[1], "equal": outputs[2]},
        "lanes": [lane.plain() for lane in lanes],
        "groups": [
            group
            for group in (
                _group("Graph changes", [row for lane in lanes for row in lane.rows()]),
                _group("Graph breaks", _breaks(diff)),
                _group("Guards", _guards(diff)),
                _group("Recompiles", _recompiles(diff)),
                _group(
                    "Symbolic sizes",
                    [["~", s, f"{x or 'static'} → {y or 'static'}", "", ""] for s, x, y in diff.symbols],
                ),
                _group("Settings", [["~", name, f"{x!r} → {y!r}", "", ""] for name, x, y in diff.settings]),
                _group("Outputs", _output_rows(diff)),
            )
            if group["count"]
        ],
        "bars": [_bar(a), _bar(b)],
    }


def _group(title: str, rows: list[list[str]]) -> dict[str, Any]:
    return {"title": title, "count": len(rows), "rows": [[clean(text) for text in row] for row in rows[:MOST]]}


# --- graphs -----------------------------------------------------------------------------------------------------------


class _Lane:
    """One graph of both runs. A node is named as in the second run; one that is gone has a − before its name."""

    def __init__(self, one: GraphDiff, left: Records, right: Records):
        self.one, self.sides = one, (left, right)
        self.held: Graph = one.right or one.left  # type: ignore[assignment]
        self.names = {
            n.left.name: n.right.name if n.right is not None else f"−{n.left.name}" for n in one.nodes if n.left is not None
        }  # fmt: skip
        self.nodes = [self._merged(n.left, n.right) for n in one.nodes]
        self.marks = {node.name: n.state for node, n in zip(self.nodes, one.nodes) if n.state != "same"}
        self.what = {node.name: _what(n) for node, n in zip(self.nodes, one.nodes) if n.what}

    def _merged(self, left: Node | None, right: Node | None) -> Node:
        before = [self.names.get(name, name) for name in left.inputs] if left is not None else []
        if right is None:
            assert left is not None
            return replace(left, name=self.names[left.name], inputs=tuple(before))
        gone = [name for name in before if name.startswith("−")]
        return replace(right, inputs=(*right.inputs, *gone))

    def plain(self) -> dict[str, Any]:
        made = self._drawing()
        records = self.sides[1] if self.one.right is not None else self.sides[0]
        frames = {f.id: f for f in records.frames if f.id}
        stop, state = self._gutter()
        return {
            "name": self.held.name,
            "title": self.held.name.replace("graph_", "Graph "),
            "subtitle": self._subtitle() or subtitle(self.held, frames.get(self.held.frame)),
            "state": self.one.state,
            "marks": self.marks,
            "what": self.what,
            "nodes": self._said(made),
            "drawn": drawn(made),
            "break": {"title": clean(stop.title), "resumes": stop.resumes, "state": state} if stop.title else None,
        }

    def _subtitle(self) -> str:
        if self.one.state in ("added", "removed"):
            return f"only in the {'second' if self.one.state == 'added' else 'first'} run"
        before, now = (graph.op_count if graph else 0 for graph in (self.one.left, self.one.right))
        return "" if before == now else f"{before} → {count(now, 'op')}"

    def _drawing(self) -> Drawing:
        inputs: list[GraphInput] = list(self.one.right.inputs) if self.one.right else []
        known = {one.name for one in inputs}
        for one in self.one.left.inputs if self.one.left else ():
            name = self.names.get(one.name, one.name)
            if name not in known:
                inputs.append(replace(one, name=name))
        signs = {name: SIGNS[state] for name, state in self.marks.items()}
        made = drawing(self.nodes, inputs=inputs, signs={} if self.one.state in ("added", "removed") else signs)
        for side in filter(None, (self.one.left, self.one.right)):  # their nodes are merged, their boxes still bodies
            made.whole.bodies.update(flat(side.nodes, side.bodies).bodies)
        return made

    def _said(self, made: Drawing) -> dict[str, Any]:
        """As the graph view's nodes; `seq` has no meaning for two runs."""
        found, by_name = {}, {node.name: node for node in self.nodes}
        for name, part in made.parts.items():
            node = by_name.get(name)
            found[name] = [
                part.kind, clean(part.operator), clean(part.instance), clean(part.shape), part.folded, 0, 0,
                *([_line(node), node.module_path, clean(node.target), clean(node.args), node.dtype, node.device, list(node.inputs)]
                  if node is not None else ["", "", name, "", "", "", []]),
            ]  # fmt: skip
        return found

    def _gutter(self) -> tuple[Gutter, str]:
        sides = []
        for graph, records in zip((self.one.left, self.one.right), self.sides):
            frames = {f.id: f for f in records.frames if f.id}
            sides.append(gutter_after(graph, frames, records.graph_breaks) if graph is not None else Gutter())
        before, now = sides
        if before.title and now.title:
            return now, "same"
        return (now, "added") if now.title else (before, "removed")

    def rows(self) -> Iterable[list[str]]:
        """What changed in this graph; one that stands in one run only is one row."""
        if self.one.state in ("added", "removed"):
            yield [
                SIGNS[self.one.state],
                self.held.name,
                f"{count(self.held.op_count, 'op')}, {self._subtitle()}",
                "",
                "",
            ]
            return
        for node, pair in zip(self.nodes, self.one.nodes):
            if pair.state == "same":
                continue
            what = ", ".join(f"{name} {x} → {y}" for name, x, y in _what(pair))
            yield [
                SIGNS[pair.state], node.name.lstrip("−"), what or " ".join(filter(None, (node.module_path, where(node.location)))),
                f"{self.held.name}:{node.name}", _line(node),
            ]  # fmt: skip


def _what(pair: NodeDiff) -> list[list[str]]:
    """What changed of a node, shapes as the graph says them."""
    if pair.left is None or pair.right is None:
        return []
    shapes = [shape_text(side.shape) or "no tensor" for side in (pair.left, pair.right)]
    return [
        [name, *shapes] if name == "shape" else [name, clean(before), clean(now)] for name, before, now in pair.what
    ]


def _line(node: Node) -> str:
    return f"{node.location.file}:{node.location.line}" if node.location is not None and node.location.line > 0 else ""


# --- lists ------------------------------------------------------------------------------------------------------------


def _breaks(diff: Diff) -> list[list[str]]:
    sides = (("+", diff.breaks_gained), ("−", diff.breaks_lost))
    return [
        [sign, one.title or one.reason, where(one.location), "", f"{one.location.file}:{one.location.line}" if one.location else ""]
        for sign, found in sides
        for one in found
    ]  # fmt: skip


def _guards(diff: Diff) -> list[list[str]]:
    return [
        *(["~", after.expression, f"was {before.expression}", "", ""] for before, after in diff.guards_changed),
        *(["+", one.expression, one.kind, "", ""] for one in diff.guards_gained),
        *(["−", one.expression, one.kind, "", ""] for one in diff.guards_lost),
    ]


def _recompiles(diff: Diff) -> list[list[str]]:
    if diff.cache:
        return [["~", "not compared", diff.cache, "", ""]]
    if len(diff.recompiles[0]) == len(diff.recompiles[1]):
        return []
    return [
        [sign, one.name, "; ".join(f"{guard}, now {value}" for guard, value in one.failed_guards), "", ""]
        for sign, side in zip("−+", diff.recompiles)
        for one in side
    ]


def _outputs(diff: Diff) -> tuple[str, str, bool | None]:
    """(in a word, more, whether they are equal): None where nothing was compared."""
    if diff.not_comparable:
        return "not compared", clean(diff.not_comparable), None
    compared = [one for one in diff.outputs if one.compared]
    if not compared:
        return "not compared", "the results hold no tensor or number", None
    worst = max((one.max_abs or 0.0 for one in compared), default=0.0)
    if all(one.same for one in compared):
        return "equal", "bit by bit", True
    return (
        "differ",
        f"by at most {worst:.3g}" if worst else clean(next(one.note for one in compared if one.note)),
        False,
    )


def _output_rows(diff: Diff) -> list[list[str]]:
    return [
        ["~", one.path, one.note or f"max abs {one.max_abs:.3g}, max rel {one.max_rel or 0.0:.3g}", "", ""]
        for one in diff.outputs
        if not one.same
    ]


# --- numbers ----------------------------------------------------------------------------------------------------------


def _figures(diff: Diff) -> list[list[str]]:
    rows = [[_FIGURES[name], f"{before:,}", f"{now:,}"] for name, before, now in diff.figures]
    tracing = next(one for one in diff.times if one.name == "tracing")
    rows.append(["Tracing", *(seconds(side) if side is not None else "–" for side in (tracing.left, tracing.right))])
    return rows


def _bar(records: Records) -> list[list[Any]]:
    """Where the calls went, in seconds: the backend compiles while frames are traced, frames while calls run."""
    stats = records.stats
    total = sum(call.seconds for call in records.calls)
    trace = max(0.0, stats["seconds"] - stats["backend_seconds"])
    return [["trace", trace], ["compile", stats["backend_seconds"]], ["run", max(0.0, total - stats["seconds"])]]
