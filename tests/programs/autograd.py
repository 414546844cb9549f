"""Gradients through, into and inside traced calls."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


def leaf(*shape):
    return randn(*shape, requires_grad=True)


@program(lambda: (leaf(3), leaf(3)))
def gradients_reach_every_leaf(a, b):
    return (a * b).sum() + a.exp().sum(), b.tanh()


@program(lambda: (leaf(3), randn(3)))
def mixed_requires_grad(w, x):
    y = w * x
    return y.detach() * 2, y, x * 2, (y.detach() * w).sum()


@program(lambda: leaf(4))
def in_place_on_intermediate_with_grad(w):
    y = w * 2
    y.add_(1)
    y[0] = 0
    y.relu_()
    return y


@program(lambda: leaf(4, 4))
def views_with_grad(w):
    y = w.t()[1:].reshape(-1)
    return y * 2, w.view(16)[:3], w.diagonal()


@program(lambda: leaf(3))
def unused_input_and_same_output_twice(w):
    y = w * 2
    return y, y, y.sum()


@scenario()
def training_step(run):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    f = run(lambda x, y: F.mse_loss(model(x), y))
    for _ in range(3):
        optimizer.zero_grad()
        f(randn(5, 4), randn(5, 2)).backward(retain_graph=True)
        optimizer.step()
    run.watch(model)


@scenario(recompiles=1)
def no_grad_then_grad(run):
    model = nn.Linear(4, 4)
    f = run(lambda x: model(x))
    with torch.no_grad():
        f(randn(2, 4))
    f(randn(2, 4))
    f(randn(2, 4))


@scenario(**UNKNOWN)
def input_requires_grad_changes(run):
    f = run(lambda x: x * 2)
    f(randn(3))
    f(leaf(3))
    f(randn(3))


@scenario()
def double_backward(run):
    f = run(lambda w: (w**3).sum())
    for _ in range(2):
        w = leaf(3)
        (g,) = torch.autograd.grad(f(w), w, create_graph=True)
        g.sum().backward(retain_graph=True)
        run.watch(w)


@program(lambda: leaf(3), **UNKNOWN)
def backward_inside(w):
    loss = (w * 2).sum()
    loss.backward()
    return loss.detach(), w.grad * 2


@program(lambda: leaf(3), **UNKNOWN)
def autograd_grad_inside(w):
    loss = (w**2).sum()
    (g,) = torch.autograd.grad(loss, w)
    return g + 1


@scenario(**UNKNOWN)
def whole_training_step_inside(run):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    f = run(step)
    for _ in range(3):
        f(randn(4, 3), randn(4, 1))
    run.watch(model)


@scenario(tolerance=1e-5, **UNKNOWN)
def optimizer_step_compiled(run):
    w = leaf(3)
    optimizer = torch.optim.Adam([w], lr=0.1)
    f = run(optimizer.step)
    for _ in range(3):
        w.grad = torch.ones(3)
        f()
    run.watch(w)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x**3 * scale

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2 * ctx.scale, None


@program(lambda: leaf(3))
def autograd_function(w):
    return Cube.apply(w, 2.0) + Cube.apply(w * 2, 1.0)


@program(lambda: leaf(3))
def detach_and_requires_grad_chain(w):
    a = w.detach() * 2
    b = (w * 2).detach().requires_grad_(False)
    return a, b, a.requires_grad, (w + a).requires_grad


@program(lambda: (leaf(3), [leaf(3), leaf(3)], {"k": leaf(3)}))
def leaves_in_containers(w, ws, named):
    return sum(v.sum() for v in ws) + (named["k"] * w).sum()


@scenario()
def leaf_in_a_closure(run):
    w = run.watch(leaf(3))
    f = run(lambda x: (w * x).sum())
    f(randn(3))
    f(randn(3))


@program(lambda: leaf(3), **UNKNOWN)
def gradient_through_a_break(w):
    y = w * 2
    print("break")
    return (y * w).sum()


@program(lambda: leaf(3), **UNKNOWN)
def retain_grad_on_intermediate(w):
    y = w * 2
    y.retain_grad()
    return y, y.sum()


@scenario()
def dropout_training_step(run):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))
    f = run(lambda x: model(x).sum())
    f(randn(5, 4))
    f(randn(5, 4))
    run.watch(model)


@scenario()
def parameter_made_inside(run):
    f = run(lambda x: nn.Parameter(x) * 2)
    f(randn(3))
    f(randn(3))


@program(lambda: (randn(2), randn(2, requires_grad=True)), breaks="some")
def views_need_a_gradient_with_their_base(x, p):
    base = torch.zeros(2, 2)
    first, second = base[0], base[1]
    first.mul_(p).add_(x)
    return base.requires_grad, second.requires_grad, first.requires_grad, base * 2, second + 1


@program(lambda: (randn(2, 2), randn(2, requires_grad=True)), breaks="some")
def a_view_begins_to_need_a_gradient_behind_a_break(x, p):
    base = x.clone()
    first, second = base[0], base[1]
    torch._dynamo.graph_break()
    first.mul_(p)
    return base.requires_grad, second.requires_grad, base * 2, second + 1


OF_OUTSIDE = torch.zeros(2, 2)


@program(lambda: (OF_OUTSIDE.clone(), randn(2, requires_grad=True)), breaks="some")
def what_shares_memory_is_read_after_the_write(base, p):
    rows = list(base)
    torch._dynamo.graph_break()
    rows[0].mul_(p)
    return [row.requires_grad for row in rows], base.is_leaf, base.grad_fn is None, rows[1].grad_fn is None


@program(lambda: (randn(3), randn(3, requires_grad=True)))
def rows_are_filled_one_by_one(x, p):
    out = torch.zeros(3, 3)
    for i in range(3):
        out[i] = x * p
    return out.requires_grad, out.sum(0)


class Squared(torch.autograd.Function):
    """Its backward looks at what was saved in a frame of its own, which is traced."""

    @staticmethod
    def forward(ctx, x):
        torch._dynamo.graph_break()  # so that it is called as it is
        y = x * x
        ctx.save_for_backward(x, y)
        ctx.factor = 2
        return y

    @staticmethod
    def backward(ctx, gradient):
        x, y = ctx.saved_tensors
        return gradient * (x + y) * torch.tensor(ctx.needs_input_grad[0]) * (ctx.factor / 2)


@scenario(breaks=None, graphs=None, recompiles=None)
def saved_tensors_read_in_a_traced_backward(run):
    x = run.watch(torch.ones(3, requires_grad=True))

    def f():
        y = Squared.apply(x)
        y.sum().backward()
        return x.grad

    compiled = run(f)
    compiled()
    compiled()
