"""Bodies of higher-order operators as boxes inside the graph: records, one list of nodes, pictures, differences."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import tracer
from tracer.export.bodies import flat
from tracer.export.dot import dot
from tracer.export.figure import figure
from tracer.records import Body, Node
from widgets.models import Book, views
from widgets.models.compare import compare


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp, self.out = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2)

    def forward(self, x, w):
        def outer(x):
            return torch.cond(x.max() > 0, lambda y: (y @ w).relu(), lambda y: self.mlp(y), (x,)).sum(-1)

        z = torch.cond(x.sum() > 0, outer, lambda x: (x - 1).sum(-1), (x,)) + 1
        return z, self.out(checkpoint(lambda t: self.mlp(t).sin(), x, use_reentrant=False))


@pytest.fixture(scope="module", params=["tracer", "dynamo"])
def session(request):
    torch.manual_seed(0)
    torch._dynamo.reset()
    made = tracer.Session("trace", engine=request.param, strict=True)
    made.run(Net(), torch.ones(3, 4), torch.ones(4, 4))
    yield made
    made.close()
    torch._dynamo.reset()


def operators(nodes):
    return [node.target.rsplit(".", 1)[-1] for node in nodes]


def test_records_hold_each_body_in_the_graph_or_body_around_it(session):
    (graph,) = session.graphs
    yes, no, kept = graph.bodies
    assert [operators(body.nodes) for body in (no, kept)] == [["sub", "sum"], ["linear", "relu", "sin"]]
    assert operators(yes.nodes)[:2] == ["max", "gt"] and operators(yes.nodes)[-1] == "sum" and not no.bodies and not kept.bodies
    assert [operators(body.nodes) for body in yes.bodies] == [["matmul", "relu"], ["linear", "relu"]]
    for body in (*graph.bodies, *yes.bodies):
        assert type(session.events[body.seq]).__name__ == "SpeculationStarted"
        holder = yes.nodes if body in yes.bodies else graph.nodes
        assert any(node.name == body.node and node.op == "get_attr" for node in holder)
        outside = {node.name for node in holder} | {one.name for one in graph.inputs} | {name for name, _ in yes.inputs}
        assert {outer for _, outer in body.inputs} <= outside
    assert len(session.graphs) == 1 and graph.op_count == len([n for n in graph.nodes if n.op.startswith("call")])


def test_recordings_keep_them(session, tmp_path):
    session.save(tmp_path / "r.jsonl")
    assert tracer.load(tmp_path / "r.jsonl").graphs[0].bodies == session.graphs[0].bodies


def test_one_list_leads_from_one_graph_into_the_other(session):
    (graph,) = session.graphs
    whole = flat(graph.nodes, graph.bodies)
    names = [node.name for node in whole.nodes]
    assert len(set(names)) == len(names) and not {body.node for body in graph.bodies} & set(names)
    there = {one.name for one in graph.inputs}
    for node in whole.nodes:
        assert set(node.inputs) <= there, f"{node.name} reads what does not come before it"
        there.add(node.name)
    by_name = {node.name: node for node in whole.nodes}
    yes, no, _ = graph.bodies
    outer = next(node for node in graph.nodes if yes.node in node.inputs)
    results = {f"{body.node}/{body.nodes[-1].name}" for body in (yes, no)}
    assert results < set(by_name[outer.name].inputs) and len(by_name[outer.name].inputs) == 3, "the predicate, and what both return"
    inner = yes.bodies[1]
    linear = by_name[f"{yes.node}/{inner.node}/{inner.nodes[0].name}"]
    assert len(linear.inputs) == 3 and set(linear.inputs) <= {one.name for one in graph.inputs}, "lifted through two bodies"
    assert whole.paths[linear.name][:2] == (yes.node, inner.node) and whole.bodies[(yes.node, inner.node)] is inner


def test_pictures_have_a_box_for_each(session):
    (graph,) = session.graphs
    drawn = figure(graph.nodes, inputs=graph.inputs, bodies=graph.bodies, limit=None)
    boxes = {box.path: box for box in drawn.layout.boxes}
    yes, no, kept = graph.bodies
    assert {(yes.node,), (no.node,), (kept.node,), (yes.node, yes.bodies[0].node)} <= set(boxes)
    assert boxes[(no.node,)].nodes == 2 and boxes[(yes.node,)].depth == 0 and boxes[(yes.node, yes.bodies[0].node)].depth == 1
    shut = figure(graph.nodes, inputs=graph.inputs, bodies=graph.bodies, limit=None, closed=[yes.node])
    assert {box.path for box in shut.layout.boxes if not box.open} == {(yes.node,)}
    assert not any(node.id.startswith(f"{yes.node}/") for node in shut.layout.nodes)


def test_svg_dot_and_page_show_them(session, tmp_path):
    (path,) = session.export(tmp_path / "net.svg")
    assert path.read_text().count('<g class="box body">') == 5
    assert path.read_text().count("a body of cond, ") == 4
    text = dot(session.graphs)
    assert text.count("style=dashed") == 5 and all(body.node in text for body in session.graphs[0].bodies)
    (lane,) = views(Book(session))["graph"]["lanes"]
    (graph,) = session.graphs
    yes = graph.bodies[0]
    for body, name in ((yes, f"{yes.node}/{yes.nodes[0].name}"), (yes.bodies[0], f"{yes.node}/{yes.bodies[0].node}/{yes.bodies[0].nodes[0].name}")):
        said = lane["nodes"][name]
        event = session.events[said[6]]
        assert (type(event).__name__, event.name, event.graph) == ("NodeCreated", body.nodes[0].name, body.name) and said[6] > body.seq
        assert said[7].startswith(f"{__file__}:")
    roles = lane["drawn"]["roles"]
    assert roles[yes.node] == "cond" and not [box for box in roles if box.split(".")[-1] in ("mlp", "out")]
    assert [yes.node] in [path[:1] for path in lane["drawn"]["paths"]]


def test_a_difference_in_a_body_is_a_difference():
    def program(softer):
        def soft(x):
            return x.sigmoid() if softer else x.tanh()

        return lambda p, x: torch.cond(p, soft, lambda x: x + 1, (x,)) * 2

    runs = [tracer.trace(program(softer), torch.tensor(True), torch.ones(3)) for softer in (False, True, True)]
    (graph,) = runs[0].diff(runs[1]).graphs
    (changed,) = [pair for pair in graph.nodes if pair.state != "same"]
    assert (changed.left.target, changed.right.target) == ("tanh", "sigmoid") and changed.left.module_path == "cond_true"
    assert runs[1].diff(runs[2]).graphs[0].state == "same"
    (lane,) = compare(runs[0], runs[1], runs[0].diff(runs[1]))["lanes"]
    assert lane["marks"] == {"cond_true/sigmoid": "changed"}


def test_bodies_of_compared_runs_keep_their_look():
    def program(p, x, softer):
        return torch.cond(p, lambda x: (x.sigmoid() if softer else x.tanh()) * 2, lambda x: (x + 1).exp(), (x,)) * 2

    left, right = (tracer.trace(program, torch.tensor(True), torch.ones(3), softer) for softer in (False, True))
    (lane,) = compare(left, right, left.diff(right))["lanes"]
    assert lane["drawn"]["roles"] == {"cond_true": "cond", "cond_false": "cond"}
    assert {name.split("/")[0] for name in lane["marks"]} == {"cond_true"}, "what is the same is closed by the page"


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_an_operator_reads_what_its_bodies_return_not_what_is_left_over(engine):
    def yes(x):
        x.sum()  # nobody reads it
        y = x + 1
        return y, y * 2

    def program(p, x):
        y, z = torch.cond(p, yes, lambda x: (x.sin(), x.cos()), (x,))
        return y + z

    torch._dynamo.reset()
    made = tracer.Session("trace", engine=engine, strict=True)
    made.run(program, torch.tensor(True), torch.ones(3))
    (graph,) = made.graphs
    first, second = graph.bodies
    targets = {node.name: node.target.rsplit(".", 1)[-1] for node in first.nodes}
    assert [targets[name] for name in first.results] == ["add", "mul"] and len(second.results) == 2 and "sum" in targets.values()
    whole = {node.name: node for node in flat(graph.nodes, graph.bodies).nodes}
    cond = next(node for node in whole.values() if node.target.endswith("cond"))
    assert list(cond.inputs[1:]) == [f"{body.node}/{name}" for body in (first, second) for name in body.results]
    assert whole[f"{first.node}/{first.results[0]}"].args == f"{first.inputs[0][1]}, 1", "named as outside"


def test_engines_agree_on_bodies():
    def program(p, x):
        return torch.cond(p, lambda x: x.sin() + 1, lambda x: x.tan(), (x,)) * 2

    ours = tracer.trace(program, torch.tensor(True), torch.ones(3))
    (graph,) = ours.diff(ours.recompile(engine="dynamo")).graphs
    assert graph.state == "same" and len(graph.nodes) > 4


def test_a_body_of_one_node_keeps_its_box_and_an_empty_one_has_none():
    nodes = [
        Node("body", "get_attr", "body"),
        Node("none", "get_attr", "none"),
        Node("op", "call_function", "cond", inputs=("x", "body", "none")),
    ]
    bodies = [Body("body", "body", "cond", [Node("sin", "call_method", "sin", inputs=("lifted_x",))], (("lifted_x", "x"),)), Body("none", "none", "cond")]
    drawn = figure(nodes, bodies=bodies)
    assert [box.id for box in drawn.layout.boxes] == ["body"]
    assert [(route.source, route.target) for route in drawn.layout.routes] == [("x", "body/sin"), ("body/sin", "op")]
