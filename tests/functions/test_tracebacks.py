"""Tracebacks of exceptions that were raised while tracing: the text that Python writes, and what hangs on the exception."""

import contextlib
import io
import sys
import traceback

from torch import randn

from tests.differential import Expect, check
from tests.functions.test_lists import trace

ANY = Expect()


def parse(n):
    if n > 1:
        raise ValueError("v")
    return parse(n + 1)


def convert(n):
    try:
        parse(n)
    except ValueError as error:
        raise TypeError("t") from error


def failing_generator():
    yield 1
    raise KeyError("g")


@contextlib.contextmanager
def passing_on():
    try:
        yield
    except ValueError:
        raise


class Watching:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.line = trace.tb_lineno
        return False


class Counter:
    count = 1


def text(program):
    check(program, lambda: randn(3), expect=ANY)


def test_frames_lines_and_causes():
    def program(x):
        try:
            convert(0)
        except TypeError:
            return x + 1, traceback.format_exc()

    text(program)


def test_generators_and_context_managers():
    def program(x):
        found = []
        try:
            for _ in failing_generator():
                pass
        except KeyError as error:
            found += traceback.format_exception(error)
        try:
            with passing_on():
                parse(0)
        except ValueError:
            found.append(traceback.format_exc())
        watching = Watching()
        try:
            with watching:
                parse(1)
        except ValueError:
            out = io.StringIO()
            traceback.print_exc(file=out)
            found += [watching.line, out.getvalue()]
        return x + 1, found

    text(program)


def test_raised_again():
    def program(x):
        found = []
        try:
            try:
                parse(0)
            finally:
                x = x + 1
        except ValueError as error:
            kept = error
        try:
            raise kept
        except ValueError as error:
            found += traceback.format_exception(error)
            found.append(error.with_traceback(None).__traceback__)
        return x, found

    text(program)


def test_an_exception_that_existed_before():
    single = ValueError("single")

    def program(x):
        single.__traceback__ = None
        for _ in range(2):
            try:
                raise single
            except ValueError:
                x = x + 1
        return x, traceback.format_exception(single)

    text(program)


def test_behind_a_break():
    def program(x):
        try:
            parse(0)
        except ValueError:
            print(end="")
            try:
                raise
            except ValueError:
                return x + 1, traceback.format_exc(), [entry.name for entry in traceback.extract_tb(sys.exc_info()[2])]

    text(program)


def test_errors_of_operations():
    def program(x):
        found = []
        for attempt in (lambda: [1][5], lambda: int("x"), lambda: undefined, lambda: Counter().counts, lambda: x.nothing, lambda: parse(1, 2)):  # noqa: F821
            try:
                attempt()
            except Exception:
                found.append(traceback.format_exc())
        return x + 1, found

    text(program)


def test_entries_are_known_without_a_break():
    def program(x):
        try:
            parse(1)
        except ValueError as error:
            trace = error.__traceback__
            deeper = trace.tb_next
            return x + 1, trace is None, deeper.tb_lineno, deeper.tb_next is not None, error.__traceback__ is trace

    trace(program)


def test_an_attribute_error_knows_the_object():
    def program(x):
        counter = Counter()
        try:
            counter.counts
        except AttributeError as error:
            return x + 1, error.obj is counter, error.name

    trace(program)
