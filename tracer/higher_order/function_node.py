"""The node of a captured `torch.autograd.Function`: its two graphs wired to each other.

In go the committed bodies. The forward's graph takes the tensors that the function was applied to, then what both bodies use from outside, and
gives the results and what is kept; the backward's takes the gradients and what was kept, and gives a gradient, or None, for each of those tensors.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.autograd_functions import is_differentiable
from ..graph.applied import autograd_function_apply
from ..graph.operators import Effect, storage_of
from ..variables import TensorVariable, TupleVariable, Variable
from .nodes import install

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
    bodies = [install(ctx, _forward_graph(ahead, operands, kept), "fwd_body")]
    bodies += [install(ctx, _backward_graph(body, backward, kept), "bwd_body") for body, backward in behind]
    if not own.materializes():
        options["coming"], options["others"] = tuple(backward.coming for _, backward in behind), tuple(bodies[2:])
    fakes = [_result(forward, item, any(item is held for held in apart), any(item is held for held in dirty)) for item in results]
    node = ctx.create_node("call_function", autograd_function_apply, (*bodies[:2], *operands), options, tuple(fakes))
    _note_effects(node, ahead, operands)
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


def _note_effects(node: fx.Node, ahead: Body, operands: list[fx.Node]) -> None:
    effects = [inner.meta["effect"] for inner in ahead.subgraph.graph.nodes if "effect" in inner.meta]
    if not effects:
        return
    written = {storage_of(fake) for effect in effects for fake in effect.writes} - {None}
    writes = [outer.meta["example_value"] for outer in operands if storage_of(outer.meta["example_value"]) in written]
    node.meta["effect"] = Effect(writes, all(effect.again for effect in effects))


def _forward_graph(body: Body, operands: list[fx.Node], kept: list[fx.Node]) -> fx.Graph:
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    lifted = body.subgraph.lifted
    for i, outer in enumerate(operands):
        placeholder = graph.placeholder(f"in_{outer.name}" if outer not in operands[:i] else f"in_{outer.name}_again")
        placeholder.meta.update(outer.meta)
        if outer in lifted:
            env.setdefault(lifted[outer], placeholder)
    for node in body.subgraph.graph.nodes:
        if node.op == "output":
            graph.output((tuple(env[n] for n in node.args[0]), tuple(env[n] for n in kept)))
        elif node.op != "placeholder":
            env[node] = graph.node_copy(node, lambda n: env[n])
    return graph


def _backward_graph(body: Body, backward: Backward, kept: list[fx.Node]) -> fx.Graph:
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    for gradient in backward.gradients:
        env[gradient] = graph.node_copy(gradient, lambda n: env[n])
    for inner in kept:
        placeholder = graph.placeholder(f"kept_{inner.name}")
        placeholder.meta.update(inner.meta)
        if inner in body.subgraph.lifted:
            env[body.subgraph.lifted[inner]] = placeholder
    for node in body.subgraph.graph.nodes:
        if node.op == "output":
            found = iter(env[n] for n in node.args[0])
            graph.output(tuple(next(found) if place else None for place in backward.places))
        elif node.op != "placeholder":
            env[node] = graph.node_copy(node, lambda n: env[n])
    return graph
