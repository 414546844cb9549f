"""Loops, comprehensions, match, with and nested control flow that is decided while tracing."""

import contextlib

import torch
from torch import randn

from tests.programs import program


@program(lambda: (randn(3), 5))
def for_else_break_continue(x, n):
    for i in range(n):
        if i == 1:
            continue
        if i == 4:
            break
        x = x + i
    else:
        x = x * 100
    for _ in range(2):
        x = x - 1
    else:
        x = x * 2
    return x, i


@program(lambda: (randn(3), 5))
def while_loop(x, n):
    while n > 0:
        n -= 1
        if n == 2:
            continue
        x = x + n
    else:
        x = x * 2
    return x, n


@program(lambda: (randn(3),))
def nested_loops(x):
    for i in range(3):
        for j in range(3):
            if j == i:
                break
            x = x + i * j
        else:
            x = x - 1
    return x


@program(lambda: (randn(3), [1, 2, 3]))
def comprehensions(x, values):
    n = 10
    squares = [x * v for v in values if v != 2]
    return (
        squares,
        {v: n * v for v in values},
        {v % 2 for v in values},
        sum(v * n for v in values),
        [(a, b) for a in values for b in values if a < b],
        [[a * b for a in values] for b in values],
        [w for v in values if (w := v + n) > 11],
    )


@program(lambda: (randn(3), 4), breaks=0)
def deep_branches(x, n):
    if n > 1:
        if n > 2:
            if n > 3:
                return x + 3
            return x + 2
        return x + 1
    return x


@program(lambda: (randn(3), ("move", 3, {"k": 4, "z": 5})))
def match_statement(x, command):
    match command:
        case ("stop",):
            return x
        case ("move", int(n), {"k": k, **rest}) if n > 2:
            return x * n + k, rest
        case _:
            return x - 1


class Point:
    __match_args__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


@program(lambda: (Point(1, randn(3)), [1, 2, 3, 4]))
def match_classes_and_sequences(p, values):
    out = []
    match p:
        case Point(0, _):
            out.append("zero")
        case Point(a=1 | 2 as n, b=torch.Tensor() as t):
            out.append(t * n)
    match values:
        case [first, *middle, last]:
            out.append((first, middle, last))
    match "text":
        case "other" | "text":
            out.append("matched")
    match None:
        case None:
            out.append(None)
    return out


@program(lambda: (randn(3), 3))
def early_returns_in_loops(x, n):
    for i in range(10):
        if i == n:
            return x * i, "early"
    return x


@program(lambda: (randn(3),))
def while_true_with_break(x):
    n = 0
    while True:
        n += 1
        x = x + n
        if n >= 3:
            break
    return x, n


class Resource:
    def __init__(self, log, swallow=False):
        self.log, self.swallow = log, swallow

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, kind, value, trace):
        self.log.append(("exit", kind and kind.__name__))
        return self.swallow


@program(lambda: ([], randn(3)))
def user_context_manager(log, x):
    with Resource(log) as r:
        y = x + 1
        r.log.append("inside")
    return y, log


@program(lambda: ([], randn(3)))
def context_swallows_exception(log, x):
    with Resource(log, swallow=True):
        x = x + 1
        raise ValueError("swallowed")
    return x, log


@program(lambda: ([], randn(3)))
def contexts_left_early(log, x):
    for i in range(3):
        with Resource(log), Resource(log) as r:
            if i == 1:
                continue
            if i == 2:
                break
            r.log.append(i)

    def returns():
        with Resource(log):
            return x * 2

    return returns(), log


@contextlib.contextmanager
def doubling(box):
    box.append("in")
    try:
        yield len(box)
    finally:
        box.append("out")


@program(lambda: ([], randn(3)))
def contextlib_manager(log, x):
    with doubling(log) as n:
        y = x * n
    with contextlib.suppress(KeyError), contextlib.nullcontext(3) as three:
        {}["missing"]
    return y, log, three


@program(lambda: ([], randn(3)))
def exit_stack(log, x):
    with contextlib.ExitStack() as stack:
        stack.enter_context(Resource(log))
        stack.callback(log.append, "callback")
        y = x + 1
    return y, log


@program(lambda: (randn(3), randn(3)))
def tuple_swap_and_augmented(x, y):
    x, y = y, x
    z = [1, 2, 3]
    z[0], z[1] = z[1], z[0]
    z[2] += 5
    z[0] *= 2
    a = b = x
    a = a + 1
    return x - y, z, a, b


@program(lambda: (randn(3),), calls=1)
def long_unrolled_loop(x):
    for i in range(200):
        x = x + i if i % 2 else x * 1.01
    return x


@program(lambda: (randn(2, 3),))
def loop_over_tensor_rows(x):
    return [row.sum() for row in x], len(x), torch.stack([*x])


@program(lambda: (randn(3), 2))
def conditional_definition(x, n):
    if n > 1:
        y = x + 1
    try:
        return y
    except UnboundLocalError:
        return x


@program(lambda: (randn(3), False))
def unbound_local_caught(x, flag):
    if flag:
        y = x
    try:
        y
    except UnboundLocalError as error:
        return x + 1, str(error)


@program(lambda: (randn(3), 3))
def boolean_logic(x, n):
    flag = (n > 2 and not n == 4) or n < 0
    return x + 1 if flag is True and n in (1, 2, 3) and n not in {5} else x, flag, not flag, n is not None


@program(lambda: (randn(3),))
def imports_inside(x):
    import math as m
    from math import pi
    from math import tau as t

    import torch.nn.functional as F

    return F.relu(x) * pi, m.e, t
