"""Operators of numbers, strings and bytes between a known value and any other object. Two known values fold before a rule is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...compat.type_names import type_name
from ...protocol.operators import BINARY, COMPARE
from ...signals import Declined
from ...variables import ConstantVariable, SequenceVariable, SymVariable, Variable, shared
from ..known import value_part
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_NOT_IMPLEMENTED: ConstantVariable = shared(ConstantVariable(NotImplemented))
_SEQUENCES = (str, bytes)


def _number(descriptor: Any, fn: Callable[..., Any], *, swapped: bool) -> Any:
    def rule(ctx: Context, left: Variable, right: Variable) -> Any:
        """`int.__add__(a, b)` and its siblings: folded, symbolic, or NotImplemented for an operand of another kind."""
        a, b = value_part(left), value_part(right)
        if isinstance(a, ConstantVariable) and isinstance(b, ConstantVariable):
            return ctx.protocol.fold(ctx, descriptor, [a, b])
        if isinstance(a, SymVariable) or isinstance(a, ConstantVariable) and isinstance(b, SymVariable):
            answer = ctx.shapes.binary(ctx, fn, *((b, a) if swapped else (a, b)))
            return _NOT_IMPLEMENTED if answer is None else answer
        return _NOT_IMPLEMENTED if isinstance(a, ConstantVariable) else Declined("the receiver is not a known number")

    rule.__name__ = descriptor.__name__
    return rule


def _sequence(cls: type, name: str) -> Any:
    descriptor = vars(cls)[name]

    def rule(ctx: Context, left: Variable, right: Variable) -> Any:
        """`str.__add__`, `str.__mul__` and their siblings of bytes."""
        a, b = value_part(left), value_part(right)
        if not isinstance(a, ConstantVariable):
            return Declined("the receiver is not known")
        if isinstance(b, ConstantVariable):
            return ctx.protocol.fold(ctx, descriptor, [a, right])
        if cls is bytes and name == "__add__" and b is right and not isinstance(b, SequenceVariable):
            return Declined("the other may be a buffer")
        kind = type_name(right.python_type())
        if name == "__add__":
            ctx.raise_(TypeError, f'can only concatenate str (not "{kind}") to str' if cls is str else f"can't concat {kind} to bytes")
        return ctx.literal(a.value * ctx.protocol.index(ctx, right))

    rule.__name__ = name
    return rule


def _comparison(descriptor: Any, fn: Callable[..., Any]) -> Any:
    def rule(ctx: Context, left: Variable, right: Variable) -> Any:
        """`str.__eq__(a, b)` and its siblings: NotImplemented for an operand of another kind."""
        a, b = value_part(left), value_part(right)
        if not isinstance(a, ConstantVariable):
            return Declined("the receiver is not known")
        return ctx.protocol.fold(ctx, descriptor, [a, b]) if isinstance(b, ConstantVariable) else _NOT_IMPLEMENTED

    rule.__name__ = descriptor.__name__
    return rule


def _register() -> None:
    for cls in (int, float, complex, bool):
        for fn, (method, reflected, _) in {**BINARY, **COMPARE}.items():
            for name in {method, reflected}:
                if name in vars(cls):
                    calls.exact(vars(cls)[name])(_number(vars(cls)[name], fn, swapped=fn in BINARY and name == reflected))
    for cls in _SEQUENCES:
        for fn, (method, _, _) in COMPARE.items():
            calls.exact(vars(cls)[method])(_comparison(vars(cls)[method], fn))
        for name in ("__add__", "__mul__", "__rmul__"):
            calls.exact(vars(cls)[name])(_sequence(cls, name))


_register()
