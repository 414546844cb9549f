"""What may change about a compiled model between two calls, and is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.modules.module as machinery
from torch import nn

import tracer


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.drop = nn.Linear(4, 4), nn.Dropout(0.0)
        self.register_buffer("shift", torch.ones(4))
        self.scale = 2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.linear(x)) * self.scale + self.shift


class Other(Inner):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 3


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Inner(), nn.ReLU(), Inner())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Count:
    """A backend that counts graphs."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, gm: Any, _examples: Any) -> Any:
        self.graphs += 1
        return gm.forward


def swap(model: Model) -> None:
    parts = model.body._modules
    parts["0"], parts["2"] = parts["2"], parts["0"]
    parts["1"] = parts.pop("1")


def patch(owner: Any, name: str, value: Any, undo: pytest.MonkeyPatch) -> None:
    undo.setattr(owner, name, value, raising=False)


CHANGES: dict[str, Callable[[Model, pytest.MonkeyPatch], Any]] = {
    "forward hook": lambda m, _: m.body[0].linear.register_forward_hook(lambda mod, args, out: out + 1),
    "forward hook, registered by hand": lambda m, _: m.body[0]._forward_hooks.update(a=lambda mod, args, out: out + 1),
    "forward pre-hook": lambda m, _: m.body[1].register_forward_pre_hook(lambda mod, args: (args[0] + 1,)),
    "hook of the whole model": lambda m, _: m.register_forward_hook(lambda mod, args, out: out + 1),
    "hook of all modules": lambda m, undo: patch(machinery, "_global_forward_hooks", {0: lambda mod, args, out: out + 1}, undo),
    "pre-hook of all modules": lambda m, undo: undo.setitem(
        machinery._global_forward_pre_hooks, 0, lambda mod, args: (args[0] + 1,)
    ),
    "eval": lambda m, _: m.body[2].drop.eval(),
    "attribute": lambda m, _: setattr(m.body[2], "scale", 3.0),
    "parameter replaced": lambda m, _: setattr(m.body[0].linear, "weight", nn.Parameter(torch.ones(4, 4))),
    "buffer of another type": lambda m, _: setattr(m.body[2], "shift", m.body[2].shift.double()),
    "parameter frozen": lambda m, _: m.body[0].linear.weight.requires_grad_(False),
    "bias removed": lambda m, _: setattr(m.body[0].linear, "bias", None),
    "buffer replaced": lambda m, _: setattr(m.body[2], "shift", torch.ones(1)),
    "module replaced": lambda m, _: m.body._modules.update({"1": nn.Tanh()}),
    "module added": lambda m, _: m.body.append(nn.Tanh()),
    "module renamed": lambda m, _: m.body._modules.update({"3": m.body._modules.pop("2")}),
    "modules in another order": lambda m, _: swap(m),
    "another class": lambda m, _: setattr(m.body[0], "__class__", Other),
    "forward of an instance": lambda m, undo: patch(m.body[1], "forward", lambda x: x + 1, undo),
    "forward of a class": lambda m, undo: patch(nn.ReLU, "forward", lambda self, x: x + 1, undo),
    "__call__ of a class": lambda m, undo: patch(nn.ReLU, "__call__", lambda self, x: x + 1, undo),
    "__call__ of all modules": lambda m, undo: patch(nn.Module, "__call__", lambda self, x: self.forward(x) + 1, undo),
    "class attribute before a module's": lambda m, undo: patch(Inner, "linear", staticmethod(lambda x: x + 1), undo),
    "class attribute further up": lambda m, undo: patch(nn.Module, "linear", staticmethod(lambda x: x + 1), undo),
    "function of torch": lambda m, undo: patch(torch.nn.functional, "relu", lambda x, inplace=False: x + 1, undo),
}  # fmt: skip
#: What makes no difference to the values of this model, but to its graph.
SAME_VALUES = {"eval", "parameter frozen", "module renamed", "buffer replaced"}


@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(name: str, grad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, count = Model(), Count()
    compiled = tracer.compile(model, backend=count, dynamic=False)
    with torch.set_grad_enabled(grad):
        x = torch.randn(2, 4)
        before = compiled(x)
        assert torch.equal(compiled(x), before) and count.graphs == 1
        CHANGES[name](model, monkeypatch)
        expected = model(x)
        found = compiled(x)
        assert found.dtype == expected.dtype and torch.equal(found, expected)
        assert (before.dtype == expected.dtype and torch.equal(before, expected)) == (name in SAME_VALUES), (
            "the change must make a difference"
        )
        assert count.graphs > 1 or name not in SAME_VALUES
    compiled.session.close()


def compiled_without_gradients(model: nn.Module, x: torch.Tensor) -> tuple[Any, Count]:
    count = Count()
    compiled = tracer.compile(model, backend=count, dynamic=False)
    with torch.no_grad():
        assert torch.equal(compiled(x), model(x))
    return compiled, count


@pytest.mark.filterwarnings("ignore:Full backward hook is firing", "ignore:Using a non-full backward hook")
@pytest.mark.parametrize(
    "register", ["register_full_backward_hook", "register_full_backward_pre_hook", "register_backward_hook"]
)
def test_a_backward_hook_matters_from_the_first_call_with_gradients(register: str) -> None:
    model, seen = Model(), []
    x = torch.randn(2, 4)
    compiled, count = compiled_without_gradients(model, x)
    assert count.graphs == 1
    getattr(model.body[0].linear, register)(lambda *args: seen.append(len(args)))
    with torch.no_grad():
        compiled(x)
    assert count.graphs == 1, "no gradients, no difference"
    compiled(x).sum().backward()
    assert seen
    compiled.session.close()


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("added", ["before", "after"])
def test_a_backward_hook_with_gradients_is_noticed(added: str) -> None:
    model, seen = Model(), []
    x = torch.randn(2, 4)
    if added == "before":
        model.body[0].linear.register_full_backward_hook(lambda *args: seen.append(1))
    compiled = tracer.compile(model, backend=Count(), dynamic=False)
    compiled(x)
    if added == "after":
        model.body[0].linear.register_full_backward_hook(lambda *args: seen.append(1))
    compiled(x).sum().backward()
    assert seen == [1]
    compiled.session.close()


class Passes(nn.Module):
    """Gives back what it got, used or not, or what it made with gradients all the same."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.same, self.weight, self.what = nn.Identity(), nn.Parameter(torch.ones(4)), what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.what == "made":
            with torch.enable_grad():
                return self.same(x * self.weight)
        if self.what == "used":
            return self.same(x) if (x + 1).dim() else x
        return self.same(x)


@pytest.mark.filterwarnings("ignore:Using a non-full backward hook")
@pytest.mark.parametrize("what", ["made", "used", "passed"])
def test_a_backward_hook_under_no_grad_is_noticed_where_a_result_has_a_history(what: str) -> None:
    model, seen = Passes(what), []
    x = torch.randn(2, 4) if what == "made" else torch.randn(2, 4, requires_grad=True) * 2
    compiled, _ = compiled_without_gradients(model, x)
    model.same.register_backward_hook(lambda *args: seen.append(1))
    with torch.no_grad():
        result = compiled(x)
    result.sum().backward()
    assert seen == [1]
    compiled.session.close()
