"""`ctx` of a `torch.autograd.Function` while its forward and backward are traced.

It is an object like any other, but for what C keeps of it: what forward said of its tensors is held by the fields' descriptors, and
read by whoever makes the node; what was saved, and which inputs need a gradient, is told here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.autograd_functions import FIELDS, KEPT_BY_C, context_class
from ..signals import Break
from ..variables import ConstantVariable, ObjectVariable, TupleVariable, Variable, literal
from ..variables.base import EPOCH

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = ["FunctionContextVariable"]


class FunctionContextVariable(ObjectVariable):
    """`needed`: which arguments need a gradient; None where that isn't known, `unanswered` then says whether it was asked. `kept`: what was saved for
    backward, once forward is over; `unpacked`: whether backward asked for it."""

    __slots__ = ("kept", "needed", "unanswered", "unpacked")

    def __init__(self, cls: type, needed: list[bool] | None):
        super().__init__(None, context_class(cls))
        self.born = EPOCH.now + 1  # it is forward's, the next body's
        self.needed = needed
        self.kept: list[Variable] = []
        self.unpacked = self.unanswered = False

    def attribute(self, ctx: Context, name: str) -> Any:
        if name == "saved_tensors":
            self.unpacked = True
            return TupleVariable(list(self.kept), tuple)
        if name == "needs_input_grad" and self.needed is not None:
            return TupleVariable([literal(needs) for needs in self.needed], tuple)
        if name == "needs_input_grad":
            self.unanswered = True
            raise Break("known-when-run", expr=f"ctx.{name}", name=name)
        if name in FIELDS:
            raise Break("unsupported-attribute", expr=f"ctx.{name}", name=name, type="ctx")
        return super().attribute(ctx, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        if name not in FIELDS:
            return super().set_attribute(ctx, name, value)
        if name not in KEPT_BY_C:
            raise Break("outside-state-write", expr=f"ctx.{name}", type="ctx")
        self.store_slot(ctx, KEPT_BY_C[name], value)
        return None

    def said(self, ctx: Context, name: str) -> list[Variable]:
        """The tensors that forward gave to `save_for_backward`, `mark_dirty` or `mark_non_differentiable`."""
        held = self.slots.get(KEPT_BY_C[name])
        if held is None or isinstance(held, ConstantVariable) and held.value is None:
            return []
        if not isinstance(held, TupleVariable):
            raise Break("unsupported-attribute", expr=f"ctx.{name}", name=name, type="ctx")
        return held.settled(ctx)

    def materializes(self) -> bool:
        """Whether gradients that are missing are zeros."""
        held = self.slots.get(KEPT_BY_C["materialize_grads"])
        return held is None or isinstance(held, ConstantVariable) and held.value is True

    def rebuild(self, body: Body) -> str:
        raise Break("unsupported-type", type="ctx", why="what an autograd function keeps for its backward can't leave the graph")
