"""A nested region that is called again with what is proven equal isn't traced again; anything that a body could tell apart is."""

from __future__ import annotations

import pytest
import torch

import tracer
from tests.higher_order.pairs import READS, check, drawn, pair
from tests.parts import one_in
from tracer.events import Committed, GuardInstalled, Reused, SpeculationStarted
from tracer.higher_order import region

ALONE = {"object behind a weak reference"}


def told(session):
    """(bodies that were traced, bodies that were taken again)."""
    return sum(isinstance(e, Committed) for e in session.events), sum(isinstance(e, Reused) for e in session.events)


def guards(session):
    return {(e.source, e.kind, e.expression) for e in session.events if isinstance(e, GuardInstalled)}


def graphs(session):
    return [[(n.op, n.name, str(n.target) if n.op != "get_attr" else "", str(n.args)) for n in graph.nodes] for graph in session.graphs]


@pytest.mark.parametrize("name", READS)
def test_what_differs_is_traced(name):
    check([name], name, 1)


@pytest.mark.parametrize("seed", range(25))
def test_drawn_pairs_are_as_plain_python(seed):
    check(*drawn(seed))


@pytest.mark.parametrize("name", one_in(2, READS, str))
def test_what_is_equal_is_taken_again_with_the_guards_of_a_trace(name, monkeypatch):
    session = tracer.Session("trace")
    found, wanted, again = pair([name], None, 0, session)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert again == (0 if name in ALONE else 2)
    monkeypatch.setattr(region._Read, "served", lambda self: None)
    traced = tracer.Session("trace")
    pair([name], None, 0, traced)
    assert told(traced) == (3, 0)
    assert guards(session) == guards(traced)
    assert [[row[:2] for row in rows] for rows in graphs(session)] == [[row[:2] for row in rows] for rows in graphs(traced)]


class Layer(torch.nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.norm, self.up, self.down, self.scale = torch.nn.LayerNorm(4), torch.nn.Linear(4, 8), torch.nn.Linear(8, 4), scale

    @torch.compiler.nested_compile_region
    def forward(self, x):
        return x + self.down(torch.nn.functional.gelu(self.up(self.norm(x)))) * self.scale


class Model(torch.nn.Module):
    def __init__(self, count=4):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(count))

    def forward(self, x):
        x = x * 1
        for layer in self.layers:
            x = layer(x)
        return x


def trained(run, model, x):
    model.zero_grad()
    x = x.clone().requires_grad_()
    out = run(model, x)
    out.square().sum().backward()
    return out.detach(), x.grad, [p.grad for p in model.parameters()]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_layers_are_traced_once_and_train_as_untraced(backend):
    model, session = Model(), tracer.Session("trace", backend=backend)
    x = torch.linspace(-1, 1, 12).view(3, 4)
    torch.testing.assert_close(trained(session.run, model, x), trained(lambda m, v: m(v), model, x))
    assert told(session) == (1, 3) and len(session.graphs) == 1 and not session.graph_breaks
    assert [str(n.target) for n in session.graphs[0].nodes if n.op == "get_attr"] == ["region"] * 4


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.layers[2], "scale", 3.0),
        lambda m: m.layers[3].up.register_forward_hook(lambda mod, args, out: out * 2),
        lambda m: m.layers[1].up.weight.requires_grad_(False),
        lambda m: setattr(m.layers[3], "down", torch.nn.Linear(8, 4, bias=False)),
        lambda m: m.layers.append(Layer(2.0)),
        lambda m: setattr(m.layers[2].norm, "eps", 0.5),
        lambda m: setattr(m.layers[3], "up", m.layers[2].up),
        lambda m: m.double(),
    ],
    ids=["attribute", "hook", "requires_grad", "module", "count", "constant", "tied", "dtype"],
)  # fmt: skip
def test_guards_of_layers_that_were_not_traced_hold(change):
    model, session = Model(), tracer.Session("trace")
    x = torch.linspace(-1, 1, 12).view(3, 4)
    session.run(model, x)
    change(model)
    x = x.to(next(model.parameters()).dtype)
    torch.testing.assert_close(trained(session.run, model, x), trained(lambda m, v: m(v), model, x))
    assert session.recompiles
    longer = torch.linspace(-1, 1, 20, dtype=x.dtype).view(5, 4)
    for value in (longer, longer[:4]):
        torch.testing.assert_close(session.run(model, value), model(value))


def test_symbolic_sizes_are_served():
    model, session = Model(), tracer.Session("trace")
    for rows in (3, 5, 7):
        x = torch.linspace(-1, 1, rows * 4).view(rows, 4).requires_grad_()
        torch._dynamo.mark_dynamic(x, 0)
        torch.testing.assert_close(session.run(model, x), model(x))
    assert told(session) == (1, 3) and not session.recompiles


# ---- what a body can come to by itself
NET = Model(3)


@torch.compiler.nested_compile_region
def compares(layer, x):
    return x + 1 if layer is NET.layers[0] else x - 1


@torch.compiler.nested_compile_region
def reads(layer, x):
    return x * NET.layers[0].scale + layer.scale


@torch.compiler.nested_compile_region
def weighs(layer, x):
    return x * NET.layers[0].up.weight.sum() + layer.up.weight.sum()


def by_a_global(body):
    def program(x):
        return [body(layer, x) for layer in NET.layers]

    return program


def by_a_closure(body):
    net = NET

    @torch.compiler.nested_compile_region
    def inner(layer, x):
        return body(layer, x) + (1 if layer is net.layers[1] else 0)

    def program(x):
        return [inner(layer, x) for layer in net.layers]

    return program


def by_an_argument(body):
    @torch.compiler.nested_compile_region
    def inner(net, layer, x):
        return x + 1 if layer is net.layers[1] else x * net.layers[0].scale

    return lambda x: [inner(NET, layer, x) for layer in NET.layers]


def by_a_function_of_the_frame(body):
    def program(x):
        layers = NET.layers

        @torch.compiler.nested_compile_region
        def inner(layer):
            return x + 1 if layer is layers[1] else x * layers[0].scale

        return [inner(layer) for layer in layers]

    return program


@pytest.mark.parametrize("body", [compares, reads, weighs])
@pytest.mark.parametrize("way", [by_a_global, by_a_closure, by_an_argument, by_a_function_of_the_frame])
def test_what_a_body_reaches_by_itself_is_not_moved(way, body):
    program, session = way(body), tracer.Session("trace")
    for scale in (1.0, 2.0):
        NET.layers[0].scale = scale
        x = torch.ones(3)
        torch.testing.assert_close(session.run(program, x), program(x))
    NET.layers[0].scale = 1.0


# ---- what declines
@torch.compiler.nested_compile_region
def views(layer, x):
    return x.view(-1)


@torch.compiler.nested_compile_region
def counts(layer, x):
    return x + layer.scale, x.shape[0] * 2


@torch.compiler.nested_compile_region
def scales(layer, x):
    return x * layer.scale


@torch.compiler.nested_compile_region
def passes(layer, x):
    return x, {"n": layer.scale, "out": [x + 1]}


@torch.compiler.nested_compile_region
def draws(layer, x):
    return x + torch.rand(3) * layer.scale


def changed_between(layers, x):
    out = []
    for layer in layers:
        out.append(scales(layer, x))
        layers[1].scale = 5.0
    return out


def changed_elsewhere(layers, x):
    out = []
    for layer in layers:
        out.append(scales(layer, x))
        layers[0].other = len(out)
    return out


def other_modes(layers, x):
    out = [scales(layers[0], x)]
    with torch.no_grad():
        out.append(scales(layers[1], x))
    return out


def other_inputs(layers, x):
    return [scales(layers[0], x), scales(layers[1], x[:2]), scales(layers[2], x.double())]


def each(body):
    def program(layers, x):
        return [body(layer, x) for layer in layers]

    return program


ROWS = [
    (each(views), 0), (each(counts), 2), (each(scales), 2), (each(passes), 2), (each(draws), 2), (changed_between, 1), (changed_elsewhere, 2), (other_modes, 0),
    (other_inputs, 0),
]  # fmt: skip


@pytest.mark.parametrize(("program", "again"), ROWS, ids=["views", "counts", "scales", "passes", "draws", "changed", "elsewhere", "modes", "inputs"])
def test_results_and_how_many_are_taken_again(program, again):
    session = tracer.Session("trace")
    for _ in range(2):
        results = []
        for run in (session.run, lambda f, *args: f(*args)):
            torch.manual_seed(3)
            layers = [Layer() for _ in range(3)]
            x = torch.ones(3, requires_grad=True) * 2
            results.append((run(program, layers, x), [layer.scale for layer in layers]))
        torch.testing.assert_close(*results)
    assert told(session)[1] == again


def test_the_recording_says_why_a_call_is_traced():
    model, session = Model(), tracer.Session("trace")
    model.layers[2].scale = 2.0
    session.run(model, torch.ones(3, 4, requires_grad=True))
    begun = [e.because for e in session.events if isinstance(e, SpeculationStarted)]
    assert begun == ["it is the first call", "", "`self.layers[2].scale == 1.0` doesn't hold", ""]
    again = [e for e in session.events if isinstance(e, Reused)]
    assert [e.graph for e in again] == ["region", "region"]
    assert ("lifted_mul", "getitem_2", "getitem_2, computed before") in again[1].inputs
