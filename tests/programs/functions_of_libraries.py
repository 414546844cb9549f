"""Forms of `torch.autograd.Function` that libraries have: activations that save memory, masks kept in objects, straight-through and reversed
gradients, quantisers, codebooks, reversible blocks, hand-made checkpoints."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn, randn
from torch.autograd import Function

from tests.programs import program

ROUNDED = 1e-5


def leaf(*size):
    return randn(*size, requires_grad=True)


# ---- activations
def swish(x):
    return x * torch.sigmoid(x)


def swish_backward(x, grad):
    s = torch.sigmoid(x)
    return grad * (s * (1 + x * (1 - s)))


class Swish(Function):
    @staticmethod
    def symbolic(g, x):
        return g.op("Mul", x, g.op("Sigmoid", x))

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return swish(x)

    @staticmethod
    def backward(ctx, grad):
        return swish_backward(ctx.saved_tensors[0], grad)


class SwishModule(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()

    def forward(self, x):
        return Swish.apply(x)


@program(lambda: (nn.Sequential(nn.Linear(4, 4), SwishModule(inplace=True)), leaf(3, 4)), tolerance=ROUNDED)
def activation_as_a_module(m, x):
    return m(x) + m.eval()(x)


class HardClamped(Function):
    """The gradient passes where the argument lay within bounds."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * (x + 3).clamp(0, 6)).div_(6)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        m = torch.ones_like(x) * ((x > -3) & (x <= 3))
        return grad * torch.where(x < -3, torch.zeros_like(x), torch.where(x <= 3, x / 3 + 0.5, m))


@program(lambda: leaf(3, 4))
def a_clamped_activation(x):
    return HardClamped.apply(x * 3).mean(), HardClamped.apply(x.detach())


class BoundedRoot(Function):
    """A square root whose derivative is bounded."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sqrt(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / torch.sqrt(torch.clip(4.0 * x, min=1 / 1000.0**2))


@program(lambda: leaf(3))
def a_bounded_derivative(x):
    return BoundedRoot.apply((x * 0).abs()) + BoundedRoot.apply(x.abs())


# ---- masks
class MaskedSoftmax(Function):
    @staticmethod
    def forward(ctx, scores, mask, dim):
        ctx.dim = dim
        hidden = ~(mask.to(torch.bool))
        y = torch.softmax(scores.masked_fill(hidden, torch.tensor(torch.finfo(scores.dtype).min)), ctx.dim)
        y.masked_fill_(hidden, 0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return torch._softmax_backward_data(grad, y, ctx.dim, y.dtype), None, None


@program(lambda: (leaf(2, 5), torch.tensor([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]])), tolerance=ROUNDED)
def a_softmax_with_a_mask(x, mask):
    return MaskedSoftmax.apply(x, mask, -1) @ x.t()


class MaskHolder:
    def __init__(self):
        self.rate, self.mask, self.reuse = 0.5, None, True


def mask_of(x, holder):
    mask = holder.mask if holder.reuse else None
    if mask is None:
        mask = (1 - torch.empty_like(x).bernoulli_(1 - holder.rate)).to(torch.bool)
    if holder.mask is None:
        holder.mask = mask
    return mask


class HeldDropout(Function):
    """The mask is kept in an object of the program's, where the next call finds it."""

    @staticmethod
    def forward(ctx, x, holder):
        mask = mask_of(x, holder)
        ctx.scale = 1.0 / (1 - holder.rate)
        ctx.save_for_backward(mask)
        return x.masked_fill(mask, 0) * ctx.scale

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad.masked_fill(mask, 0) * ctx.scale, None


@program(lambda: leaf(3, 4))
def a_mask_that_the_next_call_reuses(x):
    holder = MaskHolder()
    y = HeldDropout.apply(x, holder)
    z = HeldDropout.apply(y + 1, holder)
    return z, holder.mask, holder.mask.sum() + y


@program(lambda: (leaf(3, 4), MaskHolder()))
def a_mask_that_stays_in_an_object(x, holder):
    return HeldDropout.apply(x, holder) * 2, holder.mask.float() + 1


class Stashing(Function):
    seen: dict = {}

    @staticmethod
    def forward(ctx, x):
        y = x * 2
        Stashing.seen["half"] = x / 2
        Stashing.seen["twice"] = [x + 1, torch.ones(2)]
        ctx.save_for_backward(Stashing.seen["half"])
        return y, x.argmax()

    @staticmethod
    def backward(ctx, grad, _):
        return grad * ctx.saved_tensors[0]


@program(lambda: leaf(3))
def tensors_stored_in_a_global(x):
    y, index = Stashing.apply(x)
    held = Stashing.seen["half"], Stashing.seen["twice"][0] * y
    return y, index, held, [t.requires_grad for t in held], Stashing.seen["twice"][1] + index


class StashingItself(Stashing):
    @staticmethod
    def forward(ctx, x):
        y = x * 2
        Stashing.seen["half"] = y
        ctx.save_for_backward(x)
        return y, x.argmax()


@program(lambda: leaf(3), breaks=["autograd-function-unsupported"], ignore={".grad_fn"})
def a_result_stored_in_a_global(x):
    y, _ = StashingItself.apply(x)
    return y + 1, Stashing.seen["half"] * 2


class Unmaterial(Stashing):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        Stashing.seen["half"] = x / 2
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, first, second):
        if first is None:
            return None if second is None else second * 10
        return first if second is None else first + second


@program(lambda: leaf(3))
def tensors_stored_where_gradients_do_not_come(x):
    return Unmaterial.apply(x)[1] + Unmaterial.apply(x * 2)[0], Stashing.seen["half"]


# ---- gradients that are not of the forward
class Reversed(Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.neg() * ctx.strength, None


class Domains(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.classes, self.domains, self.strength = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(3, 2), 0.5

    def forward(self, x):
        h = self.features(x).relu()
        return self.classes(h), self.domains(Reversed.apply(h, self.strength))


@program(lambda: (Domains(), randn(5, 4)), tolerance=ROUNDED)
def domains_told_apart_against_the_features(m, x):
    a, b = m(x)
    return F.cross_entropy(a, torch.zeros(5, dtype=torch.long)) + F.cross_entropy(b, torch.ones(5, dtype=torch.long))


class Quantised(Function):
    @staticmethod
    def forward(ctx, x, bits, per_channel=False, scale=None):
        n = 2 ** (bits - 1) - 1
        if scale is None:
            scale = x.abs().amax(dim=0, keepdim=True) / n if per_channel else x.abs().max() / n
        ctx.scale = scale
        return torch.clamp(torch.round(x / scale), -n, n - 1)

    @staticmethod
    def backward(ctx, grad):
        return grad.clone() / ctx.scale, None, None, None


class RoundThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.clone()


@program(lambda: leaf(3, 4), tolerance=ROUNDED)
def quantised_for_training(x):
    return Quantised.apply(x, 8, True, None) + Quantised.apply(x, 4, False, torch.tensor(0.1)) + RoundThrough.apply(x * 4) / 4


class Nearest(Function):
    """The nearest of a codebook's rows; the gradient goes to the argument as it is, and to the rows that were chosen."""

    @staticmethod
    def forward(ctx, x, codebook):
        index = torch.cdist(x, codebook).argmin(1)
        ctx.save_for_backward(index, codebook)
        ctx.mark_non_differentiable(index)
        return codebook.index_select(0, index), index

    @staticmethod
    def backward(ctx, grad, _):
        index, codebook = ctx.saved_tensors
        to_codebook = torch.zeros_like(codebook).index_add_(0, index, grad) if ctx.needs_input_grad[1] else None
        return grad.clone() if ctx.needs_input_grad[0] else None, to_codebook


@program(lambda: (leaf(5, 4), leaf(7, 4)), tolerance=ROUNDED)
def the_nearest_of_a_codebook(x, codebook):
    y, index = Nearest.apply(x, codebook)
    return F.mse_loss(y, x) + (codebook.detach()[index] * y).sum(), index, Nearest.apply(x.detach(), codebook)[0]


class Routed(Function):
    @staticmethod
    def forward(ctx, scores, multiplier, chosen, gates, mask):
        ctx.save_for_backward(multiplier, chosen, gates, mask)
        return multiplier * mask

    @staticmethod
    def backward(ctx, grad):
        multiplier, chosen, gates, mask = ctx.saved_tensors
        grad = grad * multiplier
        return (gates * grad.mul(-1)).scatter_add(-1, chosen, grad), grad, None, None, None


@program(lambda: leaf(3, 4), tolerance=ROUNDED)
def experts_chosen_by_scores(scores):
    gates = torch.softmax(scores, -1)
    chosen = scores.argmax(-1, keepdim=True)
    return Routed.apply(scores, gates.gather(-1, chosen), chosen, gates, torch.ones_like(chosen, dtype=torch.bool)).sum()


class Copied(Function):
    """What goes into a part of a model that is split between processes: here there is one."""

    @staticmethod
    def forward(ctx, x, group):
        ctx.group = group
        return x

    @staticmethod
    def backward(ctx, grad):
        return (grad if ctx.group is None or len(ctx.group) == 1 else grad / len(ctx.group)), None


@program(lambda: leaf(3, 4))
def copied_into_a_split_layer(x):
    return Copied.apply(x, ["all"]) * 2, Copied.apply(x, None) + 1


class RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, eps):
        rms = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + eps)
        ctx.eps = eps
        ctx.save_for_backward(x, weight, rms)
        return (x * rms * weight).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        x, weight, rms = ctx.saved_tensors
        n = x.shape[-1]
        hat = x * rms
        dw = (grad * hat).reshape(-1, n).sum(0)
        g = grad * weight
        return rms * (g - hat * (g * hat).mean(-1, keepdim=True)), dw, None


@program(lambda: (leaf(2, 3, 4), leaf(4)), tolerance=ROUNDED)
def a_norm_with_its_own_backward(x, weight):
    return RMSNorm.apply(x, weight, 1e-6).sin()


# ---- what is computed again in backward
class Reversible(Function):
    """A reversible block: what it was given is computed from what it gave."""

    @staticmethod
    def forward(ctx, x, f, g):
        a, b = x.chunk(2, -1)
        with torch.no_grad():
            y = a + f(b)
            z = b + g(y)
        ctx.f, ctx.g = f, g
        ctx.save_for_backward(y.detach(), z.detach())
        return torch.cat([y, z], -1)

    @staticmethod
    def backward(ctx, grad):
        y, z = ctx.saved_tensors
        dy, dz = grad.chunk(2, -1)
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            gy = ctx.g(y)
            torch.autograd.backward(gy, dz)
        b = z - gy.detach()
        dy = dy + y.grad
        with torch.enable_grad():
            b = b.detach().requires_grad_()
            torch.autograd.backward(ctx.f(b), dy)
        return torch.cat([dy, dz + b.grad], -1), None, None


@program(lambda: (nn.Linear(2, 2), nn.Linear(2, 2), leaf(3, 4)), breaks="some", tolerance=ROUNDED)
def a_reversible_block(f, g, x):
    return Reversible.apply(x, f, g).sum()


class Checkpointed(Function):
    @staticmethod
    def forward(ctx, run, dummy, *args):
        ctx.run = run
        ctx.save_for_backward(*args)
        with torch.no_grad():
            return run(*args)

    @staticmethod
    def backward(ctx, grad):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        with torch.enable_grad():
            out = ctx.run(*args)
        torch.autograd.backward(out, grad)
        return None, None, *(a.grad for a in args)


@program(lambda: (nn.Linear(4, 4), leaf(3, 4)), breaks="some", tolerance=ROUNDED)
def a_checkpoint_by_hand(m, x):
    return Checkpointed.apply(lambda v: m(v).tanh(), torch.zeros(1, requires_grad=True), x).sum()
