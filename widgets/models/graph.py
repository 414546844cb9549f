"""The graph view: each graph a lane, with all that is needed to place its nodes, and the break in the gutter to the next lane.

Boxes are calls of modules, repetitions of them and bodies of higher-order operators; a body's node is named `cond_true/sum_1`.
"""

from __future__ import annotations

from typing import Any

from tracer.explain import clean
from tracer.export.bodies import Flat
from tracer.export.figure import Drawing, drawing
from tracer.export.session import gutter_after, subtitle
from tracer.records import Graph, GraphInput
from widgets.models.book import Book

__all__ = ["drawn", "graph"]


def graph(book: Book) -> dict[str, Any]:
    """{lanes: [lane]}: see `_lane`. The page lays them out (js/placing.js): it opens and closes boxes as it is asked to."""
    return {"lanes": [_lane(book, one) for one in (*book.records.graphs, *book.records.unfinished)]}


def _lane(book: Book, one: Graph) -> dict[str, Any]:
    """{name, title, subtitle, frame, seq, nodes: {id: [...]}, inputs: {name: source}, drawn, break: {…} | None}: see `_nodes` and `drawn`."""
    records = book.records
    frames = {f.id: f for f in records.frames if f.id}
    gutter = gutter_after(one, frames, records.graph_breaks)
    made = drawing(one.nodes, inputs=one.inputs, bodies=one.bodies, cause=gutter.place)
    seqs = _seqs(book, one, made.whole)
    return {
        "name": one.name,
        "title": one.name.replace("graph_", "Graph "),
        "subtitle": subtitle(one, frames.get(one.frame)) + _fate(book, one),
        "frame": one.frame,
        "seq": min((seq for (name, _), seq in book.nodes.items() if name == one.name), default=0),
        "nodes": _nodes(book, one, made, seqs),
        "inputs": {given.name: clean(given.source) for given in one.inputs},
        "drawn": drawn(made),
        "break": {"title": gutter.title, "resumes": gutter.resumes, **_break(book, one)} if gutter.title else None,
    }


def drawn(made: Drawing) -> dict[str, Any]:
    """What a layout needs beside the nodes, in their order: {widths: [px], at: [number of a path], paths: [[box, …]], edges: [from,
    to, from, to, …] as numbers of nodes, roles: {box: the operator whose body it is}}."""
    number = {node.id: index for index, node in enumerate(made.nodes)}
    paths = {path: index for index, path in enumerate(dict.fromkeys(node.cluster for node in made.nodes))}
    return {
        "widths": [int(node.width) for node in made.nodes],
        "at": [paths[node.cluster] for node in made.nodes],
        "paths": [list(path) for path in paths],
        "edges": [number[end] for edge in made.edges for end in edge],
        "roles": {".".join(box): clean(made.role(box)) for box in made.boxes if made.role(box)},
    }


def _fate(book: Book, one: Graph) -> str:
    """What is to be said of a graph that isn't finished."""
    if not any(one is each for each in book.records.unfinished):
        return ""
    ended = any(call.number == one.call and call.outcome != "open" for call in book.records.calls)
    return " · never finished" if ended else " · not finished yet"


def _nodes(book: Book, one: Graph, made: Drawing, seqs: dict[str, int]) -> dict[str, Any]:
    """What a node says, by its name: [kind, operator, instance, shape, folded, cause, seq, line, module, target, arguments, dtype,
    device, what it reads, the bodies that it lies in]."""
    found = {}
    by_name = {node.name: node for node in made.whole.nodes}
    inputs = {given.name: given for given in one.inputs}
    for name, part in made.parts.items():
        node = by_name.get(name)
        seq = seqs.get(name) or book.nodes.get((one.name, name), 0)
        place = book.user_place(book.events[seq]) if seq else None
        found[name] = [
            part.kind, clean(part.operator), clean(part.instance), clean(part.shape), part.folded, int(part.cause), seq,
            f"{place[0]}:{place[1]}" if place is not None else "", node.module_path if node is not None else "",
            *(
                [clean(node.target), clean(node.args), node.dtype, node.device, list(node.inputs)]
                if node is not None
                else [name, "", *_kind(inputs.get(name)), []]
            ),
            _bodies(made.whole, name),
        ]  # fmt: skip
    return found


def _kind(given: GraphInput | None) -> tuple[str, str]:
    """dtype and device of an input that no node was recorded for."""
    return (given.dtype, given.device) if given is not None else ("", "")


def _bodies(whole: Flat, name: str) -> str:
    """`cond_true of cond`, the outermost body first; "" where the node lies in none."""
    path = whole.paths.get(name, ())
    around = [path[:depth] for depth in range(1, len(path) + 1)]
    return clean(" › ".join(f"{box[-1]} of {whole.role(box)}" for box in around if box in whole.bodies))


def _seqs(book: Book, one: Graph, whole: Flat) -> dict[str, int]:
    """The event that made each node, those of bodies too."""
    made: dict[int, dict[str, int]] = {}
    found = {}
    for node in whole.nodes:
        body, name = whole.homes.get(node.name, (None, node.name))
        if body is None:
            found[name] = book.nodes.get((one.name, name), 0)
        else:
            if body.seq not in made:
                made[body.seq] = book.made_in(body)
            found[node.name] = made[body.seq].get(name, 0)
    return found


def _break(book: Book, one: Graph) -> dict[str, Any]:
    """The event of the break that ended this graph, and its line."""
    event = next((event for event in book.breaks if event.frame == one.frame), None)
    return {"seq": event.seq if event is not None else None, "line": book.stop(event) if event is not None else ""}
