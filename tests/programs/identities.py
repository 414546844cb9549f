"""`is` between values that can't change: CPython hands on the object itself where it can, and so must the trace."""

import collections
import copy
import functools
import itertools

from torch import ones, randn

from tests.programs import program, scenario

Pair = collections.namedtuple("Pair", "a b")


def same(a, b):
    return a is b


class Sub(tuple):
    pass


@program(lambda: randn(3))
def tuples_as_keys_and_members(x):
    k = (1, x.ndim)
    fs = frozenset([k])
    return (
        x + 1, next(iter({k})) is k, list({k: 1})[0] is k, {k: 1}.popitem()[0] is k, {k}.pop() is k, next(iter(fs)) is k, next(iter({fs})) is fs,
        next(iter(dict.fromkeys([k]))) is k, collections.OrderedDict([(k, 1)]).popitem()[0] is k, collections.Counter([k]).most_common()[0][0] is k,
        next(iter({(k, 2)}))[0] is k, ({k} | {(1, 1)}).pop() is k, ({(1, 1)} & {k}).pop() is k, {tuple([1, 1]): 1, k: 2}.popitem()[0] is k,
    )  # fmt: skip


@program(lambda: randn(3))
def ranges_as_keys(x):
    r = range(x.ndim, 9)
    return x + 1, next(iter({r})) is r, list({r: 1})[0] is r


@program(lambda: randn(3))
def operators_that_give_the_tuple_itself(x):
    k = (1, x.ndim)
    pair, sub = Pair(*k), Sub(k)
    return (
        x + 1, k * 1 is k, 1 * k is k, k + () is k, () + k is k, k[:] is k, tuple(k) is k, copy.copy(k) is k, copy.deepcopy(k) is k, sum([k], ()) is k,
        pair + () is pair, pair * 1 is pair, pair[:] is pair, tuple(pair) is pair, sub * 1 is sub, sub[:] is sub, same(() * 3, ()), same(tuple([]), ()), same(k[2:], ()),
    )  # fmt: skip


@program(lambda: randn(3))
def texts_and_numbers_that_stay_themselves(x):
    s, n, f = "".join(["ab", str(x.ndim)]), 5000 + x.ndim, 2.5 + x.ndim
    return (
        x + 1, s * 1 is s, s[:] is s, same(s + "", s), str(s) is s, s.strip() is s, "".join([s]) is s, int(n) is n, +n is n, n.real is n, float(f) is f, abs(f) is f,
        list({n: 1})[0] is n, functools.reduce(max, [n]) is n, next(itertools.repeat(s)) is s,
    )  # fmt: skip


@program(lambda: randn(3))
def constants_of_the_code_are_one_object(x):
    k = (1, 2)
    return x + 1, same((1, 2), (1, 2)), same(k, (1, 2)), same(((1, 2), 3)[0], (1, 2)), same(next(iter({k})), (1, 2)), k is tuple([1, 2])


@program(lambda: randn(3), breaks=["print-call"])
def constants_are_themselves_behind_a_break(x):
    k, f, s, n = (1, 2), 1.5, "a text", 100000
    other = tuple([1, 2])
    print(end="")
    return x + 1, same(k, (1, 2)), same(f, 1.5), same(s, "a text"), same(n, 100000), other is k


@program(lambda: randn(3))
def arguments_of_an_exception(x):
    e = ValueError(1, 2)
    k = (5, x.ndim)
    first = e.args is e.args
    e.args = k
    return x + 1, first, e.args is k


def with_its_arguments():
    error, k = ValueError(), (5, 1)
    error.args = k
    return randn(3), error, k, (5, 1)


@program(with_its_arguments)
def arguments_of_an_exception_from_outside(x, error, k, other):
    return x + 1, error.args is k, error.args is other, error.args is error.args


@program(lambda: randn(3))
def a_device_is_a_new_object_each_time(x):
    return x + 1, x.device is x.device, x.dtype is x.dtype, x.device == x.device


KEY = (1, 2)
TABLE, SAME, OTHER = {KEY: 1}, {KEY: 5, (5, 6): 1}, {tuple([1, 2]): 1}


@program(lambda: randn(3))
def keys_from_outside_are_the_objects_that_they_are(x):
    return x + 1, list(TABLE)[0] is KEY, list(OTHER)[0] is KEY, list(SAME)[0] is list(TABLE)[0], same(KEY, (1, 2)), next(iter(SAME))


@scenario(recompiles=1)
def another_equal_key_at_the_next_call(run):
    key = tuple([1, 2])
    table = {key: 1}
    f = run(lambda x: (x + 1, list(table)[0] is key, key in table))
    first = f(ones(2))
    table.clear()
    table[tuple([1, 2])] = 1
    return first, f(ones(2)), f(ones(2))


@scenario(recompiles=1)
def another_equal_tuple_at_the_next_call(run):
    a = tuple([1, 2])
    f = run(lambda x, b: (x + 1, a is b, b == a))
    return f(ones(2), a), f(ones(2), tuple([1, 2])), f(ones(2), a)


@scenario()
def keys_that_are_put_back_stay_the_objects(run):
    table = {(1, 2): 1, (3, 4): 2}
    keys = list(table)

    def f(x):
        value = table.pop((1, 2))
        table[(1, 2)] = value + 1
        return x + 1

    g = run(f)
    g(ones(2))
    return [any(k is old for old in keys) for k in table], table
