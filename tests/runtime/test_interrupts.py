"""An interrupt at any instruction leaves nothing behind (`make interrupts` is the long form)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.interrupts import interrupted

_ROOT = Path(__file__).parents[2]


def test_interrupted_programs_leave_nothing():
    report = interrupted(12, "steps", seed=5, names=("plain", "modes", "fails"))
    assert report.interrupts > 5
    assert not report.left, report.text()


def test_programs_interrupted_at_a_random_moment_leave_nothing():
    """In a process of its own: what an interrupt cuts of torch's own managers stays cut, for whoever comes next."""
    asked = ["--how", "timer", "--runs", "24", "--seed", "5", "--names", "break", "levels", "branches"]
    done = subprocess.run([sys.executable, "-m", "tests.interrupts", *asked], capture_output=True, text=True, timeout=300, cwd=_ROOT)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    interrupts = int(done.stdout.split(" runs, ")[1].split(" interrupts")[0])
    assert interrupts > 5, done.stdout


def test_programs_with_exceptions_thrown_anywhere_leave_nothing():
    """As a second Ctrl-C does, which waits no longer, or another thread."""
    report = interrupted(12, "thrown", seed=5, names=("plain", "modes", "fails"))
    assert report.interrupts > 5
    assert not report.left, report.text()
