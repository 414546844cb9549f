"""Keys whose classes define `__hash__` and `__eq__`: they run where CPython runs them, as often and in the same order."""

import dataclasses

from torch import randn

from tests.programs import program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class K:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(self.n)

    def __eq__(self, o):
        return isinstance(o, K) and self.n == o.n


class L:
    log = []

    def __init__(self, n, log):
        self.n = n
        self.log = log

    def __hash__(self):
        self.log.append(("h", self.n))
        return self.n % 2

    def __eq__(self, o):
        self.log.append(("e", self.n, o.n))
        return self.n == o.n


@dataclasses.dataclass(frozen=True)
class F:
    a: int
    b: str = "x"


@program(lambda: randn(3))
def user_keys_in_dicts(x):
    d = {K(1): x + 1, K(2): x * 2}
    d[K(1)] = x * 5
    d.setdefault(K(3), x)
    return d[K(1)], K(2) in d, K(9) in d, d.get(K(7), 4), d.pop(K(2)), len(d), hash(K(5)), {K(1): 1} == {K(1): 1}


@program(lambda: randn(3))
def user_keys_leave(x):
    d = {K(1): x + 1, K(2): 3}
    return d, d[K(2)], [k for k in d]


@program(lambda: (randn(3), []))
def user_keys_that_note_it(x, log):
    d = {L(1, log): 1, L(3, log): 2}
    r = d[L(3, log)]
    s = L(1, log) in {L(1, log), L(3, log)}
    d[L(5, log)] = 4
    del d[L(3, log)]
    return x + r, s, log, len(d)


@program(lambda: (randn(3), []), **UNKNOWN)
def user_keys_that_note_it_leave(x, log):
    return {L(1, log): x + 1}, log


@program(lambda: randn(3))
def user_keys_in_sets(x):
    s = {K(3), K(1), K(2), K(1)}
    s.add(K(3))
    s.discard(K(2))
    return x + len(s), [k.n for k in s], s, s == {K(1), K(3)}, frozenset([K(1)]) <= s


@program(lambda: (randn(3), {K(1): 3}), **UNKNOWN)
def user_keys_in_a_dict_argument(x, d):
    return x + d[K(1)], K(2) in d


@program(lambda: (randn(3), F(1)))
def frozen_dataclass_keys(x, f):
    d = {f: 1}
    return x + d[F(1)], F(2) in d, hash(f) == hash(F(1)), d, {F(1), f}


@program(lambda: (randn(3), {K(1)}), **UNKNOWN)
def user_keys_in_a_set_argument(x, s):
    return x + len(s), K(1) in s


class B(int):
    def __eq__(self, o):
        return int(self) % 3 == int(o) % 3

    def __hash__(self):
        return int(self) % 3


@program(lambda: randn(3), graphs=0)
def user_keys_of_a_number_subclass(x):
    d = {B(1): x + 1, B(4): 2}
    return d[B(7)], len(d), 1 in d, d.get(4)


class Bad:
    __hash__ = None

    def __eq__(self, o):
        return True


class Bad2:
    def __hash__(self):
        return "x"


@program(lambda: randn(3))
def unhashable_keys(x):
    out = []
    for c in (Bad, Bad2, list):
        try:
            {c(): 1}
        except TypeError as e:
            out.append(str(e))
    return x + 1, out


class Boom:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return 1

    def __eq__(self, o):
        raise ValueError("eq")


@program(lambda: randn(3))
def equality_that_raises(x):
    try:
        d = {Boom(1): 1, Boom(2): 2}
    except ValueError as e:
        return x + 1, str(e)
