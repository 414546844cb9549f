"""Keys whose classes define `__hash__` and `__eq__`: they run where CPython runs them, as often and in the same order."""

import dataclasses
import enum
from collections import Counter, OrderedDict, defaultdict

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


class Renamed:
    def __init__(self, k):
        self.k = k

    def __hash__(self):
        if self.k == "bad":
            raise ValueError("hash")
        return hash(self.k)

    def __eq__(self, o):
        return self.k == o.k


def members(s):
    return sorted(str(k.k) if isinstance(k, Renamed) else str(k) for k in s)


@program(lambda: randn(3), breaks="some")
def keys_whose_hash_has_changed_are_not_found_behind_a_break(x):
    k, o = Renamed(1), Renamed(2)
    d, s, dd, c = {k: 1, (o, 3): 2}, {k}, defaultdict(list, {k: [1]}), Counter([k])
    k.k, o.k = 7, 8
    print(end="")
    return x + 1, k in d, (o, 3) in d, k in s, k in dd, k in c, Renamed(1) in d, len(d), members(s), [n for n in c.values()]


@program(lambda: randn(3))
def keys_whose_hash_has_changed_leave(x):
    k = Renamed(1)
    d, s = {k: 1, "a": 2}, {k}
    k.k = 2
    return x + 1, len(d), len(s), d.keys(), k in d, k in s


@program(lambda: randn(3), **UNKNOWN)
def keys_whose_hash_has_changed_in_an_ordered_dict(x):
    k = Renamed(1)
    d = OrderedDict({k: 1})
    k.k = 2
    print(end="")
    return x + 1, k in d, len(d)


@program(lambda: (randn(3), {"x": 1}, {5}), **UNKNOWN)
def tables_from_outside_that_get_a_key_whose_hash_raises_by_then(x, d, s):
    d.clear()
    s.clear()
    d["x"] = 1
    k = Renamed(1)
    d[k] = 2
    s.add(k)
    k.k = "bad"
    return x + 1, len(d), len(s)


@program(lambda: (randn(3), {"x": 1}), **UNKNOWN)
def a_hash_that_raises_leaves_nothing_half_done(x, d):
    del d["x"]
    d["x"] = 2
    k = Renamed(1)
    d[k] = 3
    k.k = "bad"
    return x + 1


@program(lambda: randn(3), **UNKNOWN)
def keys_that_are_equal_by_now_stay_two(x):
    a, b = Alike(1), Alike(2)
    d, s = {a: 1, b: 2}, {a, b}
    b.k = 1
    print(end="")
    return x + 1, len(d), len(s), d[a], d[b]


class Alike(Renamed):
    def __hash__(self):
        return 1


@program(lambda: randn(3))
def an_intersection_takes_the_members_of_the_other(x):
    a, b = {1, 2, 3}, {True, 5.0}
    return x + 1, a & b, b & a, a.intersection([True]), {1} & {True}, {1} & {True, 2}, {1: 2}.keys() & [True], {True: 1} | {1: 2}, {1} | {True}


class Method:
    def m(self):
        return 5


@program(lambda: randn(3))
def methods_and_ranges_as_keys(x):
    o = Method()
    d = {o.m: 1, range(3): 4}
    return x + 1, list(d)[0](), o.m in d, d[o.m], list(d)[0] == o.m, d[range(0, 3)], list(d)[1]


class Shade(enum.Enum):
    A = 1


@program(lambda: (randn(3), {(Shade.A, 1), (1, 2)}))
def members_that_are_tuples_of_objects(x, s):
    return x + 1, (Shade.A, 1) in s, (1, 2) in s, (Shade.A, 2) in s


@program(lambda: randn(3), **UNKNOWN)
def an_ordered_dict_changed_behind_its_order(x):
    od = OrderedDict(a=1, b=2)
    dict.__delitem__(od, "a")
    try:
        return x + 1, list(od.items())
    except KeyError as e:
        return x + 1, str(e), len(od)


@program(lambda: randn(3), **UNKNOWN)
def an_ordered_dict_filled_behind_its_order(x):
    od = OrderedDict(a=1, b=2)
    dict.__setitem__(od, "c", 3)
    seen = list(od)
    dict.clear(od)
    return x + 1, seen, list(od), len(od)


class Ordered(OrderedDict):
    pass


class Members(set):
    pass


@program(lambda: randn(3), **UNKNOWN)
def keys_of_subclasses_behind_a_break(x):
    k, o = Renamed(1), Renamed(2)
    d, s, p = Ordered({o: 1}), Members([k]), Plain({k: 2})
    k.k = 5
    print(end="")
    return x + 1, o in d, k in s, k in p, len(s), len(p), type(d).__name__


class Plain(dict):
    pass
