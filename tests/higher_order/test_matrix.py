"""Every operator with every kind of closure, in inference and training, with sizes that change, one in another, and with bodies that fail or break:
several calls, between which inputs, sizes and what is closed over change, as untraced."""

from __future__ import annotations

import functools

import pytest
import torch
import torch._higher_order_ops.hints_wrap
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.foreach_map import foreach_map
from torch._higher_order_ops.map import map as map_
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.strict_mode import strict_mode
from torch._higher_order_ops.while_loop import while_loop
from torch.func import grad, jvp, vjp, vmap
from torch.utils.checkpoint import checkpoint

import tracer
from tests.higher_order.alike import outcome, ramp
from tests.parts import one_in

HIGHER = torch.ops.higher_order


class Applied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, body):
        ctx.save_for_backward(x)
        return body(x)

    @staticmethod
    def backward(ctx, coming):
        (x,) = ctx.saved_tensors
        return coming * x.cos(), None


@torch.compiler.nested_compile_region
def region(body, x):
    return body(x)


#: Each gives what its operator makes of `body`, a function from a matrix (or its rows) to one of the same size.
OPERATORS = {
    "cond": lambda body, x: torch.cond(x.sum() > 0, body, lambda v: v.sin(), (x,)),
    "while_loop": lambda body, x: while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, body(v)), (torch.tensor(0), x))[1],
    "scan": lambda body, x: scan(lambda carry, v: (carry + body(v), carry * 2), torch.zeros_like(x[0]), x)[1],
    "map": lambda body, x: map_(body, x),
    "associative_scan": lambda body, x: associative_scan(lambda a, b: a + b, body(x), 0, combine_mode="generic"),
    "vmap": lambda body, x: vmap(body)(x),
    "grad": lambda body, x: grad(lambda v: body(v).sum())(x),
    "vjp": lambda body, x: vjp(body, x)[1](x)[0],
    "jvp": lambda body, x: jvp(body, (x,), (x.cos(),))[1],
    "checkpoint": lambda body, x: checkpoint(body, x, use_reentrant=False),
    "region": lambda body, x: region(body, x),
    "wrap": lambda body, x: HIGHER.wrap(body, x),
    "without gradients": lambda body, x: HIGHER.wrap_with_set_grad_enabled(False, body, x) + x,
    "autograd.Function": lambda body, x: Applied.apply(x, body),
}
INFERENCE = {
    "strict_mode": lambda body, x: strict_mode(body, (x,)),
    "hints_wrapper": lambda body, x: HIGHER.hints_wrapper(body, (x,), {}, {"fast": True}),
    "foreach_map": lambda body, x: foreach_map(body, [x, x + 1])[1],
}


def linear(factor):
    module = nn.Linear(4, 4)
    nn.init.constant_(module.weight, 0.1 * factor)
    nn.init.constant_(module.bias, 0.2)
    return module.requires_grad_(False)


#: What is closed over: a value made of a number, and how a body uses it.
CLOSURES = {
    "nothing": (lambda n: None, lambda held, v: v * 2 + 1),
    "tensor": (lambda n: torch.linspace(-1, 1, 4) * n, lambda held, v: (v * held).tanh()),
    "module": (linear, lambda held, v: held(v).tanh()),
    "int": (lambda n: n, lambda held, v: v * held + held),
    "list": (lambda n: [float(i) for i in range(n)], lambda held, v: v * sum(held) + len(held)),
}


def over(operator, closure, number):
    make, use = CLOSURES[closure]
    held = make(number)

    def f(x):
        return operator(lambda v: use(held, v), x) * 1.5

    return f


def calls(trained):
    """(what is closed over, input): the same again, other inputs, another closure, other sizes, and back."""
    return [(2, ramp(3, 4, grad=trained)), (2, (ramp(3, 4) * -2).detach().requires_grad_(trained)), (3, ramp(3, 4, grad=trained)),
            (3, ramp(5, 4, grad=trained)), (2, ramp(3, 4, grad=trained))]  # fmt: skip


CELLS = [(name, closure, trained) for name in OPERATORS for closure in CLOSURES for trained in (False, True)]
CELLS += [(name, closure, False) for name in INFERENCE for closure in CLOSURES]


@pytest.mark.parametrize("dynamic", [None, pytest.param(True, marks=pytest.mark.slow)], ids=["", "dynamic"])
@pytest.mark.parametrize(("name", "closure", "trained"), one_in(2, CELLS, lambda cell: f"{cell[0]} {cell[1]} {'trained' if cell[2] else ''}".strip()))
def test_closures(name, closure, trained, dynamic):
    operator = {**OPERATORS, **INFERENCE}[name]
    session = tracer.Session("trace", dynamic=dynamic)
    for (number, x), (_, again) in zip(calls(trained), calls(trained), strict=True):
        f = over(operator, closure, number)
        assert outcome(functools.partial(session.run, f), x) == outcome(f, again), (number, tuple(x.shape))
    assert session.graphs and not session.graph_breaks


#: Where untraced code raises: torch captures the outer operator's body itself, without a rule for the inner one, or fails in its own compiler.
REFUSED = {
    *((outer, inner) for outer in ("cond", "while_loop", "scan", "map") for inner in ("region", "without gradients")),
    ("scan", "while_loop"), ("vmap", "while_loop"), ("while_loop", "jvp"), ("without gradients", "map"),
}  # fmt: skip
PAIRS = [(outer, inner) for outer in OPERATORS for inner in OPERATORS if outer != inner and (outer, inner) not in REFUSED]


@pytest.mark.slow
@pytest.mark.parametrize(("outer", "inner"), PAIRS, ids=[f"{inner} in {outer}" for outer, inner in PAIRS])
def test_one_in_another(outer, inner):
    def f(x, number=2):
        return OPERATORS[outer](lambda v: OPERATORS[inner](lambda w: w * number + v.sum(), v.unsqueeze(0)).squeeze(0), x)

    for trained in (False, True):
        session = tracer.Session("trace")
        for (_, x), (_, again) in zip(calls(trained)[:2], calls(trained)[:2], strict=True):
            assert outcome(functools.partial(session.run, f), x) == outcome(f, again)


def fails(v):
    if v.shape[-1] == 4:
        raise ValueError("not of four")
    return v


def fails_in_torch(v):
    return v @ torch.ones(7, 2)


def breaks(v):
    torch._dynamo.graph_break()
    return v * 2


#: Not around a body without gradients: where that raises, torch's operator leaves them off.
WRONG = [(name, body) for name in {**OPERATORS, **INFERENCE} if name != "without gradients" for body in (fails, fails_in_torch, breaks)]


@pytest.mark.parametrize(("name", "body"), WRONG, ids=[f"{name} {body.__name__}" for name, body in WRONG])
def test_bodies_that_fail_or_break(name, body):
    operator = {**OPERATORS, **INFERENCE}[name]
    session = tracer.Session("trace")

    def f(x):
        try:
            return operator(body, x + 1)
        except ValueError as error:
            return str(error)

    for x in (ramp(3, 4), ramp(3, 4) * 2):
        assert outcome(functools.partial(session.run, f), x) == outcome(f, x)
