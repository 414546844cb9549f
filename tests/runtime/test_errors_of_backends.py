"""A backend that makes one program of the whole graph: what fails in it is told in the program's own errors, at the operator that
raised. What no operator raises is the backend's. An operator that AOTAutograd can't take ends the graph; other faults of backends stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import tracer
from tracer.errors import BackendError

GOOD, BAD = torch.tensor([1]), torch.tensor([9])


def failing(gm: Any, _inputs: Any) -> Callable[..., Any]:
    """Always fails, in its own words, and has done nothing before."""

    def call(*args: Any) -> Any:
        raise RuntimeError("kernel 7 failed")

    return call


def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    return tracer.compile(f, backend=failing)


def test_the_error_is_the_operators() -> None:
    f = compiled(lambda x, i: (x * 2).index_select(0, i).exp())
    with pytest.raises(IndexError, match="index out of range"):
        f(torch.ones(3), BAD)
    with pytest.raises(RuntimeError, match="kernel 7"):
        f(torch.ones(3), GOOD)


def test_effects_are_those_before_the_operator() -> None:
    seen = []

    def f(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        y = x * 2
        seen.append("before")
        z = y.index_select(0, i)
        seen.append("behind")
        return z

    with pytest.raises(IndexError, match="index out of range"):
        compiled(f)(torch.ones(3), BAD)
    assert seen == ["before"]


def test_writes_to_inputs_are_not_made_again() -> None:
    def f(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        return x[1:].index_select(0, i)

    x = torch.ones(3)
    with pytest.raises(IndexError, match="index out of range"):
        compiled(f)(x, BAD)
    assert torch.equal(x, torch.ones(3))  # the backend wrote nothing


def test_writes_to_what_the_graph_makes_are() -> None:
    def f(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = torch.zeros(3).add_(x)
            y[0] = 5
            return y.index_select(0, i)

    with pytest.raises(IndexError, match="index out of range"):
        compiled(f)(torch.ones(3), BAD)
    assert torch.is_grad_enabled()


def test_random_numbers_are_not_drawn_again() -> None:
    torch.manual_seed(0)
    after = torch.rand(1)
    torch.manual_seed(0)
    with pytest.raises(RuntimeError, match="kernel 7"):
        compiled(lambda x, i: (x + torch.rand(3)).index_select(0, i))(torch.ones(3), BAD)
    assert torch.equal(torch.rand(1), after)


def test_the_graph_ends_where_aotautograd_ends() -> None:
    """Its backward asks for a size that data decides: found out, not listed."""
    picked = torch.library.custom_op("errors_of_backends::picked", _picked, mutates_args=())
    picked.register_fake(lambda x: torch.empty_like(x))
    picked.register_autograd(_backward)

    def f(x: torch.Tensor) -> torch.Tensor:
        return picked(x * 2).sin() + 1

    run = tracer.compile(f, backend="aot_eager")
    x = torch.ones(3, requires_grad=True)
    result = run(x)
    result.sum().backward()
    assert torch.equal(result, f(torch.ones(3)))
    assert x.grad is not None
    assert [found.reason for found in run.session.graph_breaks] == ["backend-limit"]
    whole = tracer.compile(f, backend="aot_eager", fullgraph=True)  # where such sizes are symbols
    whole(x).sum().backward()
    assert not whole.session.graph_breaks and x.grad.tolist() == [4, 4, 4]


def _picked(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


def _backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
    return grad[grad != 0].new_ones(3)  # a size that data decides


def test_what_a_backend_refuses_itself_is_its_error() -> None:
    def refusing(gm: Any, _inputs: Any) -> Any:
        raise RuntimeError("no such device")

    with pytest.raises(BackendError, match="no such device"):
        tracer.compile(lambda x: x.sin() + 1, backend=refusing)(torch.ones(3))
