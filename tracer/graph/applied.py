"""The operator of a captured `torch.autograd.Function`: a graph that computes, and one that computes the gradients.

It is the program's function anew, with its name: its forward and backward run graphs. What forward kept for backward is kept as
the program kept it, by `save_for_backward` or as it is, so autograd checks, hooks and frees what it would without us.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["autograd_function_apply"]


def autograd_function_apply(
    forward: Any, backward: Any, *operands: Any, name: str, given: int, saved: tuple[int, ...] = (), non_differentiable: tuple[int, ...] = (),
    dirty: tuple[int, ...] = (), once: bool = False, coming: tuple[tuple[bool, ...], ...] = (), others: tuple[Any, ...] = (),
    beside: int = 0,
) -> Any:  # fmt: skip
    """`forward(*operands)` gives the results and what is kept; `backward(*gradients, *kept)` the gradients of the first `given` operands, which are
    those that the function was applied to; the others are what its body uses from outside. `saved`, `non_differentiable`, `dirty`:
    indices of what is kept by `save_for_backward`, and of results. `coming`: where gradients that don't come are None, those that do, for
    `backward` and for each of `others`, which are like it. `beside`: how many of the last results are what it stores elsewhere."""
    call = _Call(forward, (backward, *others), given, frozenset(saved), non_differentiable, dirty, coming, beside)
    return _function(name, once).apply(call, operands[given:], *operands[:given])


autograd_function_apply.__module__ = "tracer"


class _Call:
    __slots__ = ("backwards", "beside", "coming", "dirty", "forward", "given", "non_differentiable", "saved")

    def __init__(
        self, forward: Any, backwards: tuple[Any, ...], given: int, saved: frozenset[int], non_differentiable: tuple[int, ...], dirty: tuple[int, ...],
        coming: tuple[tuple[bool, ...], ...], beside: int,
    ):  # fmt: skip
        self.forward, self.backwards, self.given, self.saved = forward, backwards, given, saved
        self.non_differentiable, self.dirty, self.coming, self.beside = non_differentiable, dirty, coming, beside


def _forward(ctx: Any, call: _Call, others: tuple[Any, ...], *arguments: Any) -> Any:
    results, kept = call.forward(*arguments, *others)
    ctx.call = call
    ctx.count = len(kept)
    ctx.as_it_is = {i: value for i, value in enumerate(kept) if i not in call.saved}
    ctx.save_for_backward(*(value for i, value in enumerate(kept) if i in call.saved))
    apart = (*(results[i] for i in call.non_differentiable), *results[len(results) - call.beside :])
    if apart:
        ctx.mark_non_differentiable(*apart)
    if call.dirty:
        ctx.mark_dirty(*(results[i] for i in call.dirty))
    if call.coming:
        ctx.set_materialize_grads(False)
    return tuple(results)


def _backward(ctx: Any, *gradients: Any) -> Any:
    call, as_it_is = ctx.call, ctx.as_it_is
    gradients = gradients[: len(gradients) - call.beside]
    saved = iter(ctx.saved_tensors if call.saved else ())  # asked for a second time, they are gone
    kept = [as_it_is[i] if i in as_it_is else next(saved) for i in range(ctx.count)]
    which = 0
    if call.coming:
        which = call.coming.index(tuple(gradient is not None for gradient in gradients))
        gradients = tuple(gradient for gradient in gradients if gradient is not None)
    return None, None, *call.backwards[which](*gradients, *kept)


@functools.cache
def _function(name: str, once: bool) -> Any:
    backward = once_differentiable(_backward) if once else _backward
    return type(torch.autograd.Function)(name, (torch.autograd.Function,), {"forward": staticmethod(_forward), "backward": staticmethod(backward)})
