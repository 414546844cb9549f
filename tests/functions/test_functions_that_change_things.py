"""Functions that write to their argument, register it, or look at frames: run once, where the program runs them, whatever restarts."""

import abc
import collections.abc
import dataclasses
import functools
import inspect
import typing

from torch import randn

from tests.differential import Expect, check

ANY = Expect()


class Base(metaclass=abc.ABCMeta):
    pass


def helper():
    print(end="")


def test_a_dataclass_made_inside():
    def program(x):
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int = 0

        helper()
        return x + 1, Point(1).x

    check(program, lambda: randn(3), expect=ANY)


def test_registered_with_an_abstract_class():
    def inner(x, cls):
        before = issubclass(cls, Base), issubclass(cls, collections.abc.Sized)
        Base.register(cls)
        collections.abc.Sized.register(cls)
        helper()
        return x + 1, before, issubclass(cls, Base), isinstance(cls(), collections.abc.Sized)

    def program(x):
        return inner(x, type("Registered", (), {}))

    check(program, lambda: randn(3), expect=ANY)


def test_marked_functions_and_classes():
    def program(x, cls, function):
        before = (
            hasattr(cls, "__final__"), hasattr(cls, "label"), hasattr(function, "__isabstractmethod__"),
            hasattr(function, "__no_type_check__"), hasattr(cls, "__dataclass_fields__"), function.__name__,
        )  # fmt: skip
        typing.final(cls)
        type.__setattr__(cls, "label", 1)
        abc.abstractmethod(function)
        typing.no_type_check(function)
        made = dataclasses.dataclass(cls)
        functools.update_wrapper(function, helper)
        helper()
        return x + 1, before, made is cls, made(3).size, function.__name__

    def make():
        class Sized:
            size: int = 0

        def function():
            pass

        return randn(3), Sized, function

    check(program, make, expect=ANY)


def test_frames_are_the_programs_own():
    def inner():
        return inspect.currentframe().f_code.co_name, inspect.stack()[0].function, inspect.stack()[1].function

    def program(x):
        return x + 1, inner(), inspect.stack()[0].lineno

    check(program, lambda: randn(3), expect=ANY)


def test_a_cached_function_with_state_is_called():
    def make_table():
        made = [0]

        @functools.cache
        def table(n):
            made[0] += 1
            return n * made[0]

        return table

    def scenario(run):
        table = make_table()
        call = run(lambda x, n: x + table(n))
        for n in (3, 3, 4, 3):
            call(randn(3), n)
        run.watch(tuple(table.cache_info()))

    check(scenario)


SCALE = 2


@functools.cache
def scaled(n):
    return n * SCALE


def test_an_answer_of_a_cache_may_be_older_than_the_state_it_came_from():
    def scenario(run):
        global SCALE
        scaled.cache_clear()
        call = run(lambda x: x + scaled(3))
        for SCALE in (2, 5, 2):
            call(randn(3))
        scaled.cache_clear()
        SCALE = 7
        call(randn(3))
        SCALE = 2

    check(scenario)
