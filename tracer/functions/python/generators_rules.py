"""Methods of generators whose code is traced."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ...compat.type_names import type_name
from ...compat.words import WARNS_OF_THROW
from ...signals import Declined
from ...variables import NONE, ExceptionVariable, GeneratorVariable, PinnedVariable, Variable
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("not a generator that is traced")


def _ended(ctx: Context, generator: GeneratorVariable) -> None:
    result = generator.result
    ctx.raise_with(StopIteration, [result] if result is not None and result.python_type() is not type(None) else [])


@calls.exact(types.GeneratorType.send)
def send(ctx: Context, generator: Variable, value: Variable) -> Any:
    """`g.send(value)`."""
    if not isinstance(generator, GeneratorVariable):
        return _OTHER
    item = ctx.generators.send(ctx, generator, value)
    if item is None:
        _ended(ctx, generator)
    return item


@calls.exact(types.GeneratorType.throw)
def throw(ctx: Context, generator: Variable, kind: Variable, value: Variable | None = None, traceback: Variable = NONE) -> Any:
    """`g.throw(error)` and `g.throw(type, value, traceback)`, of which CPython warns since 3.12."""
    if not isinstance(generator, GeneratorVariable):
        return _OTHER
    if value is None:
        value = NONE
    elif WARNS_OF_THROW:
        return Declined("CPython warns of more than one argument")
    item = ctx.generators.throw(ctx, generator, _error(ctx, kind, value))
    if item is None:
        _ended(ctx, generator)
    return item


def _error(ctx: Context, kind: Variable, value: Variable) -> ExceptionVariable:
    none = value.python_type() is type(None)
    if isinstance(kind, PinnedVariable) and isinstance(kind.value, type) and issubclass(kind.value, BaseException):
        if not none and issubclass(value.python_type(), kind.value):
            return value  # type: ignore[return-value]
        args = [] if none else ctx.protocol.unpack(ctx, value) if value.python_type() is tuple else [value]
        made = ctx.call_now(kind, args)
        assert isinstance(made, ExceptionVariable)
        return made
    if isinstance(kind, ExceptionVariable):
        if not none:
            ctx.raise_(TypeError, "instance exception may not have a separate value")
        return kind
    ctx.raise_(TypeError, f"exceptions must be classes or instances deriving from BaseException, not {type_name(kind.python_type())}")


@calls.exact(types.GeneratorType.close)
def close(ctx: Context, generator: Variable) -> Any:
    """`g.close()`."""
    if not isinstance(generator, GeneratorVariable):
        return _OTHER
    return ctx.generators.close(ctx, generator)
