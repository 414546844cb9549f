"""Generators whose code is traced: a suspended frame of the interpreter."""

from __future__ import annotations

import types
import weakref
from typing import TYPE_CHECKING, Any

from ..signals import Break
from .base import EPOCH
from .iterators import IteratorVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..interpreter.frame import Frame
    from ..interpreter.lifetimes import Lifetimes
    from .base import Variable

__all__ = ["GeneratorVariable", "Weakly"]


class Weakly:
    """An entry of the undo log for a generator, which keeps the states that it had itself."""

    __slots__ = ("held",)

    def __init__(self, generator: GeneratorVariable):
        self.held = weakref.ref(generator)

    def restore(self, _: Any) -> None:
        generator = self.held()
        if generator is not None:
            generator.restore(generator.states.pop())

    def forget(self) -> None:
        generator = self.held()
        if generator is not None:
            generator.states.clear()


class GeneratorVariable(IteratorVariable):
    """`frame` is suspended before the operation at `frame.pc`; `result` is the value of `return`."""

    __slots__ = ("__weakref__", "frame", "handling", "lifetimes", "result", "running", "started", "states")

    def __init__(self, frame: Frame, lifetimes: Lifetimes):
        self.frame, self.source, self.vid, self.done, self.cls = frame, None, 0, False, types.GeneratorType
        self.born = EPOCH.now
        self.started = self.running = False
        self.result: Variable | None = None
        self.handling: Any = None  # the exception that it handles while it is suspended
        self.lifetimes = lifetimes
        self.states: list[Any] = []

    def __del__(self) -> None:
        if self.started and not self.done:
            self.lifetimes.end(self)

    def end(self, ctx: Context) -> None:
        ctx.generators.abandon(ctx, self)

    def is_left_by_a_handler(self) -> bool:
        """Whether it is suspended where code runs when it is closed: in a `try` or a `with`. Around all of a generator's code is a handler of
        CPython's own (since 3.12)."""
        ops, pc = self.frame.decoded.ops, self.frame.pc
        handler = self.frame.decoded.handlers[pc - 1] if self.started and not self.done and pc else None
        return handler is not None and (ops[handler.target].name, ops[handler.target].arg) != ("CallIntrinsic1", "stopiteration_error")

    def describe(self) -> str:
        return f"generator {self.frame.decoded.code.co_qualname}"

    def next(self, ctx: Context) -> Variable | None:
        from .constants import NONE

        return ctx.generators.send(ctx, self, NONE)

    def snapshot(self) -> Any:
        return self.frame.snapshot(), self.done, self.started, self.result, self.handling

    def saved(self) -> tuple[Any, Any]:
        """The undo log must not keep it: one that is abandoned has to end, and nobody takes that back by another way than its owner."""
        self.states.append(self.snapshot())
        return Weakly(self), None

    def restore(self, state: Any) -> None:
        saved, self.done, self.started, self.result, self.handling = state
        self.frame.restore(saved)

    def rebuild(self, body: Body) -> str:
        if self.started and not self.done:
            raise Break(
                "unsupported-generator",
                running=self.frame.decoded.code.co_qualname,
                why="it was started inside and leaves half-consumed",
            )
        if self.frame.function is None:
            raise Break(
                "unsupported-generator",
                running=self.frame.decoded.code.co_qualname,
                why="its function is not known any more",
            )
        name = body.fresh("generator")
        if self.done:
            self._rebuild_ended(body, name)
            return name
        function, args, kwargs = self.frame.call
        parts = [body.value(a) for a in args] + [f"{k}={body.value(v)}" for k, v in kwargs.items()]
        body.line(f"{name} = {body.value(function)}({', '.join(parts)})")
        return name

    def _rebuild_ended(self, body: Body, name: str) -> None:
        """One that is closed before it begins: what it was called with is gone, and nobody can tell."""
        program = self.frame.program
        parts = ["None"] * program.argcount + [f"{k}=None" for k in program.names[program.argcount : program.total]]
        body.line(f"{name} = {body.value(self.frame.function)}({', '.join(parts)})")  # type: ignore[arg-type]
        body.line(f"{name}.close()")
