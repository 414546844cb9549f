"""Levels of torch.func are boxes of the graph: inside the module in which they began, around the modules that are called in them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import grad, vmap

import tracer
from tracer.export.bodies import boxes_of


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        return vmap(grad(lambda v: self.inner(v).tanh().sum()))(x)


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.outer = Outer()

    def forward(self, x):
        return self.outer(x) + 1


def boxes(session, target):
    return next(boxes_of(node) for node in session.graphs[0].nodes if node.target.rpartition(".")[2] == target)


def test_a_level_lies_in_the_module_in_which_it_began():
    session = tracer.Session(backend="eager")
    session.run(Around(), torch.randn(3, 4))
    assert boxes(session, "_add_batch_dim") == ("outer", "vmap level 1")
    assert boxes(session, "linear") == ("outer", "vmap level 1", "grad level 2", "inner")
    assert boxes(session, "tanh") == ("outer", "vmap level 1", "grad level 2")
    assert boxes(session, "_remove_batch_dim") == ("outer", "vmap level 1")
    assert boxes(session, "add") == ()


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_levels_are_told_by_both_engines_and_kept_in_files(engine, tmp_path):
    session = tracer.Session(backend="eager", engine=engine)
    session.run(lambda x: vmap(grad(lambda v: v.tanh().sum()))(x), torch.randn(3, 4))
    session.save(tmp_path / "r.jsonl.gz")
    for one in (session, tracer.load(tmp_path / "r.jsonl.gz")):
        assert boxes(one, "tanh") == ("vmap level 1", "grad level 2")
        assert boxes(one, "_remove_batch_dim") == ("vmap level 1",)
    session.export(tmp_path / "r.svg")
    text = (tmp_path / "r.svg").read_text()
    assert "vmap level 1" in text and "grad level 2" in text
