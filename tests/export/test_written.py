"""A written module is called written once a Python of its own has read and run it."""

from __future__ import annotations

import collections
import functools

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

import tracer
from tracer.export import constants, pt2, python
from tracer.export.python import Module

X = torch.ones(2)


@pytest.fixture
def session() -> tracer.Session:
    return tracer.trace(lambda x, k: x.sin() * k, X, 3)


def test_what_runs_is_written_and_nothing_beside_it(session, tmp_path):
    paths = session.export(tmp_path / "captured.py")
    assert sorted(tmp_path.iterdir()) == sorted(paths) == [tmp_path / "captured.py", tmp_path / "captured.safetensors"]


@pytest.mark.parametrize(
    "spoiled, words",
    [
        (lambda text: f"raise ValueError('line one\\nline two')\n{text}".replace("from __future__ import annotations", ""), "ValueError: line one line two"),
        (lambda text: "import os, signal; os.kill(os.getpid(), signal.SIGTERM)\n", "signal 15"),
    ],
)
def test_what_does_not_run_is_removed_and_what_was_there_stays(session, tmp_path, monkeypatch, spoiled, words):
    (tmp_path / "captured.py").write_text("before")
    text = Module._text
    monkeypatch.setattr(Module, "_text", lambda self, stem: spoiled(text(self, stem)))
    with pytest.raises(tracer.TracerError, match=words) as refused:
        session.export(tmp_path / "captured.py")
    assert "check=False" in str(refused.value) and "captured.py" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["captured.py"] and (tmp_path / "captured.py").read_text() == "before"
    session.export(tmp_path / "captured.py", check=False)
    assert (tmp_path / "captured.py").read_text() != "before"


def test_a_torch_export_program_is_loaded_and_run_by_a_python_of_its_own(session, tmp_path, monkeypatch):
    told = []
    assert session.export(tmp_path / "captured.pt2", tell=told.append) == list(tmp_path.iterdir()) == [tmp_path / "captured.pt2"]
    assert "checking captured.pt2 in a Python of its own" in told[2] and told[3] == "captured.pt2: its result agrees"
    recorded = pt2._recorded
    monkeypatch.setattr(pt2, "_recorded", lambda module: {**recorded(module), "result": [torch.zeros(2)]})
    written = (tmp_path / "captured.pt2").read_bytes()
    with pytest.raises(tracer.TracerError, match="doesn't give again what was recorded, so it was removed: AssertionError: result 0"):
        session.export(tmp_path / "captured.pt2")
    assert list(tmp_path.iterdir()) == [tmp_path / "captured.pt2"] and (tmp_path / "captured.pt2").read_bytes() == written


class Counting(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = collections.Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count[func] += 1
        return func(*args, **(kwargs or {}))


def multiplied(x, w):
    return (x @ w).relu() @ w


def test_what_a_checkpoint_keeps_is_in_the_file_where_it_can_be_written_down():
    kept = [torch.ops.aten.mm.default]
    policies = {"list": kept, "function": lambda ctx, op, *args, **kwargs: CheckpointPolicy.MUST_SAVE if op in kept else CheckpointPolicy.PREFER_RECOMPUTE}
    times = {}
    for name, policy in policies.items():
        contexts = functools.partial(create_selective_checkpoint_contexts, policy)
        x = torch.ones(2, 2, requires_grad=True)
        session = tracer.trace(lambda x, make=contexts: checkpoint(multiplied, x, x, use_reentrant=False, context_fn=make), x)
        module = Module(python.capture(session), "captured")
        made = python.load(module)
        assert made.check() == 1 and (("is up to a function of the program" in module.text) == (name == "function"))
        (result,) = made.Graph0()(x)
        with Counting() as seen:
            result.sum().backward()
        times[name] = seen.count[torch.ops.aten.mm.default]
    assert times["list"] < times["function"], times  # what was kept isn't computed again


@pytest.mark.slow
def test_an_operator_that_only_this_process_has_is_found(tmp_path):
    with torch.library._scoped_library("export_here", "DEF") as library:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
        torch.library.register_fake("export_here::twice", lambda x: x * 2, lib=library)
        session = tracer.trace(lambda x: torch.ops.export_here.twice(x), X)
        with pytest.raises(tracer.TracerError, match="export_here"):
            session.export(tmp_path / "captured.py")
    assert not list(tmp_path.iterdir())


def test_an_input_that_autograd_made_may_be_written_to(tmp_path):
    linear = nn.Linear(3, 3)

    def program(x):
        y = linear(x)
        print(end="")
        return nn.functional.leaky_relu_(y) * 2

    module = Module(python.capture(tracer.trace(program, torch.ones(2, 3))), "captured")
    assert python.load(module).check() == 2


def test_data_is_set_as_the_program_sets_it():
    def program(x, p):
        p.data = x * 2
        return p + 1

    module = Module(python.capture(tracer.trace(program, X, torch.zeros(2))), "captured")
    made, given = python.load(module), torch.zeros(2)
    assert made.check() == 1 and torch.equal(made.Program()(X, given), X * 3) and torch.equal(given, X * 2)


@torch.compiler.nested_compile_region
def region(layer, x):
    return layer(x).relu(), x


def test_a_nested_region_is_a_class_that_is_called_where_the_region_was():
    layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))

    def program(x):
        x = x * 1
        for layer in layers:
            x, given = region(layer, x)
        return x + given

    x = torch.linspace(-1, 1, 6).view(2, 3)
    session = tracer.trace(program, x.clone().requires_grad_())
    module = Module(python.capture(session), "captured")
    made, text = python.load(module), module._text("captured")
    assert made.check() == 1 and text.count("class Graph0_region") == 1 and text.count("self.region(") == 3
    torch.testing.assert_close(made.Program()(x.clone().requires_grad_()), program(x))
    torch.testing.assert_close(torch.export.load(pt2.saved(module)).module()(x.clone().requires_grad_()), program(x))


def test_constants_come_back_as_they_were():
    values = [float("nan"), -float("inf"), -0.0, complex(-0.0, float("nan")), 10**4500, "it's \"q\"\n\ud800{x}", b"\0'", (), (1,), {"a": [1, {2}]}]
    values += [slice(None, 2, -1), range(3), frozenset({1}), set(), torch.float16, torch.device("meta"), torch.device("cpu", 0), torch.channels_last, torch.Size([2, 3]), ...]
    scope = {"torch": torch}
    exec(python.HELPERS, scope)
    for value in values:
        again = eval(constants.constant(value), {"torch": torch})
        assert type(again) is type(value) and (scope["alike"](again, value) or type(value) in (dict, list))
    assert not constants.plain(object()) and not constants.plain([object()]) and not constants.plain(nn.Linear) and not constants.plain(True.__class__)
