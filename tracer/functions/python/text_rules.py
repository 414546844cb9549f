"""Call rules of the builtins that compute numbers and text: abs, bool, int, str, repr, format, divmod, pow, round."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ...signals import Declined, NotConstant
from ...variables import (
    ArrayVariable,
    ConstantVariable,
    ObjectVariable,
    OpaqueVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    literal,
)
from ..known import plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(abs)
def abs_(ctx: Context, value: Variable) -> Any:
    """`abs(x)`."""
    return ctx.protocol.unary(ctx, abs, value)


@calls.exact(bool)
def bool_(ctx: Context, value: Variable | None = None, /) -> Any:
    """`bool(x)`: the object's truth."""
    return literal(value is not None and ctx.protocol.truth(ctx, value))


def _number(cls: type) -> Any:
    def rule(ctx: Context, *args: Variable) -> Any:
        """`int(x)`, `float(x)`, `complex(x)` of known values; a tensor's value is not known yet."""
        if len(args) == 1:
            value = args[0]
            if isinstance(value, TensorVariable):
                return ctx.tensors.tensor_number(ctx, value, cls)
            if isinstance(value, ArrayVariable):
                return ctx.arrays.array_number(ctx, value, cls)
            if isinstance(value, OpaqueVariable):
                value.used()
            if isinstance(value, SymVariable):
                return ctx.shapes.convert(ctx, cls, value)
            if isinstance(value, ObjectVariable) and cls is int and not any(ctx.protocol.has(ctx, value.cls, n) for n in ("__int__", "__index__")):
                if ctx.protocol.has(ctx, value.cls, "__trunc__"):
                    return Declined("CPython warns of __trunc__")
        try:
            return ctx.protocol.fold(ctx, cls, list(args))
        except NotConstant:
            return Declined("not a known number")

    rule.__name__ = f"{cls.__name__}_"
    return rule


for _cls in (int, float, complex):
    calls.exact(_cls)(_number(_cls))


@calls.exact(str)
def str_(ctx: Context, *args: Variable) -> Any:
    """`str(x)`: as `print` would show it."""
    if len(args) > 1:
        return Declined("decoding bytes")
    return literal(ctx.protocol.str_text(ctx, args[0])) if args else literal("")


@calls.exact(repr)
def repr_(ctx: Context, value: Variable) -> Any:
    """`repr(x)`."""
    return literal(ctx.protocol.repr_text(ctx, value))


@calls.exact(ascii)
def ascii_(ctx: Context, value: Variable) -> Any:
    """`ascii(x)`."""
    return ctx.protocol.convert_text(ctx, value, "a")


@calls.exact(format)
def format_(ctx: Context, value: Variable, spec: Variable | None = None) -> Any:
    """`format(x, spec)`."""
    if spec is not None and not issubclass(spec.python_type(), str):
        return Declined("a specification that is no text")
    return ctx.protocol.format(ctx, value, plain(spec) if spec is not None else literal(""))


@calls.exact(divmod)
def divmod_(ctx: Context, a: Variable, b: Variable) -> Any:
    """`divmod(a, b)`."""
    if not isinstance(a, TensorVariable | SymVariable) and not isinstance(b, TensorVariable | SymVariable):
        return ctx.protocol.binary(ctx, divmod, a, b)
    return TupleVariable([ctx.protocol.binary_now(ctx, operator.floordiv, a, b), ctx.protocol.binary_now(ctx, operator.mod, a, b)], tuple)


@calls.exact(pow)
def pow_(ctx: Context, a: Variable, b: Variable) -> Any:
    """`pow(a, b)` without a modulus."""
    return ctx.protocol.binary(ctx, operator.pow, a, b)


@calls.exact(round)
def round_(ctx: Context, value: Variable, *digits: Variable) -> Any:
    """`round(x, digits)`."""
    if isinstance(value, TensorVariable):
        return ctx.node("call_method", "round", [value], {"decimals": digits[0]} if digits else {})
    if isinstance(value, SymVariable):
        if not digits:
            return value if value.python_type() is int else ctx.shapes.unary(ctx, round, value)
        return ctx.protocol.fold(ctx, round, [value, *digits])
    if not isinstance(value, ConstantVariable) and not ctx.protocol.has(ctx, value.python_type(), "__round__"):
        ctx.raise_(TypeError, f"type {ctx.protocol.shown_type(value)} doesn't define __round__ method")
    if isinstance(value, ObjectVariable):
        return ctx.protocol.special(ctx, value, "__round__", list(digits), "")
    return ctx.protocol.fold(ctx, round, [value, *digits])
