"""Two runs compared: graphs node by node, breaks, guards, recompiles, symbolic sizes, outputs and times.

In: two sessions or recordings, in any mix. Out: a `Diff`: records, text (`str`), HTML, plain data. Outputs are compared where
both runs hold their result; a recording holds none.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any

from tracer.diff.align import align
from tracer.diff.model import BodyDiff, Diff, GraphDiff, NodeDiff, OutputDiff, TimeDiff
from tracer.diff.symbols import names_of, paired, renamed
from tracer.events import ShapeDecision
from tracer.explain import count
from tracer.export.bodies import flat
from tracer.records import Frame, Graph, GraphBreak, Guard, Node, Records, Speculation, from_events
from tracer.rerun.scope import common

__all__ = ["BodyDiff", "Diff", "GraphDiff", "NodeDiff", "OutputDiff", "TimeDiff", "diff"]

_MISSING = object()


def diff(left: Any, right: Any) -> Diff:
    """What changed from `left` to `right`: each a session or a recording."""
    a, b, title, cache = _alike(left, right)
    apart = left.config.engine != right.config.engine
    gained, lost = _breaks(a.graph_breaks, b.graph_breaks, apart)
    guards = _guarded(a, b) if apart else _guards(a, b)
    outputs, not_comparable = _outputs(left, right)
    return Diff(
        graphs=_graphs(a, b, apart),
        breaks_gained=tuple(gained),
        breaks_lost=tuple(lost),
        guards_gained=guards[0],
        guards_lost=guards[1],
        guards_changed=guards[2],
        recompiles=((), ()) if cache else (tuple(a.recompiles), tuple(b.recompiles)),
        bodies=_bodies(a, b, apart),
        symbols=_symbols(left, right),
        outputs=outputs,
        not_comparable=not_comparable,
        settings=_settings(left, right),
        times=_times(a, b),
        figures=_figures(a, b, cache),
        calls=title,
        cache=cache,
        records=(a, b),
    )


# --- like with like ---------------------------------------------------------------------------------------------------


def _alike(left: Any, right: Any) -> tuple[Records, Records, str, str]:
    """Records of the calls that both runs made, which calls these are ("" for all), and why recompiles can't be compared."""
    one, other = getattr(left, "scope", None), getattr(right, "scope", None)
    if one is not None and left.rerun_of is right:
        again, first, title, cache = _alike_with(right, left, one)
        return first, again, title, cache
    if other is not None and right.rerun_of is left:
        return _alike_with(left, right, other)
    if one is not None and other is not None and left.rerun_of is right.rerun_of and one.spans != other.spans:
        here, there = common(one, other)
        if here:
            a, b = from_events(left.journal, calls=here), from_events(right.journal, calls=there)
            return a, b, f"{count(len(here), 'call')} that both runs made", "Before these calls one of the runs made others."
    return left.records, right.records, "", ""


def _alike_with(first: Any, again: Any, scope: Any) -> tuple[Records, Records, str, str]:
    if scope.whole:
        return first.records, again.records, "", ""
    return from_events(first.journal, calls=scope.spans), again.records, scope.title, scope.cache


def _figures(left: Records, right: Records, cache: str) -> tuple[tuple[str, int, int], ...]:
    """(what, here, there): what a person counts first. Entries are what compiles left in the cache."""
    before, now = left.stats, right.stats
    rows = [
        (name, int(before[key]), int(now[key]))
        for name, key in (("graph", "graphs"), ("break", "graph_breaks"), ("guard", "guards"), ("op", "ops"), ("recompile", "recompiles"))
        if not (cache and key == "recompiles")
    ]
    entries = [sum(frame.outcome == "compiled" for frame in side.frames) for side in (left, right)]
    return *rows, ("entry", entries[0], entries[1])


# --- graphs -----------------------------------------------------------------------------------------------------------


def _graphs(left: Records, right: Records, apart: bool) -> tuple[GraphDiff, ...]:
    """Graphs of the same function, in order: the n-th compile of it here and there. A function that moved in its file, or a
    script under another name, is still the same by its name. `apart`: two engines, which may begin in different functions:
    graphs that begin on the same line are the same too."""
    a, b = _framed(left), _framed(right)
    keys: list[Any] = [
        lambda one: (one[1].name, one[1].file, one[1].line) if one[1] else (),
        lambda one: one[1].name if one[1] else "",
    ]
    pairs = align(a, b, *([*keys[1:], _begins] if apart else keys))
    return tuple(_graph(one, other, apart) for one, other in pairs)


def _begins(framed: tuple[Graph, Frame | None]) -> Hashable:
    """Where the first node of a graph was made."""
    return next((tuple(node.location[:2]) for node in framed[0].nodes if node.location is not None), ())


def _framed(records: Records) -> list[tuple[Graph, Frame | None]]:
    frames = _frames(records)
    return [(graph, frames.get(graph.frame)) for graph in records.graphs]


def _frames(records: Records) -> dict[str, Frame]:
    return {frame.id: frame for frame in records.frames if frame.id}


_Placed = tuple[Any, int]  # a node and its line


def _graph(left: tuple[Graph, Frame | None] | None, right: tuple[Graph, Frame | None] | None, apart: bool) -> GraphDiff:
    a, b = left and left[0], right and right[0]
    nodes = align(_placed(left, apart), _placed(right, apart), _node_key, _target_key, _line_key)
    held = b or a
    assert held is not None
    names = names_of(a), names_of(b)
    if apart:
        names = paired(((x[0].shape, y[0].shape) for x, y in nodes if x and y), *names)
    return GraphDiff(held.name, a, b, tuple(_node(x and x[0], y and y[0], *names) for x, y in nodes))


def _placed(side: tuple[Graph, Frame | None] | None, apart: bool) -> list[_Placed]:
    """Nodes with their lines, counted from the function's own first one where they are in its file: it may have moved. Not so
    between engines, which run the same file and may begin in different functions of it."""
    if side is None:
        return []
    graph, frame = side
    file, first = (frame.file, frame.line) if frame is not None and not apart else ("", 0)
    return [
        (n, 0 if n.location is None else (n.location.line or 0) - (first if n.location.file == file else 0))
        for n in flat(graph.nodes, graph.bodies).boxed()
        if not (apart and _reads_a_size(n, graph))
    ]


def _reads_a_size(node: Node, graph: Graph) -> bool:
    """Whether a node only reads a size off an input: the other engine may have it as an input of its own."""
    return node.target.endswith("aten.sym_size.int") and {one.name for one in graph.inputs}.issuperset(node.inputs)


#: Bodies of operators are numbered, by each engine in its own way.
_NUMBER = re.compile(r"_\d+(?=\.|$)")


def _node_key(placed: _Placed) -> Hashable:
    return *_target_key(placed), placed[1]


def _target_key(placed: _Placed) -> tuple[str, ...]:
    """For nodes of lines that moved within the function."""
    node = placed[0]
    return node.op, node.name if node.op == "placeholder" else node.target, _path(node)


def _path(node: Node) -> str:
    """The module around a node. Code of the module itself is in `self` where the call of it was followed, in none where it began there."""
    path = _NUMBER.sub("", node.module_path) if "/" in node.name else node.module_path
    return "" if path == "self" else path


def _line_key(placed: _Placed) -> Hashable:
    """For nodes whose operator changed: one that the same line made."""
    node, line = placed
    return node.op, line, _path(node)


def _node(left: Node | None, right: Node | None, before: dict[str, str], after: dict[str, str]) -> NodeDiff:
    """`before`, `after`: names of symbols that both sides have in common (`symbols.names_of`)."""
    if left is None or right is None:
        return NodeDiff("added" if left is None else "removed", left, right)
    what = tuple(
        (name, str(getattr(left, name)), str(getattr(right, name)))
        for name in ("target", "shape", "dtype", "device")
        if getattr(left, name) != getattr(right, name)
        and not (name == "target" and left.op == "placeholder")
        and not (name == "shape" and renamed(left.shape, before) == renamed(right.shape, after))
    )
    return NodeDiff("changed" if what else "same", left, right, what)


# --- breaks and guards ------------------------------------------------------------------------------------------------


def _breaks(
    left: Iterable[GraphBreak], right: Iterable[GraphBreak], apart: bool
) -> tuple[list[GraphBreak], list[GraphBreak]]:
    """Gained and lost, each place once. The same are: those in the same place that say the same, then those that only moved
    within their function or with it, then those in the same place whose text changed; between engines (`apart`), which name
    reasons in their own way, those in the same place."""
    lost, gained = (list({(_place_key(one), _text_key(one)): one for one in side}.values()) for side in (left, right))
    keys: list[Any] = [lambda one: (_place_key(one), _text_key(one)), _text_key, _place_key]
    for key in [*keys, lambda one: _place_key(one)[1:]] if apart else keys:
        for one in tuple(gained):
            other = next((other for other in lost if key(other) == key(one)), None)
            if other is not None:
                gained.remove(one)
                lost.remove(other)
    return gained, lost


def _place_key(one: GraphBreak) -> tuple[Any, ...]:
    return one.reason, tuple(one.location[:2]) if one.location else ()


def _text_key(one: GraphBreak) -> Hashable:
    function = one.user_stack[-1].function if one.user_stack else ""
    return one.reason, function, tuple(sorted((name, text) for name, text in one.context.items() if name != "line"))


def _bodies(left: Records, right: Records, apart: bool) -> tuple[BodyDiff, ...]:
    """Bodies by operator, name and line. Engines (`apart`) place and name them in their own ways: of theirs, those of one operator in order."""

    def key(one: Speculation) -> Hashable:
        return one.operator, _NUMBER.sub("", one.body), tuple(one.location[:2]) if one.location else ()

    def begins(one: Speculation) -> Hashable:
        return one.operator, tuple(one.location[:2]) if one.location else ()

    found = []
    for a, b in align(left.speculations, right.speculations, *((lambda one: one.operator,) if apart else (key, begins))):
        what = () if a is None or b is None else tuple((n, x, y) for n, x, y in _became(a, b, apart) if x != y)
        if a is None or b is None or what:
            found.append(BodyDiff(a, b, what))
    return tuple(found)


def _became(one: Speculation, other: Speculation, apart: bool) -> list[tuple[str, str, str]]:
    """(what is said of both, of the one, of the other)."""
    rows = [("became", one.outcome, other.outcome)]
    if not apart:
        undone, undone_there = (", ".join(f"{number} {what}" for what, number in body.undone) for body in (one, other))
        rows += [("inputs", str(len(one.inputs)), str(len(other.inputs))), ("gives", one.gives, other.gives)]
        rows += [("traced anew", one.because, other.because), ("taken back", undone, undone_there), ("reason", one.reason, other.reason)]
    return rows


def _guards(
    left: Records, right: Records
) -> tuple[tuple[Guard, ...], tuple[Guard, ...], tuple[tuple[Guard, Guard], ...]]:
    """Guards by the function they are of: gained, lost, and those on the same source and kind that ask for something else."""
    a, b = _frames(left), _frames(right)

    def named(frames: dict[str, Frame]) -> Any:
        return lambda g: (frames[g.frame].name if g.frame in frames else "", g.source, g.kind, g.expression)

    before, after = {named(a)(g): g for g in left.guards}, {named(b)(g): g for g in right.guards}
    lost, gained = (
        {k: g for k, g in before.items() if k not in after},
        {k: g for k, g in after.items() if k not in before},
    )
    places = {k[:3]: k for k in lost}
    changed = [(lost.pop(places[k[:3]]), gained.pop(k)) for k in list(gained) if k[1] and places.get(k[:3]) in lost]
    return tuple(gained.values()), tuple(lost.values()), tuple(changed)


def _guarded(
    left: Records, right: Records
) -> tuple[tuple[Guard, ...], tuple[Guard, ...], tuple[tuple[Guard, Guard], ...]]:
    """Two engines check in their own words, so only what is checked counts: values that just one of them looks at."""
    before, after = ({g.source: g for g in records.guards if g.source} for records in (left, right))
    gained = tuple(g for source, g in after.items() if source not in before)
    return gained, tuple(g for source, g in before.items() if source not in after), ()


# --- sizes, settings, outputs, times ----------------------------------------------------------------------------------


def _symbols(left: Any, right: Any) -> tuple[tuple[str, str, str], ...]:
    """Which sizes and numbers are symbolic, here and there. Names of symbols are the run's own, so only whether counts."""

    def symbolic(run: Any) -> dict[str, str]:
        found = (e for e in run.journal.of(ShapeDecision) if not run.journal.abandoned(e.seq))
        return {e.source: "symbolic" for e in found if e.source}

    a, b = symbolic(left), symbolic(right)
    return tuple(
        (source, a.get(source, ""), b.get(source, ""))
        for source in dict.fromkeys((*a, *b))
        if a.get(source) != b.get(source)
    )


def _settings(left: Any, right: Any) -> tuple[tuple[str, Any, Any], ...]:
    a, b = left.config.plain(), right.config.plain()
    return tuple((name, a.get(name), b.get(name)) for name in a if a.get(name) != b.get(name))


def _outputs(left: Any, right: Any) -> tuple[tuple[OutputDiff, ...], str]:
    why = getattr(left, "not_comparable", "") or getattr(right, "not_comparable", "")
    if why:
        return (), why
    one, other = getattr(left, "result", _MISSING), getattr(right, "result", _MISSING)
    if one is _MISSING or other is _MISSING:
        return (), "A recording holds no results, so outputs are not compared."
    from tracer.diff.outputs import compare

    return compare(one, other), ""


def _times(left: Records, right: Records) -> tuple[TimeDiff, ...]:
    a, b = left.stats, right.stats
    calls = [sum(call.seconds for call in records.calls) or None for records in (left, right)]
    return (
        TimeDiff("tracing", a["seconds"] or None, b["seconds"] or None),
        TimeDiff("backend", a["backend_seconds"] or None, b["backend_seconds"] or None),
        TimeDiff("calls, first ones included", calls[0], calls[1]),
    )
