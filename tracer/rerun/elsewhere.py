"""Does the other compiler break there as well? torch.compile for breaks of ours, ours for breaks of torch.compile.

In: a session and its graph breaks. Out: one `BreakCompared` event for each, which the records join to its break. The call that broke runs
once more under the other engine, on copies, and only when somebody asks: what it does outside can't be undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import events as ev
from ..errors import TracerError
from ..records import GraphBreak, Place
from ..records.reader import broken

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["ENGINES", "compare_breaks"]

#: By the engine of a session, the other one: its name among settings, and what people call it.
ENGINES = {"tracer": ("dynamo", "torch.compile"), "dynamo": ("tracer", "Tracer's own engine")}


def compare_breaks(session: Session, found: GraphBreak | Iterable[GraphBreak] | None = None) -> list[GraphBreak]:
    """See `Reruns.compare_breaks`."""
    wanted = list(session.graph_breaks) if found is None else [found] if isinstance(found, GraphBreak) else list(found)
    engine, name = ENGINES[session.config.engine]
    runs: dict[int, _Run] = {}
    events = {broken(event).key: event.seq for event in session.journal.of(ev.GraphBreak)}
    for one in wanted:
        if one.elsewhere:
            continue
        run = runs.get(one.call)
        if run is None:
            run = runs[one.call] = _Run(session, one.call, engine, name)
        verdict, text = run.about(one)
        session.recorder.later(ev.BreakCompared, events[one.key], name, verdict, text)
    keys = {one.key for one in wanted}
    return [one for one in session.graph_breaks if one.key in keys]


class _Run:
    """One call under the other engine: what it broke at, and which functions it read."""

    def __init__(self, session: Session, call: int, engine: str, name: str):
        self.name, self.failed = name, ""
        self.breaks: list[GraphBreak] = []
        self.compiled: set[tuple[str, str]] = set()  # (file, function) that were read
        self.left: dict[tuple[str, str], str] = {}  # those that run as Python, and why
        self.lines: set[tuple[Any, ...]] = set()  # (file, line) of operations
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = session.recompile(engine=engine, call=call, overrides=[], fullgraph=False, record="decisions")
        except TracerError as error:
            self.failed = str(error).partition("\n")[0].rstrip(".")
            return
        try:
            self._read(made)
        finally:
            made.close()

    def _read(self, made: Session) -> None:
        records = made.records
        self.breaks = list(records.graph_breaks)
        compiled = {frame.id for frame in records.frames if frame.id and frame.outcome == "compiled"}
        for event in made.events:
            if event.frame in compiled:
                if isinstance(event, ev.FrameStarted | ev.InlineStarted):
                    self.compiled.add((event.file, _short(event.name if isinstance(event, ev.FrameStarted) else event.function)))
                elif isinstance(event, ev.NodeCreated):
                    self.lines.add(tuple(event.location[:2]))
        for frame in records.frames:
            if frame.outcome != "compiled":
                self.left.setdefault((frame.file, _short(frame.name)), frame.reason)
        if made.error is not None and not records.graph_breaks and not self.compiled:
            self.failed = f"the call raised {type(made.error).__name__} there"

    def about(self, found: GraphBreak) -> tuple[str, str]:
        """(verdict, sentence)."""
        if self.failed:
            return "unknown", f"{self.name} couldn't be asked: {self.failed}."
        mine = [_line(frame.place) for frame in found.user_stack] or [_line(found.location)]
        near = [other for other in self.breaks if _line(other.location) == mine[-1]]
        same = next((other for other in near if _is_same(found, other)), None)
        if same is not None:
            return "breaks", f"{self.name} breaks here too: {_words(same)}."
        if near:
            return "captures", f"{self.name} captures this, and breaks elsewhere on the line: {_words(near[0])}."
        for other in self.breaks:
            theirs = [_line(frame.place) for frame in other.user_stack] or [_line(other.location)]
            if theirs[-1] in mine or mine[-1] in theirs:
                at = f"{theirs[-1][0]}:{theirs[-1][1]}"
                return "breaks", f"{self.name} breaks in this call too, at {at}: {_words(other)}."
        function = (mine[-1][0], _short(found.user_stack[-1].function) if found.user_stack else "")
        if mine[-1] in self.lines or function in self.compiled:
            return "captures", f"{self.name} captures this line."
        if function in self.left:
            why = self.left[function].rstrip(".")
            return "leaves", f"{self.name} doesn't capture this line either: it leaves {function[1]} to Python{f' ({why})' if why else ''}."
        return "unknown", f"{self.name} didn't come to this line when the call ran again."


def _is_same(one: GraphBreak, other: GraphBreak) -> bool:
    """Whether two breaks on one line are at one expression: by its columns, or by what the catalogue calls both."""
    if any(a.reason in (b.reason, *b.context.get("alike", "").split(", ")) for a, b in ((one, other), (other, one))):
        return True
    a, b = one.location, other.location
    if a is None or b is None or None in (*a[2:], *b[2:]) or -1 in (*a[2:], *b[2:]):
        return True
    return a[2:] == b[2:]


def _line(place: Place | None) -> tuple[Any, ...]:
    return (place.file, place.line) if place is not None else ("", 0)


def _short(name: str) -> str:
    """Stacks have functions by their names, frames by their qualified ones."""
    return name.rpartition(".")[2]


def _words(found: GraphBreak) -> str:
    number = found.context.get("number", "")
    return f"{found.title.rstrip('.')}{f' ({number})' if number else ''}"
