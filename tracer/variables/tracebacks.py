"""The traceback of an exception that was raised while tracing: an entry for each frame that it went through, as CPython makes them.

An entry holds its frame, and so what the frame held. Outside the trace its frame is one that shows where that one was
(`codegen/shells.py`): file, line, columns, name and globals; its locals only where their lifetimes matter.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ..codegen.resume import original_of
from ..codegen.shells import shell, shown_traceback
from ..signals import Break
from .base import Lazy, Variable
from .constants import NONE, literal
from .functions import CellVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..interpreter.frame import Frame

__all__ = ["TracebackVariable"]


class TracebackVariable(Variable):
    """`frame` was at operation `index`; `following` is the entry of the frame that it had called."""

    __slots__ = ("following", "frame", "index")

    def __init__(self, frame: Frame, index: int, following: TracebackVariable | Lazy | None):
        super().__init__(None)
        self.frame, self.index, self.following = frame, index, following
        frame.shown += 1

    def __del__(self) -> None:
        self.following = None  # its frame goes first
        self.frame.shown -= 1
        if self.frame.left:
            self.frame.drop()

    def python_type(self) -> type:
        return types.TracebackType

    def truth(self, ctx: Context) -> bool:
        return True

    def _place(self) -> tuple[types.CodeType, int, int]:
        """(code of the user's, offset there, line)."""
        program = self.frame.program
        code, offset = original_of(program.code, program.decoded.ops[self.index].offset)
        return code, offset, program.place(self.index)[1]

    def attribute(self, ctx: Context, name: str) -> Any:
        if name == "tb_next":
            return NONE if self.following is None else ctx.settle(self.following)
        if name in ("tb_lineno", "tb_lasti"):
            return literal(self._place()[2 if name == "tb_lineno" else 1])
        raise Break("exec-or-eval", expr=f"traceback.{name}", why="a frame exists only when the code is really run")

    def rebuild(self, body: Body) -> str:
        code, offset, line = self._place()
        rest = "None"
        if self.following is not None:
            rest = body.load(self.following.source) if type(self.following) is Lazy else body.value(self.following)  # type: ignore[arg-type]
        # a frame that goes on lets go of what it holds by itself
        held = self._held(body) if body.ctx.lifetimes.pending() and self.frame is not body.goes_on else {}
        make = body.pin(shell(code, self.frame.globals, tuple(held)), f"frame_of_{code.co_name}")
        values = "".join(f"{body.value(value)}, " for value in held.values())
        name = body.fresh("trace")
        body.line(f"{name} = {body.pin(shown_traceback, 'shown_traceback')}({rest}, {make}, ({values}), {offset}, {line})")
        return name

    def _held(self, body: Body) -> dict[str, Variable]:
        held = zip(self.frame.program.names, self.frame.locals, strict=False)
        return {name: body.ctx.settle(value) for name, value in held if value is not None and not isinstance(value, CellVariable)}
