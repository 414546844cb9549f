"""The checker of time travel: while a program is traced, each instruction's real frames against those rebuilt from the
events. What comes in: a tracer that records. What goes out: differences, in words."""

from __future__ import annotations

from typing import Any

from tracer.context import Context
from tracer.events import Instruction
from tracer.variables import NULL, UNSET, CellVariable, Lazy

__all__ = ["Checker"]


class Checker:
    """Watches the sessions given to `watch`; `problems` is empty where all was rebuilt as it really was."""

    def __init__(self, every: int = 1):
        self.every, self.checked, self.problems = every, 0, []
        self.contexts: dict[int, Any] = {}
        self.watched: list[Any] = []

    def watch(self, session: Any) -> None:
        self.watched.append(session)
        session.recorder.intercept(lambda event: self.seen(session, event))

    def __enter__(self) -> Checker:
        init = self.init = Context.__init__

        def noted(context: Context, *args: Any, **kwargs: Any) -> None:
            init(context, *args, **kwargs)
            self.contexts[id(context.rec)] = context

        Context.__init__ = noted
        return self

    def __exit__(self, *_: object) -> None:
        Context.__init__ = self.init
        for session in self.watched:
            session.recorder.intercept(None)

    def seen(self, session: Any, event: Any) -> None:
        if type(event) is Instruction and not event.seq % self.every and len(self.problems) < 5:
            self.checked += 1
            self.session, self.context = session, self.contexts[id(session.recorder)]
            self.problems += [f"event {event.seq} ({event.op} {event.arg}): {what}" for what in self.differences(event)]

    def number(self, variable: Any) -> int | None:
        recorder = self.session.recorder
        return recorder._shared.get(id(variable), 0) if variable.vid is None else variable.vid

    def differences(self, event: Any) -> list[str]:
        state = self.session.journal.state_at(event.seq)
        real, frame = [], self.context.frame
        while frame is not None:
            real.append(frame)
            frame = frame.back
        real.reverse()
        if len(real) != len(state.frames):
            return [
                f"{[f.decoded.code.co_qualname for f in real]} are really there, not {[f.function for f in state.frames]}"
            ]
        return [what for pair in zip(real, state.frames, strict=True) for what in self.frame(*pair)]

    def frame(self, real: Any, rebuilt: Any) -> list[str]:
        found = []
        stack = tuple(None if v is NULL else self.number(v) for v in real.stack)
        if rebuilt is not None and self.running(real, rebuilt) and stack != rebuilt.stack:
            found.append(f"{rebuilt.function}: the stack is {stack}, not {rebuilt.stack}")
        for name, held in zip(real.program.names, real.locals, strict=True):
            value = held.value if isinstance(held, CellVariable) else held
            got = rebuilt.locals.get(name)
            if type(value) is Lazy:
                built = self.context.by_source.get(value.source)
                if got is not None and (built is None or got != self.number(built)):
                    found.append(f"{rebuilt.function}: {name} was not read, not {got}")
            elif value is None or value is UNSET or value is NULL:
                if got is not None:
                    found.append(f"{rebuilt.function}: {name} has no value, not {got}")
            elif got != self.number(value):
                found.append(f"{rebuilt.function}: {name} is {self.number(value)}, not {got}")
        return found

    def running(self, real: Any, rebuilt: Any) -> bool:
        """The innermost frame stands before an operation; the others are inside one that has taken its operands."""
        return real is self.context.frame
