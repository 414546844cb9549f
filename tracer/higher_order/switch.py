"""`switch` (since torch 2.14): one of several branches by index, as `cond` is by a truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.operators import SWITCH, switch_call
from ..functions.table import calls
from ..signals import Declined
from ..variables import ConstantVariable, SymVariable, TensorVariable, Variable, literal
from .cond import chosen

if TYPE_CHECKING:
    from ..context import Context


def _switch(ctx: Context, index: Variable, branches: Variable, operands: Variable | None = None) -> Any:
    """`switch(index, branches, operands)`: a known index chooses now, one out of range the nearest branch; a tensor makes one node of all branches."""
    functions = list(ctx.protocol.unpack(ctx, branches))
    args = list(ctx.protocol.unpack(ctx, operands)) if operands is not None else []
    last = len(functions) - 1
    if last < 0 or not all(isinstance(arg, TensorVariable) for arg in args):
        return Declined("it takes branches, and tensors as operands")
    if isinstance(index, ConstantVariable | SymVariable) and index.python_type() is int:
        return ctx.call(functions[max(0, min(ctx.protocol.index(ctx, index), last))], args)
    if not isinstance(index, TensorVariable) or index.fake.numel() != 1:
        return Declined("the index is neither an integer nor a tensor of one element")
    if not last:
        return ctx.call(functions[0], args)
    clamped = ctx.node("call_method", "clamp", [index, literal(0), literal(last)])
    named = {f"switch_{i}": function for i, function in enumerate(functions)}
    return chosen(ctx, "switch", named, args, clamped, lambda modules: (SWITCH, (ctx.argument(clamped)[0], tuple(modules))))


if SWITCH is not None:
    calls.exact(switch_call())(_switch)
