"""Transforms that no engine captures: eager's results, and few breaks, each for what stands there."""

from __future__ import annotations

import pytest
import torch
import torch._dynamo
from torch.autograd import functional
from torch.func import functionalize, linearize
from torch.utils import _pytree as pytree

import tracer


def value(x):
    return (x.sin() * x).sum()


def vector(x):
    return x.sin() * 2


def written(x):
    y = x.clone()
    y.mul_(3)
    return y.sin()


def linearized(x):
    out, tangent = linearize(vector, x)
    return out, tangent(x)


PROGRAMS = {
    "linearize": linearized,
    "functionalize": lambda x: functionalize(written)(x),
    "functionalize without views": lambda x: functionalize(written, remove="mutations_and_views")(x),
    "vjp": lambda x: functional.vjp(vector, x, x + 1),
    "vjp create_graph": lambda x: functional.vjp(vector, x, x + 1, create_graph=True),
    "vjp strict": lambda x: functional.vjp(vector, x, x + 1, strict=True),
    "jvp": lambda x: functional.jvp(vector, x, x + 1),
    "jvp create_graph": lambda x: functional.jvp(vector, x, x + 1, create_graph=True),
    "jacobian": lambda x: functional.jacobian(vector, x),
    "jacobian create_graph": lambda x: functional.jacobian(vector, x, create_graph=True),
    "jacobian vectorize": lambda x: functional.jacobian(vector, x, vectorize=True),
    "jacobian forward-mode": lambda x: functional.jacobian(vector, x, vectorize=True, strategy="forward-mode"),
    "hessian": lambda x: functional.hessian(value, x),
    "hessian forward-mode": lambda x: functional.hessian(value, x, vectorize=True, outer_jacobian_strategy="forward-mode"),
    "hvp": lambda x: functional.hvp(value, x, x + 1),
    "hvp create_graph": lambda x: functional.hvp(value, x, x + 1, create_graph=True),
    "vhp": lambda x: functional.vhp(value, x, x + 1),
    "vhp strict": lambda x: functional.vhp(value, x, x + 1, strict=True),
}
#: The second: torch makes a list of parameters when the function that `linearize` gave is called first.
BREAKS = {"linearize": {"higher-order-unsupported", "class-definition-inside"}}
REASONS = {"higher-order-unsupported", "grad-write", "backward-inside"}


def observed(run, grad):
    x = torch.linspace(0.5, 2, 3).requires_grad_(grad)
    leaves = [leaf for leaf in pytree.tree_leaves(run(x)) if isinstance(leaf, torch.Tensor)]
    needing = [leaf for leaf in leaves if leaf.requires_grad and grad]
    gradient = torch.autograd.grad(sum(leaf.sum() for leaf in needing), x, allow_unused=True)[0] if needing else None
    return [(leaf.detach(), leaf.requires_grad) for leaf in leaves], gradient


@pytest.mark.parametrize("grad", [False, True], ids=["constant", "leaf"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_those_of_python_and_the_graph_ends_for_what_stands_there(name, grad):
    program = PROGRAMS[name]
    wanted = observed(program, grad)
    session = tracer.Session("trace")
    for _ in range(2):
        torch.testing.assert_close(observed(lambda x: session.run(program, x), grad), wanted)
    found = {one.reason for one in session.graph_breaks}
    assert found == BREAKS[name] if name in BREAKS else len(session.graph_breaks) == 1 and found <= REASONS
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(program, backend="eager", fullgraph=True)(torch.ones(3, requires_grad=grad))
    torch._dynamo.reset()
