"""Type parameters and type aliases that a statement of the program makes (`def f[T](x: T)`, `type A = …`; since 3.12), and what is made of them
(`list[T]`, `T | None`).

Each has a sample: an object of the same kind, made while tracing of samples, which says what the real one will be.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat.single import intrinsic
from .base import Variable
from .keys import ValueKey
from .sequences import TupleVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = ["TypeExpressionVariable", "TypeParameterVariable", "starred"]


def starred(value: Any) -> Any:
    """`*Ts` of a subscript or an annotation: the one thing that iterating it gives."""
    (only,) = value
    return only


class _MadeOfParameters(Variable):
    """`sample`: see above."""

    __slots__ = ("sample",)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        return ctx.functions.type_subscript(ctx, self, key)

    def iterator(self, ctx: Context) -> Variable:
        if hasattr(type(self.sample), "__iter__") and type(iter(self.sample)) is type(iter(())):
            return TupleVariable([ctx.functions.type_expression(ctx, starred, [self])], tuple).iterator(ctx)
        return super().iterator(ctx)

    def unpack(self, ctx: Context) -> list[Variable]:
        if not hasattr(type(self.sample), "__iter__"):
            return super().unpack(ctx)
        return [ctx.functions.type_expression(ctx, starred, [self])]


class TypeParameterVariable(_MadeOfParameters):
    """A new object at each run, made by one of CPython's internal functions: `made` is that one's name and its operands. `default`: the function
    that says it when it is asked for (since 3.13), or None."""

    __slots__ = ("cls", "default", "made", "name")

    def __init__(self, cls: type, name: Variable, made: tuple[str, list[Variable]], sample: Any, default: Variable | None = None):
        super().__init__(None)
        self.cls, self.name, self.made, self.sample, self.default = cls, name, made, sample, default

    def python_type(self) -> type:
        return self.cls

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if self.cls is typing.ParamSpec and name in ("args", "kwargs"):
            return ctx.functions.type_expression(ctx, getattr, [self, ctx.literal(name)])
        return self.name if name == "__name__" else None

    def rebuild(self, body: Body) -> str:
        made, operands = self.made
        name = body.fresh("parameter")
        given = ", ".join(body.value(operand) for operand in operands)
        body.line(f"{name} = {body.pin(intrinsic(made, len(operands)), made)}({given})")
        if self.default is not None:
            body.line(f"{body.pin(intrinsic('set_typeparam_default', 2), 'set_default')}({name}, {body.value(self.default)})")
        return name


class TypeExpressionVariable(_MadeOfParameters):
    """`fn(*operands)`, which only looks at its operands."""

    __slots__ = ("fn", "operands")

    def __init__(self, fn: Callable[..., Any], operands: list[Variable], sample: Any):
        super().__init__(None)
        self.fn, self.operands, self.sample = fn, operands, sample

    def python_type(self) -> type:
        return type(self.sample)

    def identity(self) -> Any:
        return "object", id(self.sample)  # typing keeps what it made of the same parts, and gives it again

    def dict_key(self, ctx: Context) -> Any:
        return ValueKey(self.sample, self)

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.functions.part_of_type(ctx, self, name)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("expression")
        operands = ", ".join(body.value(operand) for operand in self.operands)
        body.line(f"{name} = {body.pin(self.fn, self.fn.__name__)}({operands})")
        return name
