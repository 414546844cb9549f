"""The first NaN or infinity: programs in each of which one operator makes it, and that operator is named, never one that only carries it on."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import tracer
from tracer.errors import TracerError

INF = float("inf")


def ones(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    return torch.ones(shape, dtype=dtype).requires_grad_(grad)


def half_overflow(x):
    wide = x * 300
    squared = wide * wide  # here
    return (squared - squared.mean()).relu()


def half_matmul(x):
    y = x @ x.T  # here
    return torch.softmax(y, -1).sum()


def half_sum(x):
    return (x * 2).sum().sqrt()  # here


def zero_by_zero(x):
    gap = x - x.max()
    return (gap / gap.sum()).exp()  # here


def log_of_a_rounded_zero(x):
    chance = torch.softmax(x * 200, -1)
    told = chance.log()  # here
    return (chance * told).sum()


def all_masked(x):
    mask = torch.zeros(4, 4).masked_fill(torch.ones(4, 4, dtype=torch.bool), -INF)
    weights = torch.softmax(x + mask, -1)  # here
    return weights @ x


def masked_is_fine(x):
    mask = torch.zeros(4, 4).masked_fill(torch.ones(4, 4).triu(1).bool(), -INF)
    weights = torch.softmax(x + mask, -1)
    return (weights - 2).log().sum()  # here


def exp_overflow(x):
    y = (x * 100).exp()  # here
    return y / y.sum()


def root_of_a_negative(x):
    return (x - 2).sqrt().mean()  # here


def power_of_a_negative(x):
    return ((x - 2) ** 0.5).mean()  # here


def arc(x):
    return torch.acos(x * 1.0001).mean()  # here


def no_variance(x):
    return F.layer_norm(x, (4,), eps=0.0).abs().sum()  # here


def deviation_of_one(x):
    return (x - x[:1].std(0)).sum()  # here


def difference_of_infinities(x):
    big = torch.full((4,), INF)
    return (big - big * x[0]).sum()  # here


def product_overflow(x):
    return (x * 1e10).cumprod(-1).sum()  # here


def norm_by_zero(x):
    length = (x * 0).norm(dim=-1, keepdim=True)
    return (x / length).tanh()  # here


def reciprocal_in_place(x):
    y = x.clone().sub_(1)
    y.reciprocal_()  # here
    return y.sigmoid()


def in_a_body(x):
    return torch.cond(x.sum() > 0, lambda a: (a - 1).log().exp(), lambda a: a.cos(), (x,)).sum()  # here


def in_a_checkpoint(x):
    return checkpoint(lambda a: (a - 1).rsqrt().tanh(), x, use_reentrant=False).sum()  # here


def in_a_step_of_scan(x):
    _, rows = torch._higher_order_ops.scan(lambda c, row: (c - 1, row / c), torch.full((4,), 2.0), x)  # here
    return rows.sum()


def behind_a_break(x):
    y = x + 1
    torch._dynamo.graph_break()
    return (y - 2).log().sum()  # here


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        hidden = self.first(x).mul(0)
        return self.last(hidden.log())  # here


# ---- of the backward
def root_of_zero(x):
    return (x * 0).sqrt().sum()  # here


def where_of_roots(x):
    root = (x - 1).sqrt()  # here
    return torch.where(x > 1, root, 0.0).sum()


def length_of_zero(x):
    return ((x * 0) ** 2).sum().pow(0.5) * 3  # here


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 0


def own_backward(x):
    return (Doubled.apply(x + 1) * 2).sum()  # here


def steps(x):
    loss = (x * 0).abs().pow(0.25).mean()  # here
    loss.backward()
    return loss.detach()


#: Program, its input, the node, the phase, what kind, the input that was suspicious.
TABLE: list[tuple[Any, torch.Tensor, str, str, str, str]] = [
    (half_overflow, ones(4, dtype=torch.float16), "mul_1", "forward", "inf", "mul"),
    (half_matmul, ones(4, 4, dtype=torch.float16) * 200, "matmul", "forward", "inf", ""),
    (half_sum, ones(4, dtype=torch.float16) * 30000, "sum_1", "forward", "inf", "mul"),
    (zero_by_zero, ones(4), "truediv", "forward", "NaN", "sub"),
    (log_of_a_rounded_zero, torch.arange(4.0), "log", "forward", "-inf", "softmax"),
    (all_masked, ones(4, 4), "softmax", "forward", "NaN", "add"),
    (masked_is_fine, ones(4, 4), "log", "forward", "NaN", "sub"),
    (exp_overflow, ones(4), "exp", "forward", "inf", ""),
    (root_of_a_negative, ones(4), "sqrt", "forward", "NaN", "sub"),
    (power_of_a_negative, torch.arange(4.0), "pow_1", "forward", "NaN", "sub"),
    (arc, ones(4), "acos", "forward", "NaN", "mul"),
    (no_variance, ones(2, 4), "layer_norm", "forward", "NaN", "l_x_"),
    (deviation_of_one, ones(3, 4), "std", "forward", "NaN", "getitem"),
    (difference_of_infinities, ones(4, 4), "sub", "forward", "NaN", "full"),
    (product_overflow, ones(2, 5), "cumprod", "forward", "inf", ""),
    (norm_by_zero, ones(2, 4), "truediv", "forward", "inf", "norm"),
    (reciprocal_in_place, ones(4), "reciprocal_", "forward", "inf", "clone"),
    (in_a_body, ones(4), "cond_true.log", "forward", "-inf", "cond_true.sub"),
    (in_a_body, ones(4, grad=True), "cond_true.log", "forward", "-inf", "cond_true.sub"),
    (in_a_checkpoint, ones(4), "checkpoint_body.rsqrt", "forward", "inf", "checkpoint_body.sub"),
    (in_a_step_of_scan, ones(4, 4), "scan_body.truediv", "forward", "inf", "scan_body.carry_0"),
    (behind_a_break, ones(4), "log", "forward", "-inf", "sub"),
    (Net(), torch.randn(2, 4), "log", "forward", "-inf", "mul"),
    (root_of_zero, ones(4, grad=True), "sqrt", "backward", "inf", "mul"),
    (where_of_roots, ones(4, grad=True), "sqrt", "backward", "NaN", "sub"),
    (length_of_zero, ones(4, grad=True), "pow_2", "backward", "inf", "sum_1"),
    (own_backward, ones(4, grad=True), "", "backward", "inf", ""),
    (steps, ones(4, grad=True), "pow_1", "backward", "inf", "abs_1"),
]


def _line_of(program: Any) -> int:
    import inspect

    lines, first = inspect.getsourcelines(program.forward if isinstance(program, nn.Module) else program)
    return first + next(number for number, line in enumerate(lines) if "# here" in line)


@pytest.mark.parametrize(("program", "x", "name", "phase", "kind", "suspect"), TABLE, ids=[f"{getattr(row[0], '__name__', 'Net')}-{n}" for n, row in enumerate(TABLE)])
def test_the_operator_that_makes_it_is_named(program, x, name, phase, kind, suspect):
    session = tracer.trace(program, x)
    found = session.first_nonfinite()
    assert found is not None
    assert (found.phase, found.kind) == (phase, kind), str(found)
    if name:
        assert found.name == name, str(found)
    assert found.location.file == __file__ and found.location.line == _line_of(program), str(found)
    if suspect:
        assert found.suspect == suspect, str(found)
    else:
        assert not found.suspect or phase == "backward", str(found)
    assert str(found.location) in str(found) and found.kind in str(found)
    assert all(one.stats is not None for one in found.inputs)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: torch.softmax(x + torch.full((4, 4), -INF).triu(1), -1),
        lambda x: x.masked_fill(x > 0, INF),
        lambda x: torch.empty_like(x) + x.new_empty(4) + torch.empty(4, 4),
        lambda x: (x * 5).sum(),
        lambda x: x > 0,
    ],
)
def test_what_is_nobodys_fault(program):
    assert tracer.trace(program, torch.ones(4, 4, requires_grad=True)).first_nonfinite(backward=True) is None


def test_what_comes_in():
    found = tracer.trace(lambda x: (x + 1).relu(), torch.tensor([1.0, float("nan")])).first_nonfinite()
    assert (found.name, found.phase, found.kind) == ("l_x_", "input", "NaN")
    assert tracer.trace(lambda x: x + 1, torch.tensor([INF])).first_nonfinite() is None, "a mask may be infinite"


def test_a_gradient_that_comes_in():
    def train(x, scale):
        y = (x * 2).sum()
        (y * scale).backward()  # Python's, behind the graph's end
        return y

    found = tracer.trace(train, torch.ones(3, requires_grad=True), INF).first_nonfinite()
    assert found.phase in ("gradient", "backward")


def test_it_is_the_first_of_several_calls():
    session = tracer.Session(keep_calls=8)
    for value in (2.0, 3.0, 1.0):
        session.run(root_of_a_negative_in_the_last, torch.full((3,), value))
    found = session.first_nonfinite()
    assert (found.name, found.run) == ("log", 3)
    assert session.first_nonfinite(call=1) is None


def root_of_a_negative_in_the_last(x):
    return (x - 1).log()


def test_nothing_is_changed_and_backward_can_be_left_out():
    x = torch.ones(4, requires_grad=True)
    session = tracer.trace(root_of_zero, x)
    state = torch.get_rng_state()
    assert session.first_nonfinite(backward=False) is None
    assert session.first_nonfinite().phase == "backward" and x.grad is None
    assert torch.equal(state, torch.get_rng_state())


def test_torch_compiles_graphs():
    session = tracer.Session(engine="dynamo")
    session.run(Net(), torch.randn(2, 4))
    found = session.first_nonfinite()
    assert found.name.startswith("log") and found.location.line == _line_of(Net())


def test_words():
    text = str(tracer.trace(log_of_a_rounded_zero, torch.arange(4.0)).first_nonfinite())
    assert re.fullmatch(
        r"graph_0: log at \S+test_nonfinite\.py:\d+ makes the first -inf \(3 of 4 items\)\.\n"
        r"  read softmax: float32 \[4\], 0 … 1, mean 0\.25, std 0\.433, 75% zeros   ← holds zeros\n"
        r"  suspicious before: softmax \(\S+test_nonfinite\.py:\d+\) holds zeros\.",
        text,
    ), text


def test_without_inputs():
    session = tracer.Session(keep_inputs="metadata")
    session.run(root_of_zero, torch.ones(3))
    with pytest.raises(TracerError, match="keep_inputs=True"):
        session.first_nonfinite()
