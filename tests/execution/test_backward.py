"""The forward and the backward of a graph, and what is kept between them; memory by node, module and line."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import tracer
from tests.snapshots import Differ, Numbering
from tracer.errors import TracerError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.narrow, self.drop = nn.Linear(16, 64), nn.Linear(64, 16), nn.Dropout(0.2)

    def forward(self, x):
        hidden = nn.functional.gelu(self.wide(x))
        return self.narrow(self.drop(hidden)).pow(2).mean()


@pytest.fixture(scope="module")
def both():
    model, x = Net(), torch.randn(8, 16)
    session = tracer.trace(model, x)
    return model, x, session, session.run_graph(backward=True, repeat=2)


def test_flops_are_torchs_own_total(both):
    model, x, _, run = both
    with FlopCounterMode(display=False) as counter:
        loss = model(x)
        forward = counter.get_total_flops()
        loss.backward()
    model.zero_grad()
    assert run.forward.flops == run.flops == forward
    assert run.forward.flops + run.backward.flops == counter.get_total_flops()


def test_what_is_kept_is_what_autograd_keeps():
    """Without dropout, for which AOTAutograd keeps a mask of one byte an item, and eager one of the values' dtype."""
    model, x = Net().eval(), torch.randn(8, 16)
    run = tracer.trace(model, x).run_graph(backward=True, repeat=1)
    own = {t.untyped_storage()._cdata for t in (x, *model.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(x)
    assert sum(one.bytes for one in run.saved) == sum(storage.nbytes() for storage in kept.values())
    assert loss.requires_grad
    assert {one.of for one in run.saved if one.bytes} == {"linear", "gelu", "linear_1"}
    assert all(one.bytes == 0 for one in run.saved if one.given) and any(one.given for one in run.saved)


def test_by_module_and_line(both):
    _, _, _, run = both
    first = Net.forward.__code__.co_firstlineno
    lines = {place.rpartition(":")[2]: size for place, size in run.saved_by("line") if size}
    assert set(lines) == {str(first + 1), str(first + 2)}
    assert sum(lines.values()) == sum(one.bytes for one in run.saved) == sum(size for _, size in run.saved_by("module"))
    modules = dict(run.saved_by("module"))
    assert {name.rpartition(".")[2] for name, size in modules.items() if size} >= {"wide", "drop", "narrow"}
    assert run.backward.node("gelu_backward").of == "gelu" and run.backward.node("gelu_backward").location.line == first + 1
    assert sum(row.seconds for row in run.backward.rows("module")) == pytest.approx(run.backward.node_seconds)
    with pytest.raises(TracerError, match="node, module, line"):
        run.saved_by("file")


def test_it_is_saved_and_changes_nothing(both, tmp_path):
    model, x, session, run = both
    numbering, state = Numbering(), torch.get_rng_state()
    before = numbering.snapshot((model, x, session.result))
    again = session.run_graph(backward=True, repeat=1)
    differ = Differ()
    differ.compare("program", before, numbering.snapshot((model, x, session.result)))
    assert not differ.found and torch.equal(state, torch.get_rng_state()) and all(p.grad is None for p in model.parameters())
    assert [n.stats for n in again.backward.nodes] == [n.stats for n in run.backward.nodes]
    session.save(tmp_path / "r.jsonl")
    assert tracer.load(tmp_path / "r.jsonl").runs == session.runs


def test_the_peak_and_what_lives_longest():
    def program(x):
        early = x.sin()  # read at the very end
        y = x.cos()
        for _ in range(4):
            y = y * 2
        wide = y.repeat(2)
        return early.sum() + wide.sum()

    run = tracer.trace(program, torch.ones(256)).run_graph(repeat=1)
    first = program.__code__.co_firstlineno
    assert run.peak_node == "repeat" and dict(run.at_peak())["repeat"] == 2 * 1024 and dict(run.at_peak())["sin"] == 1024
    assert sum(size for _, size in run.at_peak()) == run.peak_bytes
    assert {place.rpartition(":")[2] for place, _ in run.at_peak("line")} == {str(first + 1), str(first + 4), str(first + 5)}
    longest = run.lives[0]
    assert (longest.name, longest.reader, longest.bytes) == ("sin", "sum_1", 1024)
    assert run.lives[0].gone - run.lives[0].born > 5


def test_without_a_backward():
    with pytest.raises(TracerError, match="needs a gradient"):
        tracer.trace(lambda x: x.sin(), torch.ones(2)).run_graph(backward=True)
    with torch.inference_mode():
        session = tracer.trace(lambda x: x.sin(), torch.ones(2))
    with pytest.raises(TracerError, match="inference mode"):
        session.run_graph(backward=True)


def test_what_a_checkpoint_keeps():
    def block(x):
        return (x.sin() * 2).cos().tanh()

    x = torch.randn(64, requires_grad=True)
    plain = tracer.trace(lambda x: block(x).sum(), x).run_graph(backward=True, repeat=1)
    again = tracer.trace(lambda x: checkpoint(block, x, use_reentrant=False).sum(), x).run_graph(backward=True, repeat=1)
    assert sum(one.bytes for one in again.saved) < sum(one.bytes for one in plain.saved)
