"""`math` on symbolic numbers: an expression of the graph where the shape environment has one, else the number itself.

On anything else these rules decline, and the function runs while tracing.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..signals import Declined
from ..variables import SymVariable, TensorVariable, Variable, literal
from .table import calls

if TYPE_CHECKING:
    from ..context import Context


def _rounding(fn: Callable[..., Any]) -> None:
    def rule(ctx: Context, value: Variable) -> Any:
        """`floor`, `ceil`, `trunc` of a symbolic number; of an integer it is the integer."""
        if not isinstance(value, SymVariable):
            return Declined("not a symbolic number")
        return value if value.python_type() is int else ctx.shapes.unary(ctx, fn, value)

    rule.__name__ = fn.__name__
    calls.exact(fn)(rule)


def _function(fn: Callable[..., Any], target: Callable[..., Any], defined: Callable[[Any], Any] | None) -> None:
    def rule(ctx: Context, value: Variable) -> Any:
        """A function of a symbolic number, where a guard says that it is defined there."""
        if not isinstance(value, SymVariable):
            return Declined("not a symbolic number")
        if defined is not None and not ctx.shapes.holds(ctx, defined(value.sym)):
            return ctx.protocol.fold(ctx, fn, [value])
        return ctx.shapes.unary(ctx, fn, value, target)

    rule.__name__ = fn.__name__
    calls.exact(fn)(rule)


for _fn in (math.floor, math.ceil, math.trunc):
    _rounding(_fn)
_function(math.sqrt, torch._sym_sqrt, lambda x: x >= 0)  # type: ignore[attr-defined]
_function(math.log2, torch._sym_log2, lambda x: x > 0)  # type: ignore[attr-defined]
for _name in ("sin", "cos", "tan", "tanh", "atan"):
    _function(getattr(math, _name), getattr(torch, f"_sym_{_name}"), None)


@calls.exact(math.prod)
def prod(ctx: Context, iterable: Variable, *, start: Variable | None = None) -> Any:
    """The product of an iterable's items, factor by factor."""
    if isinstance(iterable, TensorVariable):
        return Declined("a tensor")
    total: Variable = start if start is not None else literal(1)
    iterator = ctx.protocol.iterator(ctx, iterable)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        total = ctx.protocol.binary_now(ctx, operator.mul, total, item)
    return total
