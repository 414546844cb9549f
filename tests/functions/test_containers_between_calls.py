"""Containers of the caller after the call, containers that change while they are iterated, breaks in the middle."""

import collections
import enum
import itertools
from collections import Counter, OrderedDict, defaultdict, deque

import torch
from torch import randn

from tests.differential import Expect, check
from tests.functions.test_lists import errors, trace


def test_order_of_an_argument():
    def program(x, o):
        o.move_to_end("a")
        o["d"] = o.pop("b")
        o.move_to_end("d", last=False)
        return x + 1, list(o)

    trace(program, lambda: (randn(3), OrderedDict(a=1, b=x_list(), c=3)))


def x_list():
    return [1]


def test_counter_argument():
    def program(x, count):
        count.update("ab")
        count["c"] -= 1
        del count["z"]
        return x + count["a"], +count, count.most_common(2), count - Counter("a"), list(count.elements())[:2]

    trace(program, lambda: (randn(3), Counter("aaz")))


def test_default_factory_of_an_argument():
    def program(x, d):
        d["new"].add(3)
        d.default_factory = list
        d["other"].append(4)
        return x + 1, d

    def make():
        return randn(3), defaultdict(set)

    trace(program, make, expect=Expect())


def test_changes_while_iterating():
    def program(x, values, d, s, q):
        def over(container, change):
            for _ in container:
                change()

        seen = []
        for v in values:
            seen.append(v)
            if v == 1:
                values.remove(1)
        return x + 1, seen, errors(lambda: over(d, lambda: d.pop("a")), lambda: over(s, lambda: s.add(99)), lambda: over(q, lambda: q.append(1)))

    trace(program, lambda: (randn(3), [0, 1, 2, 3], {"a": 1, "b": 2}, {1, 2}, deque([1, 2])))


def test_iteration_order_of_sets():
    def program(x, s):
        made = {"b", "a", "c"}
        made.discard("a")
        return x + 1, [v for v in s], list(made), next(iter(s)), sorted(made), [v for v in s | {5}], tuple({3, 1, 2})

    trace(program, lambda: (randn(3), {"q", "w", "e", 1, 2.5}))


def test_containers_across_a_break():
    def program(x, q, o):
        q.append(x + 1)
        o.move_to_end("a")
        it = itertools.chain(list(q), [5])
        first = next(it)
        waiting = iter(collections.deque("ab"))
        next(waiting)
        pairs = zip(list(o), itertools.count(3))
        next(pairs)
        torch._dynamo.graph_break()
        q.append(2)
        return first, list(it), list(pairs), list(waiting), q, o, x * 2

    def make():
        return randn(3), deque([1], maxlen=2), OrderedDict(a=1, b=2)

    trace(program, make, expect=Expect(breaks="some", recompiles=0))


def test_a_closure_and_its_partial_across_a_break():
    import functools

    def program(x):
        log = []

        def add(n, value):
            log.append(n)
            return value + n

        bound = functools.partial(add, 1)
        y = bound(x)
        torch._dynamo.graph_break()
        return bound(y), log

    trace(program, expect=Expect(breaks=1))


class Color(enum.Enum):
    RED = 1
    BLUE = "b"

    @property
    def shown(self):
        return self.name.lower()


class Flag(enum.IntFlag):
    A = 1
    B = 2


def test_enums():
    def program(x, color):
        return (
            x * color.value, color is Color.RED, Color("b"), Color["RED"], [c.name for c in Color], color.shown, {Color.RED: 1}[color], Color.RED in Color,
            str(color), repr(color), f"{Flag.A}", Flag.A | Flag.B, (Flag.A | Flag.B) & Flag.B, Flag.A in Flag(3), len(Color), isinstance(color, Color),
            errors(lambda: Color(9), lambda: Color["no"]), hash(color) == hash(Color.RED), color == 1, Flag.B == 2, list(Color.__members__),
        )  # fmt: skip

    trace(program, lambda: (randn(3), Color.RED))


def test_later_calls_see_other_contents():
    def program(x, values, d):
        total = x
        for v in values:
            total = total + v
        return total * d.get("scale", 1), "k" in d

    def scenario(run):
        f = run(program)
        for values, d in (([1], {}), ([1], {}), ([2], {}), ([1, 2], {}), ([1], {"scale": 2}), ([1], {"k": 1})):
            f(torch.ones(3), values, d)

    check(scenario, expect=Expect(breaks=0))


Point = collections.namedtuple("Point", "x y", defaults=[0])


class Rich(Point):
    def total(self):
        return self.x + self.y


def test_named_tuples():
    def program(x, p, rich):
        q = p._replace(y=x)
        return (
            p.x + q.y, q, p._asdict(), Point._make([1, 2]), Point(3), Point._fields, p == (1, 2), p + (3,), [*p], p.count(1), rich.total(),
            rich, Rich(x, 1).total(), isinstance(rich, tuple), errors(lambda: Point(1, 2, 3), lambda: Point(), lambda: p._replace(z=1), lambda: p.z), hash(p) == hash((1, 2)),
        )  # fmt: skip

    trace(program, lambda: (randn(3), Point(1, 2), Rich(3, 4)))
