"""Parameters that a program makes while it runs: leaves with gradients of their own, new ones at each call."""

import torch
from torch import nn, randn

from tests.programs import program, scenario


@program(lambda: (randn(3),))
def made_and_used(x):
    p = nn.Parameter(x * 2)
    return p * 3, p


@program(lambda: (randn(3),))
def made_and_returned(x):
    p = nn.Parameter(x)
    return p, p.is_leaf, p.requires_grad, p.grad, type(p) is nn.Parameter, isinstance(p, torch.Tensor)


@program(lambda: (randn(2, 3),))
def memory_is_shared(x):
    p = nn.Parameter(x.t())
    with torch.no_grad():
        p.mul_(2)
    return x + 1, p.stride(), p


@program(lambda: (randn(2, 3),))
def initialised_in_place(x):
    p = nn.Parameter(torch.empty(3, 2))
    nn.init.ones_(p)
    q = nn.Parameter(torch.zeros(2))
    with torch.no_grad():
        q.fill_(3).mul_(2)
    return x @ p + q, p, q


@program(lambda: (randn(3),))
def without_grad(x):
    p = nn.Parameter(x + 1, requires_grad=False)
    q = nn.Parameter(x, False)
    return p * 2, p.requires_grad, q


@program(lambda: (torch.arange(3),))
def of_integers_without_grad(x):
    p = nn.Parameter(x * 2, requires_grad=False)
    return p + 1, p


@program(lambda: (torch.arange(3),), breaks="some", graphs=None)
def of_integers(x):
    try:
        return nn.Parameter(x * 2)
    except RuntimeError as error:
        return x + 1, str(error)[:20]


@program(lambda: (randn(3, requires_grad=True),))
def of_what_has_a_history(w):
    y = w * 2
    p = nn.Parameter(y)
    return (p * y).sum(), p


@program(lambda: (randn(3),))
def two_of_them(x):
    a, b = nn.Parameter(x), nn.Parameter(x)
    return a * 2 + b * 3, a, b, a is b


@program(lambda: (nn.Parameter(randn(3)),))
def of_a_parameter(w):
    p = nn.Parameter(w)
    return p * w, p is w, p


@program(lambda: (randn(3),))
def under_no_grad(x):
    with torch.no_grad():
        p = nn.Parameter(x * 2)
        y = p + 1
    return p * 2, y, p


@program(lambda: (randn(3),))
def with_fields(x):
    p = nn.Parameter(torch.zeros(3))
    p.tag = "made"
    p.grad = x + 1
    p.data = x * 2
    return p * 3, p


@program(lambda: (randn(3),), breaks=None, graphs=None)
def in_place_raises(x):
    p = nn.Parameter(x)
    try:
        p.add_(1)
    except RuntimeError as error:
        return x + 1, str(error)


@program(lambda: (randn(3),), breaks=["user-requested-break"], graphs=2)
def across_a_break(x):
    p = nn.Parameter(x * 2)
    torch._dynamo.graph_break()
    return p * 3, p


@program(lambda: (randn(3),))
def in_containers(x):
    ps = [nn.Parameter(x * i) for i in range(3)]
    return sum(p.sum() * i for i, p in enumerate(ps)), {"ps": ps}


@scenario(recompiles=None, graphs=None, breaks=None)
def sizes_vary(run):
    f = run(lambda x: (nn.Parameter(x * 2) * 3, nn.Parameter(torch.ones(2))))
    for n in (3, 4, 5):
        f(randn(n))


@scenario()
def new_ones_at_each_call(run):
    f = run(lambda x: nn.Parameter(x * 2))
    a, b = f(torch.ones(3)), f(torch.ones(3))
    (a * 2).sum().backward()
    assert a is not b and b.grad is None and a.data_ptr() != b.data_ptr()


@scenario(recompiles=None, graphs=None, breaks=None)
def registered_in_a_module(run):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("weight", None)

        def forward(self, x):
            if self.weight is None:
                self.weight = nn.Parameter(torch.ones_like(x))
            return x * self.weight

    model = Model()
    f = run(model)
    f(randn(3)).sum().backward()
    f(randn(3)).sum().backward()
    run.watch(model)


@program(lambda: (randn(2, 3),), breaks=None, graphs=None, recompiles=None)
def module_made_inside(x):
    layer = nn.Linear(3, 4)
    return layer(x), layer.weight


@program(lambda: (randn(2, 3),), breaks=None, graphs=None, recompiles=None)
def module_made_and_returned(x):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4))
    return net(x), net


@scenario()
def initialised_anew(run):
    layer = nn.Linear(3, 2)

    def reset(x):
        nn.init.constant_(layer.weight, 0.5)
        nn.init.normal_(layer.bias, std=0.1)
        return layer(x)

    f = run(reset)
    for _ in range(2):
        f(randn(2, 3)).sum().backward()
    run.watch(layer)
