"""Call rules of `math`: known numbers fold; symbolic ones stay symbolic where the shape environment has the function."""

from __future__ import annotations

import math
import operator
import types
from typing import TYPE_CHECKING, Any

import torch

from ...signals import Declined, NotConstant
from ...variables import ArrayVariable, SymVariable, TensorVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

#: math function → what computes it of a symbolic number
_SYMBOLIC: dict[Any, Any] = {fn: fn for fn in (math.ceil, math.floor, math.trunc)} | {
    getattr(math, name): getattr(torch, f"_sym_{name}")
    for name in ("sqrt", "cos", "cosh", "sin", "sinh", "tan", "tanh", "asin", "acos", "atan", "log2")
    if hasattr(torch, f"_sym_{name}")
}


def _symbolic(ctx: Context, fn: Any, variable: SymVariable) -> Any:
    target = _SYMBOLIC[fn]
    value = target(variable.sym)
    return ctx.symbolic(value, lambda c: c.create_node("call_function", target, (c.argument(variable)[0],), {}, value))


def _number(ctx: Context, variable: Variable) -> Variable:
    """The number that a function of `math` takes for this argument."""
    if isinstance(variable, TensorVariable):
        return ctx.settle(ctx.tensors.tensor_number(ctx, variable, float))
    if isinstance(variable, ArrayVariable):
        return ctx.settle(ctx.arrays.array_number(ctx, variable, float))
    if isinstance(variable, SymVariable):
        return literal(variable.specialise(ctx))
    return variable


def _function(fn: Any) -> Any:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """`math.sqrt(x)` and its siblings: folded; symbolic where that is known; a tensor is read first."""
        if len(args) == 1 and not kwargs:
            (only,) = args
            if isinstance(only, SymVariable) and fn in _SYMBOLIC:
                return _symbolic(ctx, fn, only)
        numbers = [_number(ctx, a) for a in args]
        if kwargs:
            return Declined("keywords")
        try:
            return ctx.protocol.fold(ctx, fn, numbers)
        except NotConstant:
            return Declined("an argument isn't a known number")

    rule.__name__ = fn.__name__
    return rule


@calls.exact(math.prod)
def prod(ctx: Context, iterable: Variable, *, start: Variable | None = None) -> Any:
    """`math.prod(x, start=…)`, item by item."""
    total: Variable = start or literal(1)
    iterator = ctx.protocol.iterator(ctx, iterable)
    while (item := ctx.protocol.next_item(ctx, iterator)) is not None:
        total = ctx.protocol.binary_now(ctx, operator.mul, total, item)
    return total


@calls.exact(math.fsum)
def fsum(ctx: Context, seq: Variable) -> Any:
    """`math.fsum(x)` of known numbers."""
    numbers = [_number(ctx, v) for v in ctx.protocol.unpack(ctx, seq)]
    try:
        return ctx.protocol.fold(ctx, lambda *values: math.fsum(values), numbers)
    except NotConstant:
        return Declined("an item isn't a known number")


for _name, _fn in vars(math).items():
    if isinstance(_fn, types.BuiltinFunctionType) and _fn not in (math.prod, math.fsum, math.dist, getattr(math, "sumprod", None)):
        calls.exact(_fn)(_function(_fn))
