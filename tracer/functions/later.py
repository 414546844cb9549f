"""What isn't known in a body that runs later than where it stands: a backward, which the program may run in another grad mode, and whose
gradients may lie in memory otherwise than the fakes that stand for them.

Rules that would answer from the moment of the trace ask here first. What isn't known ends the body with a reason of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..signals import Break
from ..variables import TensorVariable, Variable, mention

if TYPE_CHECKING:
    from ..context import Context
    from ..graph.subgraph import Subgraph

__all__ = ["Later", "ask_grad_mode", "ask_layout", "ask_needs_gradient", "is_unsettled"]


class Later:
    """A body that runs later. `within`: its graph. `grad_known`: whether it runs without grad however it is called. `laid_out`: whether
    its inputs lie as their fakes do; `asked`: whether that would have had to be known. `of`: whose bodies are being traced, outermost first.
    `in_levels`: whether levels of torch.func may be on, any of them."""

    __slots__ = ("asked", "grad_known", "in_levels", "laid_out", "of", "within")

    def __init__(self, within: Subgraph, grad_known: bool, laid_out: bool, of: tuple[Any, ...], in_levels: bool = False):
        self.within, self.grad_known, self.laid_out, self.of, self.asked = within, grad_known, laid_out, of, False
        self.in_levels = in_levels

    def without_grad(self) -> Later:
        """For a part of the body that surely runs without grad."""
        return Later(self.within, True, self.laid_out, self.of, self.in_levels)


def is_unsettled(ctx: Context, value: Variable) -> bool:
    """Whether the tensor is one of the body's own inputs, or made in it, and those may lie otherwise than their fakes."""
    return ctx.later is not None and not ctx.later.laid_out and _is_inside(ctx, value, ctx.later.within)


def _is_inside(ctx: Context, value: Variable, outermost: Subgraph | None) -> bool:
    graph: Any = ctx.graph
    while graph is not None:
        if isinstance(value, TensorVariable) and value.node.graph is graph.graph:
            return True
        if graph is outermost:
            return False
        graph = graph.parent
    return False


def ask_layout(ctx: Context, value: Variable, name: str) -> None:
    """Strides, offsets and what follows from them are asked."""
    if ctx.later is not None and is_unsettled(ctx, value):
        ctx.later.asked = True
        raise Break("unsupported-attribute", expr=f"{mention(value)}.{name}", name=name, type="gradient")


def ask_grad_mode(ctx: Context) -> None:
    """Whether gradients are recorded is asked."""
    if ctx.later is not None and not ctx.later.grad_known:
        raise Break("unsupported-attribute", expr="torch.is_grad_enabled()", name="grad mode", type="backward")


def ask_needs_gradient(ctx: Context, value: Variable, name: str) -> None:
    """Whether a tensor takes part in autograd is asked: known only of those that the forward was given from outside."""
    if ctx.later is not None and _is_inside(ctx, value, ctx.later.within.parent):
        raise Break("unsupported-attribute", expr=f"{mention(value)}.{name}", name=name, type="gradient")
