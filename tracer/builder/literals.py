"""Literals: constants of the trace, guarded by equality of type and value; integers may become symbolic."""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING, Any

import torch

from ..events import GuardRelaxed
from ..guards.guard import expression
from ..signals import Declined
from ..variables import PASSED, ConstantVariable, PinnedVariable, literal
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


def _guarded(ctx: Context, kind: str, value: Any, source: Source) -> ConstantVariable:
    """A literal that nobody has read yet. If it stays so, this guard is relaxed to one on the type when the trace ends; if somebody else asked for
    it, it isn't."""
    if (source, kind, None) in ctx.guards or (source, kind, PASSED) in ctx.guards:
        return ConstantVariable(value, source)
    ctx.guard(source, kind, value, PASSED)
    variable = ConstantVariable.passed(value, source)
    ctx.passed.append((kind, variable))
    return variable


def relax_guards(ctx: Context) -> None:
    """At the end of a trace: literals that nobody read were passed on, and of those it relies on the type alone."""
    for kind, variable in ctx.passed:
        source = variable.source
        if source is None or variable.is_read:
            continue
        _, cause = ctx.guards.pop((source, kind, PASSED), (None, -1))
        if cause >= 0 and (source, kind, None) not in ctx.guards:
            if ctx.rec.on:
                ctx.rec.point(GuardRelaxed, cause, source.text, "TYPE_MATCH", expression(source, "TYPE_MATCH", variable.kind))
            ctx.guards[source, "TYPE_MATCH", None] = variable.kind, cause


@rules.exact(type(None), bool, type(Ellipsis), type(NotImplemented))
def singleton(ctx: Context, value: Any, source: Source) -> Any:
    """None, True, False, Ellipsis, NotImplemented: guarded by identity."""
    if type(value) is bool:
        return _guarded(ctx, "CONSTANT_MATCH", value, source)
    ctx.guard(source, "CONSTANT_MATCH", value)
    return literal(value) if type(value) is not type(NotImplemented) else ConstantVariable(value, source)


@rules.exact(int)
def integer(ctx: Context, value: int, source: Source) -> Any:
    """A Python int: a constant, or symbolic where it changed before or the configuration says so."""
    if ctx.dynamic.wants(ctx, source, value):
        return ctx.shapes.input_number(ctx, value, source)
    return _guarded(ctx, "EQUALS_MATCH", value, source)


@rules.exact(
    float, complex, str, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format, torch._C._SDPBackend
)
def constant(ctx: Context, value: Any, source: Source) -> Any:
    """Immutable values that are known while tracing: guarded by type and value."""
    if ctx.pins.numbers and type(value) is float:
        ctx.pins.number(source.text, value)
    return _guarded(ctx, "EQUALS_MATCH", value, source)


@rules.exact(types.CodeType)
def code(ctx: Context, value: Any, source: Source) -> Any:
    """A code object: guarded by identity."""
    ctx.guard(source, "ID_MATCH", value)
    return ConstantVariable(value, source)


@rules.when(lambda value: issubclass(type(value), enum.Enum), 90)
def enumeration(ctx: Context, value: Any, source: Source) -> Any:
    """A member of an enum: known by identity."""
    ctx.guard(source, "ID_MATCH", value)
    return PinnedVariable(value, source)


@rules.exact(torch.SymInt, torch.SymFloat, torch.SymBool)
def symbolic(ctx: Context, value: Any, source: Source) -> Any:
    """Symbolic numbers of another trace can't enter this one."""
    return Declined("a symbolic number of another trace")
