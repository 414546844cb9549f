"""A function's plan that an override by name decides, for calls that no operation of the program makes (`map(f, …)`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..context import Context
    from ..overrides import Override
    from ..variables import FunctionVariable, Variable

__all__ = ["Overridden"]


class Overridden:
    """What is done instead of `otherwise`, where the override `applies`. Who knows of overrides gives both functions (`whatif/calls.py`)."""

    __slots__ = ("_applies", "_carry_out", "otherwise", "override")

    def __init__(self, override: Override, otherwise: Any, applies: Callable[..., bool], carry_out: Callable[..., Any]):
        self.override, self.otherwise, self._applies, self._carry_out = override, otherwise, applies, carry_out

    def applies(self, ctx: Context) -> bool:
        return self._applies(ctx, self.override)

    def __call__(self, ctx: Context, variable: FunctionVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return self._carry_out(ctx, self.override, variable, args, kwargs)
