"""Small programs under test: together they make torch.compile take every kind of decision that is told."""

from __future__ import annotations

import torch


def inner(x):
    return x.sin()


def broken(x):
    y = inner(x) + 1
    print("between")
    return y * 2


def handled(x, table):
    try:
        value = table["missing"]
    except KeyError:
        value = 3
    return x + value


def sized(x):
    if x.shape[0] > 3:
        return x * x.shape[0]
    return x


def seven(x):
    return x + 1 if x.shape[0] == 7 else x


def cond(x, w):
    return torch.cond(x.sum() > 0, lambda x: x + w, lambda x: x - w, (x,))


def appended(x, seen):
    seen.append(x.shape[0])
    return x + len(seen)


def unused(x):
    x.cos()
    return x.sin()


def exits(x):
    with torch.no_grad():
        y = x + 1
        torch._dynamo.graph_break()
        return y * 2


def counted(x):
    def numbers():
        yield 1
        yield 2

    for number in numbers():
        x = x * number
    return x


def checkpointed(x):
    def body(y):
        print("inside")
        return y + 1

    return torch.utils.checkpoint.checkpoint(body, x, use_reentrant=False) * 2


class Spoken:
    def __repr__(self):
        return "between"


def left_out(x, spoken):
    print(spoken)
    return x + 1


def run_all(run):
    """Every program, through a function that runs one call."""
    x = torch.ones(4)
    run(broken, x)
    run(broken, x)
    run(handled, x, {"a": 1})
    for size in (4, 5, 2):
        run(sized, torch.ones(size))
    marked = torch.ones(7, 2)
    torch._dynamo.maybe_mark_dynamic(marked, 0)
    run(seven, marked)
    run(cond, x, x)
    run(appended, x, [])
    run(unused, x)
    run(exits, x)
    run(counted, x)
    run(left_out, x, Spoken())
    run(checkpointed, x.clone().requires_grad_())
