"""A captured graph run node by node: what is said of its operators is what torch's own counters say, and nothing of the program changes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.profiler
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import tracer
from tests.snapshots import Differ, Numbering
from tracer.cli import main
from tracer.errors import TracerError
from tracer.execution import passes, running
from tracer.execution.model import from_text, to_text


class Block(nn.Module):
    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, heads, batch_first=True)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        normed = self.norm(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.narrow(torch.nn.functional.gelu(self.wide(x)))


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.last(nn.functional.dropout(x.mean((2, 3)), 0.5, self.training))


def transformer():
    return nn.Sequential(*(Block(128) for _ in range(3))), torch.randn(4, 64, 128)


def convolved():
    return Convolved(), torch.randn(4, 3, 24, 24)  # training: it writes to its buffers, and draws


def bodies(x, positive):
    y = torch.cond(positive, lambda a: (a @ a.T).sin(), lambda a: a @ a.T, (x,))
    y = y + checkpoint(lambda t: (t @ t).tanh(), y, use_reentrant=False)
    _, rows = torch._higher_order_ops.scan(lambda c, row: (c + row, c * row), torch.zeros(y.shape[1]), y)
    return rows.sum()


@pytest.fixture(scope="module")
def trained():
    """One traced session of each: tests only look at them."""
    return {name: tracer.trace(*make()) for name, make in (("transformer", transformer), ("convolved", convolved))}


@pytest.mark.parametrize("name", ["transformer", "convolved"])
def test_flops_are_torchs_own_total(trained, name):
    run = trained[name].run_graph(repeat=1, warmup=0, values="none")
    setting = run.live
    with setting.entered(), FlopCounterMode(display=False) as counter:
        setting.gm(*setting.inputs())
    assert run.flops == counter.get_total_flops() > 0


def test_the_peak_is_that_of_the_allocator(trained):
    run = trained["transformer"].run_graph(repeat=1, warmup=0, values="none")
    setting = run.live
    inputs = setting.inputs()
    with setting.entered(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        results = setting.gm(*inputs)
    events = sorted((e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    now = peak = 0
    for event in events:
        now += event.nbytes()
        peak = max(peak, now)
    assert run.peak_bytes == peak > 0
    assert run.output_bytes == sum(t.untyped_storage().nbytes() for t in results)
    assert run.nodes[-1].live == run.output_bytes
    assert sum(n.bytes - n.freed for n in run.nodes) == run.output_bytes
    assert sum(size for _, size in run.held) <= run.peak_bytes


def test_node_times_add_up(trained, monkeypatch):
    """By the time of this thread: tests share the cores with other work, which a median over single nodes leaves out and one over wholes doesn't."""
    monkeypatch.setattr(passes, "perf_counter", time.thread_time)
    monkeypatch.setattr(running, "perf_counter", time.thread_time)
    session = tracer.trace(nn.Sequential(*(Block(256) for _ in range(4))), torch.randn(4, 64, 256))
    run = session.run_graph(repeat=7, values="none")
    assert run.seconds > 5e-3
    assert 0.85 < run.node_seconds / run.seconds < 1.15
    assert run.overhead > 0


def test_operators_of_bodies_are_nodes_of_their_own():
    session = tracer.trace(bodies, torch.randn(4, 6), torch.tensor(True))
    run = session.run_graph(repeat=1, warmup=0)
    runs = {node.name: node.runs for node in run.nodes if node.body}
    assert runs == {
        "cond_true.getattr_1": 1, "cond_true.matmul": 1, "cond_true.sin": 1, "cond_false.getattr_1": 0, "cond_false.matmul": 0,
        "checkpoint_body.matmul": 1, "checkpoint_body.tanh": 1, "scan_body.add": 4, "scan_body.mul": 4,
    }  # fmt: skip
    # torch's counter takes the larger branch of a cond; here both are one product of (4, 6) and (6, 4), then one of (4, 4) twice.
    assert {node.name: node.flops for node in run.nodes if node.flops} == {"cond_true.matmul": 2 * 4 * 6 * 4, "checkpoint_body.matmul": 2 * 4 * 4 * 4}
    assert run.node("scan_body.mul").stats.count == 16
    assert run.node("checkpoint_body.tanh").location.line == bodies.__code__.co_firstlineno + 2


def test_running_changes_nothing():
    model, x = convolved()
    session = tracer.trace(model, x)
    session.result.sum().backward()
    numbering = Numbering()
    before = numbering.snapshot((model, x, session.result))
    state, mode = torch.get_rng_state(), torch.is_grad_enabled()
    first, second = session.run_graph(repeat=2), session.run_graph(repeat=2)
    differ = Differ()
    differ.compare("model", before, numbering.snapshot((model, x, session.result)))
    assert not differ.found
    assert torch.equal(state, torch.get_rng_state()) and torch.is_grad_enabled() == mode
    assert [n.stats for n in first.nodes] == [n.stats for n in second.nodes], "inputs that the graph writes to are fresh ones each time"


def test_the_numbers_are_those_of_the_recorded_run():
    model, x = convolved()
    session = tracer.trace(model, x)
    run = session.run_graph(repeat=1)
    last = [node for node in run.nodes if node.shape == tuple(session.result.shape)][-1]
    wanted = session.result.detach()
    assert last.stats.min == wanted.min() and last.stats.max == wanted.max()
    assert last.stats.mean == pytest.approx(wanted.mean().item(), abs=1e-6)
    assert last.stats.std == pytest.approx(wanted.std(correction=0).item(), rel=1e-5)
    assert last.module == "self.last" or last.module.endswith("last")


def test_statistics_count_what_is_not_finite():
    def program(x):
        a = x / 0.0
        return a, (x * 1e-39) * 0.1, torch.arange(4), x > 0

    run = tracer.trace(program, torch.tensor([1.0, -1.0, 0.0, 2.0])).run_graph(repeat=1)
    ratio, _, small, whole, truth = (node.stats for node in run.nodes)
    assert (ratio.nan, ratio.inf, ratio.negative_inf, ratio.count) == (1, 3, 1, 4) and not ratio.finite
    assert (small.subnormals, small.zeros) == (3, 1)
    assert (whole.min, whole.max, whole.mean) == (0, 3, 1.5)
    assert (truth.zeros, truth.count) == (2, 4)


def test_views_move_and_allocate_nothing():
    run = tracer.trace(lambda x: (x.T.reshape(-1)[2:], x.expand(3, 2, 2).sum()), torch.ones(2, 2)).run_graph(repeat=1)
    transposed, reshaped, sliced, expanded, summed = run.nodes
    assert (transposed.bytes, transposed.moved) == (0, 0) and (sliced.bytes, sliced.moved) == (0, 0) and (expanded.bytes, expanded.moved) == (0, 0)
    assert reshaped.bytes == 16 and reshaped.moved == 32
    assert summed.moved == 16 + 4, "an expanded tensor is read once"


# ---- tables, files
def test_a_run_is_saved_with_the_recording(trained, tmp_path):
    session = trained["transformer"]
    session.run_graph(repeat=1)
    session.save(tmp_path / "r.jsonl.gz")
    code = f"import sys, tracer\nruns = tracer.load({str(tmp_path / 'r.jsonl.gz')!r}).runs\nassert 'torch' not in sys.modules\nprint(runs[-1].table('module'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(tracer.__file__).parents[1])
    assert done.stdout.strip() == session.runs[-1].table("module")
    assert tracer.load(tmp_path / "r.jsonl.gz").runs == session.runs
    assert tracer.load(tmp_path / "r.jsonl.gz").explain() == session.explain(), "a run says nothing of what was captured"


def test_what_has_no_word_in_json_comes_back():
    run = tracer.trace(lambda x: x / 0.0, torch.zeros(2)).run_graph(repeat=1)
    back = from_text(to_text(run))
    assert repr(back.nodes) == repr(run.nodes) and back.nodes[0].stats.nan == 2
    with pytest.raises(TracerError, match="can't be read"):
        from_text('{"nodes": 3}')


@pytest.mark.parametrize("by", ["node", "module", "line"])
def test_rows_add_up_to_the_whole(trained, by):
    run = trained["transformer"].run_graph(repeat=1, values="none")
    rows = run.rows(by)
    assert sum(row.seconds for row in rows) == pytest.approx(run.node_seconds)
    assert sum(row.flops for row in rows) == run.flops
    assert sum(row.nodes for row in rows) == len(run.nodes)
    assert [row.seconds for row in rows] == sorted((row.seconds for row in rows), reverse=True)
    text = run.table(by, 3)
    assert rows[0].name[-20:] in text and ("more" in text or len(rows) <= 3)
    with pytest.raises(TracerError, match="node, module, line"):
        run.rows("file")


def test_exports(trained, tmp_path):
    run = trained["transformer"].run_graph(repeat=1)
    lines = list(csv.DictReader(run.export(tmp_path / "run.csv").read_text().splitlines()))
    assert [line["name"] for line in lines] == [node.name for node in run.nodes]
    assert sum(int(line["flops"]) for line in lines) == run.flops and {line["random"] for line in lines} == {"False"}
    assert from_text(run.export(tmp_path / "run.json").read_text()) == run
    entries = json.loads(run.export(tmp_path / "run.perfetto").read_text())["traceEvents"]
    assert max(e["args"]["bytes"] for e in entries if e["ph"] == "C") == max(node.live for node in run.nodes)
    slices = [e for e in entries if e["ph"] == "X"]
    assert sum(e["dur"] for e in slices if e["cat"] == "node") == pytest.approx(run.node_seconds * 1e6, rel=0.01)
    assert {e["name"] for e in slices if e["cat"] == "module"} >= {node.module for node in run.nodes if node.module}
    with pytest.raises(TracerError, match=r"\.csv, \.json, \.perfetto"):
        run.export(tmp_path / "run.xls")


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("import torch\ndef f(x):\n    return (x @ x).sum()\nf(torch.ones(4, 4))\n")
    assert main(["run", "script.py", "--profile", "--quiet", "--save", "r.jsonl.gz"]) == 0
    printed = capsys.readouterr().out
    assert "graph_0 on cpu" in printed and "script.py:3  (2 nodes)" in printed and "128" in printed
    assert main(["show", "r.jsonl.gz", "--profile"]) == 0
    assert capsys.readouterr().out == printed
    assert main(["run", "script.py", "--quiet", "--save", "r.jsonl.gz"]) == 0
    assert main(["show", "r.jsonl.gz", "--profile"]) == 2
    assert "--profile" in capsys.readouterr().err


# ---- other settings
def test_another_dtype_is_that_of_the_program():
    def program(x):
        return torch.cat([x, torch.zeros(2, 4, dtype=x.dtype)]) @ torch.ones(4, 4, dtype=x.dtype)

    session = tracer.trace(program, torch.randn(2, 4))
    run = session.run_graph(dtype="bfloat16", repeat=1)
    assert {node.dtype for node in run.nodes} == {"bfloat16"} and run.dtype == "bfloat16"
    assert {node.dtype for node in session.run_graph(repeat=1).nodes} == {"float32"}


def test_a_backend_runs_the_whole_graph():
    calls = []

    def counting(gm, inputs):
        def run(*args):
            calls.append(1)
            return gm(*args)

        return run

    run = tracer.trace(lambda x: x.sin() + 1, torch.ones(3)).run_graph(backend=counting, repeat=3, warmup=2)
    assert len(calls) == 5 and run.backend == "counting"
    assert "counting runs the graph as a whole" in run.notes[-1]


def test_the_graph_of_a_later_call_and_of_several():
    def program(x, n):
        y = x * n
        torch._dynamo.graph_break()
        return (y + 1).sin() @ y.T

    session = tracer.Session(keep_calls=4)
    session.run(program, torch.ones(2, 3), 2)
    session.run(program, torch.ones(2, 3, dtype=torch.float64), 2)
    assert len(session.graphs) == 4
    first = session.run_graph(repeat=1)
    assert first.graph == "graph_1" and "the most operators" in first.notes[0]
    assert session.run_graph("graph_3", repeat=1).nodes[-1].dtype == "float64"
    assert session.run_graph(2, repeat=1).nodes[0].stats.max == 2.0
    with pytest.raises(TracerError, match="known: graph_0, graph_1, graph_2, graph_3"):
        session.run_graph("graph_9")


def test_torch_compiles_graphs():
    session = tracer.Session(engine="dynamo")
    session.run(Convolved().eval(), torch.randn(2, 3, 8, 8))
    run = session.run_graph(repeat=1)
    assert run.node("conv2d").flops and run.node("conv2d").location.line and run.nodes[-1].shape == (2, 10)


# ---- what can't be done
def test_without_kept_inputs():
    session = tracer.Session(keep_inputs=False)
    session.run(Convolved().eval(), torch.randn(2, 3, 8, 8))
    with pytest.raises(TracerError, match=r"keeps no inputs(.|\n)*keep_inputs=True(.|\n)*inputs='random'"):
        session.run_graph()
    run = session.run_graph(inputs="random", repeat=1)
    assert run.random and "RANDOM INPUTS" in run.table() and "random" in repr(run)
    assert run.nodes[-1].shape == (2, 10)
    session = tracer.Session(keep_inputs="metadata")
    session.run(torch.sin, torch.ones(3)), session.run(lambda x: x.sin(), torch.ones(3))
    with pytest.raises(TracerError, match="only shapes of inputs"):
        session.run_graph()


def test_bad_settings_are_refused():
    session = tracer.trace(lambda x: x.sin(), torch.ones(2))
    for wrong, said in (
        ({"device": "cuda:7"}, "this machine has cpu"), ({"dtype": "int8"}, "a floating dtype"), ({"repeat": 0}, "whole number from 1"),
        ({"warmup": -1}, "whole number from 0"), ({"values": "some"}, "summary, none"), ({"inputs": "none"}, "'recorded'"), ({"backend": "nvidia"}, "nvidia"),
    ):  # fmt: skip
        with pytest.raises(TracerError, match=said):
            session.run_graph(**wrong)
    assert session.run_graph(repeat=1).nodes, "nothing is lost"


def test_a_dtype_that_an_operator_lacks():
    session = tracer.trace(lambda x: torch.linalg.cholesky(x @ x.T), torch.randn(3, 3))
    with pytest.raises(TracerError, match=r"linalg_cholesky.*test_run\.py:\d+.* can't run in torch\.float16") as caught:
        session.run_graph(dtype="float16")
    assert len(str(caught.value).splitlines()) == 2


def test_recordings_and_sessions_without_a_graph(tmp_path):
    session = tracer.trace(lambda x: x.sin(), torch.ones(2))
    session.save(tmp_path / "r.jsonl")
    with pytest.raises(TracerError, match="holds no program"):
        tracer.load(tmp_path / "r.jsonl").run_graph()
    with pytest.raises(TracerError, match="no graph to run"):
        tracer.trace(lambda x: 3, 1).run_graph()
    session.close()
    with pytest.raises(TracerError, match="closed"):
        session.run_graph()


@pytest.mark.gpu
def test_on_a_gpu(trained):
    session = trained["transformer"]
    run = session.run_graph(device="cuda")
    assert run.device.startswith("cuda") and run.flops == session.run_graph(repeat=1).flops
    assert {node.device for node in run.nodes if node.device} == {"cuda:0"}
    own = sum(node.seconds for node in run.nodes)
    assert own > 0 and run.peak_bytes == pytest.approx(max(node.live for node in run.nodes), rel=0.5)
