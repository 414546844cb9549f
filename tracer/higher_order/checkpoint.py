"""Activation checkpointing: the body is one region of the graph whose intermediates are computed again in the backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint as machinery

from ..functions.table import calls
from ..signals import Break, Declined
from ..variables import ConstantVariable, FunctionVariable, Variable
from .nodes import as_node, install, speculated
from .speculate import Policy

if TYPE_CHECKING:
    from ..context import Context

#: The body runs where the call stands, and once more in the backward.
_POLICY = Policy("checkpoint", inputs=True, shared=True, overlaps=True, restores=True)
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
    body = speculated(ctx, _POLICY, "checkpoint-body-rejected", "checkpoint", "checkpoint_body", function, list(args), kwargs)
    given = {"use_reentrant": options.get("use_reentrant", False), "preserve_rng_state": options.get("preserve_rng_state", True)}
    return as_node(ctx, body, torch.ops.higher_order.tag_activation_checkpoint, lambda graph: (install(ctx, graph, body.name),), given)

