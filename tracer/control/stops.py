"""When a stepped call stops: conditions over events, made by the commands and by breakpoints.

In: each event as it is recorded, with the list of all so far. Out: why to stop there, or nothing. A condition only
reads; the worker asks it inside `emit`.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..callers import is_module_call
from ..errors import TracerError
from ..events import (
    KINDS,
    AttemptEnded,
    Begin,
    Event,
    FrameFinished,
    FrameStarted,
    GeneratorResumed,
    GraphBreak,
    InlineStarted,
    Instruction,
    Point,
    Summary,
    kind_of,
)
from ..libraries import is_library

__all__ = [
    "Breakpoint",
    "Progress",
    "Stop",
    "Terms",
    "decision",
    "enter",
    "into",
    "line",
    "never",
    "out",
    "over",
    "until_line",
]

#: What a command leaves behind: the event's reason to stop, or "".
Stop = Callable[["Progress", Event], str]

FUNCTIONS = (FrameStarted, InlineStarted, GeneratorResumed)


def visitable(event: Event) -> bool:
    """Stepping stops where something is about to happen or has just happened once: at begins and points. Outcomes say
    how a begin ended; a summary belongs to the event that caused it. Both can be asked for by kind."""
    return isinstance(event, Begin | Point) and type(event) is not Summary


class Progress:
    """Where the worker is: the events so far, and the line that each running function was last seen on."""

    def __init__(self, events: Sequence[Event]):
        self.events = events
        self._lines: dict[int, tuple[Any, ...]] = {}
        #: Whether the newest event is the first instruction of a line, seen from its function.
        self.arrived = False

    def see(self, event: Event) -> None:
        self.arrived = False
        if type(event) is Instruction:
            function, here = self.function_of(event), event.location[:2]
            self.arrived = self._lines.get(function) != here or _jumped_back(self.events, event)
            self._lines[function] = here

    def inside(self, event: Event, span: int) -> bool:
        """Whether an event lies in the span that the event number `span` began (the begin itself does not)."""
        parent = event.parent
        while parent > span:
            parent = self.events[parent].parent
        return parent == span

    def function_of(self, event: Event) -> int:
        """The number of the event that entered the function in which `event` lies; -1 outside of every function."""
        parent = event.parent
        while parent >= 0:
            holder = self.events[parent]
            if isinstance(holder, FUNCTIONS):
                return parent
            parent = holder.parent
        return -1


def _jumped_back(events: Sequence[Event], event: Event) -> bool:
    """A loop on one line comes to that line again and again, as CPython's own line events have it."""
    before = events[event.seq - 1] if event.seq else None
    return (
        type(before) is Instruction
        and before.op == "Jump"
        and before.parent == event.parent
        and _column(event) < _column(before)
    )


def _column(event: Event) -> int:
    return event.location[2] or 0 if event.location else 0  # type: ignore[return-value]


# --- commands ---------------------------------------------------------------------------------------------------------


def never(_progress: Progress, _event: Event) -> str:
    return ""


def into(_progress: Progress, event: Event) -> str:
    return "step" if visitable(event) else ""


def first_instruction(_progress: Progress, event: Event) -> str:
    """Of what was handed over: the function of ours that calls a module runs through."""
    here = type(event) is Instruction and not (event.location and is_module_call(str(event.location[0])))
    return "the first instruction" if here else ""


def decision(_progress: Progress, event: Event) -> str:
    return "decision" if visitable(event) and type(event) is not Instruction else ""


def over(at: Event) -> Stop:
    """The next event that isn't part of what `at` begins."""

    def stop(progress: Progress, event: Event) -> str:
        return "step over" if visitable(event) and not progress.inside(event, at.seq) else ""

    return stop


class Function:
    """One activation of a function, followed across its graph breaks: the rest of a broken frame is the same function."""

    def __init__(self, progress: Progress, at: Event):
        self.span = at.seq if isinstance(at, FUNCTIONS) else progress.function_of(at)
        self._broke = self._ended = False

    def left(self, progress: Progress, event: Event) -> bool:
        """Whether the function has ended before `event`; asked for each event in turn."""
        if self.span < 0:
            return False
        if progress.inside(event, self.span):
            if type(event) is GraphBreak:
                self._broke = True
            elif type(event) is AttemptEnded and event.outcome == "restarted":
                self._broke = False
            return False
        begun = progress.events[self.span]
        if type(begun) is not FrameStarted:
            return True
        if type(event) is FrameFinished and event.opens == self.span:
            self._ended = not self._broke
            return self._ended
        if type(event) is FrameStarted and event.resumes and event.resumes == begun.frame:
            self.span, self._broke = event.seq, False
            return False
        return self._ended


    def holds(self, progress: Progress, event: Event) -> bool:
        """Whether `event` lies in the function itself, not in what it calls; every event does where there is no function."""
        return self.span < 0 or progress.function_of(event) == self.span


def out(progress: Progress, at: Event) -> Stop:
    """The first event after the current function has returned."""
    function = Function(progress, at)

    def stop(progress: Progress, event: Event) -> str:
        return "return" if function.left(progress, event) and visitable(event) else ""

    return stop


def line(progress: Progress, at: Event) -> Stop:
    """The next line of the current function, or of its caller when it has returned; called functions run through."""
    function = Function(progress, at)

    def stop(progress: Progress, event: Event) -> str:
        left = function.left(progress, event)
        if not progress.arrived:
            return ""
        return "line" if left or function.holds(progress, event) else ""

    return stop


def enter(progress: Progress, at: Event) -> Stop:
    """The first line of a function of the program that this line calls, through whatever libraries do on the way; where it calls none, as `line`."""
    function = Function(progress, at)
    in_library = _of_library(at)

    def stop(progress: Progress, event: Event) -> str:
        left = function.left(progress, event)
        if not progress.arrived:
            return ""
        here = left or function.holds(progress, event)
        if _of_library(event) and not (here and in_library):
            return ""
        return "line" if here else "call"

    return stop


def _of_library(event: Event) -> bool:
    return bool(event.location) and is_library(str(event.location[0]))


def until_line(progress: Progress, at: Event, number: int | None) -> Stop:
    """As pdb's `until`: a line from `number` on (without it: greater than the current one) of the current function, or
    the first line after it has returned."""
    function = Function(progress, at)
    least = number if number is not None else _line_of(at) + 1

    def stop(progress: Progress, event: Event) -> str:
        left = function.left(progress, event)
        if not progress.arrived:
            return ""
        if left:
            return "return"
        here = function.holds(progress, event)
        return f"line {least}" if here and _line_of(event) >= least else ""

    return stop


def _line_of(event: Event) -> int:
    return event.location[1] or 0 if event.location else 0  # type: ignore[return-value]


# --- terms ------------------------------------------------------------------------------------------------------------


class Terms:
    """What an event has to be: all terms that are given must hold.

    kind      a kind of event, or several ("GraphBreak"; see docs for the list)
    line      12, or "model.py:12": the first instruction of that line
    file      the end of a file's path, for `line` and on its own
    function  the function in which it lies, or that it enters: "forward", "Block.forward"
    source    what was read: the source of a guard, of a built value, of a graph input ("self.weight", "x*")
    target    the target of a graph node, its last part or the node's name ("add", "torch.nn.functional.*", "gelu", "mul_1")
    reason    the id of a graph break ("print-call")
    when      a function of the event: anything else

    `source`, `target`, `reason` and `function` take the wildcards * and ?.
    """

    __slots__ = ("file", "function", "kind", "line", "reason", "source", "target", "when")

    def __init__(
        self,
        kind: str | type[Event] | Iterable[str | type[Event]] | None = None,
        *,
        line: int | str | None = None,
        file: str | None = None,
        function: str | None = None,
        source: str | None = None,
        target: str | None = None,
        reason: str | None = None,
        when: Callable[[Event], Any] | None = None,
    ):
        self.kind = _kinds(kind)
        self.line, self.file = _place(line, file)
        self.function, self.source, self.target, self.reason = function, source, target, reason
        if when is not None and not callable(when):
            raise TracerError(
                f"when={when!r} is no function of an event.",
                next="give a function, such as when=lambda event: event.depth > 2",
            )
        self.when = when
        if not any(getattr(self, name) is not None for name in self.__slots__):
            raise TracerError(
                "a condition needs at least one term.", next=f"give one of {', '.join(sorted(self.__slots__))}"
            )

    def hold(self, progress: Progress, event: Event) -> bool:
        if self.kind is not None:
            if kind_of(event) not in self.kind:
                return False
        elif not visitable(event):
            return False
        if self.line is not None and not (progress.arrived if self.kind is None else True):
            return False
        if self.line is not None and _line_of(event) != self.line:
            return False
        if self.file is not None and not _in_file(event, self.file):
            return False
        if self.function is not None and not self._in_function(progress, event):
            return False
        for name in ("source", "reason"):
            wanted = getattr(self, name)
            if wanted is not None and not _like(getattr(event, name, None), wanted):
                return False
        if self.target is not None and not _is_node(event, self.target):
            return False
        return self.when is None or bool(self.when(event))

    def _in_function(self, progress: Progress, event: Event) -> bool:
        """Entering it, unless another term picks the events in it."""
        assert self.function is not None
        if isinstance(event, FUNCTIONS):
            return _named(event, self.function)
        if all(getattr(self, name) is None for name in ("kind", "line", "source", "target", "reason", "when")):
            return False
        span = progress.function_of(event)
        return span >= 0 and _named(progress.events[span], self.function)

    def __str__(self) -> str:
        parts = []
        if self.kind is not None:
            parts.append(" or ".join(sorted(self.kind)))
        if self.line is not None:
            parts.append(f"{self.file}:{self.line}" if self.file else f"line {self.line}")
        elif self.file is not None:
            parts.append(f"in {self.file}")
        parts += [
            f"{name} {getattr(self, name)}"
            for name in ("function", "source", "target", "reason")
            if getattr(self, name) is not None
        ]
        if self.when is not None:
            parts.append(f"when {getattr(self.when, '__name__', 'condition')}")
        return ", ".join(parts)


def _is_node(event: Event, wanted: str) -> bool:
    target = getattr(event, "target", None)
    if type(target) is not str:
        return False
    return any(_like(one, wanted) for one in (target, target.rpartition(".")[2], getattr(event, "name", None)))


def _kinds(kind: Any) -> frozenset[str] | None:
    if kind is None:
        return None
    several = [kind] if isinstance(kind, str | type) else list(kind)
    names = [k if isinstance(k, str) else k.__name__ for k in several]
    for name in names:
        if name not in KINDS:
            raise TracerError(f"there is no kind of event {name!r}.", next=f"known: {', '.join(sorted(KINDS))}")
    return frozenset(names)


def _place(line: int | str | None, file: str | None) -> tuple[int | None, str | None]:
    if isinstance(line, str):
        before, _, number = line.rpartition(":")
        if not number.strip().isdigit():
            raise TracerError(f"line={line!r} is no line.", next="give a number, or text like 'model.py:12'")
        return int(number), before or file
    if line is not None and (isinstance(line, bool) or not isinstance(line, int) or line < 1):
        raise TracerError(f"line={line!r} is no line.", next="give a number from 1, or text like 'model.py:12'")
    return line, file


def _in_file(event: Event, wanted: str) -> bool:
    file = (
        getattr(event, "file", None) if isinstance(event, FUNCTIONS) else event.location[0] if event.location else None
    )
    if not isinstance(file, str):
        return False
    return file == wanted or file.replace(os.sep, "/").endswith("/" + wanted.replace(os.sep, "/").lstrip("/"))


def _like(text: Any, wanted: str) -> bool:
    return isinstance(text, str) and (text == wanted or fnmatch.fnmatchcase(text, wanted.replace("[", "[[]")))


def _named(begun: Event, wanted: str) -> bool:
    name = begun.name if type(begun) is FrameStarted else begun.function  # type: ignore[attr-defined]
    short = name.replace(".<locals>", "")
    return any(_like(text, wanted) for text in (name, short)) or any(_like(n, "*." + wanted) for n in (name, short))


class Breakpoint:
    """A place to stop at, each time its terms hold. As in pdb: `condition` must hold too, and the first `ignore` hits
    don't count; a temporary one goes when it has stopped the call once."""

    def __init__(self, number: int, terms: Terms, *, temporary: bool = False, ignore: int = 0):
        self.number, self.terms, self.temporary = number, terms, temporary
        self.condition: Callable[[Event], Any] | None = None
        self.ignore, self.hits, self.enabled = ignore, 0, True

    def wants(self, progress: Progress, event: Event) -> str:
        """Why to stop here, or ""; counts. A condition that raises stops the call, and the reason says so."""
        if not self.enabled:
            return ""
        try:
            if not self.terms.hold(progress, event) or (self.condition is not None and not self.condition(event)):
                return ""
        except Exception as error:
            return f"the condition of breakpoint {self.number} raised {type(error).__name__}: {error}"
        self.hits += 1
        if self.ignore > 0:
            self.ignore -= 1
            return ""
        return f"breakpoint {self.number}"

    def again(self, number: int) -> Breakpoint:
        """The same for another call, under another number: nothing has hit it yet."""
        made = Breakpoint(number, self.terms)
        made.condition, made.enabled = self.condition, self.enabled
        return made

    def __repr__(self) -> str:
        state = ("" if self.enabled else ", disabled") + (", temporary" if self.temporary else "")
        return f"<Breakpoint {self.number}: {self.terms}{state}, {self.hits} hit{'s' * (self.hits != 1)}>"
