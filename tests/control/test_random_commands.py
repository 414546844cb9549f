"""Random commands never hang, never change a result, and never leave the call unfinished."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import tracer
from tests.control.samples import SAMPLES
from tracer.errors import TracerError

NAMES = sorted(set(SAMPLES) - {"broken", "refused"})  # no text between the tests' own
EXPECTED = {}
for _name in NAMES:
    _fn, _make = SAMPLES[_name]
    try:
        EXPECTED[_name] = _fn(*_make())
    except ValueError as error:
        EXPECTED[_name] = str(error)

COMMANDS = st.sampled_from(["into", "over", "out", "line", "decision", "until"])
TERMS = st.sampled_from(
    [
        {"kind": "NodeCreated"},
        {"kind": "GuardInstalled"},
        {"kind": "AttemptEnded"},
        {"source": "x"},
        {"target": "mul"},
        {"reason": "*"},
        {"function": "*"},
        {"line": 1},
    ]
)


class Driven(RuleBasedStateMachine):
    @initialize(name=st.sampled_from(NAMES))
    def begin(self, name):
        fn, make = SAMPLES[name]
        self.name = name
        self.stepper = tracer.step(fn, *make())

    def waiting(self):
        return not self.stepper.done

    @precondition(waiting)
    @rule(command=COMMANDS, times=st.integers(1, 12))
    def move(self, command, times):
        for _ in range(times):
            before = len(self.stepper.session.events)
            if getattr(self.stepper, command)() is None:
                break
            assert len(self.stepper.session.events) > before

    @precondition(waiting)
    @rule(terms=TERMS)
    def until(self, terms):
        self.stepper.until(**terms)

    @precondition(waiting)
    @rule(terms=TERMS, temporary=st.booleans(), ignore=st.integers(0, 2))
    def set_breakpoint(self, terms, temporary, ignore):
        self.stepper.breakpoint(**terms, temporary=temporary, ignore=ignore)

    @precondition(waiting)
    @rule(by=st.sampled_from(["back", "next"]))
    def look(self, by):
        try:
            getattr(self.stepper, by)()
        except TracerError as error:
            assert "no event" in str(error)

    @precondition(waiting)
    @rule()
    def run(self):
        self.stepper.run()

    @rule()
    def clear(self):
        self.stepper.clear()

    @invariant()
    def events_are_numbered(self):
        if hasattr(self, "stepper"):
            events = self.stepper.session.events
            assert events[-1].seq == len(events) - 1
            assert self.stepper.done == (self.stepper.at is None) or self.stepper._view is not None

    def teardown(self):
        if not hasattr(self, "stepper"):
            return
        self.stepper.clear()
        assert self.stepper.done or self.stepper.run() is None
        expected = EXPECTED[self.name]
        try:
            result = self.stepper.result
        except ValueError as error:
            assert str(error) == expected
        else:
            torch.testing.assert_close(result, expected, rtol=0, atol=0)
        self.stepper.session.close()


Driven.TestCase.settings = settings(
    max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
test_random_commands = Driven.TestCase
