"""Following events one by one: the frames of the inline stack, what their stacks and locals hold, what was taken back.

What comes in: events in order. What goes out: a `Moment`, which is cheap to keep: a frame that is kept is never
changed again, the next event of that frame works on a copy of it. Invariant: the same events give the same moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tracer import events as ev

__all__ = ["FOLLOW", "Kinds", "Moment", "Replay", "Slots"]


class Kinds:
    """Which variables are NULL (a slot that holds it is empty) and which are cells: fixed once a variable is numbered."""

    __slots__ = ("cells", "nulls")

    def __init__(self) -> None:
        self.cells: dict[int, str] = {}  # number → source text
        self.nulls: set[int] = set()

    def note(self, event: ev.Summary) -> None:
        if event.kind == "Null":
            self.nulls.add(event.variable)
        elif event.kind == "Cell":
            self.cells[event.variable] = event.source


class Slots:
    """One frame: its stack and locals as variables' numbers (0: a local that nobody has read yet)."""

    __slots__ = ("age", "arg", "at", "cells", "locals", "op", "raised", "span", "stack")

    def __init__(self, age: int, span: int):
        self.age, self.span, self.at = age, span, span
        self.op, self.arg, self.raised = "", "", False
        self.stack: list[int | None] = []
        self.locals: dict[str, int] = {}
        self.cells: dict[str, int] = {}  # name → the cell's key in `contents`

    def copy(self, age: int) -> Slots:
        new = Slots(age, self.span)
        new.at, new.op, new.arg, new.raised = self.at, self.op, self.arg, self.raised
        new.stack, new.locals, new.cells = self.stack.copy(), self.locals.copy(), self.cells.copy()
        return new


class Tried(NamedTuple):
    """A body that is being tried, and what its roll-back puts back."""

    span: int
    body: str
    contents: dict[int, int]


class Moment(NamedTuple):
    """All that following events needs to go on from here."""

    frames: tuple[Slots, ...]
    contents: dict[int, int]
    tried: tuple[Tried, ...]
    attempts: tuple[int, ...]
    graphs: dict[int, str]


class Replay:
    """`feed` it each event in order; `keep` gives the moment to come back to."""

    def __init__(self, kinds: Kinds, moment: Moment | None = None):
        self.kinds = kinds
        self.age = 0
        if moment is None:
            moment = Moment((), {}, (), (), {})
        self.frames = list(moment.frames)
        self.contents = moment.contents  # of cells: key → variable, 0: not read yet; replaced, never changed
        self.tried = list(moment.tried)
        self.attempts = list(moment.attempts)  # begins, outermost first; the last one stays when it has ended
        self.graphs = moment.graphs  # attempt → name of its own graph, once known; replaced, never changed
        if moment.frames:
            self.age = 1 + max(frame.age for frame in moment.frames)

    def keep(self) -> Moment:
        self.age += 1
        return Moment(tuple(self.frames), self.contents, tuple(self.tried), tuple(self.attempts), self.graphs)

    def feed(self, event: Any) -> None:
        follow = FOLLOW.get(type(event))
        if follow is not None:
            follow(self, event)

    # --- frames
    def _own(self) -> Slots:
        frame = self.frames[-1]
        if frame.age != self.age:
            frame = self.frames[-1] = frame.copy(self.age)
        return frame

    def _cut(self, span: int) -> None:
        """A span has ended, and with it every frame that was begun in it."""
        frames = self.frames
        while frames and frames[-1].span >= span:
            frames.pop()

    def _enter(self, event: Any) -> None:
        frame = Slots(self.age, event.seq)
        for name, number in event.bound:
            self._bind(frame, name, number)
        self.frames.append(frame)

    def _bind(self, frame: Slots, name: str, number: int) -> None:
        if number in self.kinds.cells:
            frame.cells[name] = number
            frame.locals.pop(name, None)
            self._join(number)
        elif number in self.kinds.nulls:
            frame.locals.pop(name, None)
        else:
            frame.locals[name] = number

    def _join(self, number: int) -> None:
        """A cell of the attempt's own frame is met elsewhere: from now on it goes by its variable."""
        name = self.kinds.cells[number]
        index = next((i for i, frame in enumerate(self.frames) if frame.span == self.attempts[-1]), None)
        if not name or index is None:
            return
        frame = self.frames[index]
        if name not in frame.locals if name not in frame.cells else frame.cells[name] >= 0:
            return
        if frame.age != self.age:
            frame = self.frames[index] = frame.copy(self.age)
        self._rename(frame, name, number)

    def _rename(self, frame: Slots, name: str, number: int) -> None:
        key = self._cell(frame, name)
        if key != number:
            frame.cells[name] = number
            if key in self.contents and number not in self.contents:
                self._put(number, self.contents[key])

    def _put(self, key: int, number: int | None) -> None:
        contents = self.contents.copy()
        if number is None:
            contents.pop(key, None)
        else:
            contents[key] = number
        self.contents = contents

    # --- events
    def attempt_started(self, event: ev.AttemptStarted) -> None:
        if not self.frames:
            self.attempts.clear()
            self.contents = {}
            self.graphs = {}
        self.attempts.append(event.seq)
        self._enter(event)

    def attempt_ended(self, event: ev.AttemptEnded) -> None:
        self._cut(event.opens)
        while len(self.attempts) > 1 and self.attempts[-1] >= event.opens:
            self.attempts.pop()
        self.tried = [tried for tried in self.tried if tried.span < event.opens]

    def generator_resumed(self, event: ev.GeneratorResumed) -> None:
        self._enter(event)
        self.frames[-1].stack = list(event.stack)

    def ended(self, event: ev.Outcome) -> None:
        self._cut(event.opens)

    def speculation_started(self, event: ev.SpeculationStarted) -> None:
        self.tried.append(Tried(event.seq, event.body, self.contents))

    def speculation_ended(self, event: ev.Outcome) -> None:
        self._cut(event.opens)
        while self.tried and self.tried[-1].span >= event.opens:
            tried = self.tried.pop()
            if type(event) is ev.RolledBack:
                self.contents = tried.contents

    def created(self, event: ev.NodeCreated | ev.InputLifted) -> None:
        if self.attempts and not self.tried and self.attempts[-1] not in self.graphs:
            self.graphs = {**self.graphs, self.attempts[-1]: event.graph}

    def exception(self, _: ev.ExceptionObserved) -> None:
        if self.frames:
            self._own().raised = True

    def instruction(self, event: ev.Instruction) -> None:
        frames = self.frames
        while frames and frames[-1].span > event.parent:
            frames.pop()
        if not frames:
            return
        frame = frames[-1]
        if frame.age != self.age:
            frame = frames[-1] = frame.copy(self.age)
        effect = _EFFECTS.get(frame.op)
        stack, ids = frame.stack, event.ids
        top = stack[-1] if stack else None
        under = event.height - len(ids)
        if under <= len(stack):
            stack[under:] = ids
        else:  # a recording that doesn't say what is there
            stack += [*[None] * (under - len(stack)), *ids]
        if effect is not None:
            effect(self, frame, frame.arg, top)
        frame.op, frame.arg, frame.at, frame.raised = event.op, event.arg, event.seq, False

    # --- what an operation did to the locals: known once the frame's next one begins
    def store(self, frame: Slots, name: str, top: int | None) -> None:
        frame.cells.pop(name, None)
        if top is None:
            frame.locals.pop(name, None)
        else:
            self._bind(frame, name, top)

    def delete(self, frame: Slots, name: str, _: int | None) -> None:
        frame.locals.pop(name, None)
        frame.cells.pop(name, None)

    def load(self, frame: Slots, name: str, _: int | None) -> None:
        if not frame.raised and frame.stack:
            self.store(frame, name, frame.stack[-1])

    def make_cell(self, frame: Slots, name: str, _: int | None) -> None:
        if name not in frame.cells:
            self._cell(frame, name)

    def _cell(self, frame: Slots, name: str) -> int:
        """A cell's key; until the recording names its variable, one of our own."""
        key = frame.cells.get(name)
        if key is None:
            key = frame.cells[name] = -1 - len(self.contents) - (frame.at << 20)
            if name in frame.locals:
                self._put(key, frame.locals.pop(name))
        return key

    def load_closure(self, frame: Slots, name: str, _: int | None) -> None:
        number = frame.stack[-1] if frame.stack else None
        if number is None or number not in self.kinds.cells:
            return
        self._rename(frame, name, number)

    def load_deref(self, frame: Slots, name: str, _: int | None) -> None:
        if not frame.raised and frame.stack:
            self._put(self._cell(frame, name), frame.stack[-1])

    def store_deref(self, frame: Slots, name: str, top: int | None) -> None:
        self._put(self._cell(frame, name), top)

    def delete_deref(self, frame: Slots, name: str, _: int | None) -> None:
        self._put(self._cell(frame, name), None)


#: What is done at each kind of event; the other kinds change no frame.
FOLLOW: dict[type[ev.Event], Callable[[Replay, Any], None]] = {
    ev.AttemptStarted: Replay.attempt_started,
    ev.AttemptEnded: Replay.attempt_ended,
    ev.InlineStarted: Replay._enter,
    ev.GeneratorResumed: Replay.generator_resumed,
    ev.InlineFinished: Replay.ended,
    ev.FrameFinished: Replay.ended,
    ev.VariableBuilt: Replay.ended,
    ev.CallFinished: Replay.ended,
    ev.SpeculationStarted: Replay.speculation_started,
    ev.Committed: Replay.speculation_ended,
    ev.Reused: Replay.speculation_ended,
    ev.RolledBack: Replay.speculation_ended,
    ev.NodeCreated: Replay.created,
    ev.InputLifted: Replay.created,
    ev.ExceptionObserved: Replay.exception,
    ev.Instruction: Replay.instruction,
}

_EFFECTS: dict[str, Callable[[Replay, Slots, str, int | None], None]] = {
    "StoreFast": Replay.store,
    "DeleteFast": Replay.delete,
    "LoadFast": Replay.load,
    "LoadFastAndClear": Replay.delete,
    "MakeCell": Replay.make_cell,
    "LoadClosure": Replay.load_closure,
    "LoadDeref": Replay.load_deref,
    "StoreDeref": Replay.store_deref,
    "DeleteDeref": Replay.delete_deref,
}
