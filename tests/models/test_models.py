"""Real models: one graph, no breaks, the same results, one recompile for a new shape and none for the shapes after it.

`TRACER_REFERENCE=1` runs the same expectations against torch.compile, to learn whether they are reasonable.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.differential import FUNCTIONALISED, Counts, Reference, Traced
from tests.models.zoo import MODELS, TRANSFORMERS, Model, build
from tests.snapshots import Differ, Numbering

EVAL = sorted(set(MODELS) - {"resnet_train", "mlp_train", "gpt2_12"})


def compiler(backend: str = "eager") -> Any:
    return Reference() if os.environ.get("TRACER_REFERENCE") else Traced(backend)


class Pair:
    """A model untraced and a copy of it traced, called side by side."""

    def __init__(self, model: Model, backend: str = "eager"):
        self.model, self.compiler = model, compiler(backend)
        self.traced_module = copy.deepcopy(model.module)
        self.traced = self.compiler.compile(self.traced_module)
        exact = backend == "eager"
        self.differ = Differ(None if exact else 1e-4, frozenset() if exact else FUNCTIONALISED)

    def call(self, size: int, grad: bool = False) -> Counts:
        """Both on fresh inputs of one size; the same results, gradients and buffers. Returns what it took until now."""
        seen = []
        for fn in (self.model.module, self.traced):
            torch.manual_seed(size)
            with torch.set_grad_enabled(grad):
                result = fn(**self.model.inputs(size))
            seen.append(self.left(fn is self.traced, result, grad))
        self.differ.found = []
        self.differ.compare("", *seen)
        assert not self.differ.found, "\n".join(self.differ.found)
        return self.compiler.counts()

    def left(self, traced: bool, result: Any, grad: bool) -> Any:
        module = self.traced_module if traced else self.model.module
        kept: dict[str, Any] = {"result": result, "buffers": dict(module.named_buffers())}
        if grad:
            module.zero_grad()
            (result if isinstance(result, torch.Tensor) else result[0]).sum().backward()
            kept["grads"] = {name: p.grad for name, p in module.named_parameters()}
        return Numbering().snapshot(kept)


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(build(request.param))
    yield made
    made.compiler.close()


@pytest.mark.parametrize("pair", EVAL, indirect=True)
def test_one_graph_hit_again_and_dynamic_after_one_recompile(pair: Pair) -> None:
    first, second, third = pair.model.sizes
    took = pair.call(first)
    assert (took.graphs, took.breaks, took.recompiles) == (1, [], 0)
    assert pair.call(first).graphs == 1, "the same call again is a cache hit"
    took = pair.call(second)
    assert (took.graphs, took.breaks, took.recompiles) == (2, [], 1), "a changed shape compiles once more"
    assert pair.call(third).graphs == 2, "after which that dimension is dynamic"
    assert pair.call(first).graphs == 2


@pytest.mark.parametrize("pair", ["gpt2_12"], indirect=True)
def test_one_graph_with_many_layers(pair: Pair) -> None:
    assert pair.call(16).graphs == 1
    assert pair.call(16).graphs == 1


@pytest.mark.parametrize("pair", ["resnet_train", "mlp_train"], indirect=True)
def test_training_step(pair: Pair) -> None:
    """Forward traced, backward after it: gradients, and the statistics that batch norm keeps."""
    size = pair.model.sizes[0]
    took = pair.call(size, grad=True)
    assert (took.graphs, took.breaks, took.recompiles) == (1, [], 0)
    assert pair.call(size, grad=True).graphs == 1


@pytest.mark.parametrize("pair", ["bert", "gpt2"], indirect=True)
def test_gradients_of_a_transformer(pair: Pair) -> None:
    assert pair.call(pair.model.sizes[0], grad=True).graphs == 1


@pytest.mark.parametrize("pair", ["resnet"], indirect=True)
def test_train_and_eval_are_two_entries(pair: Pair) -> None:
    pair.call(2)
    pair.model.module.train(), pair.traced_module.train()
    assert pair.call(2).graphs == 2
    pair.model.module.eval(), pair.traced_module.eval()
    assert pair.call(2).graphs == 2


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_results_are_the_models_own_types(name: str) -> None:
    """A ModelOutput stays one, with its keys in order, under `tracer.trace` as well."""
    tracer = pytest.importorskip("tracer")
    model = build(name)
    with torch.no_grad():
        expected = model.module(**model.inputs(model.sizes[0]))
        session = tracer.trace(model.module, **model.inputs(model.sizes[0]))
    assert type(session.result) is type(expected)
    assert list(session.result.keys()) == list(expected.keys())
    assert len(session.graphs) == 1 and not session.graph_breaks
    assert session.graphs[0].op_count > 10


@pytest.mark.timeout(600)
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="inductor needs a C++ compiler here")
@pytest.mark.parametrize("name", ["mlp_train", "gpt2"])
def test_inductor(name: str) -> None:
    pair = Pair(build(name), backend="inductor")
    size = pair.model.sizes[0]
    assert pair.call(size, grad=name == "mlp_train").graphs == 1
    assert pair.call(size, grad=name == "mlp_train").graphs == 1
    pair.compiler.close()
