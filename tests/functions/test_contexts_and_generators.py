"""contextlib over traced generators, methods of generators, what `types` makes."""

import contextlib
import types

import pytest
from torch import randn

from tests.differential import Expect
from tests.functions.test_lists import errors, trace
from tracer.compat.words import WARNS_OF_INVERTED_BOOL, WARNS_OF_THROW


@contextlib.contextmanager
def logged(log, name):
    log.append(f"enter {name}")
    try:
        yield name.upper()
    except KeyError:
        log.append("swallowed")
    finally:
        log.append(f"leave {name}")


def test_context_managers_of_generators():
    def program(x):
        log = []
        with logged(log, "a") as a, logged(log, "b"):
            x = x + 1
        with logged(log, "c"):
            raise KeyError("k")
        try:
            with logged(log, "d"):
                raise ValueError("v")
        except ValueError as error:
            log.append(str(error))
        return x, a, log

    trace(program)


def test_helpers():
    class Closing:
        closed = 0

        def close(self):
            self.closed += 1

    def program(x, thing):
        log = []
        with (
            contextlib.nullcontext(5) as five,
            contextlib.suppress(ZeroDivisionError),
            contextlib.closing(thing) as same,
        ):
            log.append(1 // 0)
        with contextlib.ExitStack() as stack:
            stack.enter_context(logged(log, "in"))
            stack.callback(log.append, "callback")
            stack.push(lambda *exc: log.append(exc[0]))
        return x + five, log, same is thing, thing.closed

    trace(program, lambda: (randn(3), Closing()))


LOG = []


@logged(LOG, "deco")
def decorated(x):
    return x + 1


def test_decorator():
    def program(x):
        return decorated(x), decorated(x)

    trace(program, expect=Expect(breaks=0))


def careful(log):
    total = 0
    while True:
        try:
            received = yield total
            total += received or 0
        except ValueError as error:
            log.append(str(error))
            total = -1
        finally:
            log.append("step")


def test_methods_of_generators():
    def program(x):
        log = []
        g = careful(log)
        out = [next(g), g.send(2), g.send(3), g.throw(ValueError("bad")), g.throw(ValueError)]
        g.close()
        fresh = careful(log)
        fresh.close()
        return (
            x + 1,
            out,
            log,
            errors(
                lambda: next(g),
                lambda: careful([]).send(1),
                lambda: careful([]).throw(KeyError("k")),
                lambda: g.send(1),
            ),
        )

    trace(program)


@pytest.mark.filterwarnings("default:the .type, exc, tb. signature:DeprecationWarning")
def test_a_thrown_class_with_a_value_warns_where_python_does():
    def program(x):
        log = []
        g = careful(log)
        next(g)
        return x + 1, g.throw(ValueError, "worse"), log

    trace(program, expect=Expect(breaks=["unsupported-generator"] * 2 if WARNS_OF_THROW else 0))


def test_inverted_bools_warn_where_python_does():
    def program(x, flag):
        return x + 1, ~flag

    trace(
        program,
        lambda: (randn(3), True),
        expect=Expect(breaks=["unsupported-builtin"] if WARNS_OF_INVERTED_BOOL else 0),
    )


def test_stubborn_generator():
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    def returning():
        yield 1
        return 5

    def program(x):
        g = stubborn()
        next(g)
        r = returning()
        next(r)
        return x + 1, errors(g.close, lambda: next(r))

    trace(program)


def test_types():
    def program(x, ns):
        made = types.SimpleNamespace(a=1, t=x + 1)
        made.b = 2
        ns.count += 1
        method = types.MethodType(lambda self, n: (self, n), "owner")
        return (
            made,
            made.a,
            ns,
            method(3),
            method.__self__,
            types.MappingProxyType({"a": 1})["a"],
            errors(lambda: made.none),
        )

    trace(program, lambda: (randn(3), types.SimpleNamespace(count=1)))
