"""torch's own database of higher-order operators: results as untraced, one graph where torch.compile has one."""

from __future__ import annotations

import functools

import pytest
import torch
from torch.testing._internal.hop_db import hop_db
from torch.utils import _pytree as pytree

import tracer
from tests.databases.known import MORE_BREAKS

#: Entries of which torch.compile makes one graph and we none.
NOT_CAPTURED = {label.removeprefix("hop_db ") for label in MORE_BREAKS if label.startswith("hop_db ")}
ENTRIES = [(entry, grad) for entry in hop_db for grad in ((False, True) if entry.supports_autograd else (False,))]


def fresh(sample):
    def copy(leaf):
        return leaf.detach().clone().requires_grad_(leaf.requires_grad) if isinstance(leaf, torch.Tensor) else leaf

    return pytree.tree_map(copy, (sample.input, sample.args, sample.kwargs))


def outcome(function, sample):
    try:
        return "returned", pytree.tree_leaves(function(*fresh(sample)))
    except Exception as error:
        return "raised", type(error).__name__


@pytest.mark.parametrize(("entry", "grad"), ENTRIES, ids=lambda value: f"{value.name}_{value.variant_test_name}" if hasattr(value, "name") else str(value))
def test_as_untraced_and_captured_as_torch_compile_does(entry, grad):
    sample = next(iter(entry.sample_inputs("cpu", torch.float32, requires_grad=grad)))

    def program(given, args, kwargs):
        return entry.op(given, *args, **kwargs)

    session, graphs = tracer.Session("trace"), []

    def counted(gm, _inputs):
        graphs.append(gm)
        return gm.forward

    wanted, found = outcome(program, sample), outcome(functools.partial(session.run, program), sample)
    torch._dynamo.reset()
    compiled = outcome(torch.compile(program, backend=counted), sample)
    assert found[0] == wanted[0]
    if wanted[0] == "returned":
        torch.testing.assert_close(found[1], wanted[1])
    else:
        assert found[1] == wanted[1]
    if compiled[0] == "returned" and len(graphs) == 1 and entry.name not in NOT_CAPTURED:
        assert len(session.graphs) == 1 and not session.graph_breaks
    elif entry.name in NOT_CAPTURED:
        assert session.graph_breaks, "it is captured now: take it out of the table"
