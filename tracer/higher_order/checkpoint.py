"""Activation checkpointing: the body is one region of the graph whose intermediates are computed again in the backward."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint as machinery

from ..functions.table import calls
from ..graph.operators import carry_effects
from ..signals import Break, Declined
from ..variables import ConstantVariable, FunctionVariable, TensorVariable, Variable
from .speculate import Rejected, install, rebuild, speculate

if TYPE_CHECKING:
    from ..context import Context

_OPTIONS = ("use_reentrant", "preserve_rng_state", "determinism_check", "debug", "early_stop")


@calls.exact(torch.utils.checkpoint.checkpoint)
def checkpoint(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`checkpoint(fn, *args, use_reentrant=…)`: one `tag_activation_checkpoint` node around the body's graph."""
    options: dict[str, Any] = {}
    for name in _OPTIONS:
        given = kwargs.pop(name, None)
        if given is not None:
            if not isinstance(given, ConstantVariable):
                return Declined(f"{name} isn't known")
            options[name] = given.value
    context_fn = kwargs.pop("context_fn", None)
    if context_fn is not None and not (isinstance(context_fn, FunctionVariable) and context_fn.function is machinery.noop_context_fn):
        raise Break("higher-order-unsupported", name="checkpoint(context_fn=…)", func="checkpoint", expr="checkpoint")
    try:
        body = speculate(ctx, "checkpoint", "checkpoint_body", function, list(args), kwargs)
    except Rejected as rejected:
        raise _refused(ctx, function, rejected) from None
    return _node(ctx, body, {"use_reentrant": options.get("use_reentrant", False), "preserve_rng_state": options.get("preserve_rng_state", True)})


def _refused(ctx: Context, function: Variable, rejected: Rejected) -> Break:
    stop = Break("checkpoint-body-rejected", func=ctx.protocol.callable_name(function), does=rejected.does)
    if rejected.stop is not None:
        stop.user_stack, stop.location = rejected.stop.user_stack, rejected.stop.location
    return stop


def _node(ctx: Context, body: Any, options: dict[str, Any]) -> Variable:
    """Outputs that are inputs stay what they are outside; the others are parts of the node's result."""
    inside = {placeholder: outer for outer, placeholder in body.subgraph.lifted.items()}
    outputs = list(body.subgraph.graph.output_node().args[0])
    passed = [node in inside for node in outputs]
    graph = body.subgraph.graph
    graph.output_node().args = (tuple(n for n, through in zip(outputs, passed, strict=True) if not through),)
    module = install(ctx, graph, body.name)
    fakes = [leaf.fake if isinstance(leaf, TensorVariable) else ctx.argument(leaf)[1] for leaf, through in zip(body.leaves, passed, strict=True) if not through]
    node = ctx.create_node("call_function", torch.ops.higher_order.tag_activation_checkpoint, (module, *body.lifted), options, tuple(fakes))
    carry_effects(node, body.subgraph.graph)
    made = iter(
        [ctx.tensors.wrap_result(ctx, fake, ctx.create_node("call_function", operator.getitem, (node, i), {}, fake)) for i, fake in enumerate(fakes)]
    )
    leaves = [leaf if through else next(made) for leaf, through in zip(body.leaves, passed, strict=True)]
    return rebuild(ctx, body.structure, iter(leaves))
