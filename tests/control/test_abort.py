"""Giving a call up, at every kind of event, leaves no lock, mode, hook or half-made entry behind."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import threading
import weakref

import pytest
import torch

import tracer
from tests.control.samples import BACKENDS, OVERRIDES, SAMPLES, plain
from tests.differential import world_state
from tests.parts import one_in
from tracer.compat import evalframe as ef
from tracer.control import Aborted, Stepper
from tracer.errors import TracerError
from tracer.events import KINDS, kind_of

#: Not met inside a call: the session's own, a fault of ours, what only later parts record.
ELSEWHERE = {"SessionStarted", "SessionFinished", "CallFinished", "InternalFault", "Output", "BreakCompared", "GraphRan"}

LOGGERS = sorted(logging.root.manager.loggerDict)


def outside() -> dict:
    """What a call that was given up must leave as it was, process-wide and in this thread."""
    return {
        **world_state(),
        "region": ef.current_region(),
        "loggers": [logging.getLogger(name).level for name in LOGGERS],
        "handlers": [list(getattr(logging.getLogger(name), "handlers", ())) for name in LOGGERS],
        "threads": [t.name for t in threading.enumerate() if t.name.startswith("tracer-step")],
    }


def works(session: tracer.Session, name: str) -> None:
    """The session traces and runs the program as if nothing had been."""
    fn, make = SAMPLES[name]
    hook = session.hook
    assert hook._lock.acquire(blocking=False) and not hook._runs and not hook._pending and not hook.muted
    hook._lock.release()
    assert not session._frame_stack and not session.stepped_by
    for _ in range(2):
        for run in (lambda *args: session.run(fn, *args), torch.compile(fn, backend="eager")):
            try:
                expected: object = fn(*make())
            except ValueError as error:
                expected = str(error)
            try:
                got: object = run(*make())
            except ValueError as error:
                got = str(error)
            torch.testing.assert_close(got, expected) if not isinstance(expected, str) else None
            assert isinstance(expected, str) == isinstance(got, str)
    torch._dynamo.reset()


def recorded(name: str) -> list:
    fn, make = SAMPLES[name]
    session = tracer.Session("step", overrides=OVERRIDES.get(name, ()), backend=BACKENDS.get(name, "eager"))
    try:
        session.run(fn, *make())
    except ValueError:
        assert name == "doomed"
    return list(session.events)


def places() -> list:
    """For each kind of event a program that meets it, and which one it is there (the first, the last)."""
    found = {}
    for name in SAMPLES:
        kinds = [kind_of(event) for event in recorded(name)]
        for kind in dict.fromkeys(kinds):
            if kind not in ELSEWHERE:
                count = kinds.count(kind)
                found.setdefault((kind, name, 1), None)
                found.setdefault((kind, name, count), None)
    return sorted(found)


PLACES = places()
NAMED = "{} {} {}".format
#: Where each kind is met first.
ALWAYS = tuple({kind: NAMED(kind, name, count) for kind, name, count in reversed(PLACES)}.values())


def test_every_kind_is_met():
    missing = set(KINDS) - ELSEWHERE - {kind for kind, _, _ in PLACES}
    assert not missing, missing


@pytest.mark.parametrize(("kind", "name", "count"), one_in(2, PLACES, lambda place: NAMED(*place), ALWAYS))
def test_abort_at_every_kind(kind, name, count, capsys):
    fn, make = SAMPLES[name]
    before = outside()
    session = tracer.Session("step", overrides=OVERRIDES.get(name, ()), backend=BACKENDS.get(name, "eager"))
    seen = itertools.count(1)
    first = lambda _, event: kind if kind_of(event) == kind and next(seen) == count else ""
    stepper = Stepper(session, functools.partial(session.run, fn, *make()), first=first)
    assert kind_of(stepper.at) == kind
    stepper.abort()
    assert stepper.done
    with pytest.raises(TracerError, match="given up"):
        _ = stepper.result
    assert outside() == before
    works(session, name)
    session.close()
    assert outside() == before


@pytest.mark.parametrize("name", SAMPLES)
def test_abort_at_many_events_in_a_row(name, capsys):
    """The session survives all of them, and a dropped stepper is an abort too."""
    fn, make = SAMPLES[name]
    session = tracer.Session("step", overrides=OVERRIDES.get(name, ()), backend=BACKENDS.get(name, "eager"))
    before = outside()
    for number in range(0, len(recorded(name)), 8):
        stepper = session.step(fn, *make())
        for _ in range(number):
            if stepper.done or stepper.into() is None:
                break
        session.reset()
        stepper.abort()
        assert outside() == before
    works(session, name)


def test_a_bare_except_cannot_swallow_it():
    ran = []

    def inner(x):
        return x + 1

    def program(x):
        for _ in range(3):
            try:
                torch._dynamo.graph_break()
                inner(x)
            except:  # noqa: E722
                ran.append("swallowed")
        return "native"

    session = tracer.Session("step")
    stepper = session.step(program, torch.ones(2))
    stepper.until(kind="NodeCreated")
    seen = len(session.events)
    stepper.abort()
    assert stepper.done and ran in (["swallowed"], [])
    traced = [kind_of(e) for e in session.events[seen:]]
    assert not {"Instruction", "NodeCreated", "AttemptStarted"} & set(traced)
    torch.testing.assert_close(session.run(inner, torch.ones(2)), torch.full((2,), 2.0))


def test_dropping_the_stepper_lets_the_worker_go():
    session = tracer.Session("step")
    stepper = session.step(plain, torch.ones(3))
    stepper.until(target="mul")
    thread, gone = stepper._thread, weakref.ref(stepper)
    del stepper
    gc.collect()
    thread.join(10)
    assert gone() is None and not thread.is_alive()
    works(session, "plain")


def test_closing_gives_the_call_up():
    with tracer.step(plain, torch.ones(3)) as stepper:
        session = stepper.session
        assert isinstance(stepper, Stepper) and not stepper.done
    assert stepper.done and session.closed


def test_aborted_is_no_exception_that_programs_catch():
    assert not issubclass(Aborted, Exception)
