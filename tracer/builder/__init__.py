"""How values of the program become variables: `build` for values with a source, `wrap` for values made while tracing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import BuildStarted, VariableBuilt
from ..signals import Break
from ..variables import LITERALS, OpaqueVariable, Variable
from . import arrays, callables, containers, iterators, literals, objects, templates, tensors  # noqa: F401  (they fill the table)
from .sourceless import wrap
from .table import RuleTable, rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["UNIDENTIFIED", "RuleTable", "build", "rules", "wrap"]

#: Types of values that are guarded by what they are, not by which object: equal ones may be one variable or several.
UNIDENTIFIED: frozenset[type] = LITERALS


def build(ctx: Context, value: Any, source: Source) -> Variable:
    """The variable of `value`; an object that was met through another source is the same variable, guarded to stay so."""
    if type(value) not in UNIDENTIFIED and not (type(value) is tuple and value == ()):
        known = ctx.by_id.get(id(value))
        if known is not None:
            if known.source is None or (known.source, "ID_MATCH", None) in ctx.guards:
                ctx.guard(source, "ID_MATCH", value)
            elif known.source is not source:
                ctx.guard(source, "SAME_OBJECT", known.source, known.source)
            ctx.by_source[source] = known
            return known
    rec = ctx.rec
    if not rec.on:
        variable = _select(ctx, value, source)[0]
        ctx.remember(variable, value, source)
        return variable
    opens = rec.begin(BuildStarted, source.text, type(value).__name__)
    variable, name, rejected = _select(ctx, value, source)
    ctx.remember(variable, value, source)
    rec.end(VariableBuilt, opens, name, rejected, variable.vid or rec.variable(variable))
    return variable


def _select(ctx: Context, value: Any, source: Source) -> tuple[Variable, str, tuple[tuple[str, str], ...]]:
    """A value that no rule takes, or whose rule breaks, may still be passed on: it breaks where it is used."""
    try:
        return rules.select(ctx, value, source)
    except Break as stop:
        ctx.guard(source, "TYPE_MATCH", type(value))
        return OpaqueVariable(value, source, stop), "opaque", ((stop.reason, str(stop.context.get("why", ""))),)
