"""Literals: constants of the trace, guarded by equality of type and value; integers may become symbolic."""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING, Any

import torch

from ..signals import Declined
from ..variables import ConstantVariable, PinnedVariable, literal
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


@rules.exact(type(None), bool, type(Ellipsis), type(NotImplemented))
def singleton(ctx: Context, value: Any, source: Source) -> Any:
    """None, True, False, Ellipsis, NotImplemented: guarded by identity."""
    ctx.guard(source, "CONSTANT_MATCH", value)
    return literal(value) if type(value) is not type(NotImplemented) else ConstantVariable(value, source)


@rules.exact(int)
def integer(ctx: Context, value: int, source: Source) -> Any:
    """A Python int: a constant, or symbolic where it changed before or the configuration says so."""
    if ctx.dynamic.wants(ctx, source, value):
        return ctx.shapes.input_number(ctx, value, source)
    ctx.guard(source, "EQUALS_MATCH", value)
    return ConstantVariable(value, source)


@rules.exact(
    float, complex, str, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format, torch._C._SDPBackend
)
def constant(ctx: Context, value: Any, source: Source) -> Any:
    """Immutable values that are known while tracing: guarded by type and value."""
    if ctx.pins.numbers and type(value) is float:
        ctx.pins.number(source.text, value)
    ctx.guard(source, "EQUALS_MATCH", value)
    return ConstantVariable(value, source)


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
