"""operator: functions, getters, callers."""

import operator
from operator import attrgetter, itemgetter, methodcaller

from torch import randn

from tests.functions.test_lists import errors, trace

by_second = itemgetter(1)


def test_functions():
    def program(x, d):
        values = [1, 2, 3]
        operator.setitem(d, "new", 2)
        operator.delitem(d, "a")
        alias = operator.iadd(values, [4])
        return (
            operator.add(x, 1), operator.mul([1], 2), operator.neg(x), operator.lt(1, 2), operator.eq([1], [1]), operator.not_([]), operator.truth(x is x),
            operator.is_(x, x), operator.is_not(x, None), operator.contains([1], 1), operator.countOf([1, 1, 2], 1), operator.indexOf([3, 4], 4),
            operator.getitem(d, "new"), operator.index(True), operator.concat([1], [2]), alias is values, operator.matmul(x, x), operator.pow(2, 3), d,
            operator.abs(-3), operator.inv(5), operator.floordiv(7, 2), operator.and_({1}, {1, 2}), operator.call(len, [1]),
        )  # fmt: skip

    trace(program, lambda: (randn(3), {"a": 1}))


def test_getters():
    def program(x, rows):
        return (
            x + 1, sorted(rows, key=by_second), sorted(rows, key=itemgetter(0)), itemgetter(1, 0)("ab"), itemgetter("k")({"k": x}),
            attrgetter("ndim", "dtype")(x), attrgetter("mT.ndim")(x.view(1, 3)), methodcaller("add", 1)(x), methodcaller("sum", dim=0)(x), itemgetter(slice(0, 2))([1, 2, 3]),
        )  # fmt: skip

    trace(program, lambda: (randn(3), [("b", 1), ("a", 2)]))


def test_errors():
    def program(x):
        return x + 1, errors(
            lambda: operator.add(1, "a"), lambda: operator.indexOf([1], 2), lambda: operator.index(1.5), lambda: itemgetter(5)([1]), lambda: attrgetter("no")(1),
            lambda: operator.concat(1, 2), lambda: attrgetter(1),
        )  # fmt: skip

    trace(program)
