"""Random programs behave traced as they do untraced, over three calls the last of which changes an integer."""

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.differential import Run, Untraced, check
from tests.programs.generated import build, inputs, programs

CASES = {"source": programs(), "n": st.integers(-2, 4), "grad": st.booleans()}


def compare(source: str, n: int, grad: bool, **options: Any) -> None:
    note(source)
    fn = build(source)

    def scenario(run: Run) -> None:
        compiled = run.compile(fn)
        for number, value in enumerate((n, n, n + 1)):
            run.call(compiled, inputs(number, value, grad), {}, reraise=False)

    check(scenario, **options)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(**CASES)
def test_generated_programs_are_deterministic(source: str, n: int, grad: bool) -> None:
    compare(source, n, grad, compiler=Untraced())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**CASES)
def test_generated_programs(source: str, n: int, grad: bool) -> None:
    compare(source, n, grad)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=2000, deadline=None)
@given(**CASES)
def test_many_generated_programs(source: str, n: int, grad: bool) -> None:
    compare(source, n, grad)
