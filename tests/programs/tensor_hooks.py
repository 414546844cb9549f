"""Hooks that a program registers on tensors from outside, and what they do in the backward pass that follows."""

import torch
from torch import nn, randn

from tests.programs import program, scenario


def leaf(*shape):
    return randn(*shape, requires_grad=True)


@program(lambda: (leaf(3), randn(3)))
def hooks_in_order(w, x):
    w.register_hook(lambda g: g * x)
    w.register_hook(lambda g: g + 1)
    return w * 2


@program(lambda: (leaf(3), randn(3)))
def second_handle_returned_first(w, x):
    first = w.register_hook(lambda g: g * 3)
    second = w.register_hook(lambda g: g + x)
    return [second, w * 2, first]


@program(lambda: (leaf(3),))
def removed_again(w):
    kept = w.register_hook(lambda g: g * 3)
    gone = w.register_hook(lambda g: g + 100)
    gone.remove()
    with w.register_hook(lambda g: g + 1000):
        y = w * 2
    return y, kept


@program(lambda: (leaf(3),))
def same_handle_twice(w):
    handle = w.register_hook(lambda g: g * 3)
    return w * 2, handle, [handle], handle is handle


@program(lambda: (leaf(3), randn(3)))
def hook_that_closes_over_results(w, x):
    y = x * 2
    w.register_hook(lambda g: g * y)
    y = y + 1
    return (w * x).sum()


@program(lambda: (leaf(3),))
def used_before_it_was_hooked(w):
    y = w.exp()
    w.register_hook(lambda g: -g)
    return y + w


@program(lambda: (leaf(3),), graphs=0)
def nothing_but_a_hook(w):
    w.register_hook(lambda g: g * 2)
    return w


@program(lambda: (leaf(3),))
def hooked_under_no_grad(w):
    with torch.no_grad():
        w.register_hook(lambda g: g * 2)
    return w * 3


@scenario()
def hook_that_notes(run):
    seen, w = [], leaf(3)

    def f(x):
        w.register_hook(lambda g: seen.append(g.clone()))
        w.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.clone()))
        return (w * x).sum()

    f = run(f)
    for _ in range(2):
        f(randn(3)).backward()
    run.watch(seen)
    run.watch(w)


@scenario()
def hooks_on_parameters(run):
    net, scale = nn.Linear(3, 2), [2.0]

    def twice(grad):
        return grad * scale[0]

    def f(x):
        handles = [p.register_hook(twice) for p in net.parameters()]
        return net(x), handles

    f = run(f)
    for _ in range(2):
        out, handles = f(randn(2, 3))
        out.sum().backward()
        for handle in handles:
            handle.remove()
        net(randn(2, 3)).sum().backward()
    run.watch(net)


@program(lambda: (leaf(3), randn(3)), breaks=["user-requested-break"], graphs=1)
def hook_across_a_break(w, x):
    handle = w.register_hook(lambda g: g * 3)
    torch._dynamo.graph_break()
    y = w * x
    return y, handle


@program(lambda: (leaf(3),))
def handle_removed_by_its_hook(w):
    handle = w.register_hook(lambda g: handle.remove())
    return w * 2


@program(lambda: (randn(3),), breaks="some", graphs=None)
def hook_without_grad(x):
    try:
        x.register_hook(lambda g: g)
    except RuntimeError as error:
        return x + 1, str(error)


@program(lambda: (leaf(3),), breaks=["tensor-hook"], graphs=2)
def hook_on_a_result(w):
    y = w * 2
    y.register_hook(lambda g: g * 5)
    return y + 1


@program(lambda: (leaf(3),), breaks="some", graphs=None, recompiles=None)
def handle_number(w):
    handle = w.register_hook(lambda g: g)
    return w * 2, isinstance(handle.id, int)


@program(lambda: (leaf(3), randn(3)))
def hook_and_grad(w, x):
    w.register_hook(lambda g: g * 2)
    w.grad = x
    w.tag = "t"
    return w * 3
