"""`%%trace --device`: a whole cell on copies, on another device."""

from __future__ import annotations

import pytest
from IPython.utils.capture import capture_output

import notebook_ext

MODEL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(4, 4)
x = torch.ones(2, 4)
history = [x]
names = ["a"]
def step(batch):
    loss = model(batch).pow(2).sum()
    loss.backward()
    return loss
"""


@pytest.fixture
def live(plain_shell):
    plain_shell.run_cell("%load_ext tracer\n" + MODEL)
    yield plain_shell
    notebook_ext.unload(plain_shell)


def run(shell, cell: str):
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


def test_the_cell_works_on_copies_and_names_hold_their_own_values_afterwards(live) -> None:
    names = live.user_ns
    before = {name: names[name] for name in ("model", "x", "history", "step", "names")}
    cell = (
        "%%trace --quiet --device cpu\nseen, inside, same = model, x, history[0] is x\nx.add_(1)\nnames.append('b')\nloss = step(x)\n"
        "made = torch.zeros(1)"
    )
    result, _ = run(live, cell)
    result.raise_error()
    assert all(names[name] is value for name, value in before.items())
    assert names["seen"] is not names["model"] and names["inside"] is not names["x"] and names["same"]
    assert names["x"].sum() == 8 and names["inside"].sum() == 16
    assert names["model"].weight.grad is None and names["seen"].weight.grad is not None
    assert names["names"] == ["a", "b"]  # holds no tensor, so it is the notebook's own
    assert len(names["_tracer_session"].graphs) == 1
    assert names["loss"].equal(names["seen"](names["inside"]).pow(2).sum())


def test_what_the_cell_assigns_stays(live) -> None:
    run(live, "%%trace --quiet --device cpu\nx = x + 1\nmodel = model.double()").__class__
    assert live.user_ns["x"].sum() == 16
    assert live.user_ns["model"].weight.dtype == __import__("torch").float32  # the same copy again is no new value


def test_names_are_back_after_an_error(live) -> None:
    before = live.user_ns["model"]
    result, _ = run(live, "%%trace --quiet --device cpu\nmodel(x)\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError) and live.user_ns["model"] is before


def test_names_are_back_after_a_stepped_call_was_given_up(live) -> None:
    before = live.user_ns["model"]
    run(live, "%%trace --step --device cpu\nstep(x)")
    stepper = live.user_ns["_tracer_stepper"]
    stepper.until(kind="NodeCreated")
    assert live.user_ns["model"] is not before
    stepper.abort()
    assert live.user_ns["model"] is before


def test_a_device_that_is_not_there_is_refused_before_anything_runs(live) -> None:
    result, captured = run(live, "%%trace --device cuda:99\nran = 1")
    assert result.error_in_exec is not None and "ran" not in live.user_ns and "_tracer_session" not in live.user_ns
    assert "can't run on 'cuda:99': this machine has cpu" in captured.stdout + captured.stderr


def test_the_setting_is_the_default_and_the_option_wins(live) -> None:
    live.run_line_magic("trace_config", "device=cpu")
    run(live, "%%trace --quiet\nseen = model")
    assert live.user_ns["seen"] is not live.user_ns["model"]
    live.run_line_magic("trace_config", "device=none")
    run(live, "%%trace --quiet\nseen = model")
    assert live.user_ns["seen"] is live.user_ns["model"]


@pytest.mark.gpu
def test_a_cell_on_a_gpu(live) -> None:
    result, _ = run(live, "%%trace --quiet --device cuda\nloss = step(x)\nmade = torch.zeros(1)\ncopy = model")
    result.raise_error()
    names = live.user_ns
    assert names["loss"].device.type == names["made"].device.type == names["copy"].weight.device.type == "cuda"
    assert names["x"].device.type == names["model"].weight.device.type == "cpu"
    assert {node.device for node in names["_tracer_session"].graphs[0].nodes if node.op == "call_function"} == {
        "cuda:0"
    }
