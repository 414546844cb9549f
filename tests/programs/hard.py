"""Cases that are known to go wrong: equality that runs user code, odd inputs, depth, cycles, reprs that must not run."""

import collections
import types

import torch
from torch import randn

from tests.programs import Args, program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Noted:
    """Equality and hashing write down that they ran; the repr must never run."""

    def __init__(self, log, n):
        self.log, self.n = log, n

    def __eq__(self, other):
        self.log.append(("eq", self.n, getattr(other, "n", other)))
        return isinstance(other, Noted) and self.n == other.n

    def __hash__(self):
        self.log.append(("hash", self.n))
        return self.n % 2

    def __repr__(self):
        raise AssertionError("a repr ran")


def noted():
    log = []
    return Args(log, [Noted(log, n) for n in (1, 2, 3)], randn(3))


@program(noted)
def membership_runs_user_equality_in_order(log, items, x):
    wanted = Noted(log, 3)
    return x + 1, wanted in items, items.index(wanted), items.count(wanted), wanted in tuple(items), log


@program(noted, **UNKNOWN)
def dict_and_set_run_user_hash_in_order(log, items, x):
    d = {item: item.n for item in items}
    d[Noted(log, 1)] = "again"
    return x + 1, list(d.values()), Noted(log, 3) in d, len({*items, Noted(log, 2)}), d.get(Noted(log, 9)), log


@program(noted)
def removal_and_comparison_run_user_equality(log, items, x):
    items.remove(Noted(log, 2))
    return x + 1, items == [Noted(log, 1), Noted(log, 3)], items, log


@program(lambda: (Noted([], 1), randn(3)))
def identity_shortcut_of_containment(item, x):
    return x + 1, item in [item], [item] == [item], (item,) == (item,), item.log


def self_referential():
    values = [1]
    values.append(values)
    return values, randn(3)


@program(self_referential, **UNKNOWN)
def list_that_contains_itself(values, x):
    values.append(x + 1)
    return values[1] is values, x * len(values)


def self_referential_objects():
    a, b = types.SimpleNamespace(name="a"), types.SimpleNamespace(name="b")
    a.other, b.other = b, a
    return a, randn(3)


@program(self_referential_objects)
def objects_that_refer_to_each_other(a, x):
    a.other.value = x + 1
    return a.other.other is a, a.other.value * 2


@program(lambda: (types.MappingProxyType({"a": 2}), frozenset({1, 2}), types.SimpleNamespace(n=3), randn(3)), **UNKNOWN)
def read_only_and_simple_containers(proxy, frozen, space, x):
    space.m = x + 1
    return x * proxy["a"] * space.n, 2 in frozen, len(frozen), list(proxy.items()), space


@program(lambda: (randn(2, 3).max(dim=0), torch.Size([2, 3]), randn(3)))
def struct_sequence_and_size_arguments(pair, size, x):
    return pair.values + x, pair[1], size.numel(), size[1] + 1, size


@program(lambda: randn(3), calls=1)
def deep_recursion(x):
    def down(t, n):
        return t + 1 if n == 0 else down(t, n - 1)

    return down(x, 400)


@program(lambda: (randn(3), 3))
def interned_values_keep_their_identity(x, n):
    a, b = n + 254, n + 254
    return x + 1, n == 3, a == b, () == (), "a" + "b" == "ab", type(a) is int


class Loud:
    def __bool__(self):
        print("bool")
        return True

    def __len__(self):
        print("len")
        return 4

    def __index__(self):
        print("index")
        return 1


@program(lambda: (Loud(), randn(3)), **UNKNOWN)
def protocol_methods_write(loud, x):
    if loud and len(loud) > 3:
        x = x + 1
    return x, [5, 6][loud], "truth" if not loud else "lie"


class Chain(collections.abc.MutableMapping):
    """A mapping that is no dict."""

    def __init__(self, **values):
        self.values_ = values

    def __getitem__(self, key):
        return self.values_[key]

    def __setitem__(self, key, value):
        self.values_[key] = value

    def __delitem__(self, key):
        del self.values_[key]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


@program(lambda: (Chain(a=1, b=2), randn(3)))
def mutable_mapping(m, x):
    m["c"] = x * m["a"]
    m.update(d=4)
    taken = m.pop("b")
    return m, taken, m.get("zz", 9), list(m.items()), dict(m), "a" in m, {**m}


@program(lambda: (collections.UserDict(a=1), collections.UserList([1, 2]), randn(3)))
def user_containers_of_the_standard_library(d, values, x):
    d["b"] = x + 1
    values.append(3)
    return d["a"] + values[-1], d, values


@scenario(**UNKNOWN)
def the_same_function_untraced_in_between(run):
    state = {"n": 0}

    def f(x):
        state["n"] += 1
        return x * state["n"]

    g = run(f)
    g(torch.ones(3))
    f(torch.ones(3))
    g(torch.ones(3))
    run.watch(state)


@scenario(ignore=(" closure compiled",), **UNKNOWN)
def program_that_calls_its_own_traced_self(run):
    def f(x, n):
        return x if n == 0 else compiled(x + n, n - 1) * 2

    compiled = run.compile(f)
    run.call(compiled, (torch.ones(3), 2), {})
    run.call(compiled, (torch.ones(3), 2), {})


@scenario(**UNKNOWN)
def raising_while_the_first_call_compiles(run):
    fail = [True]

    def f(x):
        y = x + 1
        if fail[0]:
            raise ValueError("first")
        return y

    g = run(f)
    for expected in (True, False, True):
        fail[0] = expected
        try:
            g(torch.ones(3))
        except ValueError:
            pass


@program(lambda: (randn(3), 2 + 0j, Ellipsis, NotImplemented, torch.strided, int))
def rare_constants_as_arguments(x, c, dots, nothing, layout, kind):
    return x[dots], c * 2, nothing is NotImplemented, layout, kind("3"), x + abs(c)


@program(lambda: (torch.ones(3), [torch.ones(3)]))
def tensor_identity_tests(x, xs):
    y = x + 1
    alias = y
    return y is alias, x is xs[0], any(v is x for v in [y, x]), [i for i, v in enumerate([y, x, alias]) if v is y], y


@program(lambda: (torch.ones(3), torch.zeros(3)), **UNKNOWN)
def equality_of_tensors_in_containers(x, y):
    try:
        return x in [y, x], x + 1
    except RuntimeError as error:
        return x + 2, str(error)
