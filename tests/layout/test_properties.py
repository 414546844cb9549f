"""What holds for every layout: nothing overlaps, edges point downward, a graph that grows keeps its order."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.layout.graphs import Graph, graphs
from tests.layout.overlaps import faults
from tracer.layout import Box, Layout, Placed, Stub, lay_out

Rectangle = Placed | Box | Stub


def overlap(a: Rectangle, b: Rectangle) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def inside(inner: Rectangle, outer: Rectangle) -> bool:
    right = inner.x + inner.width <= outer.x + outer.width
    return outer.x <= inner.x and right and outer.y <= inner.y and inner.y + inner.height <= outer.y + outer.height


def visible(picture: Layout) -> dict[str, Rectangle]:
    return {n.id: n for n in picture.nodes} | {b.id: b for b in picture.boxes if not b.open}


@given(graphs(), st.none() | st.integers(1, 30))
def test_nothing_overlaps(graph: Graph, limit: int | None) -> None:
    picture = lay_out(*graph, limit=limit)
    solid = [*visible(picture).values(), *picture.stubs]
    for a, b in itertools.combinations(solid, 2):
        assert not overlap(a, b), (a, b)
    for a, b in itertools.combinations(picture.boxes, 2):
        assert not overlap(a, b) or inside(a, b) or inside(b, a), (a, b)


@given(graphs())
def test_nodes_lie_in_their_boxes_and_boxes_in_the_picture(graph: Graph) -> None:
    picture = lay_out(*graph)
    whole = Box("", (), 0, 0, picture.width, picture.height, 0, True, 0)
    for thing in (*picture.nodes, *picture.boxes, *picture.stubs):
        assert inside(thing, whole), thing
    clusters = {n.id: n.cluster for n in graph[0]}
    for placed in picture.nodes:
        holders = [box for box in picture.boxes if inside(placed, box)]
        assert max((box.path for box in holders), key=len, default=()) == clusters[placed.id]


@given(graphs(), st.none() | st.integers(1, 30))
def test_edges_point_downward_from_border_to_border(graph: Graph, limit: int | None) -> None:
    picture = lay_out(*graph, limit=limit)
    things = visible(picture)
    for route in picture.routes:
        source, target = things[route.source], things[route.target]
        assert route.points[0] == (source.x + source.width / 2, source.y + source.height)
        assert route.points[-1] == (target.x + target.width / 2, target.y)
        heights = [y for _, y in route.points]
        assert heights == sorted(heights) and heights[0] < heights[-1], route


@given(graphs(), st.none() | st.integers(1, 30))
def test_edges_pass_beside_things_boxes_and_their_names(graph: Graph, limit: int | None) -> None:
    assert faults(lay_out(*graph, limit=limit)) == {}


@given(graphs())
def test_every_edge_is_drawn_or_stubbed_at_both_ends(graph: Graph) -> None:
    nodes, edges = graph
    picture = lay_out(nodes, edges)
    drawn = {(route.source, route.target) for route in picture.routes}
    out = {(s.node, other) for s in picture.stubs if s.side == "out" for other in s.others}
    into = {(other, s.node) for s in picture.stubs if s.side == "in" for other in s.others}
    assert out == into
    assert not drawn & out
    assert drawn | out == set(edges)


def order_in_rows(picture: Layout, box_of: dict[str, tuple[str, ...]]) -> dict[object, list[str]]:
    """Reading order of each rank: rows that were broken count as one."""
    rows: dict[object, list[Placed]] = defaultdict(list)
    for placed in picture.nodes:
        rows[box_of[placed.id], placed.rank].append(placed)
    return {key: [p.id for p in sorted(row, key=lambda p: (p.y, p.x))] for key, row in rows.items()}


@given(graphs(), st.data())
def test_a_graph_that_grows_keeps_its_order(graph: Graph, data: st.DataObject) -> None:
    nodes, edges = [n._replace(cluster=()) for n in graph[0]], graph[1]
    count = data.draw(st.integers(1, len(nodes)))
    there = {n.id for n in nodes[:count]}
    before = lay_out(nodes[:count], [e for e in edges if e.target in there])
    after = lay_out(nodes, edges)
    boxes = dict.fromkeys((n.id for n in nodes), ())
    read = {e.source for e in edges if e.target in there} | {e.target for e in edges} | {n.id for n in nodes if n.pin}
    settled = there & read  # a source that nothing reads yet has no place of its own
    ranks = {n.id: n.rank for n in after.nodes}
    assert all(ranks[n.id] == n.rank for n in before.nodes if n.id in settled)
    later = order_in_rows(after, boxes)
    for key, row in order_in_rows(before, boxes).items():
        kept = [name for name in row if name in settled]
        assert kept == [name for name in later.get(key, []) if name in kept]


@given(graphs())
def test_the_same_graph_gives_the_same_picture(graph: Graph) -> None:
    assert lay_out(*graph) == lay_out(*graph)
