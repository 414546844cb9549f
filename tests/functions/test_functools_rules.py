"""functools: partials, wrappers, caches, dispatch, orderings."""

import functools
import operator

import torch
from torch import randn

from tests.differential import check
from tests.functions.test_lists import errors, trace


def scale(x, n=2, *, k=1):
    return x * n + k


def test_partials():
    def program(x, p):
        q = functools.partial(p, k=5)
        r = functools.partial(functools.partial(scale, x), n=4)
        return p(x), q(x), r(), r(k=2), q.func is p.func, q.args, q.keywords, r.args[0] is x, errors(lambda: functools.partial(3))

    trace(program, lambda: (randn(3), functools.partial(scale, n=3)))


def test_keywords_of_a_partial_are_one_dict_inside_and_behind_the_graph():
    def program(x):
        p = functools.partial(scale, x, k=2)
        given, named = p.args, p.keywords
        named["n"] = 3
        q = functools.partial(p, n=4)
        named["k"] = 5
        p.note = "n"
        r = functools.partial(p)
        return p, given, named, p(), q, q(), r, r.func is p

    trace(program)


def test_attributes_of_an_outside_partial_that_come_and_go():
    held = functools.partial(scale, n=3)

    def program(x):
        made = functools.partial(held, x)
        return held(x), getattr(held, "note", 0), held.__doc__, held.keywords, made(), made.func is held

    def scenario(run):
        compiled = run(program)
        call = lambda: compiled(torch.ones(2))
        call()
        assert functools.partial.__reduce__(held)[2][3] is None  # reading made no `__dict__`, which a partial of this one would show
        held.note = 1
        call()
        held.__doc__ = "Its own."
        call()
        held.keywords.update(k=4)
        call()
        del held.note, held.__doc__
        call()
        held.__setstate__((*held.__reduce__()[2][:2], {"n": 3}, None))
        call()

    check(scenario)


def test_keywords_of_an_outside_partial_written_inside():
    def program(x, p):
        p.keywords["n"] = 7
        return p(x), p.keywords

    trace(program, lambda: (randn(3), functools.partial(scale, n=3)))


def test_reduce():
    def program(x):
        return functools.reduce(operator.add, [x, 1, 2]), functools.reduce(lambda a, b: a + [b], range(3), []), errors(lambda: functools.reduce(max, []))

    trace(program)


def test_wraps():
    def program(x):
        def inner(t):
            "Doc."
            return t + 1

        inner.note = "n"

        @functools.wraps(inner)
        def outer(*args):
            return inner(*args) * 2

        return outer(x), outer.__name__, outer.__doc__, outer.note, outer.__wrapped__ is inner, outer.__qualname__

    trace(program)


@functools.cache
def table(n):
    return [n, n]


@functools.lru_cache(maxsize=4)
def square(n):
    return n * n


def test_caches():
    def program(x):
        return x + square(3), table(2), table(2) is table(2), table(3)[0]

    trace(program)


class Shape:
    def __init__(self, sides):
        self.sides = sides

    @functools.cached_property
    def area(self):
        return [self.sides]

    @functools.singledispatchmethod
    def describe(self, value):
        return "other"

    @describe.register
    def _(self, value: int):
        return ("int", self.sides)

    @describe.register
    def _(self, value: list):
        return "list"

    grown = functools.partialmethod(scale, k=10)

    def __mul__(self, n):
        return self.sides * n


#: Python 3.13 keeps every instance in it for ever: the runs would see each other's.
vars(Shape)["describe"]._method_cache = None


def test_descriptors():
    def program(x, shape):
        return x + 1, shape.area, shape.area is shape.area, shape.describe(3), shape.describe("s"), shape.describe([1]), shape.grown(n=2), shape.grown()

    trace(program, lambda: (randn(3), Shape(4)))


@functools.singledispatch
def kind(value):
    return "other"


@kind.register(int)
def _(value):
    return "int"


@kind.register
def _(value: list):
    return "list of " + kind(value[0])


def test_single_dispatch():
    def program(x):
        return x + 1, kind(3), kind("s"), kind([1]), kind(True), kind(x)

    trace(program)


@functools.total_ordering
class Version:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return self.n == other.n

    def __lt__(self, other):
        return self.n < other.n


def test_orderings():
    def program(x, a, b):
        return x + 1, a < b, a <= b, a > b, a >= b, a != b, max([a, b]).n, sorted([3, 1, 2], key=functools.cmp_to_key(lambda p, q: q - p))

    trace(program, lambda: (randn(3), Version(1), Version(2)))
