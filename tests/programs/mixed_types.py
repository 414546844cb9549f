"""Operators between values of every two builtin types and their subclasses: which compare, which are equal, and what is refused."""

import collections
import enum
import types
from collections import OrderedDict, deque

from torch import randn

from tests.programs import program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Queue(deque):
    pass


class Items(list):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Text(str):
    pass


class One(enum.IntEnum):
    A = 1


class Letter(str, enum.Enum):
    A = "a"


def compared(values, others):
    out = []
    for a in values:
        for b in others:
            out.append((a == b, a != b))
            try:
                out.append(a < b)
            except TypeError as e:
                out.append(str(e))
    return out


@program(lambda: randn(3), **UNKNOWN)
def sequences_of_different_types(x):
    values = [1, 2], (1, 2), deque([1, 2]), Queue([1, 2]), Items([1, 2]), collections.UserList([1, 2]), range(1, 3)
    return x + 1, compared(values, values)


@program(lambda: randn(3), **UNKNOWN)
def sets_and_views_of_dicts(x):
    d = {1: 2}
    values = {1}, frozenset({1}), d.keys(), {2: 1}.values(), d.items(), d, OrderedDict(d), types.MappingProxyType(d)
    return x + 1, compared(values, [*values, d.values(), {1: 2}.values()]), d.values() == d.values()


@program(lambda: randn(3))
def numbers_and_members_of_number_enums(x):
    values = 1, True, 1.0, Number(1), Real(1.0), One.A
    return x + 1, compared(values, values), {One.A: 1}.get(Number(1)), {Number(1): 2}.get(One.A), Number(1) in [One.A], Number(1) + One.A, One.A + Real(0.5)


@program(lambda: randn(3))
def texts_and_members_of_text_enums(x):
    values = "a", Text("a"), Letter.A
    return x + 1, compared(values, values), {Letter.A: 1}.get(Text("a")), Text("b") + Letter.A


@program(lambda: randn(3))
def the_largest_of_what_does_not_compare(x):
    try:
        return x + 1, max([3, 1, 2], deque([1, 2]))
    except TypeError as e:
        return x + 1, str(e)


def joined(values, others, op):
    out = []
    for a in values:
        for b in others:
            try:
                r = op(a, b)
                out.append((type(r).__name__, sorted(map(repr, r)) if isinstance(r, (set, frozenset)) else repr(r)))
            except TypeError as e:
                out.append(str(e))
    return out


@program(lambda: randn(3), **UNKNOWN)
def sequences_of_different_types_joined(x):
    values = [1, 2], (1, 2), deque([1, 2]), Queue([1, 2]), Items([1, 2]), x.shape, "ab", Text("ab"), b"ab", One.A
    return x + 1, joined(values, [*values, collections.UserList([1])], lambda a, b: a + b)


@program(lambda: randn(3), **UNKNOWN)
def bytes_joined_with_buffers(x):
    return x + 1, joined([b"ab"], [bytearray(b"c"), memoryview(b"d"), 3], lambda a, b: a + b)


@program(lambda: randn(3), **UNKNOWN)
def sets_and_views_joined(x):
    d = {1: 2, 3: 4}
    values = {1}, frozenset({1, 5}), d.keys(), d.items(), {1: 1}.values()
    return x + 1, [joined(values, values, op) for op in (lambda a, b: a & b, lambda a, b: a | b, lambda a, b: a - b, lambda a, b: a ^ b)]
