"""The projects of `make projects` that need no package beside ours: compiled, they compute what they compute as plain Python."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.projects import ppo
from benchmarks.projects.measure import Ours, Plain, run


@pytest.mark.parametrize("part", [ppo.model, ppo.step], ids=["model", "step"])
def test_a_ppo_loop_computes_the_same(part: Any) -> None:
    plain, compiler = run(part, Plain()), Ours()
    found = run(part, compiler)
    assert found["error"] == "" and found["values"] == plain["values"] and len(plain["values"]) > 10
    assert compiler.graphs > 0 and compiler.faults == 0
