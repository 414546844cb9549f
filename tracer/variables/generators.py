"""Generators whose code is traced: a suspended frame of the interpreter."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ..signals import Break
from .iterators import IteratorVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..interpreter.frame import Frame
    from .base import Variable

__all__ = ["GeneratorVariable"]


class GeneratorVariable(IteratorVariable):
    """`frame` is suspended before the operation at `frame.pc`; `result` is the value of `return`."""

    __slots__ = ("frame", "result", "running", "started")

    def __init__(self, frame: Frame):
        self.frame, self.source, self.vid, self.done, self.cls = frame, None, 0, False, types.GeneratorType
        self.started = self.running = False
        self.result: Variable | None = None

    def describe(self) -> str:
        return f"generator {self.frame.decoded.code.co_qualname}"

    def next(self, ctx: Context) -> Variable | None:
        from .constants import NONE

        return ctx.generators.send(ctx, self, NONE)

    def snapshot(self) -> Any:
        return self.frame.snapshot(), self.done, self.started, self.result

    def restore(self, state: Any) -> None:
        saved, self.done, self.started, self.result = state
        self.frame.restore(saved)

    def rebuild(self, body: Body) -> str:
        if self.started and not self.done:
            raise Break(
                "unsupported-generator",
                func=self.frame.decoded.code.co_qualname,
                why="it was started inside and leaves half-consumed",
            )
        if self.frame.function is None:
            raise Break(
                "unsupported-generator",
                func=self.frame.decoded.code.co_qualname,
                why="its function is not known any more",
            )
        name = body.fresh("generator")
        function, args, kwargs = self.frame.call  # type: ignore[misc]
        parts = [body.value(a) for a in args] + [f"{k}={body.value(v)}" for k, v in kwargs.items()]
        body.line(f"{name} = {body.value(function)}({', '.join(parts)})")
        if self.done:
            body.line(f"{name}.close()")
        return name
