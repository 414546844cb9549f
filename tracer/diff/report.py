"""A comparison in words: what changed first, nothing about what is equal but one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracer.diff.model import Diff, GraphDiff, NodeDiff, OutputDiff
from tracer.explain import count, page, text_of
from tracer.explain.blocks import Para, Section, Table
from tracer.explain.words import seconds, where
from tracer.export.figure import shape_text
from tracer.records import Node

__all__ = ["headline", "html", "outputs_said", "sections", "text"]

#: Rows of one list; more are counted.
MOST = 30
#: A page opens a list of guards that is no longer than this.
OPEN = 8
#: Figures that a headline names; graphs, breaks and guards have words of their own there.
_COUNTED = {"recompile": ("recompile",), "entry": ("entry", "entries")}
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def text(diff: Diff) -> str:
    return text_of(headline(diff), sections(diff))


def html(diff: Diff) -> str:
    return page(headline(diff), sections(diff))


def headline(diff: Diff) -> str:
    compared = f"{diff.calls} compared" if diff.calls else ""
    if diff.same:
        rest = diff.not_comparable.removesuffix(".") or _equal(diff.outputs)
        return " · ".join(filter(None, ("Both runs captured the same", rest, compared)))
    left, right = sum(g.left is not None for g in diff.graphs), sum(g.right is not None for g in diff.graphs)
    parts = [f"{count(left, 'graph')} → {right}"]
    for gained, lost, word in (
        (diff.breaks_gained, diff.breaks_lost, "break"),
        (diff.guards_gained, diff.guards_lost, "guard"),
    ):
        parts += [f"{sign}{count(len(found), word)}" for sign, found in (("+", gained), ("−", lost)) if found]
    for name, before, now in diff.figures:
        if name in _COUNTED and before != now and not (name == "entry" and (before, now) == (left, right)):
            parts.append(f"{count(before, *_COUNTED[name])} → {now}")
    worst = _worst(diff.outputs)
    parts += [f"outputs differ by at most {worst:.3g}"] if worst else []
    return " · ".join(filter(None, (*parts, compared)))


def sections(diff: Diff) -> list[Section]:
    found = [
        _settings(diff),
        *(_graph(graph) for graph in diff.graphs if graph.state != "same"),
        _breaks(diff),
        _guards(diff),
        _recompiles(diff),
        _bodies(diff),
        _symbols(diff),
        _outputs(diff),
        _times(diff),
    ]
    same = sum(graph.state == "same" for graph in diff.graphs)
    rest = (
        Section("Unchanged", [Para(f"{count(same, 'graph')} captured the same in both runs.", "muted")])
        if same
        else None
    )
    return [section for section in (*found, rest) if section is not None]


def _settings(diff: Diff) -> Section | None:
    rows = tuple((name, repr(a), "→", repr(b)) for name, a, b in diff.settings)
    return Section("Settings", [Table(rows)]) if rows else None


def _graph(graph: GraphDiff) -> Section:
    if graph.state != "changed":
        held = graph.left or graph.right
        assert held is not None
        which = "the second" if graph.left is None else "the first"
        return Section(f"{graph.name}: only in {which} run", [Para(count(held.op_count, "op"))])
    changes = graph.changes
    rows = [(SIGNS[node.state], *_node(node)) for node in changes[:MOST]]
    counts = ", ".join(
        f"{sum(n.state == state for n in changes)} {state}" for state in SIGNS if any(n.state == state for n in changes)
    )
    return Section(f"{graph.name}: {counts}", [Table(tuple(rows)), *_more(len(changes) - MOST, "node")])


def _node(change: NodeDiff) -> tuple[str, ...]:
    node = change.right or change.left
    assert node is not None
    what = ", ".join(f"{name} {a} → {b}" for name, a, b in change.what) or _kind(node)
    return node.name, node.target, what, where(node.location) if node.location else ""


def _kind(node: Node) -> str:
    return " ".join(filter(None, (node.dtype, shape_text(node.shape))))


def _breaks(diff: Diff) -> Section | None:
    rows = [
        *(("+", one.title, where(one.location)) for one in diff.breaks_gained),
        *(("-", one.title, where(one.location)) for one in diff.breaks_lost),
    ]
    return Section("Graph breaks", [Table(tuple(rows))], tone="break" if diff.breaks_gained else "") if rows else None


def _guards(diff: Diff) -> Section | None:
    rows = [
        *(("~", before.expression, "→", after.expression) for before, after in diff.guards_changed),
        *(("+", one.expression) for one in diff.guards_gained),
        *(("-", one.expression) for one in diff.guards_lost),
    ]
    return (
        Section(
            f"Guards · {count(len(rows), 'difference')}",
            [Table(tuple(rows[:MOST])), *_more(len(rows) - MOST, "guard")],
            folded=len(rows) > OPEN,
        )
        if rows
        else None
    )


def _bodies(diff: Diff) -> Section | None:
    """Bodies that were tried in one run only, and what became otherwise of the others."""
    rows = []
    for found in diff.bodies:
        one = found.right or found.left
        assert one is not None
        sign = "+" if found.left is None else "-" if found.right is None else "~"
        rows.append((sign, one.operator, one.body, ", ".join(f"{name} {a} → {b}" for name, a, b in found.what) or one.outcome, where(one.location)))
    title = f"Bodies of operators · {count(len(rows), 'difference')}"
    return Section(title, [Table(tuple(rows[:MOST])), *_more(len(rows) - MOST, "body")], folded=len(rows) > OPEN) if rows else None


def _recompiles(diff: Diff) -> Section | None:
    if diff.cache:
        return Section("Recompiles: not compared", [Para(diff.cache, "muted")])
    left, right = diff.recompiles
    if len(left) == len(right):
        return None
    rows = []
    for sign, side in (("-", left), ("+", right)):
        rows += [
            (sign, one.name, "; ".join(f"{guard}, now {value}" for guard, value in one.failed_guards)) for one in side
        ]
    return Section(f"Recompiles: {len(left)} → {len(right)}", [Table(tuple(rows[:MOST]))])


def _symbols(diff: Diff) -> Section | None:
    rows = tuple((source, before or "static", "→", now or "static") for source, before, now in diff.symbols)
    return Section("Symbolic sizes", [Table(rows)]) if rows else None


def _outputs(diff: Diff) -> Section | None:
    if diff.not_comparable:
        return Section("Outputs", [Para(diff.not_comparable, "muted")])
    rows = tuple(
        (
            one.path,
            f"max abs {one.max_abs:.3g}" if one.max_abs is not None else "",
            f"max rel {one.max_rel:.3g}" if one.max_rel is not None else "",
            one.note,
        )
        for one in diff.outputs
        if not one.same or not one.compared
    )
    if rows:
        return Section("Outputs", [Table(rows[:MOST]), *_more(len(rows) - MOST, "output")])
    return (
        Section("Outputs", [Para(f"{count(len(diff.outputs), 'output')}, all equal.", "muted")])
        if diff.outputs
        else None
    )


def _times(diff: Diff) -> Section | None:
    rows = []
    for one in diff.times:
        sides = [seconds(value) if value is not None else "not measured" for value in (one.left, one.right)]
        rows.append((one.name, sides[0], "→", sides[1], f"{one.ratio:.2f}×" if one.ratio is not None else ""))
    return Section("Time", [Table(tuple(rows))]) if rows else None


def _worst(outputs: Iterable[OutputDiff]) -> float:
    return max((one.max_abs for one in outputs if one.max_abs), default=0.0)


def outputs_said(diff: Diff) -> str:
    """How outputs compare, as a sentence without its end."""
    if diff.not_comparable:
        return diff.not_comparable.removesuffix(".")
    differ = [one for one in diff.outputs if not one.same]
    worst = _worst(differ)
    if worst:
        return f"Outputs differ by at most {worst:.3g}"
    said = f"{differ[0].path}: {differ[0].note}" if differ else _equal(diff.outputs) or "The results hold nothing to compare"
    return said[0].upper() + said[1:] if not differ else f"Outputs differ ({said})"


def _equal(outputs: Sequence[OutputDiff]) -> str:
    if not any(one.compared for one in outputs):
        return ""
    return (
        "outputs are equal"
        if all(one.compared for one in outputs)
        else "outputs are equal as far as they were compared"
    )


def _more(left: int, word: str) -> Sequence[Para]:
    return [Para(f"and {count(left, f'more {word}')}", "muted")] if left > 0 else []
