"""torch.cond and activation checkpointing: bodies that are speculated, what they close over, what must be rejected."""

import functools

import torch
import torch.nn as nn
from torch import randn
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.utils.checkpoint import checkpoint

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}
FREE = (".grad_fn", ".version", ".base", ".storage")


@program(lambda: randn(3))
def cond_with_operands(x):
    return torch.cond(x.sum() > 0, lambda t: t + 1, lambda t: t - 1, (x,))


@program(lambda: randn(3))
def cond_closes_over_tensors(x):
    y, z = x * 2, x + 3
    return torch.cond(x.sum() > 0, lambda: y + z, lambda: y - x)


@program(lambda: randn(3))
def cond_with_unique_and_shared_captures(x):
    a, b, c = x + 1, x + 2, x + 3

    def yes(t):
        return t * a + b

    def no(t):
        return t * a - c

    return torch.cond(x.mean() > 0, yes, no, (x,)) + b


@program(lambda: (randn(3), True))
def cond_on_a_python_bool(x, flag):
    return torch.cond(flag, lambda t: t + 1, lambda t: t - 1, (x,)), torch.cond(False, torch.sin, torch.cos, (x,))


@program(lambda: randn(3))
def cond_nested(x):
    def inner(t):
        return torch.cond(t.sum() > 1, lambda u: u * 2, lambda u: u * 3, (t,))

    return torch.cond(x.sum() > 0, inner, lambda t: t.clone(), (x,))


@program(lambda: randn(3))
def cond_captures_from_two_levels_up(x):
    w = x * 5

    def outer(t):
        return torch.cond(t.sum() > 1, lambda: t + w, lambda: t - w)

    return torch.cond(x.sum() > 0, outer, lambda t: t * w, (x,))


@program(lambda: (randn(3), randn(3)))
def cond_with_structured_operands_and_results(x, y):
    def yes(d):
        return {"sum": d["x"] + d["y"], "pair": (d["x"] * 1, d["y"] * 2)}

    def no(d):
        return {"sum": d["x"] - d["y"], "pair": (d["x"] * 3, d["y"] * 4)}

    return torch.cond(x.sum() > y.sum(), yes, no, ({"x": x, "y": y},))


class Body:
    def __init__(self, w):
        self.w = w

    def go(self, t):
        return t * self.w

    def __call__(self, t):
        return t + self.w


@program(lambda: (Body(randn(3)), randn(3)), **UNKNOWN)
def cond_bodies_of_other_kinds(body, x):
    first = torch.cond(x.sum() > 0, body.go, body, (x,))
    return torch.cond(x.sum() > 1, functools.partial(torch.add, x), lambda t: t * 1, (first,))


@scenario()
def cond_bodies_are_modules(run):
    one, two = nn.Linear(3, 3), nn.Linear(3, 3)
    f = run(lambda x: torch.cond(x.sum() > 0, one, two, (x,)))
    f(torch.ones(2, 3))
    f(-torch.ones(2, 3))


@scenario()
def cond_takes_both_branches_with_one_graph(run):
    f = run(lambda x: torch.cond(x.sum() > 0, lambda t: t + 1, lambda t: t * 10, (x,)))
    f(torch.ones(3))
    f(-torch.ones(3))


@program(lambda: randn(3, requires_grad=True), ignore=FREE)
def cond_with_gradients(w):
    return torch.cond(w.sum() > 0, lambda t: t * 2, lambda t: t**2, (w,)).sum()


@program(lambda: (randn(3), []), **UNKNOWN)
def cond_rejected_for_an_effect(x, log):
    def yes(t):
        log.append("yes")
        return t + 1

    try:
        return torch.cond(x.sum() > 0, yes, lambda t: t - 1, (x,))
    except Exception as error:
        return type(error).__name__ != ""


@program(lambda: randn(3))
def checkpointed_function(x):
    return checkpoint(lambda t: torch.sin(t) * 2, x, use_reentrant=False)


@program(lambda: randn(3, requires_grad=True), ignore=FREE)
def checkpointed_with_gradients(w):
    y = w * 2
    return checkpoint(lambda a, b: (a * b).tanh(), y, w, use_reentrant=False).sum()


@program(lambda: randn(3, requires_grad=True), ignore=FREE)
def checkpoint_closes_over_tensors(w):
    y = w.exp()

    def body(t):
        return t * y + w

    return checkpoint(body, w, use_reentrant=False)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.drop = nn.Linear(4, 4), nn.Dropout(0.5)

    def forward(self, x, scale=1.0):
        return x + self.drop(torch.tanh(self.linear(x))) * scale


@scenario(ignore=FREE)
def checkpointed_block_in_training(run):
    torch.manual_seed(0)
    block = Block()
    f = run(lambda x: checkpoint(block, x, use_reentrant=False).sum())
    f(randn(2, 4))
    f(randn(2, 4))
    run.watch(block)


@scenario(ignore=FREE)
def checkpoint_with_keyword_and_several_results(run):
    block = Block().eval()

    def body(x, y=None):
        return block(x, scale=0.5), [x * y, None]

    f = run(lambda x: checkpoint(body, x, y=x + 1, use_reentrant=False))
    f(randn(2, 4, requires_grad=True))
    f(randn(2, 4, requires_grad=True))


@scenario(ignore=FREE)
def checkpoint_in_a_loop_over_layers(run):
    layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(x):
        for layer in layers:
            x = checkpoint(layer, x, use_reentrant=False)
        return x.sum()

    f = run(forward)
    f(randn(2, 4, requires_grad=True))
    f(randn(2, 4, requires_grad=True))
    run.watch(layers)


@program(lambda: (randn(3), []), ignore=FREE, **UNKNOWN)
def checkpoint_body_with_an_effect(x, log):
    def body(t):
        log.append(1)
        return t * 2

    return checkpoint(body, x, use_reentrant=False)


# ---- bodies that put back what they change
class Switched:
    def __init__(self):
        self.scale, self.depth, self.seen = 1.0, 0, []

    def during(self, function, t):
        self.depth += 1
        try:
            return function(t)
        finally:
            self.depth -= 1


@program(lambda: (Switched(), randn(3, 2)), **UNKNOWN)
def a_turn_that_puts_back_what_it_changes(state, x):
    def turn(carry, now):
        return carry + state.during(lambda t: t - state.depth, now), carry * 2

    try:
        return scan(turn, x[0] * 1, x)[0], state.depth
    except Exception as error:
        return type(error).__name__ != "", state.depth


@scenario()
def a_turn_that_calls_a_module_with_other_parameters(run):
    cell = nn.RNNCell(3, 3)
    weights = {name: p.detach() * 2 for name, p in cell.named_parameters()}

    def forward(x):
        def turn(hidden, now):
            hidden = torch.func.functional_call(cell, weights, (now, hidden))
            return hidden, hidden * 1

        return scan(turn, torch.zeros(2, 3), x)

    f = run(forward)
    f(randn(4, 2, 3))
    f(randn(4, 2, 3))
    run.watch(cell)


@program(lambda: (Switched(), randn(3)), **UNKNOWN)
def a_branch_that_puts_back_something_else(state, x):
    def yes(t):
        state.scale = 2
        result = t * state.scale
        state.scale = 1  # an int, where a float was
        return result

    try:
        return torch.cond(x.sum() > 0, yes, lambda t: t - 1, (x,)), type(state.scale).__name__
    except Exception as error:
        return type(error).__name__ != ""


@program(lambda: (Switched(), randn(3)))
def a_checkpoint_that_puts_back_what_it_changes(state, x):
    def body(t):
        return state.during(lambda t: t * state.depth, t)

    return checkpoint(body, x, use_reentrant=False), state.depth


@program(lambda: (Switched(), randn(3)), **UNKNOWN)
def a_branch_that_takes_back_what_it_appended(state, x):
    def yes(t):
        state.seen.append(1)
        return t * state.seen.pop()

    try:
        return torch.cond(x.sum() > 0, yes, lambda t: t - 1, (x,))
    except Exception as error:
        return type(error).__name__ != ""


# ---- branches of other sizes, and those that write
@program(lambda: torch.ones(4))
def cond_of_other_sizes(x):
    y = torch.cond(x.sum() > 0, lambda t: t[:3].clone(), lambda t: t[:1] * 2, (x,))
    return y * 2, y.sum(), y.dim()


@scenario(graphs=1)
def cond_of_other_sizes_by_the_other_branch(run):
    def f(x):
        a, b = torch.cond(x.sum() > 0, lambda t: (t[:2] * 1, torch.zeros(2, 3)), lambda t: (t[:2] * 2, torch.ones(5, 3)), (x,))
        return a, b.sin().sum(0), torch.cat([b, b])

    f = run(f)
    for x in (torch.ones(4), -torch.ones(4), torch.ones(4)):
        f(x)


@scenario(graphs=1)
def cond_of_other_sizes_in_another_order_of_memory(run):
    def f(x):
        y = torch.cond(x.sum() > 0, lambda t: t[:2].t().clone(memory_format=torch.preserve_format), lambda t: t.sin().t(), (x,))
        return y * 2, y.stride()[0] == 1

    f = run(f)
    f(torch.ones(4, 3))
    f(-torch.ones(4, 3))


@program(lambda: torch.ones(4), **UNKNOWN)
def cond_of_other_ranks(x):
    try:
        return torch.cond(x.sum() > 0, lambda t: t[:3].clone(), lambda t: t.sum(), (x,))
    except Exception as error:
        return type(error).__name__ != ""


@program(lambda: torch.ones(4, 3), **UNKNOWN)
def cond_of_other_sizes_laid_out_otherwise(x):
    try:
        return torch.cond(x.sum() > 0, lambda t: t[:3].clone(), lambda t: t[:2].t().contiguous().t(), (x,))
    except Exception as error:
        return type(error).__name__ != ""


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        def yes(t):
            self.count.add_(1)
            return self.linear(t)

        return torch.cond(x.sum() > 0, yes, lambda t: self.linear(t) * self.count, (x,)) + self.count


@scenario(graphs=1)
def cond_that_writes_to_a_buffer(run):
    module = Counting()
    f = run(torch.no_grad()(module.forward))
    run.watch(module)
    for sign in (1, -1, 1):
        f(torch.ones(2, 3) * sign)


@program(lambda: torch.ones(3))
def cond_that_writes_to_what_it_is_given(x):
    with torch.no_grad():
        y = x * 1
        z = torch.cond(y.sum() > 0, lambda t: t.add_(1) * 2, lambda t: t - 1, (y,))
        return z, y + 0, torch.cond(x.sum() > 5, lambda t: t.mul_(3) * 1, lambda t: t * 1, (x,)), x


@program(lambda: torch.ones(3))
def loop_that_writes_outside(x):
    with torch.no_grad():
        seen, start = torch.zeros(3), x * 1

        def turn(i, v):
            seen.add_(v)
            return i + 1, v * 2

        first = while_loop(lambda i, v: i < 2, turn, (torch.tensor(0), x))[1]
        last = while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, v.add_(1) * 2), (torch.tensor(0), start))[1]
        return first, last, seen, start


@program(lambda: torch.ones(3), **UNKNOWN)
def cond_that_writes_where_gradients_are_recorded(x):
    try:
        return torch.cond(x.sum() > 0, lambda t: t.add_(1) * 2, lambda t: t - 1, (x * 1,))
    except Exception as error:
        return type(error).__name__ != ""


@program(lambda: torch.ones(3), config={"capture_scalar_outputs": True})
def cond_on_a_number_of_the_run(x):
    n = x.sum().item()
    i = while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * 2), (0, x))[0]
    return torch.cond(n > 0, lambda t: t + 1, lambda t: t - 1, (x,)), torch.cond(i > 1, lambda t: t + 1, lambda t: t - 1, (x,))


@scenario(graphs=None, recompiles=None)
def cond_on_a_size(run):
    f = run(lambda x: torch.cond(x.shape[0] > 3, lambda t: t + 1, lambda t: t - 1, (x,)), dynamic=True)
    for n in (2, 3, 5, 6):
        f(torch.ones(n))
