"""What changes between calls: each change is noticed, once, and what comes back is not compiled again."""

import collections
import functools
import types

import torch
import torch.nn as nn
from torch import randn

from tests.programs import scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}
MODE = "double"
TABLE = {"a": 2, "b": 3}


def pair(run, fn, first, second, again=True):
    f = run(fn)
    f(*first())
    f(*second())
    if again:
        f(*first())
        f(*second())


@scenario(recompiles=1, graphs=2)
def dtype_changes(run):
    pair(run, lambda x: x * 2, lambda: (randn(3),), lambda: (randn(3).double(),))


@scenario(recompiles=1, graphs=2)
def constant_argument_changes(run):
    pair(run, lambda x, m: x * 2 if m == "double" else x + 1, lambda: (randn(3), "double"), lambda: (randn(3), "same"))


@scenario(recompiles=1, graphs=2)
def flag_changes(run):
    pair(run, lambda x, on: x + 1 if on else x - 1, lambda: (randn(3), True), lambda: (randn(3), False))


@scenario(recompiles=1, graphs=2)
def optional_argument_appears(run):
    pair(run, lambda x, y=None: x + 1 if y is None else x + y, lambda: (randn(3),), lambda: (randn(3), randn(3)))


@scenario(recompiles=1, graphs=2)
def global_string_changes(run):
    global MODE
    MODE = "double"  # another run of this may have left the other one
    f = run(lambda x: x * 2 if MODE == "double" else x * 3)
    f(randn(3))
    MODE = "triple"
    f(randn(3))


class Stepped:
    def __init__(self):
        self.step = 1


@scenario(recompiles=1, graphs=2)  # the second other number becomes a symbol
def attribute_of_an_object_changes_behind_its_dict(run):
    owner = Stepped()
    f = run(lambda x, entries: x * entries["step"])
    for _ in range(3):
        f(randn(3), owner.__dict__)
        owner.step += 1


@scenario(recompiles=1, graphs=2)
def dict_value_changes(run):
    table = {"a": 2, "b": 3}
    f = run(lambda x: x * table["a"])
    f(randn(3))
    table["a"] = "no number" and 2.5
    f(randn(3))
    table["b"] = 9
    f(randn(3))


@scenario(recompiles=1, graphs=2)
def key_order_changes(run):
    f = run(lambda x, d: [x * v for v in d.values()])
    f(randn(3), {"a": 1, "b": 2})
    f(randn(3), {"b": 2, "a": 1})
    f(randn(3), {"a": 1, "b": 2})


@scenario(recompiles=1, graphs=2)
def type_of_an_object_changes(run):
    class One:
        def go(self, x):
            return x + 1

    class Two:
        def go(self, x):
            return x + 2

    pair(run, lambda o, x: o.go(x), lambda: (One(), randn(3)), lambda: (Two(), randn(3)))


@scenario(recompiles=0, graphs=1)
def other_object_of_the_same_type(run):
    class One:
        def __init__(self, n):
            self.n = n

        def go(self, x):
            return x + self.n

    f = run(lambda o, x: o.go(x))
    f(One(1), randn(3))
    f(One(1), randn(3))


@scenario(recompiles=1, graphs=2)
def list_and_tuple_are_told_apart(run):
    pair(run, lambda xs: (type(xs), xs[0] + xs[1]), lambda: ([randn(3)] * 2,), lambda: ((randn(3), randn(3)),))


@scenario(**UNKNOWN)
def callable_argument_changes(run):
    f = run(lambda fn, x: fn(x))
    for fn in (
        torch.sin,
        torch.cos,
        lambda t: t + 1,
        lambda t: t + 2,
        functools.partial(torch.add, other=3),
        nn.ReLU(),
    ):
        f(fn, torch.ones(3))


@scenario(recompiles=1, graphs=2)
def class_is_rebound_by_monkeypatch(run):
    class Holder:
        def go(self, x):
            return x * 2

    holder = Holder()
    f = run(lambda x: holder.go(x))
    f(randn(3))
    Holder.go = lambda self, x: x * 5
    f(randn(3))


@scenario(recompiles=1, graphs=2)
def torch_function_is_monkeypatched(run):
    f = run(lambda x: torch.nn.functional.relu(x))
    original = torch.nn.functional.relu
    f(randn(3))
    try:
        torch.nn.functional.relu = lambda x: x * 100
        f(randn(3))
    finally:
        torch.nn.functional.relu = original


@scenario(recompiles=1, graphs=2)
def closure_cell_changes(run):
    scale = 2

    def set_scale(n):
        nonlocal scale
        scale = n

    f = run(lambda x: x * scale)
    f(randn(3))
    set_scale("3" and 2.5)
    f(randn(3))


@scenario(recompiles=1, graphs=2)
def default_argument_changes(run):
    def f(x, n=True):
        return x + 1 if n else x - 1

    g = run(f)
    g(randn(3))
    f.__defaults__ = (False,)
    g(randn(3))


@scenario(recompiles=1, graphs=2)
def base_class_gains_a_method(run):
    class Base:
        def size(self):
            return 1

    class Derived(Base):
        pass

    d = Derived()
    f = run(lambda x: x * d.size())
    f(randn(3))
    Derived.size = lambda self: 4
    f(randn(3))


@scenario(recompiles=1, graphs=2)
def strides_or_layout_change(run):
    pair(run, lambda x: x.contiguous() + 1, lambda: (randn(3, 4),), lambda: (randn(4, 3).t(),))


@scenario(**UNKNOWN)
def tensor_becomes_parameter(run):
    pair(run, lambda x: x * 2, lambda: (randn(3),), lambda: (nn.Parameter(randn(3)),))


@scenario(**UNKNOWN)
def aliasing_changes(run):
    def f(x, y):
        y.mul_(2)
        return x + 1

    g = run(f)
    g(randn(3), randn(3))
    x = randn(3)
    g(x, x)
    g(randn(3), randn(3))


@scenario(**UNKNOWN)
def identity_of_two_objects_changes(run):
    f = run(lambda a, b, x: x * (1 if a is b else 2))
    one, two = [1], [1]
    f(one, two, torch.ones(3))
    f(one, one, torch.ones(3))
    f(one, two, torch.ones(3))


@scenario(**UNKNOWN)
def more_values_than_the_limit(run):
    f = run(lambda x, s: x * len(s))
    for n in range(12):
        f(torch.ones(3), "s" * n)


@scenario(**UNKNOWN)
def counter_attribute_changes_every_call(run):
    class Schedule:
        step = 0

    schedule = Schedule()

    def f(x):
        schedule.step += 1
        return x * schedule.step

    g = run(f)
    for _ in range(12):
        g(torch.ones(3))
    run.watch(schedule)


@scenario(recompiles=1, graphs=2)
def enum_or_none_argument(run):
    pair(run, lambda x, reduction: getattr(x, reduction)() if reduction else x * 1,
         lambda: (randn(3), "sum"), lambda: (randn(3), None))  # fmt: skip


@scenario(recompiles=0, graphs=1)
def unrelated_changes_are_not_noticed(run):
    class Holder:
        def __init__(self):
            self.used, self.unused = 2, 3

    holder, table = Holder(), {"used": 1, "unused": 2}
    f = run(lambda x: x * holder.used + table["used"])
    f(randn(3))
    holder.unused, holder.fresh, table["unused"], table["fresh"] = 4, 5, 6, 7
    Holder.other = 8
    f(randn(3))


@scenario(**UNKNOWN)
def set_and_deque_contents_change(run):
    f = run(lambda x, s, d: x * len(s) + (1 if 3 in s else 0) + d[0])
    for s, d in (({1}, [1, 2]), ({1, 3}, [1, 2]), ({1, 3}, [2, 2]), ({1}, [1, 2])):
        f(torch.ones(3), s, collections.deque(d))


@scenario(**UNKNOWN)
def object_loses_an_attribute(run):
    class Holder:
        scale = 5

    def f(h, x):
        return x * h.scale

    g = run(f)
    one, two = Holder(), Holder()
    one.scale = 2
    for h in (one, two, one, two):
        g(h, torch.ones(3))


@scenario(**UNKNOWN)
def deepcopy_and_second_session(run):
    import copy

    model = nn.Linear(3, 3)
    f = run(model)
    f(torch.ones(2, 3))
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.weight.zero_()
    g = run(other)
    g(torch.ones(2, 3))
    f(torch.ones(2, 3))


@scenario(**UNKNOWN)
def called_from_another_thread(run):
    import threading

    out = []
    f = run(lambda x: x * 2 + 1)
    f(torch.ones(3))
    worker = threading.Thread(target=lambda: out.append(f(torch.ones(3) * 2)))
    worker.start()
    worker.join()
    f(torch.ones(3))
    run.watch(out)


@scenario(recompiles=2, graphs=2)
def a_key_that_was_read_goes(run):
    table = {"used": 2, "other": 3}
    f = run(lambda x: x * table["used"] if len(x) else x)
    f(torch.ones(3))
    table["new"] = 4
    f(torch.ones(3))
    del table["used"]
    try:
        f(torch.ones(3))
    except KeyError:
        pass
    table["used"] = 5
    f(torch.ones(3))


@scenario(recompiles=2, graphs=3)
def a_key_that_was_missing_comes(run):
    table = {"other": 3}

    def f(x):
        if "scale" in table:
            return x * table["scale"]
        return x + table.get("shift", 0)

    g = run(f)
    g(torch.ones(3))
    table["shift"] = 2.5
    g(torch.ones(3))
    table["scale"] = 4.5
    g(torch.ones(3))


@scenario(recompiles=1, graphs=2)
def a_dict_is_changed_and_read(run):
    def f(x, d):
        d["count"] += 1
        return x * d["scale"]

    g = run(f)
    d = {"count": 1.5, "scale": 2}
    g(torch.ones(3), d)
    e = {"extra": 0, "scale": 2, "count": 1.5}
    g(torch.ones(3), e)
    run.watch([d, e])


@scenario(recompiles=1, graphs=2)
def different_objects_become_one(run):
    class Holder:
        def __init__(self, n):
            self.n = n

    f = run(lambda a, b, x: x * (1 if a is b else 2) + (a == b))
    one, two = Holder(1), Holder(2)
    f(one, two, torch.ones(3))
    f(two, one, torch.ones(3))
    f(one, one, torch.ones(3))
    f(one, two, torch.ones(3))


# ---- symbolic numbers that leave as they came


@scenario(breaks=None, recompiles=None, graphs=None)
def number_that_becomes_itself_again(run):
    """From its second value on the integer is symbolic, and no operator of a graph uses it."""

    def f(x, n, every=1):
        seen.append(n - 0)
        return x, n // every, 0 + n, [n * 1], {"n": -(-n)}

    seen = run.watch([])
    compiled = run(f)
    for n in (2, 3, 5, 3):
        compiled(torch.ones(1), n)


@scenario(breaks=None, recompiles=None, graphs=None)
def number_added_to_nothing_across_breaks(run):
    def accuracy(batches):
        correct = 0
        for guess, truth in batches:
            correct += (guess.argmax(-1) == truth).sum().item()
        return correct

    compiled = run(accuracy)
    for last in ([1, 2, 0], [0, 1, 2], [0, 2, 1]):
        compiled([(torch.eye(3), torch.tensor([1, 2, 0])), (torch.eye(3), torch.tensor(last))])


@scenario(breaks=None, recompiles=None, graphs=None)
def number_that_is_all_that_leaves(run):
    counts = run.watch(types.SimpleNamespace(seen=0))

    def f(x, n):
        counts.seen = n * 1
        return x

    compiled = run(f)
    for n in (2, 3, 5):
        compiled(torch.ones(1), n)
