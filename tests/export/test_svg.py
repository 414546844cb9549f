"""SVG of graphs: well-formed whatever the program is called, no scripts, closed boxes where there is too much to read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.export import to_dot, to_svg
from tracer.export.figure import Figure, cluster_of, figure, operator_of, shape_text
from tracer.export.svg import Gutter, svg
from tracer.records import Frame, Graph, GraphBreak, GraphInput, Node, Place, Records

SVG = "{http://www.w3.org/2000/svg}"


def op(
    name: str, *inputs: str, target: str = "torch.relu", path: str = "", shape: tuple = (4, 3), line: int = 1
) -> Node:
    place = Place("model.py", line)
    return Node(name, "call_function", target, "", shape, "float32", "cpu", path, place, inputs)


def given_input(name: str) -> Node:
    return Node(name, "placeholder", name, "", (4, 3), "float32", "cpu")


def layers(count: int, ops: int = 4) -> list[Node]:
    nodes = [given_input("x")]
    for layer in range(count):
        nodes += [op(f"n{layer}_{n}", nodes[-1].name, path=f"layers.{layer}") for n in range(1, ops + 1)]
        for n in range(1, ops):
            nodes[-n].inputs = (nodes[-n - 1].name,)
        nodes[-ops].inputs = (nodes[-ops - 1].name,)
    return [*nodes, Node("output", "output", "output", inputs=(nodes[-1].name,))]


def words(text: str) -> list[str]:
    return [span.text or "" for span in ET.fromstring(text).iter(f"{SVG}tspan")]


def test_a_node_says_operator_instance_and_shape() -> None:
    nodes = [given_input("x"), op("h", "x", target="torch.nn.functional.linear", path="attn.qkv", shape=(4, 128, 768))]
    assert words(svg([figure(nodes)])) == ["x", "4×3", "linear", "qkv", "4×128×768"]


def test_parameters_are_not_drawn_but_other_inputs_are() -> None:
    names = ("l_self_modules_fc_parameters_weight_", "l_self_fc_bias_", "l_self_gate_", "l_fc_")
    drawn = figure([*map(given_input, names), op("h", *names, path="fc"), op("z", "h")])
    assert set(drawn.parts) == {"l_self_gate_", "l_fc_", "h", "z"} and drawn.hidden == 2


def test_inputs_that_were_only_lifted_are_drawn_under_their_source() -> None:
    lifted = GraphInput("l_x_", "args[0]", (4, 3), "float32", "cpu")
    assert words(svg([figure([op("h", "l_x_")], inputs=[lifted])])) == ["args[0]", "4×3", "relu", "4×3"]
    assert set(figure([op("h", "l_x_")]).parts) == {"l_x_", "h"}


def test_views_are_folded_into_what_they_view() -> None:
    nodes = [given_input("x"), op("h", "x"), op("v", "h", target="view", shape=(12,)), op("t", "v", target="t")]
    drawn = figure([*nodes, op("z", "t")])
    assert set(drawn.parts) == {"x", "h", "z"}
    assert drawn.parts["h"].folded == 2
    assert [(r.source, r.target) for r in drawn.layout.routes] == [("x", "h"), ("h", "z")]


def test_a_view_that_shares_its_source_is_drawn() -> None:
    nodes = [op("h"), op("v", "h", target="view"), op("z", "h", "v")]
    assert set(figure(nodes).parts) == {"h", "v", "z"}


def test_many_nodes_close_their_modules() -> None:
    whole = figure(layers(200), limit=400)
    assert len(whole.layout.nodes) + len([b for b in whole.layout.boxes if not b.open]) == 202
    assert [b.id for b in whole.layout.boxes if b.open] == ["layers ×200"]
    assert words(svg([whole])).count("4 ops") == 200


def test_modules_of_a_container_that_follow_one_another_are_one_box() -> None:
    drawn = figure(layers(48), limit=10)
    (box,) = drawn.layout.boxes
    assert (box.id, box.nodes, box.open) == ("layers ×48", 192, False) and words(svg([drawn])).count("layers ×48") == 1
    assert not [b for b in figure(layers(2)).layout.boxes if "×" in b.id], "two are seen at once"
    mixed = [given_input("x"), *(op(f"n{n}", path=f"encoder.block.{n // 2}.{('norm', 'ff')[n % 2]}") for n in range(8)), op("end")]
    assert {b.path[0] for b in figure(mixed).layout.boxes} == {"encoder"}


def test_loose_nodes_between_repeated_modules_stay_between_them() -> None:
    nodes = [given_input("x")]
    for n in range(3):
        nodes += [op(f"a{n}", path=f"h.{n}"), op(f"b{n}", path=f"h.{n}"), op(f"mask{n}")]
    picture = figure([*nodes, op("end", path="head")]).layout
    box = next(b for b in picture.boxes if b.id == "h ×3")
    assert box.nodes == 8, "the mask behind the last is not between two"
    assert [b.id for b in picture.boxes] == ["h ×3", "h ×3.h.0", "h ×3.h.1", "h ×3.h.2"]


def test_closed_modules_are_bold_with_a_second_sheet() -> None:
    text = svg([figure(layers(2), closed=["layers.0"])])
    closed = [g for g in ET.fromstring(text).iter(f"{SVG}g") if g.get("class") == "closed"]
    assert len(closed) == 1 and len(closed[0].findall(f"{SVG}rect")) == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_escaped(name: str, path: str) -> None:
    nodes = [Node("a", "call_function", name, name, (1,), name, name, path, Place(name, 3))]
    text = svg([figure(nodes, title=name, subtitle=path)], [Gutter(name or "x", path, name)])
    root = ET.fromstring(text)
    assert "<script" not in text and {e.tag for e in root.iter()} <= {
        SVG + t for t in ("svg", "style", "g", "rect", "text", "tspan", "path", "title")
    }


def test_hostile_names_stay_text() -> None:
    evil = "</title></svg><script>alert(1)</script>"
    text = svg([figure([op(evil, target=evil, path=evil)], title=evil)], [Gutter(evil, evil, evil)])
    assert "<script" not in text
    assert not re.search(r"\bon\w+=|href|url\(|@import", text)


def test_every_rule_is_scoped() -> None:
    style = ET.fromstring(svg([])).find(f"{SVG}style")
    assert style is not None and style.text is not None
    for rule in style.text.splitlines():
        assert ".tracer-graph" in rule


def test_boxes_from_paths() -> None:
    assert cluster_of("transformer.h.0.attn") == ("transformer", "h.0", "attn")
    assert cluster_of("L['self'].layers[0]") == ("layers.0",)
    assert cluster_of(()) == () and cluster_of("") == () and cluster_of(None) == ()
    assert cluster_of((("L['self']", "GPT"), ("L['self'].h.0", "Block"))) == ("h.0",)


@pytest.mark.parametrize(
    ("target", "shown"), [("aten.mm.default", "mm"), ("torch.ops.higher_order.cond", "cond"), ("add", "add"), ("", "")]
)
def test_operators(target: str, shown: str) -> None:
    assert operator_of(target) == shown


def test_shapes() -> None:
    assert shape_text((2, "s0 + 1")) == "2×s0 + 1"


# --- several graphs -------------------------------------------------------------------------------------------------


def broken() -> Records:
    first = Graph("graph_0", "0/0", nodes=[given_input("x"), op("h", "x", line=41), op("gt", "h", line=42, shape=())])
    second = Graph("graph_1", "1/0", nodes=[given_input("h"), op("z", "h", line=43)])
    found = GraphBreak(
        "data-dependent-branch", "Branch on a value", location=Place("model.py", 42), frames=["0/0", "1/0"]
    )
    frames = [Frame("0/0", "f", "model.py", 39, graph="graph_0"), Frame("1/0", "f", "model.py", 39, resumes="0/0")]
    return Records(frames=frames, graphs=[first, second], graph_breaks=[found])


def test_the_break_stands_between_its_graphs_and_its_cause_is_marked() -> None:
    text = to_svg(broken())
    groups = [g.get("class") for g in ET.fromstring(text).iter(f"{SVG}g") if g.get("class")]
    assert [name for name in groups if name in ("lane", "break")] == ["lane", "break", "lane"]
    assert groups.count("node cause") == 1
    assert "line 42" in text and "2 ops · lines 41–42" in text and "goes on from frame 0/0" in text


def test_no_graph_is_still_a_picture() -> None:
    ET.fromstring(to_svg(Records()))


def test_lanes_stand_beside_each_other() -> None:
    figures: list[Figure] = [figure(layers(1)), figure(layers(1)), figure(layers(1))]
    root = ET.fromstring(svg(figures))
    lefts = [float(g.get("transform", "")[10:].split()[0]) for g in root if g.get("class") == "lane"]
    assert lefts == sorted(set(lefts)) and float(root.get("width", 0)) > lefts[-1]


def test_dot_text() -> None:
    records = broken()
    records.graphs[0].nodes[1].module_path = 'a"b.c'
    records.graphs[0].nodes[1].target = "<b>\\n"
    text = to_dot(records)
    assert text.count("subgraph") == 4
    assert text.count("->") == 3
    assert 'label="a\\"b"' in text
    assert "label=<" not in text
