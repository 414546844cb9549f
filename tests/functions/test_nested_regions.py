"""`torch.compiler.nested_compile_region`: the caller is captured, bodies of one form are shared, and what can't be one is followed."""

from __future__ import annotations

import pytest
import torch

import tracer


@torch.compiler.nested_compile_region
def region(x, k):
    return (x + k).relu() * x


@torch.compiler.nested_compile_region
def appends(x, out):
    out.append(1)
    return x + 1


@torch.compiler.nested_compile_region
def writes(x):
    x.add_(1)
    return x * 2


@torch.compiler.nested_compile_region
def passes(x):
    return x, x.view(-1), x.sin()


@torch.compiler.nested_compile_region
def breaks(x):
    y = x * 2
    torch._dynamo.graph_break()
    return y + 1


@torch.compiler.nested_compile_region
def raises(x):
    raise ValueError(x.shape)


def shared(x):
    y = region(x, 1) * 2
    return region(y, 1) + region(y, 2)


def an_effect(x):
    out = []
    return appends(x, out), out


def a_write(x):
    y = x * 1
    return writes(y), y


def results_that_were_given(x):
    same, view, made = passes(x)
    return same is x, view * 2, made


def a_break(x):
    return breaks(x) + region(x, 1)


def an_error(x):
    try:
        raises(x)
    except ValueError as error:
        return x + 1, tuple(error.args[0])


def bodies(session):
    return [str(node.target) for graph in session.graphs for node in graph.nodes if node.op == "get_attr"]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("program", [shared, an_effect, a_write, results_that_were_given, a_break, an_error], ids=lambda p: p.__name__)
def test_values_and_gradients_are_as_untraced(program, grad, backend):
    session = tracer.Session("trace", backend=backend)
    for _ in range(2):
        x = torch.randn(2, 3, requires_grad=grad)
        twin = x.detach().clone().requires_grad_(grad)
        found, wanted = session.run(program, x), program(twin)
        torch.testing.assert_close(found, wanted)
        if grad:
            for result in (found, wanted):
                sum(part.sum() for part in torch.utils._pytree.tree_leaves(result) if isinstance(part, torch.Tensor) and part.requires_grad).backward()
            torch.testing.assert_close(x.grad, twin.grad)
    assert bool(session.graph_breaks) == (program is a_break) and not session.recompiles


def test_bodies_of_one_form_are_one():
    session = tracer.Session("trace")
    session.run(shared, torch.randn(2, 3))
    assert bodies(session) == ["region", "region", "region_1"]
    assert len(session.graphs) == 1 and not session.graph_breaks


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in range(3))

    @torch.compiler.nested_compile_region
    def block(self, layer, x):
        return layer(x).relu()

    def forward(self, x):
        for layer in self.layers:
            x = self.block(layer, x)
        return x


def test_layers_share_a_body_and_train():
    net, session = Net(), tracer.Session("trace", backend="aot_eager")
    x = torch.randn(4, 3, requires_grad=True)
    torch.testing.assert_close(session.run(net, x), net(x))
    assert bodies(session) == ["region"] * 3
    session.run(net, x).sum().backward()
    found = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    net(x).sum().backward()
    torch.testing.assert_close(found, [p.grad for p in net.parameters()])
