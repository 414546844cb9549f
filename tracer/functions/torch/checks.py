"""`torch._check` and its kin: promises about sizes and data."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

from ...signals import Declined
from ...variables import NONE, SymVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


def _check_rule(function: Any) -> None:
    """`torch._check` and its kin; the error, with its words where no message is given, is the one the installed torch raises."""
    try:
        function(False)
        raise AssertionError(f"{function.__name__}(False) passes")
    except (RuntimeError, IndexError, ValueError, TypeError) as error:  # NotImplementedError is a RuntimeError
        cls, text = type(error), str(error)

    def rule(ctx: Context, condition: Variable, message: Variable | None = None) -> Any:
        """A promise: known ones are decided now, those about sizes by a guard, those about data by the graph."""
        if not isinstance(condition, SymVariable) and condition.python_type() is not bool:
            return Declined("a condition that isn't known")
        def words() -> str:
            return text if message is None or message.python_type() is type(None) else ctx.protocol.str_text(ctx, ctx.call_now(message, []))

        if not ctx.shapes.assume(ctx, condition, cls, words):
            ctx.raise_(cls, words())
        return NONE

    rule.__name__ = function.__name__.lstrip("_")
    calls.exact(function)(rule)


for _check in (torch._check, torch._check_index, torch._check_value, torch._check_type, torch._check_not_implemented):
    _check_rule(_check)


@calls.exact(torch._check_is_size)
def check_is_size(ctx: Context, size: Variable, message: Variable | None = None) -> Any:
    """`torch._check_is_size(n)`: n isn't negative."""
    return ctx.call_now(ctx.wrap(torch._check), [ctx.protocol.compare(ctx, operator.ge, size, literal(0)), *([message] if message is not None else [])])
