"""What a session refuses: errors that are its answer to the caller, and what `fullgraph=True` makes of a frame that isn't captured."""

from __future__ import annotations

import os
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from .breaks import context_of, render
from .compat.endings import ended_by_torch, is_out_of_memory, raised_in
from .errors import BackendError, FullGraphError, RecompileError, TracerError
from .guards import GuardError

if TYPE_CHECKING:
    from .config import TraceConfig
    from .runtime.policy import Facts
    from .signals import Break, Untraceable

__all__ = ["LIMITED", "NEVER_WHOLE", "WITHOUT", "Refusals", "ended"]

#: Rules that leave a function given to run to Python, though nobody asked for that.
NEVER_WHOLE = frozenset({"generator", "body", "optimizer step", "limit"})
WITHOUT = "leave out fullgraph=True to let it run as plain Python"
LIMITED = "mark what changes as dynamic, or raise recompile_limit"
_OURS = os.path.dirname(__file__) + os.sep


class Ended(NamedTuple):
    """How a call ended: `outcome` and `by` as `CallFinished` has them, the error's class, and what it says where its words aren't the
    program's (whose `__str__` isn't called)."""

    outcome: str
    by: str
    text: str
    said: str


def ended(error: BaseException, fault: BaseException | None, watched: bool) -> Ended:
    """How a call that raised ended. `fault`: what failed in the compiler itself during it. `watched`: the compiler is torch.compile,
    whose errors are the program's where it isn't."""
    name = type(error).__name__
    if error is fault:
        return Ended("refused", "tracer", name, "")
    if isinstance(error, TracerError) and not _raised_by_program(error):
        return Ended("refused", _refused_by(error), name, _brief(getattr(error, "brief", error.what)))
    if watched and (by := ended_by_torch(error)):
        return Ended("refused", by, name, _brief(str(error)))
    if is_out_of_memory(error):
        return Ended("raised", "memory", name, "")
    if isinstance(error, Exception):
        return Ended("raised", "program", name, "")
    return Ended("aborted", _ABORTS.get(name, "program"), name, "")


#: What ends a call without being an `Exception`, by name: the last is the stepper's.
_ABORTS = {"KeyboardInterrupt": "interrupt", "SystemExit": "exit", "Aborted": "step"}


def _raised_by_program(error: TracerError) -> bool:
    """Whether a line of the program raised it: its class is anybody's to raise."""
    raised = raised_in(error)
    return raised is not None and not raised.co_filename.startswith(_OURS)


def _refused_by(error: TracerError) -> str:
    if isinstance(error, FullGraphError):
        return {"recompile-limit": "limit", "internal-fault": "tracer"}.get(error.reason, "fullgraph")
    if isinstance(error, BackendError):
        return "memory" if error.__cause__ is not None and is_out_of_memory(error.__cause__) else "backend"
    if isinstance(error, RecompileError):
        return "stance"
    return "mark" if ended_by_torch(error) == "mark" else "session"


def _brief(text: str) -> str:
    """A text's first line, and the one behind it where that is what it announces."""
    first, _, rest = text.strip().partition("\n")
    return f"{first} {rest.strip().partition(chr(10))[0]}" if first.endswith(":") and rest else first


class Refusals:
    """The part of a session that says no. `escaped`: what a trace found to leave a function given to run."""

    config: TraceConfig
    facts: Facts
    escaped: str | None = None

    def note_break(self, ctx: Any, stop: Break, frame: str) -> None:
        raise NotImplementedError

    def refuses(self, error: BaseException) -> bool:
        """Whether an error out of a translation is the answer to the caller, and no fault of ours."""
        return isinstance(error, TracerError) and not isinstance(error, GuardError)

    def give_up(self, stop: Untraceable, code: types.CodeType) -> str:
        """Why a frame runs as plain Python; raises where the configuration says that it mustn't. What the program itself raises, it raises."""
        if stop.reason == "exception-escapes":
            words = f"while {code.co_qualname} was traced, {stop.context.get('type', 'an exception')} left it"
            if code in self.facts.targets:
                self.escaped = words
            return f"{words}; so plain Python decides what is raised"
        words = f"{render(stop.reason, **stop.context).title} [{stop.reason}]"
        if stop.reason == "too-deep":  # plain Python may end in a RecursionError, which is the program's
            self.escaped = f"{code.co_qualname} isn't captured: {words}"
        elif self.config.fullgraph:
            raise FullGraphError(stop.reason, f"{code.co_qualname} isn't captured: {words}.", next=WITHOUT)
        return words

    def check_fullgraph(self, ctx: Any, stop: Break, frame: str) -> None:
        if self.config.fullgraph:
            self.note_break(ctx, stop, frame)
            words = render(stop.reason, **context_of(stop))
            where = f"{stop.location[0]}:{stop.location[1]}: " if stop.location else ""
            hints = "".join(f"\n  {number}. {hint}" for number, hint in enumerate(words.hints, 1))
            text = f"{where}{words.title}. {words.explanation}" + (f"\nWhat to do{hints}" if hints else "")
            raise FullGraphError(stop.reason, text, brief=f"{words.title} [{stop.reason}]")
