"""An interrupt at any instruction leaves nothing behind (`make interrupts` is the long form)."""

from __future__ import annotations

from tests.interrupts import interrupted


def test_interrupted_programs_leave_nothing():
    report = interrupted(18, "steps", seed=5, names=("plain", "modes", "fails"))
    assert report.interrupts > 5
    assert not report.left, report.text()
