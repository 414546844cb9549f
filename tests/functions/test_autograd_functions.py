"""`autograd.Function.apply` is captured with its own backward; with keywords, where torch takes them, it ends the graph."""

from __future__ import annotations

import pytest
import torch

import tracer


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k=2):
        ctx.k = k
        return x * k

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.k + 100, None


def by_position(x):
    return Scaled.apply(x, 3) + 1


def by_keyword(x):
    return Scaled.apply(x, k=3) + 1


def takes_keywords():
    try:
        Scaled.apply(torch.ones(1), k=3)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("program", [by_position, by_keyword], ids=lambda program: program.__name__)
def test_its_own_backward_is_used(program):
    if program is by_keyword and not takes_keywords():
        pytest.skip("apply takes keywords since torch 2.14")
    session = tracer.Session("trace")
    for _ in range(2):
        x = torch.randn(3, requires_grad=True)
        found, wanted = session.run(program, x), program(x)
        torch.testing.assert_close(found, wanted)
        (one,), (other,) = (torch.autograd.grad(result.sum(), x) for result in (found, wanted))
        torch.testing.assert_close(one, other)
    breaks = ["autograd-function-unsupported"] if program is by_keyword else []
    assert [found.reason for found in session.graph_breaks] == breaks and not session.recompiles


@pytest.mark.skipif(takes_keywords(), reason="apply takes keywords since torch 2.14")
def test_keywords_are_refused_in_torchs_words_where_it_takes_none():
    session = tracer.Session("trace")
    with pytest.raises(TypeError) as wanted:
        by_keyword(torch.ones(1))
    with pytest.raises(TypeError) as found:
        session.run(by_keyword, torch.ones(1))
    assert str(found.value) == str(wanted.value)
