"""The traceback of an exception that was raised and handled while tracing: something to pass on, with nothing to read."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ..signals import Break
from .base import Variable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from .objects import ExceptionVariable

__all__ = ["TracebackVariable"]


class TracebackVariable(Variable):
    __slots__ = ("error",)

    def __init__(self, error: ExceptionVariable):
        self.error, self.source, self.vid = error, None, 0

    def python_type(self) -> type:
        return types.TracebackType

    def truth(self, ctx: Context) -> bool:
        return True

    def attribute(self, ctx: Context, name: str) -> Any:
        raise Break("exec-or-eval", expr=f"traceback.{name}", why="a traceback exists only when the exception is really raised")

    def rebuild(self, body: Body) -> str:
        raise Break("exec-or-eval", expr="traceback", why="a traceback exists only when the exception is really raised")
