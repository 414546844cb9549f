"""What ends or diverts a trace: small classes that carry what happened, never flags.

`Raised` is the traced program's own exception on its way to a handler. `Break` says that capture can't go on and why.
`Restart` ends an attempt so that the frame begins again with one more pinned decision. `Untraceable` gives the whole
frame back to Python. `Declined` is a rule's answer "not mine".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .variables.base import Variable

#: What a rule says where a value has no name in the program: an explanation leaves out what holds it.
UNNAMED = "(unnamed)"

__all__ = ["UNNAMED", "Break", "Decision", "Declined", "NotConstant", "NotHeld", "Raised", "Restart", "Untraceable"]


class Break(Exception):
    """Capture can't go on here. `reason` is an id of the catalogue; `context` fills its placeholders."""

    def __init__(self, reason: str, **context: Any):
        super().__init__(reason)
        self.reason, self.context = reason, context
        self.override: Any = None  # the one that asked for it
        self.location: tuple[Any, ...] = ()
        self.user_stack: tuple[Any, ...] = ()
        self.inner: tuple[Any, ...] = ()  # the operation itself, where it is in a library that the user's line calls
        self.asks: tuple[int, tuple[Any, ...]] | None = None  # where it asks for the truth of a value, as `if` does: see `Decoded.asking`
        self.stays = False  # whether what is left of the frame must run in it, for references that Python counts

    def met_at(self, other: Break) -> None:
        """This break is told of where another was met."""
        self.user_stack, self.location, self.inner, self.asks = other.user_stack, other.location, other.inner, other.asks

    def met_in_body(self, other: Break) -> None:
        """This break of an operator is told of where another was met in its body, and with the other's title and hints."""
        self.met_at(other)
        self.context = {**other.context, **self.context, "met": other.context.get("met", other.reason)}


class NotHeld(Break):
    """A value that no node of a graph can hold as an argument."""

    def __init__(self, type: str):
        super().__init__("unsupported-type", type=type, why="it can't be an argument of a graph node")


class Raised(Exception):
    """The traced program raised; `variable` is the exception object."""

    def __init__(self, variable: Variable):
        super().__init__()
        self.variable = variable


class Decision:
    """One pinned choice for the next attempt: at `key` (frame path and rule), do `value`, because of `because`.

    `at`: for a break, the operation of the root frame and which time it runs, as the interpreter counts.
    """

    __slots__ = ("at", "because", "key", "value")

    def __init__(self, key: tuple[Any, ...], value: Any, because: Any, at: tuple[int, int] | None = None):
        self.key, self.value, self.because, self.at = key, value, because, at


class Restart(Exception):
    """Begin the frame again with `decision` pinned."""

    def __init__(self, decision: Decision):
        super().__init__()
        self.decision = decision


class Untraceable(Exception):
    """The frame runs as plain Python this time; `reason` is a catalogue id."""

    def __init__(self, reason: str, **context: Any):
        super().__init__(reason)
        self.reason, self.context = reason, context


class NotConstant(Exception):
    """A variable has no Python value that is known while tracing."""

    def __init__(self, variable: Variable):
        super().__init__()
        self.variable = variable


class Declined:
    """A rule's answer: it doesn't apply, and why."""

    __slots__ = ("why",)

    def __init__(self, why: str):
        self.why = why
