"""One call traced in each way there is, exported: the file is the same program; where there is nothing to export, the error says so."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tracer.export.capture import capture
from tracer.export.python import Module, load

X = torch.ones(2)


class Net(nn.Module):
    """`k` has a default; weights lie one level down; two names for one; a buffer that isn't saved; a part that isn't used."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.tied = nn.Linear(2, 2), nn.Linear(2, 2)
        self.tied.weight = self.inner.weight
        self.norm = nn.BatchNorm1d(2)
        self.unused = nn.Linear(3, 3)
        self.register_buffer("scale", torch.full((2,), 2.0), persistent=False)

    def forward(self, x: torch.Tensor, k: int = 2) -> torch.Tensor:
        return self.tied(self.inner(x)).relu() * k * self.scale + self.norm.running_mean


def function(x: torch.Tensor, k: int = 2) -> torch.Tensor:
    return x.sin() * k


def run(fn: Any, **settings: Any) -> tracer.Session:
    session = tracer.Session("trace", strict=True, **settings)
    session.run(fn, X)
    return session


def block(fn: Any, **settings: Any) -> tracer.Session:
    session = tracer.Session("trace", **settings)
    with session.tracing():
        fn(X)
    return session


def stepped(fn: Any) -> tracer.Session:
    stepper = tracer.step(fn, X)
    stepper.run()
    return stepper.session


def compiled(fn: Any) -> tracer.Session:
    made = tracer.compile(fn, keep_inputs=True)
    made(X)
    return made.session


@contextlib.contextmanager
def traced_in_a_cell(fn: Any) -> Iterator[Any]:
    """A shell in which a cell has traced `fn`."""
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    try:
        shell.user_ns.update(fn=fn, X=X)
        shell.run_line_magic("load_ext", "tracer")
        shell.run_cell("%%trace\nfn(X)").raise_error()
        yield shell
    finally:
        InteractiveShell.clear_instance()


def cell(fn: Any) -> tracer.Session:
    with traced_in_a_cell(fn) as shell:
        session: tracer.Session = shell.user_ns["_tracer_session"]
    return session


WAYS: dict[str, Callable[[Any], tracer.Session]] = {
    "trace": lambda fn: tracer.trace(fn, X),
    "run": run,
    "block": block,
    "compile": compiled,
    "step": stepped,
    "cell": cell,
    "dynamo": lambda fn: run(fn, engine="dynamo"),
    "block of dynamo": lambda fn: block(fn, engine="dynamo"),
    "torch.compile": lambda fn: run(torch.compile(fn, backend="eager")),
    "block with torch.compile": lambda fn: block(torch.compile(fn, backend="eager")),
    "torch.compile watched": lambda fn: run(torch.compile(fn, backend="eager"), engine="dynamo"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["module", "method", "function"])
def test_each_way_exports_the_same_program(way, what):
    torch.manual_seed(0)
    net = Net().eval()
    fn = {"module": net, "method": net.forward, "function": function}[what]
    module = Module(capture(WAYS[way](fn)), "captured")
    assert not module.program.why
    made = load(module)
    assert made.check() == 1
    program = made.Program()
    assert torch.equal(program(X), fn(X)) and torch.equal(program(X * 3), fn(X * 3))
    with pytest.raises(ValueError, match=r"was of shape \(2,\)"):
        program(torch.ones(3, 2))
    if "k" in inspect.signature(program.forward).parameters:
        assert torch.equal(program(X, 2), fn(X, 2))
        with pytest.raises(ValueError, match="k was 2"):
            program(X, 3)
    if what != "function":
        graph = made.Graph0()
        graph.load_state_dict({name: value * 0 for name, value in net.state_dict().items()})
        assert not graph(X)[0].any() and "scale" not in graph.state_dict()
        with pytest.raises(RuntimeError, match="strange"):
            graph.load_state_dict({**net.state_dict(), "strange": X})


def test_a_module_that_a_function_is_given_is_part_of_the_file():
    net = Net().eval()
    module = Module(capture(tracer.trace(lambda model, x, n: model(x) * n, net, X, 3)), "captured")
    made = load(module)
    assert torch.equal(made.Program()(X, 3), net(X) * 3)
    made.Graph0().load_state_dict(net.state_dict())


def test_where_there_are_no_tensors_it_says_so(tmp_path):
    made = tracer.compile(function)
    made(X)
    with pytest.raises(tracer.TracerError, match="descriptions of inputs only"):
        capture(made.session)
    session = tracer.trace(function, X)
    session.save(tmp_path / "run.jsonl")
    for suffix in ("py", "pt2"):
        with pytest.raises(tracer.TracerError, match="no program and no tensors"):
            tracer.load(tmp_path / "run.jsonl").export(tmp_path / f"captured.{suffix}")


def test_the_magic_writes_a_cell(tmp_path, capsys):
    with traced_in_a_cell(function) as shell:
        shell.run_line_magic("trace_export", f"{tmp_path / 'captured.py'} --unchecked")
    assert str(tmp_path / "captured.py") in capsys.readouterr().out
    assert "class Program(" in (tmp_path / "captured.py").read_text()
