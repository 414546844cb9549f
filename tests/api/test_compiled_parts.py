"""A compiled module is a part like any other: parents, optimizers, copies and files see the module that was compiled."""

from __future__ import annotations

import copy
import functools
import inspect
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

import tracer


def compiled(fn: Any) -> Any:
    return tracer.compile(fn, backend="eager")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = compiled(nn.Linear(2, 2)), nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 1)


class Chatty(nn.Linear):
    """A module with methods of its own, some of which are nn.Module's too."""

    told: list[str] = []
    kinds: list[str] = []

    def __init_subclass__(cls, **named: Any) -> None:
        Chatty.kinds.append(cls.__name__)

    def __len__(self) -> int:
        return self.out_features

    def train(self, mode: bool = True) -> Chatty:
        self.told.append(f"train {mode}")
        return super().train(mode)

    def frozen(self) -> Chatty:
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        return self

    def twice(self, x: torch.Tensor) -> torch.Tensor:
        return self(self(x))


class Dropping(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if self.training else x


def test_parents_see_parameters_under_their_own_names() -> None:
    net, plain = Net(), Plain()
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in plain.named_parameters()]
    assert list(net.state_dict()) == list(plain.state_dict())
    assert [n for n, _ in net.named_modules()] == ["", "body", "head"]
    assert dict(net.named_modules())["body"] is net.body
    plain.load_state_dict(net.state_dict())
    net.load_state_dict(Plain().state_dict())
    net.body.load_state_dict(nn.Linear(2, 2).state_dict())


def test_an_optimizer_of_the_parent_trains_the_compiled_part() -> None:
    net = Net()
    before = net.body.weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not torch.equal(net.body.weight, before)
    expected = nn.functional.linear(torch.ones(1, 2), net.body.weight, net.body.bias)
    assert torch.equal(net.body(torch.ones(1, 2)), expected)
    optimizer.zero_grad()
    assert net.body.weight.grad is None


def test_modes_and_dtypes_of_the_parent_reach_the_compiled_part() -> None:
    part = compiled(Dropping())
    parent = nn.Sequential(part, nn.Linear(1, 1))
    assert part(torch.ones(1)).item() == 2.0
    parent.eval()
    assert not part.training and part(torch.ones(1)).item() == 1.0
    parent.train()
    assert part(torch.ones(1)).item() == 2.0
    net = Net().double()
    assert net.body.weight.dtype is torch.float64
    assert net(torch.ones(1, 2, dtype=torch.float64)).dtype is torch.float64


@pytest.mark.parametrize(
    "step",
    [
        lambda m: m.to("cpu"), lambda m: m.eval(), lambda m: m.train(), lambda m: m.requires_grad_(False), lambda m: m.double(),
        lambda m: m.apply(lambda _: None), lambda m: m.cpu(), lambda m: m.share_memory(),
    ],
    ids=["to", "eval", "train", "requires_grad_", "double", "apply", "cpu", "share_memory"],
)  # fmt: skip
def test_methods_that_return_the_module_return_the_compiled_one(step: Any) -> None:
    c = compiled(nn.Linear(2, 2))
    model = step(c)
    assert model is c
    model(torch.ones(1, 2, dtype=model.weight.dtype))
    assert c.session.stats["calls"] == 1


def test_methods_of_the_class_run_on_the_compiled_module() -> None:
    Chatty.told.clear()
    Chatty.kinds.clear()
    c = compiled(Chatty(2, 2))
    assert c.frozen() is c and not c.weight.requires_grad
    assert c.eval() is c and Chatty.told == ["train False"]
    assert len(c) == 2 and isinstance(c, Chatty) and Chatty.kinds == []
    c.twice(torch.ones(1, 2))
    assert c.session.stats["calls"] == 2


def test_what_is_set_on_either_is_set_on_both() -> None:
    original = nn.Linear(2, 2)
    c = compiled(original)
    c.weight = nn.Parameter(torch.zeros(2, 2))
    c.note = "here"
    assert original.weight is c.weight and original.note == "here"
    original.bias = None
    assert c.bias is None and torch.equal(c(torch.ones(1, 2)), torch.zeros(1, 2))
    del c.note
    assert not hasattr(original, "note")


def test_hooks_on_the_compiled_module_run() -> None:
    seen = []
    c = compiled(nn.Linear(2, 2))
    c(torch.ones(1, 2))
    handle = c.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    c(torch.ones(1, 2))
    handle.remove()
    c(torch.ones(1, 2))
    assert seen == [(1, 2)]


def test_containers_take_compiled_modules() -> None:
    c = compiled(nn.Linear(2, 2))
    parts = nn.ModuleList([c])
    assert parts[0] is c and isinstance(c, nn.Module) and isinstance(c, nn.Linear)
    assert len(list(parts.parameters())) == 2
    assert nn.Sequential(c, nn.ReLU())(torch.ones(1, 2)).shape == (1, 2)
    assert repr(nn.Sequential(c)) == "Sequential(\n  (0): CompiledLinear(in_features=2, out_features=2, bias=True)\n)"


def test_copies_and_files_of_a_parent_hold_compiled_parts_of_their_own() -> None:
    net = Net()
    x = torch.ones(1, 2)
    expected = net(x)
    stored = io.BytesIO()
    torch.save(net, stored)
    stored.seek(0)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.load(stored, weights_only=False)):
        assert torch.equal(other(x), expected)
        assert type(other.body) is type(net.body) and other.body is not net.body
        assert other.body.session is not net.body.session and other.body.session.stats["calls"] == 1
        assert other.body.weight is not net.body.weight
        assert other.body.weight is dict(other.named_parameters())["body.weight"]


def test_a_shallow_copy_shares_the_weights() -> None:
    c = compiled(nn.Linear(2, 2))
    other = copy.copy(c)
    other.note = 1
    assert other.weight is c.weight and not hasattr(c, "note") and type(other) is type(c)


def test_signatures_are_the_original_s() -> None:
    assert str(inspect.signature(compiled(nn.Linear(2, 2)))) == "(*args, **kwargs)"

    def f(x: torch.Tensor, n: int = 2) -> torch.Tensor:
        return x * n

    assert inspect.signature(compiled(f)) == inspect.signature(f)
    assert list(inspect.signature(compiled(nn.Linear(2, 2)).forward).parameters) == ["input"]


def test_a_compiled_module_in_a_traced_one_is_one_graph() -> None:
    net = Net()
    whole = compiled(net)
    x = torch.ones(1, 2)
    assert torch.equal(whole(x), net(x))
    assert len(whole.session.graphs) == 1 and not whole.session.graph_breaks
    assert torch.equal(tracer.trace(net.body, x).result, net.body(x))
    assert compiled(net.body)._orig_mod is net.body._orig_mod


def test_a_traced_frame_sees_one_module_under_two_names() -> None:
    original = Dropping()
    c = compiled(original)

    def f(x: torch.Tensor) -> Any:
        original.eval()
        original.count = 3
        return c(x), c.training, c.count, isinstance(c, Dropping), c

    out = compiled(f)(torch.ones(1))
    assert out[0].item() == 1.0 and out[1:4] == (False, 3, True) and out[4] is c


# ---- functions
def double(x: torch.Tensor, n: int = 2) -> torch.Tensor:
    """Twice."""
    return x * n


def test_a_compiled_function_answers_for_its_function() -> None:
    c = compiled(double)
    assert (c.__name__, c.__qualname__, c.__doc__, c.__module__) == ("double", "double", "Twice.", __name__)
    assert c.__wrapped__ is double and inspect.unwrap(c) is double and c.__defaults__ == (2,)
    assert type(c).__module__ == "tracer.wrappers" and isinstance(type(c).__doc__, str)


def test_attributes_of_a_compiled_function_are_the_function_s() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    f.kind = "plain"  # type: ignore[attr-defined]
    c = compiled(f)
    c.calls = 3
    c.__name__ = "other"
    assert f.calls == 3 and f.__name__ == "other" and c.kind == "plain" and vars(c) == vars(f)  # type: ignore[attr-defined]

    @functools.wraps(c)
    def around(x: torch.Tensor) -> Any:
        return c(x)

    assert (around.__name__, around.__wrapped__, around.kind) == ("other", c, "plain")  # type: ignore[attr-defined]
    assert sorted(vars(around)) == ["__wrapped__", "calls", "kind"]
    del c.calls
    assert not hasattr(f, "calls")


class Steps:
    scale = 3.0

    @tracer.compile(backend="eager")
    def step(self, x: torch.Tensor) -> torch.Tensor:
        """One step."""
        return x * self.scale

    @classmethod
    @tracer.compile(backend="eager")
    def of_class(cls, x: torch.Tensor) -> torch.Tensor:
        return x * cls.scale

    @staticmethod
    @tracer.compile(backend="eager")
    def static(x: torch.Tensor) -> torch.Tensor:
        return x * 2


def test_compiled_methods_bind() -> None:
    steps, x = Steps(), torch.ones(1)
    assert steps.step(x).item() == 3.0 and Steps.step(steps, x).item() == 3.0
    assert steps.step.__self__ is steps and steps.step.__name__ == "step" and steps.step.__doc__ == "One step."
    assert str(inspect.signature(steps.step)) == "(x: 'torch.Tensor') -> 'torch.Tensor'"
    assert steps.of_class(x).item() == 3.0 and Steps.static(x).item() == 2.0
    assert steps.step.session is Steps.step.session


def test_a_compiled_function_in_a_traced_one_is_one_graph() -> None:
    inner = compiled(double)
    session = tracer.trace(lambda x: inner(x) + 1, torch.ones(2))
    assert torch.equal(session.result, torch.full((2,), 3.0))
    assert len(session.graphs) == 1 and not session.graph_breaks
