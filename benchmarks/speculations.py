"""Seconds of a first compile, operator by operator, against torch.compile in the same run.

Each row is a small program around one operator. A measurement is the first call in a fresh session minus a steady one, nothing recorded, with
`backend="eager"` on both sides and torch's caches emptied before. Rows of layers say what one layer more costs.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.attention.flex_attention as attention
from torch._higher_order_ops.map import map as map_
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.utils.checkpoint import checkpoint

import tracer
from benchmarks.models import clean, first_and_steady

X = torch.linspace(-1, 1, 32).view(8, 4)
WEIGHT = torch.linspace(0, 1, 16).view(4, 4)


class Cubed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x


def loss(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (x @ weight).tanh().square().sum()


def attended(x: torch.Tensor) -> torch.Tensor:
    q = x.view(1, 1, 8, 4)
    return attention.flex_attention(q, q, q, score_mod=lambda score, b, h, i, j: score + (i - j))


def looped(x: torch.Tensor) -> Any:
    return while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v @ WEIGHT), (torch.zeros((), dtype=torch.int64), x))


#: name → (program, whether its input needs a gradient).
ROWS: dict[str, tuple[Callable[[torch.Tensor], Any], bool]] = {
    "cond": (lambda x: torch.cond(x.sum() > 0, lambda v: (v @ WEIGHT).sin(), lambda v: (v + WEIGHT[0]).cos(), (x,)), False),
    "while_loop": (looped, False),
    "scan": (lambda x: scan(lambda carry, v: (carry + v, carry * v), x[0], x), False),
    "map": (lambda x: map_(lambda v: (v @ WEIGHT).relu(), x), False),
    "checkpoint": (lambda x: checkpoint(lambda v: torch.nn.functional.gelu(v @ WEIGHT), x, use_reentrant=False), True),
    "vmap": (lambda x: torch.vmap(lambda v: (WEIGHT @ v).tanh())(x), False),
    "grad": (lambda x: torch.func.grad(loss)(WEIGHT, x), False),
    "jvp": (lambda x: torch.func.jvp(lambda w: loss(w, x), (WEIGHT,), (WEIGHT,)), False),
    "hessian": (lambda x: torch.func.hessian(lambda v: loss(WEIGHT, v))(x[0]), False),
    "per-sample gradients": (lambda x: torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(WEIGHT, x), False),
    "autograd.Function": (lambda x: Cubed.apply(x) + 1, True),
    "flex_attention": (attended, False),
}  # fmt: skip


class Layer(torch.nn.Module):
    """A transformer's layer: attention and a feed-forward net, 12 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.LayerNorm(16), torch.nn.LayerNorm(16)
        self.qkv, self.out = torch.nn.Linear(16, 48), torch.nn.Linear(16, 16)
        self.up, self.down = torch.nn.Linear(16, 64), torch.nn.Linear(64, 16)

    @torch.compiler.nested_compile_region
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.first(x)).view(batch, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(torch.nn.functional.gelu(self.up(self.second(x))))


class Layers(torch.nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer() for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def ours(program: Any) -> Any:
    return tracer.compile(program, backend="eager", record="nothing")


def theirs(program: Any) -> Any:
    return torch.compile(program, backend="eager")


def first(compiler: Callable[[Any], Any], program: Any, inputs: Callable[[], torch.Tensor]) -> float:
    """Seconds of the first call beyond what a call costs anyway."""
    clean()
    compiled, value = compiler(program), inputs()
    seconds = first_and_steady(lambda: compiled(value))[0]
    if hasattr(compiled, "session"):
        compiled.session.close()
    return seconds


def medians(program: Any, inputs: Callable[[], torch.Tensor], repeat: int) -> tuple[float | None, float | None]:
    """(ours, torch.compile's), in turn; None for one that fails."""
    found: list[list[float] | None] = [[], []]
    for turn in range(repeat + 1):
        for i, compiler in enumerate((ours, theirs)):
            if (times := found[i]) is None:
                continue
            try:
                seconds = first(compiler, program, inputs)
            except Exception as error:  # a row of the table says so
                print(f"{compiler.__name__}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", flush=True)
                found[i] = None
                continue
            if turn:  # the first fills the caches of imports
                times.append(seconds)
    mine, other = (statistics.median(times) if times else None for times in found)
    return mine, other


def table(repeat: int) -> str:
    warnings.filterwarnings("ignore")
    lines = ["| first compile of | ms | torch.compile ms | faster × |", "|---|--:|--:|--:|"]

    def row(name: str, mine: float | None, other: float | None) -> None:
        ms = [f"{seconds * 1e3:.1f}" if seconds is not None else "–" for seconds in (mine, other)]
        lines.append(f"| {name} | {ms[0]} | {ms[1]} | {f'{other / mine:.1f}' if mine and other else '–'} |")
        print(lines[-1], flush=True)

    for name, (program, graded) in ROWS.items():
        row(name, *medians(program, lambda graded=graded: X.clone().requires_grad_(graded), repeat))
    timed = {}
    for count in (8, 48):
        timed[count] = medians(Layers(count), lambda: torch.linspace(-1, 1, 160).view(2, 5, 16).requires_grad_(), repeat)
        row(f"nested_compile_region × {count}", *timed[count])
    few, many = timed[8], timed[48]
    row("one layer more", *((b - a) / 40 if a is not None and b is not None else None for a, b in zip(few, many, strict=True)))
    aims = "Aims: at most a fifth of torch.compile's, and under 2 ms for a layer more. A layer is a transformer's, with 12 parameters; a region is traced"
    how = f'Medians of {repeat} rounds, first call minus a steady one, `backend="eager"`, nothing recorded.'
    return "\n".join([*lines, "", f"{aims} once for each distinct body. {how}"])
