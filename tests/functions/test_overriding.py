"""Drawn programs whose classes and modes override torch's functions: as untraced."""

import pytest

from tests.differential import check
from tests.overridden_calls import drawn, main


@pytest.mark.parametrize("seed", range(6))
def test_drawn_overrides(seed: int) -> None:
    text, function, make = drawn(seed)
    check(function, make)


@pytest.mark.slow
def test_many_drawn_overrides() -> None:
    assert not main(300, 1000)
