"""`x.__dict__` and `vars(x)`: one live dict; new objects that refer to each other in circles."""

import types

import torch
from torch import randn

from tests.programs import Args, program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class A:
    def __init__(self, n):
        self.n = n
        self.m = 2


class S:
    __slots__ = ("a", "__dict__")


@program(lambda: (A(1), randn(3)))
def instance_dict_of_an_argument(a, x):
    d = a.__dict__
    a.k = x + 1
    r = d["k"] * 2
    d["z"] = 5
    d.update(q=7, n=9)
    return r, a.z, a.q, a.n, d is a.__dict__, vars(a) is d, list(d), a


@program(lambda: randn(3))
def instance_dict_of_a_new_object(x):
    a = A(1)
    d = vars(a)
    a.k = x + 1
    d["z"] = 5
    d.pop("m")
    del a.n
    d.setdefault("s", []).append(1)
    hasattr(a, "m")
    return a, d, a.__dict__ is d, hasattr(a, "m"), list(d)


@program(lambda: (A(1), randn(3)))
def instance_dict_cleared(a, x):
    a.__dict__.clear()
    a.fresh = x * 2
    return a, hasattr(a, "n"), a.__dict__


@program(lambda: randn(3))
def instance_dict_beside_slots(x):
    s = S()
    s.a = x + 1
    s.b = 3
    d = s.__dict__
    d["c"] = 4
    return s, d, s.c


@program(lambda: (A(1), randn(3)))
def instance_dict_copied(a, x):
    b = A(3)
    b.__dict__.update(a.__dict__)
    b.__dict__["w"] = x + 1
    return b, a.__dict__ == b.__dict__, vars(a) == {"n": 1, "m": 2}


@program(lambda: (A(1), randn(3)), **UNKNOWN)
def instance_dict_across_breaks(a, x):
    d = vars(a)
    torch._dynamo.graph_break()
    d["k"] = x + 1
    a.j = 2
    torch._dynamo.graph_break()
    d["l"] = a.j
    return a, d


@program(lambda: randn(3), **UNKNOWN)
def simple_namespace_made(x):
    n = types.SimpleNamespace(a=1, b=x)
    n.c = n.a + 1
    n.__dict__["d"] = 4
    return n, n.d, n == types.SimpleNamespace(a=1, b=x), repr(types.SimpleNamespace(a=1))


@program(lambda: (types.SimpleNamespace(a=1), randn(3)))
def simple_namespaces_in_a_circle(n, x):
    n.c = x + n.a
    m = types.SimpleNamespace(a=2)
    m.up = n
    n.down = m
    return n.down.up is n, m, n.c, m == types.SimpleNamespace(a=2)


@program(lambda: randn(3))
def exception_with_a_cause_leaves(x):
    try:
        try:
            {}["k"]
        except KeyError as e:
            raise ValueError("v") from e
    except ValueError as v:
        a = v
    a.__suppress_context__ = False
    return x + 1, a


@program(lambda: randn(3))
def circle_through_tuples_lists_dicts(x):
    l = []
    t = (l, x + 1)
    l.append(t)
    d = {"t": t}
    l.append(d)
    d["d"] = d
    return t, d


@program(lambda: randn(3))
def circle_through_a_default(x):
    def f(a=[]):
        return a

    f.__defaults__[0].append(f)
    return x + 1, f()[0] is f


class N:
    def __init__(s, v):
        s.v = v
        s.next = None


@program(lambda: randn(3))
def circle_of_objects_and_a_list(x):
    a, b = N(x), N(x + 1)
    a.next = b
    b.next = a
    l = [a]
    a.l = l
    l.append(l)
    return l


@program(lambda: (randn(3), []))
def existing_list_reaches_new_objects(x, l):
    n = N(x + 1)
    n.l = l
    l.append(n)
    n.m = n.go = lambda: n
    l.append(n.go)
    return l[0].l is l


@program(lambda: randn(3))
def circle_through_a_function(x):
    def f():
        return f

    c = [f]
    f.c = c
    return f, x + 1


@program(lambda: (types.SimpleNamespace(q=1), randn(3)))
def simple_namespaces_compare_their_attributes(a, x):
    b = types.SimpleNamespace(q=1)
    return x + 1, a == b, a != b, b == types.SimpleNamespace(q=2), b == types.SimpleNamespace(q=1), b == 1


def its_dict_first():
    a = A(1)
    return Args(a.__dict__, a, randn(3))


@program(its_dict_first)
def instance_dict_met_first(d, a, x):
    d["k"] = x + 1
    a.n = 7
    d.pop("m")
    return a.k * 2, d["n"], hasattr(a, "m"), d is vars(a), list(d), a


@program(lambda: (lambda a: Args([a.__dict__], [a], randn(3)))(A(1)), breaks="some")
def instance_dict_met_first_in_a_list(dicts, owners, x):
    dicts[0]["k"] = x + 1
    owners[0].n = 7
    return owners[0].k * 2, dicts[0]["n"], dicts[0] is vars(owners[0]), list(dicts[0])


@program(lambda: (lambda a: Args([a.__dict__], [a], randn(3)))(A(1)))
def instance_dict_met_later_in_a_list(dicts, owners, x):
    owners[0].n = 7
    dicts[0]["k"] = x + 1
    return owners[0].k * 2, dicts[0]["n"], dicts[0] is vars(owners[0]), list(dicts[0])
