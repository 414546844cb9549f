"""What a session refuses: errors that are its answer to the caller, and what `fullgraph=True` makes of a frame that isn't captured."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from .breaks import render
from .errors import FullGraphError, TracerError
from .guards import GuardError

if TYPE_CHECKING:
    from .config import TraceConfig
    from .runtime.policy import Facts
    from .signals import Break, Untraceable

__all__ = ["LIMITED", "NEVER_WHOLE", "WITHOUT", "Refusals", "outcome_of"]

#: Rules that leave a function given to run to Python, though nobody asked for that.
NEVER_WHOLE = frozenset({"generator", "body", "optimizer step", "limit"})
WITHOUT = "leave out fullgraph=True to let it run as plain Python"
LIMITED = "mark what changes as dynamic, or raise recompile_limit"


def outcome_of(error: BaseException) -> str:
    """How a call that didn't return ended."""
    return "refused" if isinstance(error, TracerError) else "raised" if isinstance(error, Exception) else "aborted"


class Refusals:
    """The part of a session that says no. `escaped`: what a trace found to leave a function given to run."""

    config: TraceConfig
    facts: Facts
    escaped: str | None = None

    def note_break(self, ctx: Any, stop: Break, frame: str) -> None:
        raise NotImplementedError

    def _context(self, stop: Break) -> dict[str, Any]:
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
            words = render(stop.reason, **self._context(stop))
            where = f"{stop.location[0]}:{stop.location[1]}: " if stop.location else ""
            raise FullGraphError(stop.reason, f"{where}{words.title}. {words.explanation}", brief=f"{words.title} [{stop.reason}]")
