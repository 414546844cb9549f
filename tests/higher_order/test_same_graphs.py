"""The graphs of programs over higher-order operators beside torch.compile's: the same operators, and bodies with as many inputs, at every depth."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from torch import fx

import tracer
from tests.higher_order import test_attention as attention
from tests.higher_order import test_loops as loops
from tests.higher_order import test_wraps as wraps
from tests.higher_order.alike import ramp
from tests.models.operators import WORKS

#: Calls that prepare the process once, of which a graph has no need.
PREPARE = {"lazy_load_decompositions"}
#: Where the graphs differ, and why.
EXCEPTIONS = {
    "counts_its_calls": "torch.compile ends the graph, since a list of the program is appended to in the body",
    "gives_back_what_came": "the operator gives nothing that is used, so it isn't there",
    "hinted": "torch.compile refuses hints by position",
    "per_sample_gradients": "dropout that drops nothing gives what it is given",
    **dict.fromkeys(("rwkv", "ode", "ode_adjoint", "ode_adjoint_by_func"), "a tensor that is iterated over is unbound, where torch.compile picks each part"),
}


@dataclass
class Drawn:
    """What is in a graph: how many inputs, which operators, and the bodies of those in their order."""

    inputs: int
    operators: Counter
    bodies: list


def kind(node: fx.Node) -> str:
    """How an operator is called, whether by a method, a function or Python's sign for it."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return name.rsplit(".", 1)[-1].strip("_")


def stays(node: fx.Node) -> bool:
    """Whether a node does something beside its result."""
    return node.op == "output" or node.is_impure() or isinstance(node.target, str) and node.target.endswith("_") and not node.target.endswith("__")


def gives_its_argument(node: fx.Node) -> bool:
    """Whether what a call gives is what it was given: torch.compile keeps such calls."""
    first = node.args[0] if node.args else None
    value = node.meta.get("example_value")
    return isinstance(first, fx.Node) and isinstance(value, torch.Tensor) and value is first.meta.get("example_value") and not stays(node)


def drawn(gm: fx.GraphModule) -> Drawn:
    live: set[fx.Node] = set()
    for node in reversed(gm.graph.nodes):
        if stays(node) or any(user in live for user in node.users):
            live.add(node)
    held = [getattr(gm, node.target, None) for node in gm.graph.nodes if node.op == "get_attr" and node in live]
    called = [node for node in gm.graph.nodes if node.op in ("call_function", "call_method") and node in live and not gives_its_argument(node)]
    inputs = sum(node.op == "placeholder" for node in gm.graph.nodes)
    kept = Counter(name for name in map(kind, called) if name not in PREPARE)
    return Drawn(inputs, kept, [drawn(body) for body in held if isinstance(body, fx.GraphModule)])


def apart(ours: Drawn, theirs: Drawn, at: str = "the graph") -> list[str]:
    """In what two graphs differ, in words."""
    found = []
    if ours.inputs != theirs.inputs:
        found.append(f"{at} has {ours.inputs} inputs, not {theirs.inputs}")
    if ours.operators != theirs.operators:
        found.append(f"{at}: only ours {dict(ours.operators - theirs.operators)}, only torch.compile's {dict(theirs.operators - ours.operators)}")
    if len(ours.bodies) != len(theirs.bodies):
        found.append(f"{at} has {len(ours.bodies)} bodies, not {len(theirs.bodies)}")
    for i, (one, other) in enumerate(zip(ours.bodies, theirs.bodies, strict=False)):
        found += apart(one, other, f"{at} / body {i}")
    return found


def graphs_of(compile_with, args) -> list[Drawn]:
    found: list[fx.GraphModule] = []

    def backend(gm, _):
        found.append(gm)
        return gm.forward

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile_with(backend)(*args)
    return [drawn(gm) for gm in found]


def compared(function, ours, theirs) -> list[str]:
    """`ours`, `theirs`: arguments of one call each."""
    traced = graphs_of(lambda backend: lambda *args: tracer.Session("trace", backend=backend).run(function, *args), ours)
    torch._dynamo.reset()
    captured = graphs_of(lambda backend: torch.compile(function, backend=backend), theirs)
    torch._dynamo.reset()
    if len(traced) != len(captured):
        return [f"{len(traced)} graphs, not {len(captured)}"]
    return [text for one, other in zip(traced, captured, strict=True) for text in apart(one, other)]


MATRIX = [(f, "") for f in (*loops.LOOPS, *wraps.ANY, *wraps.INFERENCE)] + [(f, "trained") for f in (*loops.LOOPS, *wraps.ANY)]


@pytest.mark.parametrize(("function", "trained"), [pytest.param(f, t, id=f"{f.__name__} {t}".strip()) for f, t in MATRIX if f.__name__ not in EXCEPTIONS])
def test_operators_and_inputs(function, trained):
    ours, theirs = ((ramp(3, 4, grad=bool(trained)),) for _ in range(2))
    assert not compared(function, ours, theirs)


ATTENDED = [attention.masked, attention.biased, attention.by_document, attention.with_statistics, attention.without_a_mask, attention.grouped, *attention.INSIDE[:3]]


@pytest.mark.parametrize("function", ATTENDED, ids=lambda f: f.__name__)
def test_attention(function):
    heads = 4 if function in (attention.grouped, attention.documents_inside) else 2
    assert not compared(function, attention.operands(heads), attention.operands(heads))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(WORKS) - set(EXCEPTIONS)))
def test_models(name):
    work = WORKS[name]()
    assert not compared(work.function, work.inputs(1), work.inputs(1))
