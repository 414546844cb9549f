"""A compiler for tests/differential.py that runs every call under a stepper, driven by a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tracer
from tests.differential import Traced, check
from tests.programs import Program
from tracer.control import Stepper

__all__ = ["Stepped", "at_every_event", "run_stepped"]


def at_every_event(stepper: Stepper) -> None:
    """Waits at each event that has a place to wait at, and touches what may be looked at there."""
    while not stepper.done:
        stepper.into()


class Stepped(Traced):
    """Every call of `run(fn)` is a stepped call of one session; `drive(stepper)` has to bring it to its end."""

    def __init__(self, drive: Callable[[Stepper], None] = at_every_event, **config: Any):
        super().__init__(**config)
        self.drive = drive
        self.paused = 0

    def compile(self, fn: Any, **config: Any) -> Any:
        session = tracer.Session("step", **{**self.config, **config})
        self.sessions.append(session)

        @functools.wraps(fn, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            stepper = session.step(fn, *args, **kwargs)
            self.drive(stepper)
            assert stepper.done
            return stepper.result

        return call


def run_stepped(program: Program, drive: Callable[[Stepper], None] = at_every_event) -> None:
    """A registered program, stepped, against the untraced run.

    Autograd numbers its nodes within each thread, and adds gradients up in that order. Nodes of two stepped calls come
    from two threads: sums may be rounded otherwise, and gradients written more or less often in place.
    """
    check(
        program.fn, program.make_args, program.calls, compiler=Stepped(drive, **program.config),
        ignore=program.ignore | {".version"}, tolerance=program.tolerance or 1e-5,
    )  # fmt: skip
