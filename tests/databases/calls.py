"""The functions that are compiled: each calls what a case is about in one way."""

import torch
from torch.utils._pytree import tree_leaves


def call(target, args, kwargs):
    return target(*args, **kwargs)


def call_unused(target, args, kwargs):
    target(*args, **kwargs)
    return torch.rand(1)


def step(optimizer):
    optimizer.step()


def step_with_closure(optimizer, closure):
    return optimizer.step(closure)


# ---- one operator of floating tensors under a transform of torch.func
def under_vmap(target, in_dims, args, kwargs):
    return torch.func.vmap(lambda *given: target(*given, **kwargs), in_dims=in_dims, randomness="different")(*args)


def under_grad(target, places, args, kwargs):
    def total(*given):
        out = target(*given, **kwargs)
        parts = [value for value in tree_leaves(out) if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())]
        return sum(value.abs().sum() for value in parts)

    return torch.func.grad(total, argnums=places)(*args)


def under_jvp(target, places, args, kwargs):
    def of_those(*given):
        whole = list(args)
        for place, value in zip(places, given, strict=True):
            whole[place] = value
        return target(*whole, **kwargs)

    given = tuple(args[place] for place in places)
    return torch.func.jvp(of_those, given, tuple(torch.ones_like(value) for value in given))
