"""Small models over torch's higher-order operators, in the shapes that such models have: what is scanned, solved, differentiated, masked.

`WORKS[name]()` gives a `Work`: the function that is captured, the modules whose parameters and buffers it uses, and `inputs(seed)`, which makes
the arguments of a call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

from .zoo import seeded, tokens, transformers

__all__ = ["WORKS", "Work"]


@dataclass(frozen=True)
class Work:
    """`function(*inputs(seed))` is one call; gradients come to the parameters of `modules`."""

    function: Callable[..., Any]
    modules: tuple[nn.Module, ...]
    inputs: Callable[[int], tuple[Any, ...]]
    config: dict[str, Any] = field(default_factory=dict)


def normal(*shape: int) -> Callable[[int], tuple[Any, ...]]:
    return lambda seed: (torch.randn(*shape, generator=seeded(seed)),)


def of(module: nn.Module, inputs: Callable[[int], tuple[Any, ...]]) -> Work:
    return Work(module, (module,), inputs)


# ---- selective state spaces
class SelectiveScan(nn.Module):
    """One Mamba block: a convolution along time, then a state whose decay and input the token chooses."""

    def __init__(self, width: int, state: int, along: Callable[..., torch.Tensor]):
        super().__init__()
        self.along, self.state = along, state
        self.norm, self.enter, self.leave = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(2 * width, width)
        self.conv = nn.Conv1d(2 * width, 2 * width, 3, groups=2 * width, padding=2)
        self.choose, self.pace = nn.Linear(2 * width, 2 * state + 1), nn.Linear(1, 2 * width)
        self.decay = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(2 * width, 1))
        self.skip = nn.Parameter(torch.ones(2 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, gate = self.enter(self.norm(x)).chunk(2, dim=-1)
        u = F.silu(self.conv(u.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        pace, into, out = self.choose(u).split([1, self.state, self.state], dim=-1)
        pace = F.softplus(self.pace(pace))
        kept = torch.exp(-pace[..., None] * self.decay.exp())
        added = (pace * u)[..., None] * into[:, :, None, :]
        states = self.along(kept.transpose(0, 1).contiguous(), added.transpose(0, 1).contiguous())
        y = torch.einsum("lbdn,bln->bld", states, out) + u * self.skip
        return x + self.leave(y * F.silu(gate))


def in_parallel(kept: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    def combine(left: Any, right: Any) -> Any:
        return left[0] * right[0], left[1] * right[0] + right[1]

    return associative_scan(combine, (kept, added), dim=0, combine_mode="generic")[1]


def in_turns(kept: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    def turn(state: torch.Tensor, now: Any) -> Any:
        state = state * now[0] + now[1]
        return state, state.clone()

    return scan(turn, torch.zeros_like(added[0]), (kept, added))[1]


def mamba_parallel() -> Work:
    return of(nn.Sequential(*(SelectiveScan(8, 4, in_parallel) for _ in range(2))), normal(2, 7, 8))


def mamba_in_turns() -> Work:
    return of(nn.Sequential(*(SelectiveScan(8, 4, in_turns) for _ in range(2))), normal(2, 7, 8))


def mamba_of_transformers() -> Work:
    t = transformers()
    config = t.MambaConfig(vocab_size=100, hidden_size=16, state_size=4, num_hidden_layers=2, use_cache=False)
    model = t.MambaModel(config).train()
    return Work(lambda ids: model(input_ids=ids).last_hidden_state, (model,), lambda seed: (tokens(6 + 0 * seed) + seed % 2,))


# ---- recurrences
class TimeMix(nn.Module):
    """RWKV's mixing along time: a weighted mean of what was said before, whose weights fade, kept in range by a running maximum."""

    def __init__(self, width: int):
        super().__init__()
        self.mix = nn.Parameter(torch.linspace(0.2, 0.8, 3 * width).view(3, width))
        self.fade, self.first = nn.Parameter(torch.linspace(-1, 1, width)), nn.Parameter(torch.linspace(0, 1, width))
        self.key, self.value, self.receive, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        k, v, r = (make(x * m + before * (1 - m)) for make, m in zip((self.key, self.value, self.receive), self.mix, strict=True))
        fade = -torch.exp(self.fade)

        def turn(state: Any, now: Any) -> Any:
            (above, below, top), (k, v) = state, now
            peak = torch.maximum(top, self.first + k)
            a, b = torch.exp(top - peak), torch.exp(self.first + k - peak)
            said = (a * above + b * v) / (a * below + b)
            peak = torch.maximum(top + fade, k)
            a, b = torch.exp(top + fade - peak), torch.exp(k - peak)
            return (a * above + b * v, a * below + b, peak), said

        start = torch.zeros_like(k[:, 0])
        _, said = scan(turn, (start, start.clone(), start - 1e38), (k, v), dim=1)
        return self.out(torch.sigmoid(r) * said)


class Rwkv(nn.Module):
    def __init__(self, width: int = 8):
        super().__init__()
        self.embed, self.norm, self.mix, self.head = nn.Embedding(20, width), nn.LayerNorm(width), TimeMix(width), nn.Linear(width, 20)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        x = x + self.mix(self.norm(x))
        return F.cross_entropy(self.head(x)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def rwkv() -> Work:
    return of(Rwkv(), lambda seed: (torch.randint(0, 20, (2, 6), generator=seeded(seed)),))


class Gru(nn.Module):
    """A recurrent network whose turns are one scan, in layers, the last of them from the end."""

    def __init__(self, width: int = 6, layers: int = 2):
        super().__init__()
        self.cells = nn.ModuleList(nn.GRUCell(width, width) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> Any:
        last = []
        for cell in self.cells:
            def turn(hidden: torch.Tensor, now: torch.Tensor, cell: nn.Module = cell) -> Any:
                hidden = cell(now, hidden)
                return hidden, hidden * 1

            hidden, x = scan(turn, torch.zeros_like(x[0]), x, reverse=cell is self.cells[-1])
            last.append(hidden)
        return x, torch.stack(last)


def recurrent() -> Work:
    return of(Gru(), normal(5, 2, 6))


# ---- differential equations
class Field(nn.Module):
    def __init__(self, width: int = 3):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, width))

    def forward(self, t: Any, y: torch.Tensor) -> torch.Tensor:
        return self.net(y**3) * torch.cos(t)


def solved(field: Callable[..., Any], y: Any, times: torch.Tensor) -> list[Any]:
    """Runge and Kutta's steps of fourth order over a tuple of tensors, at each of the times."""
    path = [y]
    for t, later in itertools.pairwise(times):
        h = later - t

        def moved(k: Any, by: Any, y: Any = y) -> Any:
            return tuple(a + b * by for a, b in zip(y, k, strict=True))

        k1 = field(t, y)
        k2 = field(t + h / 2, moved(k1, h / 2))
        k3 = field(t + h / 2, moved(k2, h / 2))
        k4 = field(later, moved(k3, h))
        y = tuple(a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(y, k1, k2, k3, k4, strict=True))
        path.append(y)
    return path


class Adjoint(torch.autograd.Function):
    """The solution forward, without its history; the gradient by a solution backward of the adjoint's own equation."""

    @staticmethod
    def forward(ctx: Any, field: nn.Module, count: int, y: torch.Tensor, times: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            path = torch.stack([state for (state,) in solved(lambda t, y: (field(t, y[0]),), (y,), times)])
        ctx.field, ctx.count = field, count
        ctx.save_for_backward(path, times, *parameters)
        return path

    @staticmethod
    def backward(ctx: Any, coming: torch.Tensor) -> Any:
        path, times, *parameters = ctx.saved_tensors
        assert len(parameters) == ctx.count

        def augmented(t: torch.Tensor, state: Any) -> Any:
            y, adjoint = state[:2]
            with torch.enable_grad():
                y = y.detach().requires_grad_(True)
                speed = ctx.field(t, y)
                pulled = torch.autograd.grad(speed, (y, *parameters), -adjoint, allow_unused=True)
            return (speed.detach(), *(torch.zeros_like(p) if g is None else g for g, p in zip(pulled, (y, *parameters), strict=True)))

        with torch.no_grad():
            state = (path[-1], coming[-1], *(torch.zeros_like(p) for p in parameters))
            for i in range(len(times) - 1, 0, -1):
                state = solved(augmented, state, times[i - 1 : i + 1].flip(0))[-1]
                state = (path[i - 1], state[1] + coming[i - 1], *state[2:])
        return (None, None, state[1], None, *state[2:])


class AdjointByFunc(torch.autograd.Function):
    """The same, whose backward pulls back with torch.func."""

    @staticmethod
    def forward(ctx: Any, field: nn.Module, y: torch.Tensor, times: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        path = torch.stack([state for (state,) in solved(lambda t, y: (field(t, y[0]),), (y,), times)])
        ctx.field = field
        ctx.save_for_backward(path, times, *parameters)
        return path

    @staticmethod
    def backward(ctx: Any, coming: torch.Tensor) -> Any:
        path, times, *parameters = ctx.saved_tensors
        names = [name for name, _ in ctx.field.named_parameters()]

        def augmented(t: torch.Tensor, state: Any) -> Any:
            y, adjoint = state[:2]
            speed, pull = torch.func.vjp(lambda y, *p: functional_call(ctx.field, dict(zip(names, p, strict=True)), (t, y)), y, *parameters)
            return (speed, *pull(-adjoint))

        state = (path[-1], coming[-1], *(torch.zeros_like(p) for p in parameters))
        for i in range(len(times) - 1, 0, -1):
            state = solved(augmented, state, times[i - 1 : i + 1].flip(0))[-1]
            state = (path[i - 1], state[1] + coming[i - 1], *state[2:])
        return (None, state[1], None, *state[2:])


def initial(seed: int) -> tuple[Any, ...]:
    return torch.randn(2, 3, generator=seeded(seed), requires_grad=True), torch.linspace(0.0, 1.0, 4)


def ode() -> Work:
    field = Field()
    return Work(lambda y, times: torch.stack([state for (state,) in solved(lambda t, y: (field(t, y[0]),), (y,), times)]), (field,), initial)


def ode_adjoint() -> Work:
    field = Field()

    def forward(y: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        parameters = tuple(field.parameters())
        return Adjoint.apply(field, len(parameters), y * 2, times, *parameters) + 1

    return Work(forward, (field,), initial)


def ode_adjoint_by_func() -> Work:
    field = Field()
    return Work(lambda y, times: AdjointByFunc.apply(field, y * 2, times, *field.parameters()) + 1, (field,), initial)


# ---- functions of modules
class Vit(nn.Module):
    """Patches, a class token, two layers of attention."""

    def __init__(self, width: int = 8, classes: int = 4):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, 4)
        self.token, self.where = nn.Parameter(torch.linspace(0, 1, width)[None, None]), nn.Parameter(torch.linspace(-1, 1, 5 * width).view(1, 5, width))
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, F.gelu, batch_first=True, norm_first=True) for _ in range(2))
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.where
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def labelled(seed: int) -> tuple[Any, ...]:
    made = seeded(seed)
    return torch.randn(3, 1, 8, 8, generator=made), torch.randint(0, 4, (3,), generator=made)


def per_sample_gradients() -> Work:
    model = Vit()

    def loss(parameters: Any, image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(model, parameters, (image[None],)), label[None])

    def step(images: torch.Tensor, labels: torch.Tensor) -> Any:
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        each, losses = vmap(grad_and_value(loss), in_dims=(None, 0, 0))(parameters, images, labels)
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in each.values()]).norm(dim=0)
        clipped = {name: torch.einsum("b,b...->...", (1 / norms).clamp(max=1), g) for name, g in each.items()}
        return losses, norms, clipped

    return Work(step, (model,), labelled)


class Perceptron(nn.Module):
    def __init__(self, width: int = 5):
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(width, 7), nn.LayerNorm(7), nn.Linear(7, 1)
        self.register_buffer("shift", torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.norm(self.body(x)))) + self.shift


def ensemble() -> Work:
    models = [Perceptron() for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    base = Perceptron().to("meta")

    def step(x: torch.Tensor) -> Any:
        each = vmap(lambda p, b, x: functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(parameters, buffers, x)
        return each.mean(dim=0), each.var(dim=0)

    holder = nn.Module()
    for name, p in parameters.items():
        holder.register_parameter(name.replace(".", "_"), nn.Parameter(p.detach()))
        parameters[name] = getattr(holder, name.replace(".", "_"))
    return Work(step, (holder,), normal(4, 5))


def ensemble_stacked_inside() -> Work:
    models = [Perceptron() for _ in range(3)]

    def step(x: torch.Tensor) -> torch.Tensor:
        parameters, buffers = stack_module_state(models)  # type: ignore[arg-type]
        return vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers).detach()

    return Work(step, tuple(models), normal(4, 5))


def maml() -> Work:
    model = Perceptron()

    def loss(parameters: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(functional_call(model, parameters, (x,)), y)

    def of_task(parameters: Any, x: torch.Tensor, y: torch.Tensor, more: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        adapted = parameters
        for _ in range(2):
            slope = grad(loss)(adapted, x, y)
            adapted = {name: p - 0.1 * slope[name] for name, p in adapted.items()}
        return loss(adapted, more, wanted)

    def step(*task: torch.Tensor) -> torch.Tensor:
        return vmap(of_task, in_dims=(None, 0, 0, 0, 0))(dict(model.named_parameters()), *task).mean()

    def tasks(seed: int) -> tuple[Any, ...]:
        made = seeded(seed)
        return tuple(torch.randn(2, 4, n, generator=made) for n in (5, 1, 5, 1))

    return Work(step, (model,), tasks)


# ---- attention over functions
class Documents(nn.Module):
    """A decoder over several documents in one row: a token sees what came before it in its own. Fewer heads of keys than of queries."""

    def __init__(self, width: int = 16, heads: int = 4, groups: int = 2, layers: int = 2):
        super().__init__()
        self.heads, self.groups, self.width = heads, groups, width
        self.embed, self.head = nn.Embedding(20, width), nn.Linear(width, 20)
        self.into = nn.ModuleList(nn.Linear(width, width + 2 * groups * (width // heads)) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.slope = nn.Parameter(torch.linspace(0.1, 0.4, heads))

    def forward(self, ids: torch.Tensor, documents: torch.Tensor, mask: Any = None) -> torch.Tensor:
        x, each = self.embed(ids), self.width // self.heads
        if mask is None:
            mask = by_document(documents)
        for into, out in zip(self.into, self.out, strict=True):
            q, k, v = into(F.layer_norm(x, (self.width,))).split([self.width, self.groups * each, self.groups * each], dim=-1)
            q, k, v = (t.unflatten(-1, (-1, each)).transpose(1, 2) for t in (q, k, v))

            def farther(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
                return score - self.slope[h] * (i - j)

            x = x + out(flex_attention(q, k, v, farther, mask, enable_gqa=True).transpose(1, 2).flatten(-2))
        return F.cross_entropy(self.head(x)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def by_document(documents: torch.Tensor) -> Any:
    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (documents[b, i] == documents[b, j]) & (i >= j)

    return create_block_mask(seen, documents.shape[0], None, documents.shape[1], documents.shape[1], device="cpu", BLOCK_SIZE=8)


def in_documents(seed: int) -> tuple[Any, ...]:
    cut = 5 + seed % 5
    documents = torch.stack([torch.arange(16) // cut, torch.arange(16) // (cut + 2)])
    return torch.randint(0, 20, (2, 16), generator=seeded(seed)), documents


def documents_masked_outside() -> Work:
    model = Documents()
    return Work(torch.no_grad()(model), (model,), lambda seed: (*in_documents(seed), by_document(in_documents(seed)[1])))


def documents_masked_inside() -> Work:
    model = Documents()
    return Work(torch.no_grad()(model), (model,), in_documents)


# ---- diffusion
class Residual(nn.Module):
    """Two convolutions, told the moment between them."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(2, width), nn.Conv2d(width, out, 3, padding=1)
        self.told, self.drop = nn.Linear(8, out), nn.Dropout(0.1)
        self.norm2, self.conv2 = nn.GroupNorm(2, out), nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(width, out, 1) if width != out else nn.Identity()

    def forward(self, x: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.told(moment)[:, :, None, None]
        return self.skip(x) + self.conv2(self.drop(F.silu(self.norm2(h))))


class Unet(nn.Module):
    """Down and up again, whose blocks are computed once more in the backward, and the loss of one step of training."""

    def __init__(self, reentrant: bool = False):
        super().__init__()
        self.reentrant = reentrant
        self.told, self.enter = nn.Sequential(nn.Linear(8, 8), nn.SiLU()), nn.Conv2d(1, 4, 3, padding=1)
        self.down, self.shrink = nn.ModuleList([Residual(4, 4), Residual(4, 8)]), nn.ModuleList(nn.Conv2d(n, n, 3, 2, 1) for n in (4, 8))
        self.middle, self.up = Residual(8, 8), nn.ModuleList([Residual(16, 4), Residual(8, 4)])
        self.leave = nn.Conv2d(4, 1, 3, padding=1)
        self.register_buffer("kept", torch.linspace(1, 0.02, 10).cumprod(0))

    def again(self, block: nn.Module, *args: torch.Tensor) -> torch.Tensor:
        return checkpoint(block, *args, use_reentrant=self.reentrant) if self.training else block(*args)

    def predicted(self, x: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
        angles = moment[:, None] * torch.exp(-math.log(100) * torch.arange(4) / 4)
        told = self.told(torch.cat([angles.sin(), angles.cos()], dim=1))
        x, skipped = self.enter(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = self.again(block, x, told)
            skipped.append(x)
            x = shrink(x)
        x = self.again(self.middle, x, told)
        for block in self.up:
            x = self.again(block, torch.cat([F.interpolate(x, scale_factor=2.0), skipped.pop()], dim=1), told)
        return self.leave(x)

    def forward(self, images: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
        noise, kept = torch.randn_like(images), self.kept[moment][:, None, None, None]
        return F.mse_loss(self.predicted(kept.sqrt() * images + (1 - kept).sqrt() * noise, moment), noise)


def pictured(seed: int) -> tuple[Any, ...]:
    made = seeded(seed)
    return torch.randn(2, 1, 8, 8, generator=made), torch.randint(0, 10, (2,), generator=made)


def diffusion() -> Work:
    return of(Unet().train(), pictured)


def diffusion_reentrant() -> Work:
    return of(Unet(reentrant=True).train(), pictured)


WORKS: dict[str, Callable[[], Work]] = {
    each.__name__: each
    for each in (
        mamba_parallel, mamba_in_turns, mamba_of_transformers, rwkv, recurrent, ode, ode_adjoint, ode_adjoint_by_func, per_sample_gradients, ensemble,
        ensemble_stacked_inside, maml, documents_masked_outside, documents_masked_inside, diffusion, diffusion_reentrant,
    )
}  # fmt: skip
