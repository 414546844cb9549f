"""Every registered program behaves traced as untraced, and takes the graphs, breaks and recompiles that it should."""

from __future__ import annotations

import pytest

from tests.differential import run_program
from tests.programs import Program, all_programs
from tests.programs.known import KNOWN


def marked(one: Program) -> object:
    known = KNOWN.get(one.name)
    marks = [pytest.mark.xfail(strict=True, reason=known)] if known is not None else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.mark.parametrize("one", [marked(p) for p in all_programs()])
def test_program(one: Program) -> None:
    run_program(one)


def test_known_shortfalls_are_programs() -> None:
    assert set(KNOWN) <= {p.name for p in all_programs()}
