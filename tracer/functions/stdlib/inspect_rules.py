"""Call rules for `inspect` and `typing`: what is looked up without running code of the program, and what evaluates text."""

from __future__ import annotations

import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

from ...signals import Break, Declined
from ...variables import ObjectVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(inspect.getattr_static)
def getattr_static(ctx: Context, target: Variable, name: Variable, default: Variable | None = None) -> Any:
    """`inspect.getattr_static(x, name, default)` of an instance: what its class or it itself holds, as it is held. Protocols with data members ask so."""
    if not isinstance(target, ObjectVariable) or not issubclass(name.python_type(), str):
        return Declined("not an instance that is modelled")
    text = str(name.constant())
    owner, raw = ctx.protocol.find(ctx, target.cls, text)
    kept = type(ctx.protocol.find(ctx, target.cls, "__dict__")[1])
    own = target.own(ctx, text) if kept is types.GetSetDescriptorType else None
    if owner is not None and (own is None or ctx.protocol.is_data_descriptor(ctx, type(raw))):
        return ctx.protocol.class_entry(ctx, owner, text, raw)
    if own is not None:
        return own
    return default if default is not None else ctx.raise_with(AttributeError, [literal(text)])


@calls.exact(typing.get_type_hints)
def get_type_hints(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`typing.get_type_hints(x)`: annotations that are text are evaluated, in namespaces as they are at each call."""
    raise Break("exec-or-eval", expr="get_type_hints()", func="get_type_hints", why="it evaluates annotations that are text")
