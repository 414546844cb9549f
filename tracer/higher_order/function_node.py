"""The node of a captured `torch.autograd.Function`: its two graphs wired to each other.

In go the committed bodies. The forward's graph takes the tensors that the function was applied to, then what both bodies use from outside, and
gives the results and what is kept; the backward's takes the gradients and what was kept, and gives a gradient, or None, for each of those tensors.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

from ..compat.autograd_functions import is_differentiable
from ..graph.applied import autograd_function_apply
from ..variables import TensorVariable, TupleVariable, Variable
from .nodes import install, note_effects, with_inputs, written

if TYPE_CHECKING:
    from ..context import Context
    from .function_bodies import Backward, Forward
    from .function_context import FunctionContextVariable
    from .speculate import Body

__all__ = ["node_of"]


def node_of(
    ctx: Context, name: str, once: bool, own: FunctionContextVariable, forward: Forward, ahead: Body, behind: list[tuple[Body, Backward]],
    tensors: list[TensorVariable],
) -> Variable:  # fmt: skip
    """The variable of what `apply` gives. `tensors`: what the function was applied to."""
    inside = ahead.subgraph
    saved = [inside.local(held.node, held.fake) for held in own.kept if isinstance(held, TensorVariable)] if own.unpacked else []
    kept = list(dict.fromkeys([*(node for body, _ in behind for node in body.subgraph.lifted), *saved]))
    given = [ctx.argument(tensor)[0] for tensor in tensors]
    operands = [*given, *(outer for outer in inside.lifted if outer not in given)]
    results = forward.tensors()
    options: dict[str, Any] = {"name": name, "given": len(given)}
    if saved:
        options["saved"] = tuple(i for i, node in enumerate(kept) if node in saved)
    apart = own.said(ctx, "non_differentiable")
    if apart:
        options["non_differentiable"] = tuple(i for i, item in enumerate(results) if any(item is held for held in apart))
    dirty = forward.dirty(ctx)
    if dirty:
        options["dirty"] = tuple(i for i, item in enumerate(results) if any(item is held for held in dirty))
    if once:
        options["once"] = True
    if ahead.given_out:
        options["beside"] = len(ahead.given_out)
    outputs = (*ahead.outputs, *(tensor.node for tensor in ahead.given_out))
    bodies = [install(ctx, with_inputs(ahead, operands, (outputs, tuple(kept))), "fwd_body")]
    bodies += [install(ctx, with_inputs(body, kept, _placed(body, backward), "kept"), "bwd_body") for body, backward in behind]
    if not own.materializes():
        options["coming"], options["others"] = tuple(backward.coming for _, backward in behind), tuple(bodies[2:])
    fakes = [_result(forward, item, any(item is held for held in apart), any(item is held for held in dirty)) for item in results]
    beside = [tensor.fake for tensor in ahead.given_out]
    node = ctx.create_node("call_function", autograd_function_apply, (*bodies[:2], *operands), options, (*fakes, *beside))
    for i, tensor in enumerate(ahead.given_out, len(fakes)):
        tensor.node = ctx.create_node("call_function", operator.getitem, (node, i), {}, tensor.fake)
    note_effects(node, ahead.graph, written(ahead, operands))
    made = iter(
        item if any(item is held for held in dirty)
        else ctx.tensors.wrap_result(ctx, fake, ctx.create_node("call_function", operator.getitem, (node, i), {}, fake))
        for i, (item, fake) in enumerate(zip(results, fakes, strict=True))
    )  # fmt: skip
    items = [next(made) if isinstance(item, TensorVariable) else item for item in forward.items]
    return items[0] if forward.alone else TupleVariable(items, tuple)


def _result(forward: Forward, item: Any, apart: bool, dirty: bool) -> Any:
    """The fake of a result: a new tensor, which needs a gradient where it can have one."""
    if dirty:
        return item.fake
    fake = item.fake.view_as(item.fake) if forward.argument(item) is not None else item.fake
    with torch.no_grad():
        fake = fake.detach()
    return fake.requires_grad_(not apart and is_differentiable(fake))


def _placed(body: Body, backward: Backward) -> tuple[Any, ...]:
    """A gradient, or None, for each tensor that the function was applied to."""
    found = iter(body.outputs)
    return tuple(next(found) if place else None for place in backward.places)
