"""One graph made ready to be drawn: which nodes are shown, what they say, and where they stand.

In: the node records of a graph, in order. Out: a layout, and for each shown node its parts. What a reader doesn't need
at first sight is taken away: parameters (they belong to the module that reads them), views (`+2` on what they view),
and boxes round a single node (they become its instance name). Modules that follow one another in a container lie in a box
of their own (`layers ×48`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tracer.export.bodies import Flat, Path, boxes_of, cluster_of, flat
from tracer.export.repeats import repeated
from tracer.layout import Edge, Layout, Node, lay_out
from tracer.records import Body, GraphInput, Place
from tracer.records import Node as Record

__all__ = ["Drawing", "Figure", "Part", "cluster_of", "drawing", "figure", "operator_of", "shape_text"]

#: Width of one character: the operator and the instance are 11 px monospace, the shape 10 px.
CHARACTER, SMALL = 6.63, 6.03
#: Left and right of a node's text, and between its parts.
INSET, GAP = 9.0, 8.0
LONGEST_NAME = 30

#: Rearrange a tensor without computing anything: folded into what they rearrange.
VIEWS = frozenset({"contiguous", "detach", "expand", "flatten", "movedim", "permute", "ravel", "reshape", "squeeze"})
VIEWS |= {"swapaxes", "t", "transpose", "unflatten", "unsqueeze", "view", "view_as"}


class Part(NamedTuple):
    """What one shown node says."""

    kind: str  # input | output | op
    operator: str
    instance: str
    shape: str
    folded: int  # views folded into it
    tip: str
    cause: bool = False  # the break after this graph needed its value


@dataclass
class Drawing:
    """What is drawn of a graph, not yet placed."""

    nodes: list[Node]  # what is shown, in order
    edges: list[Edge]
    parts: Mapping[str, Part]
    hidden: int  # parameters that are not drawn
    whole: Flat  # what was to be drawn: the graph's nodes and those of its bodies
    boxes: Mapping[Path, Path]  # box → the box in `whole` that it is; none for repetitions

    def role(self, path: Path) -> str:
        """The operator whose body a box holds; "" for a module's."""
        return self.whole.role(self.boxes.get(path, ()))


@dataclass
class Figure(Drawing):
    """A graph ready to be drawn."""

    layout: Layout
    title: str = ""
    subtitle: str = ""


def figure(
    nodes: Sequence[Record],
    *,
    inputs: Iterable[GraphInput] = (),
    title: str = "",
    subtitle: str = "",
    closed: Collection[str] = (),
    limit: int | None = 400,
    cause: Place | None = None,
    signs: Mapping[str, str] | None = None,
    bodies: Sequence[Body] = (),
) -> Figure:
    """Choose, name and place the nodes of one graph. Past `limit` visible things, modules are closed, deepest first.

    `cause` is where the graph had to end: the nodes of that expression that nothing else reads are marked. `signs` stand
    before the operators of these nodes ("+"), which are then never folded away. `bodies` of operators are boxes in the graph.
    """
    made = drawing(nodes, inputs=inputs, cause=cause, signs=signs, bodies=bodies)
    layout = lay_out(made.nodes, made.edges, closed=closed, limit=limit)
    return Figure(**vars(made), layout=layout, title=title, subtitle=subtitle)


def drawing(
    nodes: Sequence[Record],
    *,
    inputs: Iterable[GraphInput] = (),
    cause: Place | None = None,
    signs: Mapping[str, str] | None = None,
    bodies: Sequence[Body] = (),
) -> Drawing:
    """Choose and name the nodes of one graph, as `figure` does; whoever has it places them."""
    signs = signs or {}
    known = {one.name: one for one in inputs}
    whole = flat(nodes, bodies)
    nodes = [*_unrecorded(whole.nodes, known), *whole.nodes]
    sources = {name: one.source for name, one in known.items()}
    state = _module_state(nodes, sources)
    shown, folded = _chosen(nodes, state, signs, whole.paths)
    named = _unboxed([whole.paths.get(node.name, ()) for node in shown], whole.bodies)
    paths, boxes = repeated([path for path, _ in named])
    read = {name for node in nodes for name in node.inputs}
    parts: dict[str, Part] = {}
    placed: list[Node] = []
    for node, path, (_, instance) in zip(shown, paths, named):
        views = folded.get(node.name, ())
        blamed = cause is not None and node.name not in read and _within(node.location, cause)
        part = _part(node, instance, views, sources.get(node.name, ""), blamed)
        if node.name in signs:
            part = part._replace(operator=f"{signs[node.name]} {part.operator}")
        parts[node.name] = part
        pin = {"input": "top", "output": "bottom"}.get(part.kind, "")
        placed.append(Node(node.name, (part.operator,), _width(part), path, pin))
    stand_in = {view.name: name for name, views in folded.items() for view in views}
    return Drawing(placed, _edges(shown, folded, stand_in), parts, len(state), whole, boxes)


def _unrecorded(nodes: Sequence[Record], known: Mapping[str, GraphInput]) -> list[Record]:
    """Inputs that nodes read but no record made: recordings tell of them as lifted inputs only."""
    there = {node.name for node in nodes}
    missing = dict.fromkeys(name for node in nodes for name in node.inputs if name not in there)
    made = []
    for name in missing:
        one = known.get(name, GraphInput(name, ""))
        made.append(Record(name, "placeholder", name, "", one.shape, one.dtype, one.device))
    return made


def _chosen(
    nodes: Sequence[Record], state: Collection[str], signs: Mapping[str, str], paths: Mapping[str, Path]
) -> tuple[list[Record], dict[str, list[Record]]]:
    """The nodes to show, and for some of them the views that are folded into them."""
    readers: dict[str, int] = {}
    for node in nodes:
        for name in set(node.inputs):
            readers[name] = readers.get(name, 0) + 1
    shown: dict[str, Record] = {}
    folded: dict[str, list[Record]] = {}
    holder: dict[str, str] = {}  # a folded view → the node that shows it
    for node in nodes:
        if node.name in state:
            continue
        viewed = [name for name in dict.fromkeys(node.inputs) if name in shown or name in holder]
        if len(viewed) == 1 and readers[viewed[0]] == 1 and _is_view(node) and node.name not in signs:
            into = shown[holder.get(viewed[0], viewed[0])]
            if into.op.startswith("call") and paths[into.name] == paths[node.name]:
                folded.setdefault(into.name, []).append(node)
                holder[node.name] = into.name
                continue
        shown[node.name] = node
    return list(shown.values()), folded


def _edges(shown: list[Record], folded: dict[str, list[Record]], stand_in: dict[str, str]) -> list[Edge]:
    names = {node.name for node in shown}
    edges = []
    for node in shown:
        for one in (node, *folded.get(node.name, ())):
            for read in one.inputs:
                source = stand_in.get(read, read)
                if source in names and source != node.name:
                    edges.append(Edge(source, node.name))
    return edges


def _is_view(node: Record) -> bool:
    return node.op.startswith("call") and operator_of(node.target) in VIEWS


def _module_state(nodes: Sequence[Record], sources: Mapping[str, str]) -> set[str]:
    """Inputs that are parameters or buffers of the module that reads them: by their sources, else by their names, which sources made."""
    given = {node.name: _flat(sources.get(node.name) or node.name) for node in nodes if node.op in ("placeholder", "get_attr")}
    state: set[str] = set()
    for node in nodes:
        home = f"_{_flat(node.module_path)}_"
        if home != "__":
            state.update(name for name in node.inputs if name in given and home in given[name])
    return state


def _flat(path: str) -> str:
    """`self.h[0]._parameters['weight']` and `l_self_h_0_weight_` made alike."""
    words = re.sub(r"[^0-9A-Za-z]+", "_", path)
    return re.sub(r"_(modules|parameters|buffers)(?=_)", "", f"_{words}_").strip("_")


def _within(inner: Place | None, outer: Place) -> bool:
    if inner is None or inner.file != outer.file:
        return False
    return outer.line <= inner.line <= max(outer.line, outer.end_line)


# --- boxes ------------------------------------------------------------------------------------------------------------


def _unboxed(paths: list[Path], kept: Collection[Path] = ()) -> list[tuple[Path, str]]:
    """For each node its boxes, without those that hold it alone (but for the `kept`), and the name of the innermost of these."""
    result = []
    for number, path in enumerate(paths):
        before = paths[number - 1] if number else ()
        after = paths[number + 1] if number + 1 < len(paths) else ()
        depth = len(path)
        while depth and path[:depth] not in kept and before[:depth] != path[:depth] and after[:depth] != path[:depth]:
            depth -= 1
        result.append((path[:depth], path[-1] if depth < len(path) else ""))
    return result


# --- words ------------------------------------------------------------------------------------------------------------


def _part(node: Record, instance: str, views: Sequence[Record], source: str, cause: bool) -> Part:
    last = views[-1] if views else node
    shape = shape_text(last.shape)
    if node.op == "placeholder":
        kind, operator = "input", source or node.name.removeprefix("l_").strip("_")
        instance = "" if last.shape is not None else last.dtype
    elif node.op == "output":
        kind, operator = "output", "output"
    elif node.op == "get_attr":
        kind, operator = "input", node.target
    else:
        kind, operator = "op", operator_of(node.target)
    tip = _tip(node, views, source)
    return Part(kind, _clipped(operator), _clipped(instance), _clipped(shape), len(views), tip, cause)


def operator_of(target: str) -> str:
    """The operator as a person would say it.

    >>> [operator_of(t) for t in ("torch.nn.functional.linear", "aten.add.Tensor", "<built-in function iadd>", "view")]
    ['linear', 'add', 'iadd', 'view']
    """
    text = target.strip()
    if text.startswith("<"):
        found = re.match(r"<(?:built-in )?(?:function|method|bound method|class) '?([\w.]+)", text)
        text = found.group(1) if found else text
    if text.startswith(("aten.", "prims.", "prim.")):
        return text.split(".")[1]
    return text.rsplit(".", 1)[-1] or text


def shape_text(shape: Sequence[int | str] | None) -> str:
    """`4×128×256`; a tensor without dimensions is a scalar; "" where it is no tensor.

    >>> shape_text((4, "s0")), shape_text(()), shape_text(None)
    ('4×s0', 'scalar', '')
    """
    if shape is None:
        return ""
    return "×".join(map(str, shape)) if len(shape) else "scalar"


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _tip(node: Record, views: Sequence[Record], source: str) -> str:
    """Everything that is known, one fact a line."""
    lines = [f"{node.name} = {source or node.target}" + (f"({node.args})" if node.args else "")]
    kind = " ".join(filter(None, (node.dtype, shape_text(node.shape), node.device)))
    lines += [kind] if kind else []
    lines += [f"then {operator_of(view.target)} → {shape_text(view.shape)}" for view in views]
    path = ".".join(boxes_of(node))
    lines += [f"in {path}"] if path else []
    lines += [str(node.location)] if node.location is not None else []
    return "\n".join(lines)


def _width(part: Part) -> float:
    words = [CHARACTER * len(word) for word in (part.operator, part.instance) if word]
    small = [SMALL * len(word) for word in (part.shape, f"+{part.folded}" if part.folded else "") if word]
    total = sum(words) + sum(small) + GAP * (len(words) + len(small) - 1) + 2 * INSET
    return float(int(total + 1))
