"""Leaves that a program makes while it runs: `requires_grad=True` given to an operator. Their gradients are their own."""

import torch

from tests.programs import program, scenario
from tests.programs.tensors import randn


@program(lambda: randn(2))
def filled(x):
    w = torch.full((2,), 3.0, requires_grad=True)
    return w, w * x, w.is_leaf, w.grad_fn


@program(lambda: randn(2))
def of_numbers(x):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    return w, (w * x).sum(), w.is_leaf, w.grad


@program(lambda: (randn(2, 3).t().requires_grad_(),))
def like_another(x):
    w = torch.zeros_like(x, requires_grad=True)
    return w, w * x, w.is_leaf, w.stride()


@program(lambda: randn(2))
def drawn_without_gradients(x):
    with torch.no_grad():
        w = torch.rand(2, requires_grad=True)
        off = w * 2
    return w, off, w * x, w.requires_grad


@program(lambda: randn(2))
def several(x):
    a, b = x.new_ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    return [a, b], a * b * x, a is b


@program(lambda: randn(2))
def used_inside_only(x):
    a = torch.ones(2, requires_grad=True)
    return (a * x).sum(), a.detach()


@program(lambda: randn(2))
def written_without_gradients(x):
    w = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        w.add_(x)
    return w, w * x


@program(lambda: randn(2))
def not_a_leaf_any_more(x):
    w = torch.arange(2.0, requires_grad=True).view(2, 1)
    return w, w * x, w.is_leaf


@scenario()
def a_gradient_asked_for_later(run):
    """What the compiled call returns hangs on the leaf that it returns."""
    w, y = run(lambda x: (w := torch.ones(3, requires_grad=True), w * w * x))(randn(3))
    run.watch(torch.autograd.grad(y.sum(), w))
    seen = []
    w.register_hook(lambda grad: seen.append(grad.clone()))
    run.watch(seen)


@scenario(recompiles=1, graphs=2)
def new_ones_at_each_call(run):
    f = run(lambda x: torch.ones(x.shape[0], requires_grad=True))
    kept = [f(randn(n)) for n in (3, 3, 4)]
    (kept[0] * 2).sum().backward()
    assert kept[1].grad is None


# ---- tensors that become leaves
@program(lambda: randn(2))
def becomes_a_leaf(x):
    w = x * 2
    same = w.requires_grad_()
    return w, w * 3, same is w, w.is_leaf, w.grad_fn, w.requires_grad


@program(lambda: randn(2, requires_grad=True))
def becomes_one_apart_from_its_history(x):
    y = x * 2
    w = y.detach().requires_grad_()
    return y, w, (w * y).sum(), w.is_leaf


@program(lambda: randn(2))
def becomes_one_by_its_field(x):
    w = x + 1
    w.requires_grad = True
    w.requires_grad = True
    return w, w.sin()


@program(lambda: randn(2))
def becomes_one_and_is_used_inside_only(x):
    w = torch.stack([x, x]).detach().requires_grad_(True)
    return (w * x).sum().detach(), w.detach() + 1


@program(lambda: randn(2))
def becomes_one_without_gradients(x):
    with torch.no_grad():
        w = x.exp().requires_grad_()
        off = w * 2
        w.mul_(2)
    return w, off, w * x


@program(lambda: randn(2), graphs=None, breaks="some")
def is_written_to_after_it_became_one(x):
    w = x.exp().requires_grad_()
    try:
        w.mul_(2)
    except RuntimeError as error:
        return w, str(error)


@program(lambda: randn(2, 2), graphs=None, breaks=["grad-write"])
def becomes_one_beside_its_view(x):
    w = x * 2
    row = w[0]
    w.requires_grad_()
    return w, row, row.requires_grad, w[0]


@program(lambda: randn(2), graphs=None, breaks=["grad-write"])
def an_input_becomes_one(x):
    return x.requires_grad_() * 2


@program(lambda: torch.tensor([1, 2]), graphs=None, breaks=["grad-write"])
def integers_become_none(x):
    try:
        return (x * 2).requires_grad_()
    except RuntimeError as error:
        return str(error)


@program(lambda: randn(2, requires_grad=True), graphs=None, breaks=["grad-write"])
def what_has_a_history_stays_so(x):
    y = x * 2
    try:
        y.requires_grad_(False)
    except RuntimeError as error:
        return y, str(error)


@program(lambda: randn(2))
def becomes_one_in_a_loop(x):
    found = []
    for i in range(3):
        w = (x * i).requires_grad_()
        found.append((w * w).sum())
    return found
