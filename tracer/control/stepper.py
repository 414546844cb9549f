"""What a person holds while a call is stepped: commands, breakpoints, and what can be seen where it waits.

The commands are pdb's where pdb has them (`until`, breakpoints with conditions and ignore counts, `out` for its
`return`). Each lets the worker run, waits until it stops, and returns the event it stopped at; None once the call ended.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..compat.threads import ThreadState
from ..errors import TracerError
from ..events import Event
from . import stops
from .gate import Aborted, Gate
from .stops import Breakpoint, Stop, Terms
from .values import GuardShown, NodeShown, Value

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Stepper"]


class _Call:
    """The stepped call, in its worker. It holds no stepper, so that a stepper that nobody holds lets it go."""

    def __init__(self, gate: Gate, session: Session, run: Callable[[], Any]):
        self.gate, self.session = gate, session
        self.run: Callable[[], Any] | None = run
        self.state = ThreadState()
        self.context = contextvars.copy_context()
        self.before = dict(self.context.items())
        self.value: Any = None
        self.error: BaseException | None = None
        self.after: list[Any] | None = None

    def work(self) -> None:
        gate, session, run = self.gate, self.session, self.run
        assert run is not None
        gate.begin()
        session.stepped_by = gate.ident
        try:
            with self.state.applied():
                session.recorder.intercept(gate.seen)
                try:
                    self.value = self.context.run(run)
                finally:
                    session.recorder.intercept(None)
                    session.hook.muted = 0
                    self.after = ThreadState.now()
        except BaseException as error:
            self.error = error
        finally:
            self.run = None
            session.stepped_by = 0
            gate.finish()

    def hand_back(self) -> None:
        """In the caller: modes and context variables that the call changed."""
        if self.after is not None:
            self.state.hand_back(self.after)
            self.after = None
        for variable, value in self.context.items():
            if variable not in self.before or self.before[variable] is not value:
                variable.set(value)
        self.before = dict(self.context.items())


class Stepper:
    """A call that waits wherever it is told to. Made by `tracer.step(fn, *args)` and `session.step(fn, *args)`.

    It is driven from one thread. While it waits, torch and Python can be used as always; what is process-wide (the CPU's
    random numbers, the default dtype) is shared with the waiting call, as in pdb. `close()`, leaving its `with` block
    or dropping it gives the call up.
    """

    def __init__(self, session: Session, call: Callable[[], Any], *, first: Stop | None = None, wait: bool = True):
        """`call` runs what is stepped, traced by the session. `first`: where to wait first; without it, before the first
        instruction (or event, where none are recorded). Without `wait` it is still on its way there."""
        if not session.recorder.on:
            raise TracerError("a session with record='nothing' has no events to stop at.", next="use record='all'")
        if session.stepped_by:
            raise TracerError(
                "this session is stepping through a call already.",
                next="end it with run() or abort(), or step in another session",
            )
        self.session = session
        self._gate = Gate(session.recorder.events, _mute(session.hook), _pausing(session.hook, session.recorder))
        self._call = _Call(self._gate, session, call)
        self._gate.go(first or (stops.first_instruction if session.recorder.every else stops.into))
        self._view: int | None = None
        self._numbers = 0
        self._thread = threading.Thread(target=self._call.work, name="tracer-step", daemon=True)
        session.stepped_by = -1  # until the worker has a number of its own
        self._thread.start()
        self._drop = weakref.finalize(self, _let_go, self._gate, self._thread)
        if wait:
            self._gate.wait()

    # ---- commands
    def into(self) -> Event | None:
        """To the next event: into a followed call, a built value, a speculation."""
        return self._go("into")

    def over(self) -> Event | None:
        """To the next event that isn't part of the current one: past all that an instruction or a frame causes."""
        return self._go("over")

    def out(self) -> Event | None:
        """To where the current function has returned. One that breaks the graph returns at the end of its last part."""
        return self._go("out")

    def line(self) -> Event | None:
        """To the next line of the current function (called ones run through), or of its caller when it has returned."""
        return self._go("line")

    def enter(self) -> Event | None:
        """To the first line of a function that this line calls, or, where it calls none, as `line`. Functions of torch and of the standard
        library run through, and what they call of the program is stopped in."""
        return self._go("enter")

    def decision(self) -> Event | None:
        """To the next event that is no instruction: a value is built, a guard installed, a node made, a graph broken, …"""
        return self._go("decision")

    def until(self, kind: Any = None, **terms: Any) -> Event | None:
        """To the next event that the terms describe: `until(kind="GraphBreak")`, `until(source="self.weight")`; see `Terms`.

        As in pdb, without terms to a line greater than the current one, with `until(line=30)` alone to line 30 or
        later, in the current function or as soon as it has returned.
        """
        return self._go("until", kind, **terms)

    def run(self) -> Event | None:
        """To the next breakpoint, or to the end of the call."""
        return self._go("run")

    def start(self, command: str, kind: Any = None, **terms: Any) -> None:
        """Give a command by its name without waiting for where it leads; `on_change` is called there."""
        self._refuse_itself()
        stop = self._stop_of(command, kind, terms)
        self._view = None
        if not self.done and self._gate.at is not None:
            self._gate.go(stop)

    def _stop_of(self, command: str, kind: Any, terms: dict[str, Any]) -> Stop:
        progress = self._gate.progress
        if command == "until":
            number = terms.get("line")
            if kind is None and (not terms or (set(terms) == {"line"} and isinstance(number, int))):
                return stops.until_line(progress, self._waiting(), number)
            wanted = Terms(kind, **terms)
            return lambda progress, event: f"until {wanted}" if wanted.hold(progress, event) else ""
        if command in _ALWAYS:
            return _ALWAYS[command]
        if command not in _FROM_HERE:
            raise TracerError(
                f"there is no command {command!r}.", next=f"known: until, {', '.join(sorted([*_ALWAYS, *_FROM_HERE]))}"
            )
        return _FROM_HERE[command](progress, self._waiting())

    def abort(self) -> None:
        """Give the call up: nothing more is traced, code that runs natively runs to its end, and all is left as it was."""
        self._gate.abort()
        self._view = None
        self._thread.join()

    def abandon(self) -> None:
        """As `abort`, without waiting for the end of the call."""
        self._gate.abort()
        self._view = None

    def close(self) -> None:
        """Give the call up if it has not ended, and close the session."""
        if not self.done:
            self.abort()
        self.session.close()

    def __enter__(self) -> Stepper:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---- breakpoints
    def breakpoint(
        self, kind: Any = None, *, temporary: bool = False, ignore: int = 0, condition: Any = None, **terms: Any
    ) -> Breakpoint:
        """Stop wherever the terms hold (see `Terms`), from now on. As in pdb, a temporary one goes once it has stopped the
        call, and the first `ignore` hits pass."""
        self._numbers += 1
        point = Breakpoint(self._numbers, Terms(kind, **terms), temporary=temporary, ignore=ignore)
        point.condition = condition
        self._gate.breakpoints.append(point)
        return point

    def adopt(self, points: Iterable[Breakpoint]) -> None:
        """Stop where another call was to stop, under numbers of its own; but for temporary ones, and what is stopped at already."""
        here = {str(point.terms) for point in self._gate.breakpoints}
        for point in points:
            if not point.temporary and str(point.terms) not in here:
                self._numbers += 1
                self._gate.breakpoints.append(point.again(self._numbers))

    @property
    def breakpoints(self) -> list[Breakpoint]:
        return list(self._gate.breakpoints)

    def clear(self, *numbers: int) -> None:
        """Remove these breakpoints; without numbers, all."""
        known = {point.number for point in self._gate.breakpoints}
        for number in numbers:
            if number not in known:
                raise TracerError(
                    f"there is no breakpoint {number}.", next=f"known: {', '.join(map(str, sorted(known))) or 'none'}"
                )
        self._gate.breakpoints[:] = [
            point for point in self._gate.breakpoints if numbers and point.number not in numbers
        ]

    # ---- what-if
    def override(self, action: Any, at: Any = None, value: Any = None) -> Event | None:
        """Pin a decision: for what follows, or, where it would have applied earlier in this frame, from the frame's start
        again. `action`: an `Override`, its text ("eager at model.py:12"), or an action's name, which is then about `at` (a
        `Where`), or without one about the operation that waits here. Returns where the call waits then."""
        from ..overrides import Override, Where

        self._waiting()
        wanted = (
            action if isinstance(action, Override) else Override.parse(action) if at is None and " " in action else None
        )

        def pin() -> None:
            made = wanted or Override(action, at if at is not None else self.session.where_now() or Where(), value)
            self.session.override_now(made)

        self._gate.order(pin, stops.first_instruction)
        return self._arrive()

    # ---- looking
    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._gate.finished

    @property
    def on_change(self) -> Callable[[], None] | None:
        """Called, in the worker, whenever the call begins to wait and when it has ended. It must return at once."""
        return self._gate.on_change

    @on_change.setter
    def on_change(self, action: Callable[[], None] | None) -> None:
        self._gate.on_change = action

    @property
    def why(self) -> str:
        """Why the call waits here: the command, or the breakpoint."""
        return self._gate.why if not self.done else "the call has ended"

    @property
    def at(self) -> Event | None:
        """The event that is looked at: where the call waits, or where `seek` and `back` have moved the view."""
        if self._view is not None:
            return self.session.events[self._view]
        return self._gate.at

    @property
    def waiting(self) -> Event | None:
        """The event where the call waits now; None while it runs and once it has ended."""
        return self._gate.at

    @property
    def result(self) -> Any:
        """What the call returned; what it raised is raised. Modes and context variables that it changed are handed back."""
        if not self.done:
            raise TracerError("the call has not ended.", next="run() lets it run to its end")
        self._thread.join()
        self._call.hand_back()
        error = self._call.error
        if isinstance(error, Aborted):
            raise TracerError(
                "the call was given up.", next="step through it again: tracer.step(fn, …), or session.step(fn, …)"
            )
        if error is not None:
            raise error.with_traceback(_program_part(error.__traceback__))
        return self._call.value

    def __repr__(self) -> str:
        at = self.at
        state = (
            "ended"
            if self.done
            else "running"
            if at is None
            else f"waits at event {at.seq}, {type(at).__name__} ({self.why})"
        )
        return f"<tracer.Stepper: {state}>"

    # ---- the view
    @property
    def state(self) -> Any:
        """Everything that was known at the event looked at: frames, variables, graphs, guards; see `tracer.journal.State`."""
        at = self.at
        events = self.session.events
        return self.session.journal.state_at(at.seq if at is not None else len(events) - 1)

    @property
    def stack(self) -> list[Value]:
        """The symbolic value stack of the innermost function, bottom to top."""
        return self.stack_of()

    @property
    def locals(self) -> dict[str, Value]:
        """The symbolic locals of the innermost function, by name."""
        return self.locals_of()

    def stack_of(self, above: int = 0) -> list[Value]:
        """The same of the function that called it, so many calls up; [] where there is none."""
        state = self.state
        found = state.frames[-1 - above].stack if above < len(state.frames) else ()
        return [Value.of(number, state.variables.get(number)) for number in found]

    def locals_of(self, above: int = 0) -> dict[str, Value]:
        """The same of the function that called it, so many calls up; {} where there is none."""
        state = self.state
        found = state.frames[-1 - above].locals if above < len(state.frames) else {}
        return {name: Value.of(number, state.variables.get(number)) for name, number in found.items()}

    @property
    def graph(self) -> list[NodeShown]:
        """The nodes of the graph that is being captured, as far as they go."""
        return [NodeShown.of(event) for event in self.state.graph]

    @property
    def guards(self) -> list[GuardShown]:
        """The guards installed so far in this attempt."""
        return [GuardShown.of(event) for event in self.state.guards]

    def seek(self, seq: int) -> Event:
        """Look at event number `seq`; the call itself doesn't move, and the next command goes on from where it waits."""
        events = self.session.events
        if not 0 <= seq < len(events):
            raise TracerError(f"there is no event {seq}.", next=f"events 0 to {len(events) - 1} are recorded")
        self._view = seq
        return events[seq]

    def back(self) -> Event:
        """Look one event back (outcomes and summaries are passed over, as when stepping)."""
        return self._move(-1)

    def next(self) -> Event:
        """Look one event on, as far as events are recorded."""
        return self._move(1)

    def _move(self, by: int) -> Event:
        events = self.session.events
        at = self.at
        seq = at.seq if at is not None else len(events)
        seq += by
        while 0 <= seq < len(events) and not stops.visitable(events[seq]):
            seq += by
        if not 0 <= seq < len(events):
            raise TracerError(
                f"there is no event {'before' if by < 0 else 'after'} this one.",
                next="seek(seq) looks at any recorded event",
            )
        self._view = seq
        return events[seq]

    # ---- going on
    def _go(self, command: str, kind: Any = None, **terms: Any) -> Event | None:
        """A command goes on from where the call waits: one that is still on its way there, made without `wait` or
        interrupted, arrives first. Else the command would end at a stop that was asked for earlier."""
        self._refuse_itself()
        self._catch_up()
        self.start(command, kind, **terms)
        return self._arrive()

    def _arrive(self) -> Event | None:
        self._view = None
        self._gate.wait()
        return self._gate.at

    def _refuse_itself(self) -> None:
        if threading.get_ident() == self._gate.ident:
            raise TracerError(
                "a stepped call can't be driven from inside of itself.",
                next="give commands in the thread that made the stepper",
            )

    def _catch_up(self) -> None:
        """Until the worker waits: after an interrupt it may still be on its way to its next event."""
        if self._gate.at is None and not self.done:
            self._gate.wait()

    def _waiting(self) -> Event:
        """Where the worker waits."""
        self._catch_up()
        at = self._gate.at
        if at is None:
            raise TracerError("the call has ended.", next="look at .result and .session, or step through another call")
        return at


#: Commands that mean the same everywhere, and those that go on from where the call waits.
_ALWAYS: dict[str, Stop] = {"into": stops.into, "decision": stops.decision, "run": stops.never}
_FROM_HERE: dict[str, Callable[[stops.Progress, Event], Stop]] = {
    "over": lambda _, at: stops.over(at),
    "out": stops.out,
    "line": stops.line,
    "enter": stops.enter,
}


def _mute(hook: Any) -> Callable[[int], None]:
    reference = weakref.ref(hook)

    def mute(ident: int) -> None:
        alive = reference()
        if alive is not None:
            alive.muted = ident

    return mute


def _pausing(hook: Any, recorder: Any) -> Callable[[], Any]:
    """What is entered while the call waits. The hook is not held."""
    reference = weakref.ref(hook)

    @contextlib.contextmanager
    def pausing() -> Iterator[None]:
        alive = reference()
        with recorder.standing_still(), contextlib.nullcontext() if alive is None else alive.pausing():
            yield

    return pausing


def _let_go(gate: Gate, thread: threading.Thread) -> None:
    """The stepper is gone, or the process ends: the worker is released. A finalizer may run in the worker itself."""
    gate.abort()
    if threading.current_thread() is not thread:
        thread.join(timeout=_PATIENCE)


#: Seconds that dropping a stepper may wait for its call; one that runs natively for longer ends on its own.
_PATIENCE = 5.0


def _program_part(traceback: Any) -> Any:
    """A traceback without the worker's own frames at its top."""
    ours = (__file__,)
    while traceback is not None and traceback.tb_next is not None and traceback.tb_frame.f_code.co_filename in ours:
        traceback = traceback.tb_next
    return traceback
