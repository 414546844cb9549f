"""Objects end at the same moments traced as untraced, in random programs. An error that Python writes down and forgets counts too."""

import sys

import pytest
import torch

import tracer
from tests.programs.generated import build
from tests.programs.generated_lifetimes import source


def run(function):
    """What two calls show: result or error, the log, grad mode, errors that were ignored."""
    shown, ignored = [], []
    before, sys.unraisablehook = sys.unraisablehook, lambda what: ignored.append(type(what.exc_value).__name__)
    try:
        for _ in range(2):
            log = []
            try:
                shown.append(function(torch.ones(2), log)[0].tolist())
            except (ValueError, KeyError, RuntimeError, StopIteration) as error:
                shown.append((type(error).__name__, str(error)))
            shown += [repr(log), torch.is_grad_enabled()]
            torch.set_grad_enabled(True)
    finally:
        sys.unraisablehook = before
    return shown, ignored


def differences(numbers):
    found, whole = [], 0
    for number in numbers:
        text = source(number)
        expected = run(build(text))
        compiled = tracer.compile(build(text), backend="eager")
        with compiled.session as session:
            got = run(compiled)
            whole += len(session.graphs) == 1 and not session.graph_breaks
        if got != expected:
            found.append((number, text.rpartition("    yield n + 2\n")[2], expected, got))
    return found, whole


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_objects_end_at_the_same_moments(first):
    found, whole = differences(range(first, first + 20))
    assert found == []
    assert whole >= 10  # most of them are one graph


def test_programs_are_deterministic():
    assert source(7) == source(7) != source(8)
    assert run(build(source(7))) == run(build(source(7)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_objects_end_at_the_same_moments_in_many_programs():
    assert differences(range(1000, 5000))[0] == []
