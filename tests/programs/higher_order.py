"""torch.cond and activation checkpointing: bodies that are speculated, what they close over, what must be rejected."""

import functools

import torch
import torch.nn as nn
from torch import randn
from torch._higher_order_ops.scan import scan
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
