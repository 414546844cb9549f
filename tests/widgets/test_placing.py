"""The page lays graphs out by itself (js/placing.js): as tracer/layout does, from the same nodes, with any boxes closed."""

from __future__ import annotations

import json
import random
import subprocess

from tests.layout.graphs import Graph, block, chain, diamond, node, transformer
from tracer.layout import Edge, lay_out
from widgets.bundle import SOURCES, _node

SCRIPT = """
import { grow, layOut } from PLACING;
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(text).map(({ nodes, edges, closed }) => layOut(grow(nodes), edges, (id) => closed.includes(id)))));
});
"""


def laid_out(graphs: list[tuple[Graph, list[str]]]) -> list[dict]:
    """What the page makes of these graphs, with these boxes closed."""
    given = []
    for (nodes, edges), closed in graphs:
        index = {n.id: number for number, n in enumerate(nodes)}
        plain = [{"id": n.id, "label": n.label[0], "width": n.width, "path": n.cluster, "pin": n.pin, "seq": i} for i, n in enumerate(nodes)]
        given.append({"nodes": plain, "edges": [[index[a], index[b]] for a, b in edges], "closed": closed})
    script = SCRIPT.replace("PLACING", json.dumps((SOURCES / "placing.js").as_uri()))
    done = subprocess.run([*_node(), "--input-type=module", "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def expected(graph: Graph, closed: list[str]) -> dict:
    picture = lay_out(*graph, closed=closed)
    first = {}  # box → the event of the first node in it
    for number, n in enumerate(graph[0]):
        for depth in range(1, len(n.cluster) + 1):
            first.setdefault(n.cluster[:depth], number)
    return {
        "nodes": [[n.id, n.x, n.y, n.width, n.height] for n in picture.nodes],
        "boxes": [[b.id, b.x, b.y, b.width, b.height, b.nodes, int(b.open), b.depth, b.path[-1]] for b in picture.boxes],
        "routes": [[r.source, r.target, *(c for point in r.points for c in point)] for r in picture.routes],
        "stubs": [[s.node, s.side, s.text, list(s.others), s.x, s.y, s.width, s.height] for s in picture.stubs],
        "size": [picture.width, picture.height],
    }


def drawn(seed: int) -> Graph:
    """Any graph in order, with boxes up to three deep."""
    chance = random.Random(seed)
    nodes, edges = [], []
    for number in range(chance.randint(1, 60)):
        top = number < 3 and chance.random() < 0.7
        path = () if top else tuple(chance.choice("abc") for _ in range(chance.randint(0, 3)))
        nodes.append(node(f"n{number}", cluster=path, width=chance.randint(20, 140), pin="top" if top else ""))
        if not top:
            edges += [Edge(f"n{s}", nodes[-1].id) for s in {chance.randrange(number) for _ in range(chance.randint(0, 3))} if number] if number else []
    nodes.append(node("out", pin="bottom"))
    return nodes, [*edges, Edge(nodes[-2].id, "out")]


def rounded(found: object) -> object:
    """Means are not exact: coordinates to a hundredth."""
    if isinstance(found, float | int):
        return round(found, 2) + 0.0
    return [rounded(one) for one in found] if isinstance(found, list) else found


def test_the_page_places_as_the_layout_does() -> None:
    known = [chain("linear", "relu", "linear_1"), diamond(), block(0, "before"), transformer(2), transformer(9)]
    graphs: list[tuple[Graph, list[str]]] = []
    for nodes, edges in [*known, *map(drawn, range(120))]:
        names = {n.id for n in nodes}
        graph = nodes, [edge for edge in edges if edge.source in names]
        boxes = [box.id for box in lay_out(*graph).boxes]
        graphs += [(graph, []), (graph, boxes), (graph, boxes[1::2])]
    for (graph, closed), got in zip(graphs, laid_out(graphs), strict=True):
        got["boxes"] = [[*box[:8], box[10]] for box in got["boxes"]]
        want = expected(graph, closed)
        for part, rows in want.items():
            assert rounded(got[part]) == rounded(rows), (part, closed)


def test_a_box_begins_with_its_first_node() -> None:
    (picture,) = laid_out([(transformer(2), ["layers.1"])])
    births = {box[0]: box[8] for box in picture["boxes"]}
    assert births["layers.0"] == 2 and births["layers.0.attn"] == 3 and births["layers.1"] == 10
