"""What isn't known in a body that runs later than where it stands: a backward, which the program may run in another grad mode, and whose
gradients may lie in memory otherwise than the fakes that stand for them.

Rules that would answer from the moment of the trace ask here first. What isn't known ends the body with a reason of its own; but the grad mode may be
kept, set to what is known, and put back, as a `with` does: the graph asks for it then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...graph.modes import MODES
from ...graph.operators import Effect
from ...signals import Break
from ...variables import TensorVariable, Variable, literal, mention

if TYPE_CHECKING:
    from ...context import Context
    from ...graph.subgraph import Subgraph

__all__ = ["GradModeVariable", "Later", "ask_layout", "ask_needs_gradient", "grad_mode", "is_unsettled", "set_grad_mode"]


class Later:
    """A body that runs later. `within`: its graph. `without`: whether it runs without grad however it is called; `switched`: whether it has set the
    grad mode itself where it stands now. `laid_out`: whether its inputs lie as their fakes do; `asked`: whether that would have had to be known. `of`:
    whose bodies are being traced, outermost first. `in_levels`: whether levels of torch.func may be on, any of them."""

    __slots__ = ("asked", "in_levels", "laid_out", "of", "switched", "within", "without")

    def __init__(self, within: Subgraph, without: bool, laid_out: bool, of: tuple[Any, ...], in_levels: bool = False):
        self.within, self.without, self.laid_out, self.of = within, without, laid_out, of
        self.asked = self.switched = False
        self.in_levels = in_levels

    @property
    def grad_known(self) -> bool:
        return self.without or self.switched

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
        raise Break("known-when-run", expr=f"{mention(value)}.{name}", name=name)


class GradModeVariable(Variable):
    """The grad mode that a backward finds when it runs: the graph asks for it. It can be set again, and nothing can depend on it. `told`: it is the
    argument of what is told it only so that it records gradients or not. `traced`: the mode in which the body is traced there."""

    __slots__ = ("node", "told", "traced")

    def __init__(self, node: Any, traced: bool, told: bool = False):
        self.node, self.traced, self.told, self.source, self.vid = node, traced, told, None, 0

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        if not self.told or self.node.graph is not ctx.graph.graph:
            self.truth(ctx)
        return self.node, self.traced

    def python_type(self) -> type:
        return bool

    def truth(self, ctx: Context) -> bool:
        raise Break("known-when-run", expr="torch.is_grad_enabled()", name="grad mode")


def grad_mode(ctx: Context) -> Variable:
    """Whether gradients are recorded here."""
    if ctx.later is None or ctx.later.grad_known:
        return literal(torch.is_grad_enabled())
    traced = torch.is_grad_enabled()
    return GradModeVariable(ctx.create_node("call_function", torch.is_grad_enabled, (), {}, traced), traced)


def set_grad_mode(ctx: Context, mode: Variable) -> None:
    """Whether they are recorded from here on: what is known, or what the body found."""
    later = ctx.later
    if later is None or later.without:
        ctx.set_mode("grad", mode.constant())
        return
    found = mode if isinstance(mode, GradModeVariable) else None
    if found is not None and found.node.graph is not ctx.graph.graph:
        raise Break("unsupported-attribute", expr="torch.set_grad_enabled()", name="grad mode", type="backward")
    value = found.traced if found is not None else bool(mode.constant())
    MODES["grad"].write(value)
    ctx.refresh_modes()
    later.switched = found is None
    node = ctx.create_node("call_function", torch._C._set_grad_enabled, (found.node if found is not None else value,), {}, None)
    node.meta["effect"] = Effect()


def ask_needs_gradient(ctx: Context, value: Variable, name: str) -> None:
    """Whether a tensor takes part in autograd is asked: known only of those that the forward was given from outside."""
    if ctx.later is not None and _is_inside(ctx, value, ctx.later.within.parent):
        raise Break("known-when-run", expr=f"{mention(value)}.{name}", name=name)
