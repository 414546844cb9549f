"""Over real models, closed to every level: nothing lies on anything, and edges pass beside things, boxes and their names; in svg too."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
import torch

import tracer
from tests.browser.large import session_of
from tests.layout.graphs import chain, node
from tests.layout.overlaps import Rectangle, crossing, faults
from tests.models.zoo import MODELS, build
from tracer.export.figure import CHARACTER, SMALL, drawing, figure
from tracer.export.svg import svg
from tracer.layout import Edge, Metrics, lay_out
from tracer.layout.tree import build_tree
from tracer.records import Graph

SVG = "{http://www.w3.org/2000/svg}"


def graphs_of(name: str) -> list[Graph]:
    if name == "stack":
        return session_of(12).records.graphs
    model = build(name)
    session = tracer.Session("trace")
    with torch.no_grad():
        session.run(model.module, **model.inputs(model.sizes[0]))
    return session.records.graphs


def levels(one: Graph) -> Iterator[tuple[int, list[str]]]:
    """Level → the boxes that are closed at it."""
    tree = build_tree(drawing(one.nodes, inputs=one.inputs, bodies=one.bodies).nodes)
    for level in range(max((tree.depth[box] for box in tree.boxes), default=0) + 1):
        yield level, [tree.names[box] for box in tree.boxes if tree.depth[box] - 1 >= level]


def written(text: str) -> list[Rectangle]:
    """Where the letters of an svg stand, as wide as they are there."""
    found: list[Rectangle] = []

    def visit(element: ET.Element, dx: float, dy: float) -> None:
        moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
        if moved:
            dx, dy = dx + float(moved[1]), dy + float(moved[2])
        if element.tag == f"{SVG}text":
            parts = [(element.text, element)] if element.text else [(span.text, span) for span in element]
            for words, part in parts:
                small = "shape" in part.get("class", "") or element.get("text-anchor") == "middle"
                wide = len(words or "") * (5.6 if element.get("text-anchor") == "middle" else SMALL if small else CHARACTER)
                x = float(part.get("x", 0)) + dx - (wide / 2 if element.get("text-anchor") == "middle" else 0)
                y = float(element.get("y", 0)) + dy
                found.append(Rectangle(words or "", x, y - 5, x + wide, y + 5))
        for child in element:
            visit(child, dx, dy)

    visit(ET.fromstring(text), 0.0, 0.0)
    return found


def check(name: str) -> int:
    edges = 0
    for one in graphs_of(name):
        for level, closed in levels(one):
            drawn = figure(one.nodes, inputs=one.inputs, bodies=one.bodies, closed=closed, limit=None)
            assert faults(drawn.layout) == {}, (name, level)
            assert [(a.id, b.id) for a, b in crossing(written(svg([drawn])))] == [], (name, level)
            edges += len(drawn.layout.routes)
    return edges


@pytest.mark.parametrize("name", ["stack", "resnet"])
def test_nothing_lies_on_anything(name: str) -> None:
    assert check(name) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MODELS) - {"resnet"}))
def test_nothing_lies_on_anything_in_real_models(name: str) -> None:
    assert check(name) > 5


def test_an_edge_has_a_lane_in_every_row_of_a_broken_one() -> None:
    wide = [node(f"p{n}", width=90) for n in range(8)]
    picture = lay_out([*wide, node("end")], [Edge(n.id, "end") for n in wide[::3]], metrics=Metrics(row_width=400))
    assert len({n.y for n in picture.nodes}) == 3 + 1 and len(picture.routes) == 3 and faults(picture) == {}


def test_what_is_broken_into_many_rows_has_stubs_instead_of_edges() -> None:
    wide = [node(f"p{n}", width=90) for n in range(40)]
    picture = lay_out([*wide, node("end")], [Edge(n.id, "end") for n in wide], metrics=Metrics(row_width=400))
    assert not picture.routes and len([s for s in picture.stubs if s.side == "in"]) == 1


def test_a_name_stands_left_of_what_enters_its_box() -> None:
    nodes, edges = chain("a", "b", "c", cluster=("a_module_with_a_long_name", "inner"))
    picture = lay_out([node("x"), *nodes], [Edge("x", "a"), *edges])
    (entering,) = (r for r in picture.routes if r.source == "x")
    for box in picture.boxes:
        assert box.x + 10 + CHARACTER * len(f"{box.path[-1]} 3 ops") < entering.points[-1][0] < box.x + box.width
    assert faults(picture) == {}


def test_the_measure_finds_what_lies_on_what() -> None:
    nodes, edges = chain("a", "b", "c")
    picture = lay_out([*nodes, node("d", cluster=("m",)), node("e", cluster=("m",))], [*edges, Edge("c", "d"), Edge("d", "e")])
    moved = [picture.nodes[0], picture.nodes[1]._replace(y=picture.nodes[0].y + 5), *picture.nodes[2:]]
    assert "things" in faults(picture._replace(nodes=tuple(moved)))
    through = [route._replace(points=(route.points[0], (route.points[0][0], 400.0))) if route.source == "a" else route for route in picture.routes]
    assert {"edge through a thing", "edge through a box"} <= set(faults(picture._replace(routes=tuple(through))))
    narrow = [box._replace(x=box.x + box.width / 3) for box in picture.boxes]
    assert set(itertools.chain(faults(picture._replace(boxes=tuple(narrow))))) & {"titles", "edge through a title"}
