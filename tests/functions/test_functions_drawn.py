"""Autograd functions that nobody wrote by hand: the same results, gradients, errors and writes as untraced, at calls with other leaves too."""

from __future__ import annotations

import pytest

from tests.functions.drawn_functions import differences, drawn

#: What a function gives under no_grad of its argument's memory is a leaf in Python, and has a history under torch.compile(backend="aot_eager") as here.
_FLAGGED = {number for number in range(400) if drawn(number).mode == "off inside"}


@pytest.mark.parametrize("number", range(60))
def test_drawn(number: int) -> None:
    assert not differences(number, "eager")


@pytest.mark.parametrize("number", sorted({*range(100, 130), 320, 383} - _FLAGGED))
def test_drawn_for_a_backend_that_traces_anew(number: int) -> None:
    assert not differences(number, "aot_eager")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_many_drawn(backend: str) -> None:
    numbers = range(130, 400) if backend == "eager" else sorted(set(range(130, 400)) - _FLAGGED)
    assert not [found for number in numbers for found in differences(number, backend)]
