"""The programs whose event streams are kept: each shows one kind of decision and little else.

`PROGRAMS[name] = (function, [arguments of each call])`; `DETAILED` are kept with every instruction.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn

PROGRAMS: dict[str, tuple[Callable, list[Callable[[], tuple]]]] = {}
DETAILED = ("add_one", "unpacks_and_calls", "loops_over_a_list")
GLOBAL = 2


def golden(*calls: Callable[[], tuple]) -> Callable[[Callable], Callable]:
    def register(fn: Callable) -> Callable:
        PROGRAMS[fn.__name__] = fn, list(calls)
        return fn

    return register


def ones() -> tuple:
    return (torch.ones(3),)


@golden(ones)
def add_one(x):
    return x + 1


@golden(lambda: (torch.ones(2), [1, 2]))
def unpacks_and_calls(x, pair):
    a, b = pair
    return max(a, b) * x


@golden(lambda: (torch.ones(2), [1, 2]))
def loops_over_a_list(x, values):
    for v in values:
        x = x * v
    return x


@golden(ones, ones)
def second_call_hits(x):
    return x.relu()


def helper(x, n=2):
    return x * n


@golden(ones)
def inlines_a_helper(x):
    return helper(helper(x), n=3)


@golden(ones)
def reads_a_global(x):
    return x * GLOBAL


@golden(ones)
def makes_a_closure(x):
    n = 3

    def inner(t):
        return t * n

    return inner(x)


@golden(lambda: (torch.ones(3), []))
def appends_to_an_argument(x, out):
    out.append(x + 1)
    return x


@golden(lambda: (torch.ones(3), {"a": 1}))
def writes_a_dict(x, d):
    d["b"] = x * d["a"]
    return d["b"]


@golden(ones)
def changes_the_input_in_place(x):
    x.add_(1)
    return x


@golden(ones)
def catches_an_exception(x):
    try:
        raise ValueError("no")
    except ValueError as error:
        return x + len(str(error))


@golden(ones)
def raises_to_the_caller(x):
    y = x + 1
    raise ValueError("left early")


@golden(ones)
def prints_in_the_middle(x):
    y = x.relu()
    print("middle")
    return y * 2


@golden(ones, lambda: (-torch.ones(3),))
def branches_on_data(x):
    if x.sum() > 0:
        return x + 1
    return x - 1


@golden(ones)
def takes_an_item(x):
    n = x.sum().item()
    return x * n


@golden(ones)
def breaks_in_an_inlined_call(x):
    def inner(t):
        print("inner")
        return t + 1

    return inner(x) * 2


@golden(ones)
def breaks_in_a_loop(x):
    for i in range(2):
        print(i)
        x = x + i
    return x


@golden(ones)
def breaks_under_no_grad(x):
    with torch.no_grad():
        y = x + 1
        print("inside")
        y = y * 2
    return y


@golden(lambda: (torch.ones(3, 2),), lambda: (torch.ones(4, 2),), lambda: (torch.ones(5, 2),))
def shape_becomes_dynamic(x):
    return x.sum(0) + x.shape[0]


@golden(ones, lambda: (torch.ones(3, dtype=torch.float64),))
def dtype_changes(x):
    return x * 2


@golden(lambda: (torch.ones(3), 2), lambda: (torch.ones(3), 3), lambda: (torch.ones(3), 4))
def integer_becomes_dynamic(x, n):
    return x * n


@golden(lambda: (torch.ones(3), "a"), lambda: (torch.ones(3), "b"))
def string_changes(x, mode):
    return x + 1 if mode == "a" else x - 1


@golden(lambda: (torch.ones(3), torch.ones(3)))
def two_inputs_one_used(x, unused):
    return x.exp()


@golden(lambda: (lambda x: (x, x))(torch.ones(3)))
def the_same_tensor_twice(x, y):
    x.add_(1)
    return x + y


@golden(ones)
def yields_inside(x):
    def produce():
        yield 1
        yield 2

    for n in produce():
        x = x + n
    return x


@golden(ones)
def cond_is_speculated(x):
    y = x * 2
    return torch.cond(x.sum() > 0, lambda: y + 1, lambda: y - 1)


@golden(lambda: (torch.ones(3), []))
def cond_is_rolled_back(x, log):
    def yes(t):
        log.append(1)
        return t + 1

    return torch.cond(x.sum() > 0, yes, lambda t: t - 1, (x,))


@golden(lambda: (torch.ones(3, requires_grad=True),))
def checkpoint_is_speculated(w):
    return torch.utils.checkpoint.checkpoint(lambda t: t.tanh() * w, w, use_reentrant=False)


def seeded_module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU())


@golden(lambda: (seeded_module(), torch.ones(2, 3)))
def calls_a_module(module, x):
    return module(x)


@golden(lambda: (seeded_module(), torch.ones(2, 3)), lambda: (seeded_module().eval(), torch.ones(2, 3)))
def module_mode_changes(module, x):
    return module(x) + (1 if module.training else 0)


@golden(ones)
def no_grad_inside(x):
    with torch.no_grad():
        y = x * 2
    return y + 1


@golden(ones)
def reads_the_shape(x):
    return x.view(x.shape[0], 1), f"{x.shape[0]}"


@torch.compiler.nested_compile_region
def region(state, x):
    return x * state["scale"] + state["shift"]


@golden(lambda: ([{"scale": k, "shift": torch.ones(3)} for k in (2, 2, 3)], torch.ones(3)))
def region_is_taken_again(states, x):
    first, second, third = states
    return region(first, x), region(second, x), region(third, x)
