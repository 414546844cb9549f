"""What is shown of torch.compile is what it checks, what its backend got, and what the program gave to it."""

from __future__ import annotations

import json

import pytest
import torch
import torch._dynamo

import tracer
from tests.observer.test_pausing import fresh  # noqa: F401  (a fixture)


def plus_one(x):
    return x + 1


def looked_at(x):
    return x.view(-1, 4).sum(0) if x.shape[0] > 3 else x + 1


def shown(session) -> list[str]:
    return [guard.expression for guard in session.guards if guard.kind == "SHAPE_ENV"]


def test_guards_on_sizes_are_those_that_hold_or_not() -> None:
    """Slices of a buffer: torch looks at the whole storage while it traces, with guards suppressed."""
    whole = torch.ones(64, 3)
    compiled = tracer.compile(plus_one, backend="eager", engine="dynamo")
    compiled(whole[:4])
    compiled(whole[:5])
    assert shown(compiled.session) == ["2 <= x.shape[0]"]
    (guard,) = [guard for guard in compiled.session.guards if guard.kind == "SHAPE_ENV"]
    assert guard.source == "x" and guard.frame == "0/1"
    compiled(torch.ones(100, 3)[:70])
    assert len(compiled.session.graphs) == 2


def test_guards_on_sizes_are_as_many_as_torch_has() -> None:
    compiled = tracer.compile(looked_at, backend="eager", engine="dynamo", dynamic=True)
    compiled(torch.ones(8))
    checked = shown(compiled.session)
    assert checked and all("x.shape[0]" in one for one in checked)
    (entry,) = torch._dynamo.eval_frame._debug_get_cache_entry_list(looked_at.__code__)
    theirs = str(entry.guard_manager)
    assert all(one.replace("x.shape[", "L['x'].size()[") in theirs for one in checked)


@torch.compiler.nested_compile_region
def region(x):
    return x.sin() + 1


def calls_a_region(x):
    return region(x) * 2


def without_grad(x):
    with torch.no_grad():
        y = x.sin()
    return y + 1


def idle_switch(x):
    with torch.no_grad():
        n = x.shape[0]
    return x * n


def switched_twice(x):
    with torch.no_grad():
        pass
    with torch.no_grad():
        y = x.sin()
        with torch.enable_grad():
            n = y.shape[0]
        y = y * n
    return x + y


def masked(x):
    return x[x > 0].sum()


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
@pytest.mark.parametrize("program", [calls_a_region, without_grad, idle_switch, switched_twice, masked])
def test_nodes_that_are_told_are_those_of_the_finished_module(program, engine) -> None:
    session = tracer.Session(engine=engine, capture_dynamic_output_shape_ops=True)
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    assert torch.equal(session.run(program, x), program(x))
    (graph,) = session.graphs
    finished = [node.name for node in graph.gm.graph.nodes if node.op not in ("placeholder", "output")]
    assert [node.name for node in graph.nodes] == finished
    assert session.stats["ops"] == len([name for name in finished if name != "region"])
    again = tracer.from_events(session.events) if hasattr(tracer, "from_events") else None
    assert again is None or [node.name for node in again.graphs[0].nodes] == finished


@pytest.mark.parametrize("program", [without_grad, idle_switch, switched_twice, masked])
def test_both_engines_tell_of_one_graph_alike(program) -> None:
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    runs = []
    for engine in ("tracer", "dynamo"):
        session = tracer.Session(engine=engine, capture_dynamic_output_shape_ops=True)
        session.run(program, x)
        runs.append(session)
    (graph,) = runs[0].diff(runs[1]).graphs
    assert [node for node in graph.nodes if node.state != "same"] == []


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
        self.scale = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.layers(x) * self.scale


NET, NORM = Net(), torch.nn.BatchNorm1d(2)


def through(x):
    return NET(x) + 1


@pytest.mark.parametrize("program", [NET, NET.layers, NORM, through], ids=["own", "of torch's", "inherited forward", "inside"])
def test_both_engines_tell_of_modules_alike(program) -> None:
    """Where a module is of torch's own, a function of torch.compile's calls it: it is told by the module's name, as what `self` is."""
    runs = []
    for engine in ("tracer", "dynamo"):
        session = tracer.Session(engine=engine, fresh=False)
        for rows in (3, 4, 5):
            assert session.run(program, torch.ones(rows, 2)).shape == (rows, 2)
        runs.append(session)
    ours, theirs = runs
    assert len(ours.graphs) == len(theirs.graphs) == 2
    assert [node for graph in ours.diff(theirs).graphs for node in graph.nodes if node.state != "same"] == []
    sources = [{one.source for one in graph.inputs if "self" in one.source or "NET" in one.source} for graph in (ours.graphs[1], theirs.graphs[1])]
    assert sources[0] == sources[1] != set()
    assert {frame.name for frame in theirs.frames} <= {"Net.forward", "Sequential", "BatchNorm1d", "through"}
    assert "compiled before" not in theirs.explain() and "wrap_inline" not in theirs.explain()


SCRIPT = """
import json
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
    def forward(self, x):
        return torch.relu(self.linear(x))

net = Net()
compiled = torch.compile(net, backend="eager")
json.loads(json.dumps({"a": [1, 2]}))
compiled(torch.ones(2, 4))
"""


def test_of_a_script_only_what_would_be_compiled_is_told(tmp_path, capsys) -> None:
    from tracer.cli import main

    script, saved = tmp_path / "script.py", tmp_path / "run.jsonl"
    script.write_text(SCRIPT)
    assert main(["run", "--engine", "dynamo", "--max-breaks", "0", "--save", str(saved), str(script)]) == 0
    session = tracer.load(saved)
    assert [frame.name for frame in session.records.frames if frame.outcome == "compiled"] == ["Net.forward"]
    assert [(frame.name, frame.reason) for frame in session.records.frames if frame.outcome != "compiled"] == [
        ("Net.__init__", "constructors of modules run as Python")
    ]
    assert json.loads("[1]") == [1] and "graph break ·" not in capsys.readouterr().out.lower()
