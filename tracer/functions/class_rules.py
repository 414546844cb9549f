"""Call rules of class statements, of `type`'s own checks, and of methods that every exception has."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from ..signals import Declined
from ..variables import NONE, ExceptionVariable, ListVariable, Variable, literal
from .table import calls

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(builtins.__build_class__)
def build_class(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """A class statement makes a class by running Python."""
    ctx.break_("class-definition-inside", what="class statement", expr="class")


@calls.exact(type.__instancecheck__)
def type_instancecheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """`type.__instancecheck__(cls, x)`: by the class of the object alone."""
    return literal(issubclass(value.python_type(), cls.real()))


@calls.exact(type.__subclasscheck__)
def type_subclasscheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """`type.__subclasscheck__(cls, x)`: by the MRO alone."""
    return literal(type.__subclasscheck__(cls.real(), value.real()))


@calls.exact(BaseException.add_note)
def add_note(ctx: Context, error: Variable, note: Variable) -> Any:
    """`error.add_note(text)`: appended to `__notes__`."""
    if not isinstance(error, ExceptionVariable):
        return Declined("not a modelled exception")
    if not issubclass(note.python_type(), str):
        ctx.raise_(TypeError, f"note must be a str, not {note.python_type().__name__!r}")
    notes = error.own(ctx, "__notes__")
    if notes is None:
        notes = ListVariable([])
        error.store(ctx, "__notes__", notes)
    if not isinstance(notes, ListVariable):
        ctx.raise_(TypeError, "Cannot add note: __notes__ is not a list")
    ctx.mutate(notes)
    notes.items.append(note)
    return NONE


@calls.exact(BaseException.with_traceback)
def with_traceback(ctx: Context, error: Variable, trace: Variable) -> Any:
    """`error.with_traceback(None)`: the traceback begins where it is raised."""
    return error if trace.python_type() is type(None) else Declined("a traceback of its own")
