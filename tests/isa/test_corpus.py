"""The decoder agrees with `dis` and with itself over the standard library of every supported CPython."""

from __future__ import annotations

import pytest

from tests.isa.interpreters import VERSIONS, run


@pytest.mark.parametrize("version", VERSIONS)
def test_a_part_of_the_standard_library(version: str) -> None:
    assert "0 with faults" in run(version, "tests.isa.corpus", "25")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_standard_library(version: str) -> None:
    assert "0 with faults" in run(version, "tests.isa.corpus", "1", timeout=600)
