"""What torch.compile makes of the reproducers and the fixes: the numbers in the catalogue were not made up."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from tests.breaks.harness import CONFIG, FIXES, WITH_PROGRAM, name_of, run
from tracer.breaks import Entry, Fix

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="the numbers were measured with torch 2.13"),
]

#: Fixes that keep a break, and say so in what they trade; and one that torch.compile breaks at all the same, where ours takes one graph.
NOT_ONE_GRAPH = {("cond-branches-differ", "python-if"), ("user-hash-or-eq", "plain-key"), ("optimizer-step-inside", "optimizer-without-numbers")}


def measure(entry: Entry, fix: Fix | None = None) -> tuple[int, int]:
    """(breaks, graphs) of one run of the program. torch counts some breaks in one place only."""
    counters = torch._dynamo.utils.counters
    torch._dynamo.reset()
    counters.clear()
    graphs: list[torch.fx.GraphModule] = []

    def backend(gm: torch.fx.GraphModule, _inputs: Any) -> Any:
        graphs.append(gm)
        return gm.forward

    config = {name: value for name, value in CONFIG.get(entry.id, {}).items() if hasattr(torch._dynamo.config, name)}
    with torch._dynamo.config.patch(config):
        run(entry, fix, lambda f: torch.compile(f, backend=backend))
    breaks = max(sum(counters["graph_break"].values()), sum(counters["unimplemented"].values()))
    return (breaks if entry.kind in ("break", "whole-frame") else 0, len(graphs))


@pytest.fixture(autouse=True)
def quiet() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    torch._dynamo.reset()


@pytest.mark.parametrize("found", [e for e in WITH_PROGRAM if e.measured], ids=name_of)
def test_reproducers_take_what_the_catalogue_says(found: Entry) -> None:
    assert measure(found) == found.measured


@pytest.mark.parametrize(("found", "fix"), [f for f in FIXES if (f[0].id, f[1].name) not in NOT_ONE_GRAPH], ids=name_of)
def test_fixes_take_one_graph(found: Entry, fix: Fix) -> None:
    assert measure(found, fix) == (0, 1)
