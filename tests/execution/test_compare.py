"""Two runs compared: of every planted fault the operator that makes it is named, and never one that carries it on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import tracer
from tests.execution import faults
from tests.execution.test_run import Block
from tracer.errors import TracerError

ROOT = Path(__file__).resolve().parents[2]


class Attending(nn.Module):
    """With the names of operators that the table below speaks of."""

    def __init__(self):
        super().__init__()
        self.norm, self.query, self.value, self.out = nn.LayerNorm(32), nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)

    def forward(self, x):
        y = self.norm(x)
        q, v = self.query(y), self.value(y)
        weights = torch.softmax(q @ y.transpose(-1, -2) * 0.2, -1)
        z = x + self.out((weights @ v).tanh())
        return nn.functional.gelu(z).mean(1)


@pytest.fixture(scope="module")
def attending():
    torch.manual_seed(1)
    session = tracer.trace(Attending(), torch.randn(2, 8, 32))
    return session, session.run_graph(repeat=1, warmup=0)


PLANTED = [
    ("layer_norm", faults.scaled), ("linear", faults.one_item), ("linear_1", faults.turned), ("transpose", faults.turned), ("matmul", faults.through_bfloat16),
    ("mul", faults.scaled), ("softmax", faults.one_item), ("softmax", faults.nan), ("matmul_1", faults.zeroed), ("tanh", faults.through_bfloat16),
    ("linear_2", faults.scaled), ("add", faults.one_item), ("gelu", faults.turned), ("mean", faults.nan),
]  # fmt: skip


@pytest.mark.parametrize("name, wrong", PLANTED, ids=[f"{wrong.__name__}-{name}" for name, wrong in PLANTED])
def test_a_backend_that_gets_one_operator_wrong(attending, name, wrong):
    session, eager = attending
    told: list[tuple[int, int, str]] = []
    found = eager.compare(session.run_graph(backend=faults.at(name, wrong), repeat=1, warmup=0), progress=lambda *step: told.append(step))
    assert found.first is not None and found.first.name == name, str(found)
    assert found.piece == (name,), str(found)
    assert found.compiles == len(told) <= 1 + 3 * 4 and told[-1][0] == found.compiles
    assert found.chain[0] == name and found.chain[-1] == "mean"
    assert str(found.first.location) in str(found)


#: Program, its input, a dtype, the operator that can't do it.
LOSSES = [
    (lambda x: ((x * 300) * (x * 300)).mean().log(), torch.ones(8), "float16", "mul_2"),
    (lambda x: (torch.softmax(x * 3, -1).log() * 2).sum(), torch.arange(8.0), "float16", "log"),
    (lambda x: (x * 1000).sum().sqrt(), torch.ones(100), "float16", "sum_1"),
    (lambda x: (1 / (x * 1e-9)).log(), torch.ones(4), "float16", "mul"),
    (lambda x: (x * 20).exp().log1p(), torch.ones(4), "float16", "exp"),
    (lambda x: torch.cumprod(x * 10, -1).sum(), torch.ones(6), "float16", "cumprod"),
    (lambda x: (x * 200).pow(2).mean(), torch.ones(6) * 2, "float16", "pow_1"),
    (lambda x: (x + torch.rand(6, dtype=x.dtype)).sin(), torch.ones(6), "float64", "rand"),
]


@pytest.mark.parametrize("program, x, dtype, name", LOSSES)
def test_what_a_dtype_cannot_hold(program, x, dtype, name):
    session = tracer.trace(program, x)
    found = session.run_graph(repeat=1).compare(session.run_graph(repeat=1, dtype=dtype))
    assert found.first is not None and found.first.name == name, str(found)
    assert found.chain[0] == name and dtype in str(found)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_what_a_dtype_explains(dtype):
    torch.manual_seed(2)
    session = tracer.trace(nn.Sequential(Block(32), Block(32)), torch.randn(2, 8, 32))
    found = session.run_graph(repeat=1).compare(session.run_graph(repeat=1, dtype=dtype))
    assert found.first is None and len(found.nodes) > 10, str(found)
    assert "is what the dtype explains" in str(found) and found.worst is not None
    assert all(node.cosine > 0.999 for node in found.nodes if node.cosine == node.cosine)
    with pytest.raises(TracerError, match="nothing differs"):
        found.export("nowhere.py")


def test_a_run_is_itself():
    session = tracer.trace(lambda x: (x.sin() @ x.T).sum(), torch.randn(4, 4))
    run = session.run_graph(repeat=1)
    found = run.compare(run)
    assert found.first is None and all((node.max_abs, node.added, node.ulps) == (0, 0, 0) for node in found.nodes)


def test_a_backend_that_is_right(attending):
    session, eager = attending
    found = eager.compare(session.run_graph(backend="aot_eager", repeat=1, warmup=0))
    assert found.first is None and found.compiles == 1


def test_writes_in_place_are_cut_right():
    def program(x):
        y = x.sin()
        y.add_(1)
        z = y.view(-1)
        z.mul_(2)
        return (y.cos() * z.view_as(y)).sum()

    session = tracer.trace(program, torch.randn(3, 4))
    eager = session.run_graph(repeat=1)
    for name in ("sin", "cos", "mul", "sum_1"):
        found = eager.compare(session.run_graph(backend=faults.at(name, faults.scaled), repeat=1))
        assert found.first.name == name and found.piece == (name,), str(found)


def test_it_can_be_cancelled(attending):
    session, eager = attending
    broken = session.run_graph(backend=faults.at("tanh", faults.scaled), repeat=1, warmup=0)
    compiled: list[int] = []
    found = eager.compare(broken, progress=lambda done, *_: compiled.append(done), stop=lambda: len(compiled) >= 3)
    assert found.compiles == 3 and "cancelled after 3 compiles" in found.notes[0] and "tanh" in found.piece
    with pytest.raises(TracerError, match="cancelled"):
        eager.compare(session.run_graph(dtype="bfloat16", repeat=1), stop=lambda: True)


def _run(script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script.name], cwd=script.parent, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_what_differs_becomes_a_script(attending, tmp_path):
    session, eager = attending
    found = eager.compare(session.run_graph(backend=faults.softmax_wrong, repeat=1, warmup=0))
    script, beside = found.export(tmp_path / "repro.py")
    assert beside.name == "repro.safetensors" and "import tracer" not in script.read_text()
    done = _run(script)
    assert done.returncode == 1, done.stderr
    script.write_text(script.read_text().replace("from tests.execution.faults import softmax_wrong as backend", 'backend = "eager"'))
    done = _run(script)
    assert done.returncode == 0, done.stdout + done.stderr
    unnamed = eager.compare(session.run_graph(backend=faults.at("tanh", faults.scaled), repeat=1, warmup=0))
    with pytest.raises(TracerError, match="no script can import"):
        unnamed.export(tmp_path / "other.py")


def test_what_a_dtype_cannot_hold_becomes_a_script(tmp_path):
    session = tracer.trace(LOSSES[1][0], LOSSES[1][1])
    script, _ = session.run_graph(repeat=1).compare(session.run_graph(repeat=1, dtype="float16")).export(tmp_path / "repro.py")
    done = _run(script)
    assert done.returncode == 1 and "not finite any more" in done.stdout, done.stderr
    script.write_text(script.read_text().replace("torch.float16", "torch.float64"))
    assert _run(script).returncode == 0


def test_what_cannot_be_compared(attending, tmp_path):
    session, eager = attending
    session.save(tmp_path / "r.jsonl")
    with pytest.raises(TracerError, match="holds no program"):
        eager.compare(tracer.load(tmp_path / "r.jsonl").runs[0])
    with pytest.raises(TracerError, match="one of both must be eager"):
        session.run_graph(backend="aot_eager", repeat=1).compare(session.run_graph(backend=faults.softmax_wrong, repeat=1))
    other = tracer.trace(lambda x: x.cos(), torch.ones(2)).run_graph(repeat=1)
    other.graph = "graph_7"
    with pytest.raises(TracerError, match="no operator in common"):
        eager.compare(other)
