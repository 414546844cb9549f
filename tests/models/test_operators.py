"""Models over higher-order operators: results and gradients as untraced over several calls, in as few graphs as torch.compile makes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from tests.differential import Counts, Reference, Traced
from tests.models.operators import WORKS, Work

#: Works that end a graph on the way, as torch.compile's do: (graphs, breaks).
BROKEN = {"ode_adjoint": (3, 1)}


def gradients(result: Any) -> None:
    wanted = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if wanted:
        sum((leaf * torch.arange(1.0, leaf.numel() + 1).view(leaf.shape)).sum() for leaf in wanted).backward()


def outcomes(work: Work, call: Any) -> list[Any]:
    """Of each call: the result, the gradients of the arguments and of the parameters, the buffers."""
    found = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        args = work.inputs(seed)
        for module in work.modules:
            module.zero_grad()
        result = call(*args)
        gradients(result)
        left = [[arg.grad for arg in args if isinstance(arg, torch.Tensor)]]
        left += [{name: p.grad for name, p in module.named_parameters()} for module in work.modules]
        left += [dict(module.named_buffers()) for module in work.modules]
        found.append(pytree.tree_map(lambda t: t.detach().clone() if isinstance(t, torch.Tensor) else t, [result, left]))
    return found


def took(work: Work, compiler: Any) -> tuple[list[Any], Counts]:
    try:
        return outcomes(work, compiler.compile(work.function)), compiler.counts()
    finally:
        compiler.close()


def close(found: list[Any], wanted: list[Any], tolerance: float) -> None:
    """Sums in another order are rounded as their largest parts are, not as what remains of them where parts cancel."""
    pairs = list(zip(*map(pytree.tree_leaves, (found, wanted)), strict=True))
    assert pytree.tree_structure(found) == pytree.tree_structure(wanted)
    for one, other in pairs:
        if isinstance(other, torch.Tensor) and other.is_floating_point() and other.numel():
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * max(1.0, other.abs().max().item()))
        else:
            torch.testing.assert_close(one, other)


def made(name: str) -> Work:
    torch.manual_seed(0)
    return WORKS[name]()


@pytest.mark.parametrize("name", sorted(WORKS))
def test_as_untraced(name: str) -> None:
    work = made(name)
    wanted = outcomes(work, work.function)
    found, counts = took(work, Traced())
    close(found, wanted, 1e-6)
    assert (counts.graphs, len(counts.breaks), counts.recompiles) == (*BROKEN.get(name, (1, 0)), 0), counts
    work = made(name)
    found, counts = took(work, Traced("aot_eager"))
    close(found, wanted, 1e-4)
    assert (counts.graphs, len(counts.breaks)) == BROKEN.get(name, (1, 0)), counts


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WORKS))
def test_no_more_graphs_than_torch_compile(name: str) -> None:
    work = made(name)
    _, ours = took(work, Traced())
    _, theirs = took(work, Reference())
    assert (ours.graphs, len(ours.breaks)) <= (theirs.graphs, len(theirs.breaks)), (ours, theirs)
