"""What lies outside the program: the environment, clocks, loggers, warnings, weak references."""

import datetime
import inspect
import logging
import os
import random
import time
import typing
import warnings
import weakref

import torch
from torch import randn

import tracer
from tests.differential import Expect, check
from tests.functions.test_lists import errors, trace


def test_environment(monkeypatch=None):
    def program(x):
        n = int(os.environ.get("TRACER_TEST_N", "1"))
        return x * n, os.getenv("TRACER_TEST_NONE"), "TRACER_TEST_N" in os.environ, errors(lambda: os.environ["TRACER_TEST_NONE"])

    def scenario(run):
        f = run(program)
        try:
            for value in ("2", "2", "3", None):
                os.environ.pop("TRACER_TEST_N", None)
                if value is not None:
                    os.environ["TRACER_TEST_N"] = value
                f(torch.ones(3))
        finally:
            os.environ.pop("TRACER_TEST_N", None)

    check(scenario, expect=Expect(breaks=0, recompiles=2))


def test_environment_unrelated_change():
    def scenario(run):
        f = run(lambda x: x * len(os.environ.get("TRACER_TEST_A", "ab")))
        f(torch.ones(3))
        os.environ["TRACER_TEST_B"] = "1"
        try:
            f(torch.ones(3))
        finally:
            del os.environ["TRACER_TEST_B"]

    check(scenario, expect=Expect(breaks=0, recompiles=0))


def quiet_logger():
    return logging.getLogger("tracer.tests.outside")


def test_silent_logger():
    def program(x):
        logger = quiet_logger()
        logger.debug("x is %s", x)
        if logger.isEnabledFor(logging.DEBUG):
            x = x + 1
        return x * 2, logger.name

    trace(program)


def test_logger_that_speaks():
    def program(x):
        quiet_logger().error("problem %d", 3)
        return x * 2

    trace(program, expect=Expect(breaks=1))


def test_level_changes():
    def scenario(run):
        f = run(lambda x: x + 1 if quiet_logger().isEnabledFor(logging.INFO) else x)
        try:
            for level in (logging.WARNING, logging.WARNING, logging.INFO):
                quiet_logger().setLevel(level)
                f(torch.ones(3))
        finally:
            quiet_logger().setLevel(logging.NOTSET)

    check(scenario, expect=Expect(breaks=0, recompiles=1))


def test_ignored_functions():
    def program(x):
        warnings.warn("careful", stacklevel=2)
        return x * 2

    trace(program, expect=Expect(breaks=["print-call"], recompiles=0))
    silent = tracer.compile(program, backend="eager", ignore_logging_functions={warnings.warn})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(silent(torch.ones(3)), torch.full((3,), 2.0))
    assert not silent.session.graph_breaks


def test_clocks_break():
    def program(x):
        before = time.perf_counter()
        return x + 1, time.time() >= 0, datetime.datetime.now().year > 2000, time.perf_counter() >= before

    trace(program, expect=Expect(breaks="some"))


def test_random_numbers_break():
    def program(x):
        return x * random.random() + random.randint(1, 3), random.choice([1, 2])

    trace(program, expect=Expect(breaks="some"))


class Box:
    def __init__(self, value):
        self.value = value


def test_weak_references():
    def program(x, ref):
        return x * ref().value, ref() is not None

    kept = []

    def make():
        kept.append(Box(3))
        return randn(3), weakref.ref(kept[-1])

    trace(program, make, expect=Expect(breaks=0))


def test_weak_reference_made_inside():
    def program(x):
        box = Box(5)
        ref = weakref.ref(box)
        return x * ref().value, ref() is box

    trace(program)


def test_introspection():
    def helper(a, b: int = 2, *rest, c=3):
        return a

    def program(x, f):
        signature = inspect.signature(f)
        return (
            typing.cast(int, x) + 1, list(signature.parameters), typing.get_origin(list[int]), typing.get_args(dict[str, int]), inspect.isfunction(f),
            signature.parameters["b"].default, inspect.isclass(Box), callable(f),
        )  # fmt: skip

    trace(program, lambda: (randn(3), helper))
