"""Graph breaks: the reason is named, what was pending is done first, and the rest goes on as if nothing had happened."""

import contextlib
import threading

import torch
from torch import randn

from tests.programs import program, scenario

ANY = {"breaks": "some", "graphs": None, "recompiles": None}
UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


@program(lambda: randn(3), breaks=["print-tensor"], graphs=2)
def print_in_the_middle(x):
    y = x.relu()
    print("mean", y.mean())
    return y * 2


@program(lambda: torch.ones(3), breaks=["data-dependent-branch"], graphs=2)
def branch_on_data(x):
    y = x * 2
    if x.sum() > 0:
        return y + 1
    return y - 1


@scenario(breaks=None, recompiles=0, graphs=None)
def branch_on_data_both_ways(run):
    def f(x):
        y = x * 2
        if y.sum() > 0:
            y = y + 1
        else:
            y = y - 1
        return y * 3

    g = run(f)
    g(torch.ones(3))
    g(-torch.ones(3))
    g(torch.ones(3))


@program(lambda: torch.ones(3), breaks=["tensor-to-python-number"], graphs=2)
def item_in_an_expression(x):
    return x / x.abs().max().item()


@program(lambda: (torch.ones(2, 4), torch.tensor([1, 3])), breaks=["python-loop-over-values"], graphs=None)
def loop_over_values(x, lengths):
    return torch.stack([x[i, :n].sum() for i, n in enumerate(lengths.tolist())])


@program(lambda: torch.arange(4.0) - 1, breaks=["data-dependent-shape"], graphs=None)
def shape_from_data(x):
    y = x * 2
    return y[y > 0].sum()


@program(lambda: torch.ones(3), breaks="some", graphs=None)
def opaque_call(x):
    import zlib

    y = x + 1
    return y + zlib.crc32(y.detach().numpy()) % 7


@program(lambda: randn(3), **ANY)
def explicit_graph_break(x):
    y = x + 1
    torch._dynamo.graph_break()
    return y * 2


@torch.compiler.disable
def disabled(x, log):
    log.append(float(x.sum()))
    return x * 3


@program(lambda: (torch.ones(3), []), **ANY)
def disabled_function(x, log):
    y = disabled(x + 1, log)
    return y - 1, log


@program(lambda: (torch.ones(3), []), **ANY)
def break_with_live_stack(x, log):
    def both(a, b, *c, k=0):
        return a + b + sum(c) + k

    return both(x + 1, disabled(x, log), *[1, 2], k=disabled(x, log).sum()) * disabled(x, log), [x, disabled(x, log)]


@program(lambda: torch.ones(3), **ANY)
def break_in_a_loop(x):
    out = []
    for i, name in enumerate(["a", "b", "c"]):
        x = x + i
        print(name, i)
        out.append(x * 2)
    return out


@program(lambda: torch.ones(3), **ANY)
def break_in_nested_loops_with_else(x):
    for i in range(2):
        for j in zip([1, 2], "ab"):
            if j[0] == 2 and i == 1:
                print("stop")
                break
            x = x + j[0]
        else:
            x = x * 10
    return x


@program(lambda: torch.ones(3), **ANY)
def break_in_a_while(x):
    n = 0
    while x.sum() < 20:
        x = x + n
        n += 1
    return x, n


@program(lambda: torch.ones(3), **ANY)
def break_in_try(x):
    log = []
    try:
        y = x + 1
        print("in try")
        if n := len(log):
            return n
        raise ValueError("after the break")
    except ValueError as error:
        log.append(str(error))
        y = y * 2
    finally:
        log.append("finally")
    return y, log


@program(lambda: torch.ones(3), **ANY)
def break_in_except_and_finally(x):
    log = []
    try:
        raise KeyError("k")
    except KeyError as error:
        x = x + 1
        print("handling", error)
        log.append(repr(error))
    finally:
        print("finally")
        x = x * 2
    return x, log


@program(lambda: torch.ones(3, requires_grad=True), **ANY)
def break_under_no_grad(x):
    with torch.no_grad():
        y = x * 2
        print("inside", torch.is_grad_enabled())
        z = x * 3
    return y, z, x * 4, torch.is_grad_enabled()


@program(lambda: torch.ones(4, 4), **ANY)
def break_under_autocast(x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = x @ x
        print("inside", torch.is_autocast_enabled("cpu"))
        z = x @ x
    return y, z, x @ x


class Noting:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, *error):
        self.log.append(("exit", error[0] and error[0].__name__))
        return error[0] is KeyError


@program(lambda: (torch.ones(3), []), **ANY)
def break_under_a_user_context(x, log):
    with Noting(log) as n:
        y = x + 1
        print("inside", len(n.log))
        y = y * 2
    return y, log


@program(lambda: (torch.ones(3), []), **ANY)
def break_under_context_then_exception(x, log):
    with Noting(log), torch.no_grad():
        y = x + 1
        print("inside")
        {}["missing"]
    return y, log, torch.is_grad_enabled()


@program(lambda: (torch.ones(3), []), **ANY)
def break_then_return_inside_with_and_loop(x, log):
    for i in range(3):
        with Noting(log):
            print("turn", i)
            if i == 1:
                return x * i, log
    return x


def helper_with_break(x):
    y = x + 1
    print("helper")
    return y * 2


@program(lambda: torch.ones(3), **ANY)
def break_in_an_inlined_call(x):
    a = helper_with_break(x * 3)
    return a + helper_with_break(a).sum()


@program(lambda: torch.ones(3), **ANY)
def break_two_calls_deep(x):
    def middle(t):
        t = t * 2
        t = helper_with_break(t)
        return t - 1

    return [middle(x) + 1, x]


@program(lambda: torch.ones(3), **ANY)
def break_in_a_comprehension(x):
    return [helper_with_break(x * i) for i in range(2)], {i: print(i) for i in range(2)}


@program(lambda: torch.ones(3), **ANY)
def break_in_a_lambda_and_map(x):
    return list(map(lambda t: helper_with_break(t), [x, x + 1]))


class Thing:
    def __init__(self, x):
        self.x = x

    def method(self):
        self.x = self.x + 1
        print("method")
        self.y = self.x * 2
        return self

    @property
    def loud(self):
        print("property")
        return self.x


@program(lambda: (Thing(torch.ones(3)), torch.ones(3)), **ANY)
def break_in_a_method_and_property(thing, x):
    y = thing.method().y + x
    made = Thing(x)
    made.method()
    return y * thing.loud, made, thing


@program(lambda: torch.ones(3), **ANY)
def break_in_a_generator(x):
    def produce():
        for i in range(3):
            print("make", i)
            yield x * i

    total = x
    for part in produce():
        total = total + part
    return total


@program(lambda: torch.ones(3), **ANY)
def closures_across_a_break(x):
    n = 1

    def bump(by):
        nonlocal n
        n += by
        return x * n

    a = bump(1)
    print("break", n)
    b = bump(2)
    later = lambda: n
    n = 10
    return a, b, later(), later, bump


@program(lambda: torch.ones(3), **ANY)
def deleted_and_unbound_across_a_break(x):
    y = x + 1
    z = 3
    del z
    print("break")
    try:
        z  # noqa: F821
    except UnboundLocalError:
        z = 4
    return y * z


class Base:
    def go(self, x):
        print("base")
        return x + 1


class Derived(Base):
    def go(self, x):
        y = super().go(x)
        print("derived")
        return super().go(y) * 2


@program(lambda: (Derived(), torch.ones(3)), **ANY)
def super_across_a_break(d, x):
    return d.go(x) + 1


@program(lambda: (torch.ones(3), 4), **ANY)
def recursion_through_breaks(x, n):
    def down(t, k):
        if k == 0:
            return t
        print("level", k)
        return down(t + k, k - 1) * 2

    return down(x, n)


@program(lambda: (torch.ones(3), [1], {"a": 1}), **ANY)
def aliases_survive_a_break(x, values, mapping):
    new = [x + 1]
    pair = (new, new)
    mapping["list"] = values
    values.append(new)
    print("break")
    pair[0].append("later")
    return values[1] is pair[1], pair, values, mapping["list"] is values


@program(lambda: torch.ones(3), **ANY)
def seed_in_the_middle(x):
    a = torch.rand(3)
    torch.manual_seed(5)
    return a + torch.rand(3), x * 2


@program(lambda: torch.ones(3), **UNKNOWN)
def assert_on_data(x):
    y = x * 2
    assert y.sum() > 0, f"bad sum {y.sum()}"
    return y + 1


@program(lambda: -torch.ones(3), **UNKNOWN)
def assert_on_data_fails(x):
    y = x * 2
    assert y.sum() > 0, "bad sum"
    return y + 1


@program(lambda: (torch.ones(3), threading.Lock()), **ANY)
def lock_held(x, lock):
    with lock:
        y = x + 1
        held = lock.locked()
    return y * 2, held, lock.locked()


@program(lambda: torch.ones(3), **ANY)
def break_in_an_exit_stack(x):
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        y = x + 1
        print("inside")
    return y * 2


@program(lambda: torch.ones(3), **ANY)
def break_in_conditions(x):
    if (x.sum() > 0 and not x.max() > 5) or x.min() < -5:
        x = x + 1
    y = x if x.mean() > 0 else -x
    return y * (1 if bool(y.sum()) else 2), x.sum() > 0 or "no"


@program(lambda: (torch.ones(3), torch.tensor(2)), **ANY)
def chained_comparison_on_data(x, n):
    if 1 < n < 3:
        return x + 1
    return x


@program(lambda: torch.ones(3), **ANY)
def match_on_data(x):
    match x.sum().item():
        case 3.0:
            return x + 1
        case _:
            return x - 1


@program(lambda: torch.ones(3), **ANY)
def break_with_a_formatted_tensor(x):
    y = x + 1
    text = f"total {y.sum()}"
    return y * 2, text


@program(lambda: (torch.ones(3), {"n": 0}), **ANY)
def augmented_assignment_across_a_break(x, box):
    box["n"] += int(x.sum())
    x[helper_with_break(x).long().sum() % 3] += 1
    return x, box


@program(lambda: torch.ones(3), **ANY)
def break_before_an_exception_to_the_caller(x):
    y = x + 1
    print("before")
    raise ValueError(f"got {y.sum()}")


@scenario(**UNKNOWN)
def module_forward_with_a_break(run):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
            self.seen = []

        def forward(self, x):
            x = self.a(x)
            print("between")
            self.seen.append(float(x.detach().sum()))
            return self.b(x)

    f = run(Model())
    f(torch.ones(2, 3))
    f(torch.ones(2, 3))
