"""Fields of tensors that a program writes: `.data`, `.grad`; and what autograd sees of that."""

import torch
from torch import nn, randn

from tests.programs import program, scenario


def leaf(*shape):
    return randn(*shape, requires_grad=True)


# ---- .data
@program(lambda: (leaf(3), randn(3)))
def data_of_a_leaf(w, x):
    before = w * 2
    w.data = x + 1
    return before, w * 3, w.requires_grad, w.is_leaf, w.data


@program(lambda: (leaf(3), randn(3)))
def data_shared_with_an_input(w, y):
    w.data = y
    y.add_(1)
    return w * 2


@program(lambda: (randn(3), randn(3)))
def data_written_through(x, y):
    x.data = y
    x.mul_(2)
    return x + y


@program(lambda: (randn(3), randn(3)))
def data_twice(x, y):
    x.data = y + 1
    x.data = x.data * 2
    x.data = x
    return x


@program(lambda: (leaf(3), randn(3), randn(3)))
def data_of_what_backward_needs(w, x, y):
    out = (w * x).exp()
    x.data = y
    return out


@program(lambda: (leaf(3), randn(3)))
def data_of_a_made_tensor(w, y):
    h = (w * 2).exp()
    h.data = y
    return h * 3, h


@program(lambda: (randn(3), randn(2, 2)))
def data_of_another_shape(x, y):
    x.data = y
    return x.shape, x + 1, x.numel()


@program(lambda: (randn(2, 3), randn(3, 2)))
def data_of_other_strides(x, y):
    x.data = y.t()
    return x + 1, x.stride(), x.is_contiguous()


@program(lambda: (leaf(3), randn(2)), breaks=["grad-write"])
def data_of_another_shape_of_a_leaf(w, y):
    w.data = y
    return w * 2


@program(lambda: (randn(3), randn(3)), breaks=["grad-write"])
def data_of_another_dtype(x, y):
    x.data = y.double()
    return x * 2


@program(lambda: (randn(3),), breaks="some", graphs=None)
def data_that_is_no_tensor(x):
    try:
        x.data = 5
    except TypeError as error:
        return x + 1, str(error)


@program(lambda: (leaf(3), randn(3)))
def data_under_no_grad(w, x):
    with torch.no_grad():
        w.data = x * 2
    return w * 2


@program(lambda: (leaf(3), leaf(3)))
def data_with_a_history(w, v):
    w.data = v * 2
    return w * 5


@program(lambda: (leaf(3), randn(3)), breaks=None, graphs=None)
def leaf_in_place_after_data(w, x):
    w.data = x
    try:
        w.add_(1)
    except RuntimeError as error:
        return w + 1, str(error)


@scenario()
def data_of_a_parameter(run):
    layer = nn.Linear(3, 3)

    def average(x):
        layer.weight.data = layer.weight.data * 0.9 + 0.1
        layer.bias.data.mul_(0.5)
        return layer(x)

    f = run(average)
    for _ in range(3):
        f(randn(2, 3)).sum().backward()
    run.watch(layer)


@scenario()
def data_of_every_parameter(run):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3))

    def decay(x):
        for p in net.parameters():
            p.data = p.data - 0.1 * p.data.sign()
        return net(x)

    f = run(decay)
    f(randn(2, 3))
    f(randn(2, 3))
    run.watch(net)


@scenario(recompiles=1)
def data_sizes_vary(run):
    def f(x, y):
        x.data = y * 2
        return x + 1

    f = run(f)
    for n in (3, 4, 5):
        f(randn(n), randn(n))


@scenario(recompiles=None, graphs=None)
def data_shared_from_call_to_call(run):
    w, y = leaf(3), randn(3)

    def f(x):
        y.mul_(2)
        out = w * x
        w.data = y
        return out

    f = run(f)
    for _ in range(3):
        f(randn(3))
    run.watch(w)


@program(lambda: (randn(3), randn(3)))
def data_that_was_filled_in_place(x, y):
    new = torch.empty(3)
    new.copy_(y + 1)
    x.data = new
    return x * 2


@program(lambda: (randn(3), randn(3)), breaks=["user-requested-break"], graphs=2)
def data_across_a_break(x, y):
    x.data = y + 1
    torch._dynamo.graph_break()
    return x * 2


# ---- .grad
@program(lambda: (leaf(3), randn(3)))
def grad_set_to_an_input(w, g):
    w.grad = g
    return w.grad is g, w.grad + 1


@program(lambda: (leaf(3), randn(3)))
def grad_changed_after_it_was_set(w, x):
    w.grad = x * 2
    w.grad.add_(1)
    w.grad *= 3
    g = w.grad
    return g, g is w.grad


@program(lambda: (leaf(3),))
def grad_set_to_none(w):
    w.grad = None
    return w * 2, w.grad


@program(lambda: (randn(3), randn(3)))
def grad_of_what_needs_none(x, g):
    x.grad = g + 1
    return x * 2, x.grad


@program(lambda: (leaf(3), leaf(3)))
def grad_with_a_history(w, v):
    w.grad = v * 2
    return w + 1


@program(lambda: (randn(3),))
def grad_of_a_made_tensor(x):
    y = x * 2
    y.grad = x + 1
    y.tag = "made"
    return y, y.grad


@program(lambda: (leaf(3), randn(2)), breaks="some", graphs=None)
def grad_that_does_not_fit(w, g):
    try:
        w.grad = g
    except RuntimeError as error:
        return w + 1, str(error)


@program(lambda: (leaf(3), 5), breaks="some", graphs=None)
def grad_that_is_no_tensor(w, g):
    try:
        w.grad = g
    except TypeError as error:
        return w + 1, str(error)


@scenario()
def grads_cleared_and_clipped(run):
    net = nn.Linear(3, 2)

    def clip(x):
        for p in net.parameters():
            if p.grad is not None:
                p.grad = p.grad.clamp(-0.1, 0.1)
        return net(x)

    net(randn(2, 3)).sum().backward()
    f = run(clip)
    f(randn(2, 3))
    f(randn(2, 3))
    run.watch(net)


@scenario(recompiles=1)
def grad_there_later(run):
    w = leaf(3)

    def total(x):
        if w.grad is None:
            return w * x
        w.grad = w.grad * 2
        return w.grad + x

    f = run(total)
    f(randn(3))
    w.grad = torch.ones(3)
    f(randn(3))
    f(randn(3))


@program(lambda: (leaf(3), randn(3)), breaks=["user-requested-break"], graphs=2)
def grad_across_a_break(w, x):
    w.grad = x * 2
    torch._dynamo.graph_break()
    return w.grad + 1


@program(lambda: (leaf(3), randn(3)))
def grad_and_tag(w, x):
    w.tag = x + 1
    w.grad = w.tag
    return w.tag is w.grad


@program(lambda: (leaf(3), randn(3), randn(3)))
def grad_and_data(w, x, y):
    w.grad = x
    w.data = y + w.grad
    return w * 2


# ---- made by their classes, and asked
@program(lambda: (randn(2),))
def made_by_the_class(x):
    sized = torch.Tensor(2, 3)
    return x + torch.Tensor([1, 2.5]), torch.Tensor([[1, 2], [3, 4]]), sized.shape, torch.Tensor(torch.Size([2, 2])).shape, torch.Tensor().shape


@program(lambda: (randn(2),))
def made_by_the_class_of_a_dtype(x):
    return x * torch.FloatTensor([1, 2]), torch.LongTensor((1, 2)), torch.BoolTensor([True, False]), torch.Tensor([x.shape[0]])


@program(lambda: (randn(2),), breaks=["legacy-tensor-constructor"], graphs=2)
def made_by_the_class_of_a_tensor(x):
    return x * 2, torch.Tensor(x) + 1


@program(lambda: (randn(2),), breaks=["break-inside-try"], graphs=None)
def refused_by_the_class(x):
    try:
        y = torch.ByteTensor([300])
    except (RuntimeError, TypeError, ValueError) as error:
        y = type(error).__name__
    return x + 1, y


@program(lambda: (randn(2),))
def pinned_or_not(x):
    return x + 1 if x.is_pinned() else x - 1


@program(lambda: (randn(2),), breaks=["unsupported-builtin"], graphs=None)
def operator_method_without_its_argument(x):
    return x + 1, x.__and__()
