"""What a session keeps of arguments doesn't keep them alive, but for what is never copied; a re-run says what is gone."""

from __future__ import annotations

import gc
import types
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import tracer
from tracer.errors import TracerError


class Thing:
    def __init__(self) -> None:
        self.number, self.tensor = 2, torch.ones(2)

    def doubled(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.number


class Names(list[Any]):
    pass


class Table(dict[str, Any]):
    pass


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + 1


@dataclass(slots=True)
class Batch:
    x: torch.Tensor


def make_function() -> Any:
    def inner(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    return inner


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(2))


#: kind → (how an argument is made, what is done with it)
KINDS: dict[str, tuple[Any, Any]] = {
    "tensor": (lambda: torch.ones(2), lambda a: a + 1),
    "needs a gradient": (lambda: torch.ones(2, requires_grad=True), lambda a: (a * 2).sum().detach()),
    "parameter": (parameter, lambda a: a + 1),
    "object": (Thing, lambda a: a.tensor * a.number),
    "object that is written to": (Thing, lambda a: setattr(a, "other", a.tensor * 2)),
    "list": (lambda: Names([torch.ones(2), 3]), lambda a: a[0] * a[1]),
    "list that grows": (lambda: Names([torch.ones(2), 3]), lambda a: a.append(a[0] * 2)),
    "dict": (lambda: Table(a=torch.ones(2)), lambda a: a["a"] * 2),
    "module": (Net, lambda a: a(torch.ones(2)).detach()),
    "attribute of a module": (Net, lambda a: (a.linear.weight * 2).detach()),
    "function": (make_function, lambda a: a(torch.ones(2))),
    "class": (lambda: type("Made", (), {"number": 3}), lambda a: torch.ones(2) * a.number),
    "set": (lambda: {1, 2}, lambda a: torch.ones(2) * len(a)),
    "only asked for": (Thing, lambda a: torch.ones(2) * (1 if a is not None else 2)),
}
#: What sessions that keep copies hold itself.
NEVER_COPIED = ("parameter", "function", "class")


def own(function: Any) -> Any:
    """With a code object of its own."""
    return types.FunctionType(function.__code__.replace(), globals())


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument_of_a_compiled_function_ends_when_the_program_lets_go(kind: str) -> None:
    make, function = KINDS[kind]
    compiled, argument = tracer.compile(own(function), backend="eager"), make()
    compiled(argument)
    compiled.session.result = None
    gone = weakref.ref(argument)
    del argument
    gc.collect()
    assert gone() is None and len(compiled.session.keeper.calls) == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NEVER_COPIED])
def test_an_argument_of_a_recorded_call_ends_and_the_call_runs_again_on_its_copy(kind: str) -> None:
    make, function = KINDS[kind]
    argument = make()
    with tracer.Session(backend="eager") as session:
        first = session.run(own(function), argument)
        gone = weakref.ref(argument)
        del argument
        gc.collect()
        assert gone() is None
        again = session.recompile()
        assert again.error is None and (first is None or torch.equal(first, again.result))


def test_a_call_of_which_shapes_are_kept_runs_again_while_its_objects_live() -> None:
    compiled, thing = tracer.compile(lambda x, a, way: way(x) * a.number, backend="eager"), Thing()
    compiled(torch.ones(2), thing, thing.doubled)
    assert compiled.session.recompile().result.shape == (2,)
    del thing
    gc.collect()
    with pytest.raises(TracerError, match="a Thing that it was given is gone"):
        compiled.session.recompile()


def test_an_object_that_nothing_can_refer_to_weakly_is_not_kept_with_its_tensors() -> None:
    compiled, batch = tracer.compile(lambda batch: batch.x + 1, backend="eager"), Batch(torch.ones(2))
    compiled(batch)
    gone = weakref.ref(batch.x)
    with pytest.raises(TracerError, match="a Batch that it was given is gone"):
        compiled.session.recompile()
    del batch
    gc.collect()
    assert gone() is None


class Plain:
    """An object of which the program holds the `__dict__` as well."""

    def __init__(self) -> None:
        self.n = 1


@pytest.mark.parametrize("first", ["dict", "object"])
def test_an_object_and_its_dict_are_copied_as_one(first: str) -> None:
    def function(parts: list[Any], x: torch.Tensor) -> Any:
        held, owner = parts if isinstance(parts[0], dict) else parts[::-1]
        held["k"] = x + 1
        return owner.k * 2, held is vars(owner)

    owner = Plain()
    parts: list[Any] = [vars(owner), owner] if first == "dict" else [owner, vars(owner)]
    with tracer.Session() as session:
        session.run(function, parts, torch.ones(2))
        again = session.recompile()
    assert again.error is None and torch.equal(again.result[0], torch.full((2,), 4.0)) and again.result[1] is True
