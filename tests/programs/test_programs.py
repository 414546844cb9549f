"""Every registered program behaves traced as untraced, and takes the graphs, breaks and recompiles that it should."""

import pytest

from tests.differential import run_program
from tests.programs import Program, all_programs


@pytest.mark.parametrize("one", all_programs(), ids=lambda p: p.name)
def test_program(one: Program) -> None:
    run_program(one)
