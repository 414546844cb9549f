"""The operator of a `torch.autograd.Function` with a `setup_context` that is applied where levels of torch.func, or of forward mode, are on.

It is the program's function anew, with its name and its ways to be batched and differentiated; each of its methods runs a graph. Which levels call
which of them, and how often, is torch's own doing each time that the graph runs, so gradients of gradients and batches of them are those of the program.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["NotCaptured", "autograd_function_in_levels"]


def autograd_function_in_levels(
    forward: Any, ways: tuple[Any, ...], *operands: Any, name: str, given: int, arguments: tuple[Any, ...] = (), alone: bool = False, once: bool = False,
    generated: bool = False, forwards: bool = False, batch: Any = None,
) -> Any:  # fmt: skip
    """The results of `forward(*operands)`, which are tensors. The first `given` operands are what the function is applied to, the others what its
    bodies use from outside. `ways`: for what `needs_input_grad` may be (None: whatever it is), what the other methods do, see `_Way`. `arguments`: for
    each result that is an argument, its index, else None. `alone`: whether the one result isn't in a tuple; `once`, `generated`, `forwards`: whether
    the backward can't be differentiated, the rule for batches is torch's, and there is a jvp. `batch`: see `_vmap`."""
    call = _Captured(forward, ways, operands[given:], arguments, alone, batch)
    results = _class(name, once, generated, forwards, batch is not None).apply(call, *operands[:given])
    return (results,) if alone else tuple(results)


autograd_function_in_levels.__module__ = "tracer"


class NotCaptured(RuntimeError):
    """A method is asked for what no graph was made of. `what`: which, and for what."""

    def __init__(self, *what: Any):
        super().__init__(f"the {what[0]} of this function was captured for other levels of torch.func than those that are on: {what[1:]}")
        self.what = what


class _Captured:
    def __init__(self, forward: Any, ways: tuple[Any, ...], others: tuple[Any, ...], arguments: tuple[Any, ...], alone: bool, batch: Any):
        self.forward, self.others, self.arguments, self.alone, self.batch = forward, others, arguments, alone, batch
        self.ways = {needs: _Way(*way) for needs, *way in ways}


class _Way:
    """`setup` gives what is kept as it is, what is saved for backward and what is saved for forward. `backwards`, `jvps`: by which gradients or tangents
    come, a graph over these and what it is kept for it. `asks`: which of both ask for what was saved. `dirty`, `apart`: the results that are
    marked as dirty and as not differentiable; `materializes`: whether gradients that don't come are zeros."""

    def __init__(self, setup: Any, backwards: Any, jvps: Any, asks: tuple[bool, bool], dirty: Any, apart: Any, materializes: bool):
        self.setup, self.backwards, self.jvps, self.asks = setup, dict(backwards), dict(jvps), asks
        self.dirty, self.apart, self.materializes = dirty, apart, materializes


def _forward_of(call: Any, *arguments: Any) -> Any:
    results = call.forward(*arguments, *call.others)
    return results[0] if call.alone else tuple(results)


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    call, *arguments = inputs
    results = (output,) if call.alone else output
    needs = tuple(ctx.needs_input_grad[1:])
    way = call.ways.get(None) or call.ways.get(needs)
    if way is None:
        raise NotCaptured("setup_context", needs)
    made = [result for result, place in zip(results, call.arguments, strict=True) if place is None]
    ctx.held, saved, ahead = way.setup(*arguments, *made, *call.others)
    ctx.way = way
    if saved:
        ctx.save_for_backward(*saved)
    if ahead:
        ctx.save_for_forward(*ahead)
    if way.dirty:
        ctx.mark_dirty(*(results[i] for i in way.dirty))
    if way.apart:
        ctx.mark_non_differentiable(*(results[i] for i in way.apart))
    if not way.materializes:
        ctx.set_materialize_grads(False)


def _kept(ctx: Any, which: int) -> list[Any]:
    return [*ctx.held[which], *((tensor for tensor in ctx.saved_tensors if tensor is not None) if ctx.way.asks[which] else ())]


def _backward_of(ctx: Any, *gradients: Any) -> Any:
    coming = tuple(gradient is not None for gradient in gradients)
    if coming not in ctx.way.backwards:
        raise NotCaptured("backward", coming)
    return None, *ctx.way.backwards[coming](*(gradient for gradient in gradients if gradient is not None), *_kept(ctx, 0))


def _jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
    coming = tuple(tangent is not None for tangent in tangents)
    if coming not in ctx.way.jvps:
        raise NotCaptured("jvp", tuple(ctx.needs_input_grad[1:]), coming)
    results = ctx.way.jvps[coming](*(tangent for tangent in tangents if tangent is not None), *_kept(ctx, 1))
    return results[0] if len(results) == 1 else tuple(results)


def _vmap(info: Any, in_dims: Any, call: Any, *arguments: Any) -> Any:
    """`batch`: for which dimensions of the arguments, a graph over these, and the dimensions of the results' batches. While it is being captured no
    dimensions are known, and instead of the graph is what finds all three."""
    dims, graph, made = call.batch
    if dims is None and graph is not None:
        dims, graph, made = graph(info, tuple(in_dims[1:]), arguments)
    if tuple(in_dims[1:]) != dims:
        raise NotCaptured("vmap", info, tuple(in_dims[1:]), arguments)
    results = graph(*arguments, *call.others)
    return (results[0], made[0]) if call.alone else (tuple(results), made)


@functools.cache
def _class(name: str, once: bool, generated: bool, forwards: bool, batched: bool) -> Any:
    backward = once_differentiable(_backward_of) if once else _backward_of
    parts: dict[str, Any] = {"forward": _forward_of, "setup_context": _setup_context, "backward": backward}
    if forwards:
        parts["jvp"] = _jvp
    if batched:
        parts["vmap"] = _vmap
    methods = {called: staticmethod(part) for called, part in parts.items()}
    return type(torch.autograd.Function)(name, (torch.autograd.Function,), {**methods, "generate_vmap_rule": generated})
