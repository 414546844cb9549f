"""One module of CPython's tests in this process: each test method that passes untraced is called from a traced frame.

In: the module's name, the last test that has run. Out: (id,) as a test begins, (id, outcome, reason) as it ends, so that of a process that
dies or hangs it is known which test it was in.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any

#: It passes; a fault of ours, after which it ran as plain Python; an exception leaves the trace that the test doesn't raise, with the same end;
#: the test fails; it doesn't pass untraced, twice in a row.
PASS, FAULT, ESCAPES, FAILS, UNTRACED = "pass", "fault", "escapes", "fails", "untraced"


def call(method: Callable[[], Any]) -> None:
    method()


class Quiet(unittest.TestResult):
    """What came of one test: `problem` is the text of its error, "" where it passed, None where it was skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.problem: str | None = ""

    def addError(self, test: Any, err: Any) -> None:
        self.problem = self.problem or _words(err)

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.problem = self.problem or _words(err)

    def addSkip(self, test: Any, reason: str) -> None:
        self.problem = None

    addExpectedFailure = addUnexpectedSuccess = lambda self, test, *rest: self.addSkip(test, "")


def _words(err: Any) -> str:
    text = " ".join(str(err[1]).split())
    return f"{err[0].__name__}: {text}"[:300]


def run(case: unittest.TestCase) -> str | None:
    result = Quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(result)
    return result.problem


def run_traced(case: unittest.TestCase, name: str) -> tuple[str, str]:
    import tracer
    from tracer.events import FrameFinished, InternalFault

    method = getattr(case, name)
    compiled = tracer.compile(types.FunctionType(call.__code__.replace(), globals(), "call"), backend="eager")
    setattr(case, name, lambda: compiled(method))
    with compiled.session as session:
        problem = run(case)
        if problem:
            return FAILS, problem
        events = session.events
        for event in events:
            if isinstance(event, InternalFault):
                return FAULT, f"{event.python_type}: {event.text}"[:300] + _where(event.traceback)
        for event in events:
            if isinstance(event, FrameFinished) and "leaves the function" in event.why and events[event.opens].name.rpartition(".")[2] in ("call", name):
                return ESCAPES, event.why
    return PASS, ""


def _where(text: str) -> str:
    """The last of our own lines in a traceback."""
    found = re.findall(r'tracer/(\S+)", line (\d+), in (\S+)', text)
    return f" ({found[-1][0]} {found[-1][2]})" if found else ""


def tests_of(module: str) -> Iterator[tuple[str, type[unittest.TestCase], str]]:
    loaded = importlib.import_module(f"test.{module}")

    def walk(suite: Any) -> Iterator[Any]:
        for part in suite:
            yield from walk(part) if isinstance(part, unittest.TestSuite) else [part]

    for case in walk(unittest.defaultTestLoader.loadTestsFromModule(loaded)):
        name = case._testMethodName
        if name != "runTest" and hasattr(case, name):
            yield f"{type(case).__qualname__}.{name}", type(case), name


def run_module(module: str, after: str, tell: Callable[[tuple[str, ...]], None]) -> None:
    """Every test of a module, in this process; what comes up to and with `after` has run already."""
    sys.stdout = sys.__stdout__ = open(os.devnull, "w")
    sys.stderr = sys.__stderr__ = sys.stdout
    passed_over = bool(after)
    ready: set[Any] = set()
    tests = list(tests_of(module))
    gc.collect()
    gc.freeze()  # a test that collects shall not go through all of torch each time
    for ident, cls, name in tests:
        if passed_over:
            passed_over = ident != after
            continue
        if cls not in ready:
            ready.add(cls)
            cls.setUpClass()
        tell((ident,))
        if run(cls(name)) != "" or run(cls(name)) != "":
            tell((ident, UNTRACED, ""))
            continue
        tell((ident, *run_traced(cls(name), name)))
    os._exit(0)  # threads and finalizers of the tests end with their process
