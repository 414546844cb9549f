"""An interrupt at any instruction leaves nothing behind (`make interrupts` is the long form)."""

from __future__ import annotations

import pytest

from tests.interrupts import interrupted


@pytest.mark.parametrize(
    ("how", "runs", "names"),
    [("steps", 12, ("plain", "modes", "fails")), ("timer", 24, ("break", "levels", "branches"))],
)
def test_interrupted_programs_leave_nothing(how, runs, names):
    report = interrupted(runs, how, seed=5, names=names)
    assert report.interrupts > 5
    assert not report.left, report.text()


def test_programs_with_exceptions_thrown_anywhere_leave_nothing():
    """As a second Ctrl-C does, which waits no longer, or another thread."""
    report = interrupted(12, "thrown", seed=5, names=("plain", "modes", "fails"))
    assert report.interrupts > 5
    assert not report.left, report.text()
