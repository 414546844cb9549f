"""The graph view: each graph a lane, with its nodes placed, and the break in the gutter to the next lane.

Boxes are calls of modules and bodies of higher-order operators; a body's node is named `cond_true/sum_1`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tracer.explain import clean
from tracer.export.bodies import Flat
from tracer.export.figure import Figure, figure
from tracer.export.session import gutter_after, subtitle
from tracer.layout import Box, Layout
from tracer.records import Graph
from widgets.models.book import Book

__all__ = ["LIMIT", "graph", "lane", "picture"]

#: Visible things of one graph: past it boxes are closed, deepest first; a person opens what interests them.
LIMIT = 400
#: Nodes of a graph that is drawn at every depth; and with everything open, where no kernel could open what is closed.
SMALL, OPENED = 5 * LIMIT, 25_000
#: Depths of nesting that a page without a kernel can choose from, beside the one it opens with.
DEPTHS = 4
#: Such a page has a picture for every choice of open and closed boxes where these are few and the graph is small.
CHOICES, TINY = 32, 80


def graph(book: Book) -> dict[str, Any]:
    """{lanes: [lane]}: see `lane`; `pictures` holds the ways of drawing it that need no kernel: "auto", "1", "2", …, "all";
    `choices` has a picture for each choice of closed boxes where no kernel could make it and they are few."""
    return {"lanes": [_lane(book, number) for number in range(len(_graphs(book)))]}


def _graphs(book: Book) -> list[Graph]:
    return [*book.records.graphs, *book.records.unfinished]


def lane(book: Book, number: int, closed: Collection[str]) -> dict[str, Any]:
    """One picture of one graph, with these boxes closed; for a page that asks."""
    one = _graphs(book)[number]
    drawn = _figure(book, one, closed=closed, limit=None)
    return picture(drawn, _births(_seqs(book, one, drawn.whole), drawn.whole))


def _lane(book: Book, number: int) -> dict[str, Any]:
    """{name, title, subtitle, frame, seq, nodes: {id: {…}}, break: {…} | None, pictures: {depth: picture}, choices: [picture]}."""
    records = book.records
    one = _graphs(book)[number]
    frames = {f.id: f for f in records.frames if f.id}
    drawn = _figure(book, one, limit=LIMIT)
    gutter = gutter_after(one, frames, records.graph_breaks)
    seqs = _seqs(book, one, drawn.whole)
    births = _births(seqs, drawn.whole)
    pictures = {"auto": picture(drawn, births)}
    opened = _figure(book, one, limit=None) if len(one.nodes) <= (SMALL if book.live else OPENED) else None
    boxes = {box.id: box for box in opened.layout.boxes} if opened is not None else {}
    deepest = max((box.depth for box in boxes.values()), default=-1) + 1
    for depth in range(1, (min(deepest, DEPTHS) if len(one.nodes) <= SMALL else 0) + 1):
        shut = [box.id for box in boxes.values() if box.depth >= depth - 1]
        pictures[str(depth)] = picture(_figure(book, one, closed=shut, limit=None), births)
    if deepest and opened is not None:
        pictures["all"] = picture(opened, births)
    choices = _closings(list(boxes.values())) if not book.live and len(drawn.parts) <= TINY else []
    first = min((seq for (name, _), seq in book.nodes.items() if name == one.name), default=0)
    return {
        "name": one.name,
        "title": one.name.replace("graph_", "Graph "),
        "subtitle": subtitle(one, frames.get(one.frame)) + _fate(book, one),
        "frame": one.frame,
        "seq": first,
        "nodes": _nodes(book, one, drawn, seqs),
        "break": {"title": gutter.title, "resumes": gutter.resumes, **_break(book, one)} if gutter.title else None,
        "pictures": pictures,
        "choices": [picture(_figure(book, one, closed=shut, limit=None), births) for shut in choices],
    }


def _fate(book: Book, one: Graph) -> str:
    """What is to be said of a graph that isn't finished."""
    if not any(one is each for each in book.records.unfinished):
        return ""
    ended = any(call.number == one.call and call.outcome != "open" for call in book.records.calls)
    return " · never finished" if ended else " · not finished yet"


def _closings(boxes: Sequence[Box]) -> list[list[str]]:
    """Each choice of boxes to close, none in another one of it; nothing where there are no boxes or too many choices. The boxes
    stand outer before inner: each is closed or not, where none around it is."""
    found: list[tuple[list[str], int | None]] = [([], None)]  # the closed ones, and how deep the last of them is while in it
    for box in boxes:
        grown: list[tuple[list[str], int | None]] = []
        for chosen, within in found:
            if within is not None and box.depth > within:
                grown.append((chosen, within))
            else:
                grown += [(chosen, None), ([*chosen, box.id], box.depth)]
        if len(grown) > CHOICES:
            return []
        found = grown
    return [chosen for chosen, _ in found] if boxes else []


def _figure(book: Book, one: Graph, *, closed: Collection[str] = (), limit: int | None) -> Figure:
    frames = {f.id: f for f in book.records.frames if f.id}
    return figure(
        one.nodes,
        inputs=one.inputs,
        bodies=one.bodies,
        closed=closed,
        limit=limit,
        cause=gutter_after(one, frames, book.records.graph_breaks).place,
    )


def _nodes(book: Book, one: Graph, drawn: Figure, seqs: dict[str, int]) -> dict[str, Any]:
    """What a node says, by its name: [kind, operator, instance, shape, folded, cause, seq, line, module, target, arguments, dtype,
    device, what it reads, the bodies that it lies in]."""
    found = {}
    by_name = {node.name: node for node in drawn.whole.nodes}
    for name, part in drawn.parts.items():
        node = by_name.get(name)
        seq = seqs.get(name) or book.nodes.get((one.name, name), 0)
        place = book.user_place(book.events[seq]) if seq else None
        found[name] = [
            part.kind, clean(part.operator), clean(part.instance), clean(part.shape), part.folded, int(part.cause), seq,
            f"{place[0]}:{place[1]}" if place is not None else "", node.module_path if node is not None else "",
            *(([clean(node.target), clean(node.args), node.dtype, node.device, list(node.inputs)]) if node is not None else [name, "", "", "", []]),
            _bodies(drawn.whole, name),
        ]  # fmt: skip
    return found


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


def _births(seqs: dict[str, int], whole: Flat) -> dict[tuple[str, ...], int]:
    """When the first node was made that lies in a box, by the box's path."""
    births: dict[tuple[str, ...], int] = {}
    for name, path in whole.paths.items():
        for depth in range(1, len(path) + 1):
            births[path[:depth]] = min(seqs[name], births.get(path[:depth], seqs[name]))
    return births


def picture(drawn: Figure, births: dict[tuple[str, ...], int]) -> dict[str, Any]:
    """The layout as lists of numbers, rounded to pixels: nodes [id, x, y, w, h], boxes [id, x, y, w, h, nodes, open, depth, seq,
    the operator whose body it is or ""], routes [from, to, x, y, x, y, …], stubs [node, side, text, others, x, y, w, h]."""
    layout: Layout = drawn.layout
    return {
        "nodes": [[n.id, _px(n.x), _px(n.y), _px(n.width), _px(n.height)] for n in layout.nodes],
        "boxes": [
            [
                b.id,
                _px(b.x),
                _px(b.y),
                _px(b.width),
                _px(b.height),
                b.nodes,
                int(b.open),
                b.depth,
                births.get(b.path, 0),
                clean(drawn.whole.role(b.path)),
            ]
            for b in layout.boxes
        ],
        "routes": [[r.source, r.target, *(_px(c) for point in r.points for c in point)] for r in layout.routes],
        "stubs": [
            [s.node, s.side, s.text, list(s.others), _px(s.x), _px(s.y), _px(s.width), _px(s.height)]
            for s in layout.stubs
        ],
        "size": [_px(layout.width), _px(layout.height)],
    }


def _px(value: float) -> float | int:
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded
