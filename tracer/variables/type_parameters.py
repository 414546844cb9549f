"""Type parameters and type aliases that a statement of the program makes (`def f[T](x: T)`, `type A = …`; since 3.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.single import intrinsic
from .base import Variable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = ["TypeParameterVariable"]


class TypeParameterVariable(Variable):
    """A new object at each run, made by one of CPython's internal functions: `made` is that one's name and its operands. `default`: the function
    that says it when it is asked for (since 3.13), or None."""

    __slots__ = ("cls", "default", "made", "name")

    def __init__(self, cls: type, name: Variable, made: tuple[str, list[Variable]], default: Variable | None = None):
        super().__init__(None)
        self.cls, self.name, self.made, self.default = cls, name, made, default

    def python_type(self) -> type:
        return self.cls

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return self.name if name == "__name__" else None

    def rebuild(self, body: Body) -> str:
        made, operands = self.made
        name = body.fresh("parameter")
        given = ", ".join(body.value(operand) for operand in operands)
        body.line(f"{name} = {body.pin(intrinsic(made, len(operands)), made)}({given})")
        if self.default is not None:
            body.line(f"{body.pin(intrinsic('set_typeparam_default', 2), 'set_default')}({name}, {body.value(self.default)})")
        return name
