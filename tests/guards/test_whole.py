"""An interrupt that comes while guards are checked is not lost in torch's C++."""

from __future__ import annotations

import _thread
import dis
import time

import pytest
import torch

import tracer
from tracer.compat.evalframe import unasked
from tracer.compat.guards import RootGuardManager
from tracer.guards import shapes
from tracer.guards.whole import again, whole

pytestmark = pytest.mark.usefixtures("interruptible")


def asked(check, *scopes, seconds: float = 2.0) -> tuple[list[bool], bool]:
    """(what `check` answers, whether an interrupt comes to this thread), which may be as soon as the call is over."""
    answers: list[bool] = []
    try:
        answers.extend(map(check, *scopes))  # nothing between the answer and its place where an interrupt could come
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.005)
    except KeyboardInterrupt:
        return answers, True
    return answers, False


def interrupted(value):
    _thread.interrupt_main()
    return True


def test_a_guard_that_is_interrupted_says_no_and_the_interrupt_comes_again():
    root = RootGuardManager()
    root.add_lambda_guard(whole(interrupted), ["x"], None)
    assert asked(root.check, [{}]) == ([False], True)


def test_without_it_torch_swallows_the_interrupt():
    root = RootGuardManager()
    root.add_lambda_guard(interrupted, ["x"], None)
    assert asked(root.check, [{}], seconds=0.2) == ([False], False)


def entered_with(function) -> int:
    """What the function's RESUME says: with 0 the interpreter looks for signals there, with 2 it doesn't."""
    return next(op.arg for op in dis.get_instructions(function) if op.opname == "RESUME")


def test_a_guard_is_entered_without_a_look_for_signals():
    """One that came while C++ worked would be raised there, outside of any `try`."""
    plain = lambda value: value > 1
    guard = whole(plain)
    assert (entered_with(plain), entered_with(guard)) == (0, 2)
    assert (guard(1), guard(2)) == (False, True)


class Interrupted(dict):
    def __getitem__(self, key):
        raise KeyboardInterrupt


def test_guards_on_sizes_too(monkeypatch):
    made = []
    monkeypatch.setattr(shapes, "unasked", lambda function: made.append(unasked(function)) or made[-1])
    session = tracer.Session(dynamic=True)
    assert session.run(lambda x: x * x.shape[0] if x.shape[0] > 2 else x, torch.ones(5, 3)).shape == (5, 3)
    (check,) = made
    assert entered_with(check) == 2 and check({"x": torch.ones(4, 3)}) and not check({"x": torch.ones(2, 3)})
    assert asked(check, [Interrupted()]) == ([False], True)


def test_again_says_no():
    assert asked(lambda _: again(), [None]) == ([False], True)
