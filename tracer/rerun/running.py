"""Kept calls, run again in a session of its own: on copies, each from the state that it began with, everything put back afterwards.

In: the session that kept the calls, the changed settings. Out: a new session that ran them in order; the original's values, the
program's globals and cells, random states and modes are as before. An object that several calls saw is one object in all of them.
While they run, globals and cells hold the copies, for every thread.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..callers import name_of
from ..compat.copies import plain_dispatch
from ..config import FIELDS, TraceConfig
from ..errors import TracerError
from ..events import Output
from ..runtime.hook import without_hook
from .copies import Copier, Names, Same
from .kept import KeptCall, Modes
from .metadata import stood_in
from .places import Place, in_context, places, put
from .rng import RandomState
from .scope import Span, scope_of

if TYPE_CHECKING:
    from ..session import Session
    from .kept import Keeper

__all__ = ["Ended", "TracedOnly", "device_here", "find", "recompile", "run_again"]


class TracedOnly(BaseException):
    """Ends a call whose first frame is compiled and shall not run."""


# ---- what is asked for
def find(session: Session, call: int | None) -> KeptCall:
    """The kept call with that number, or the newest that compiled; of a block of code the first in it. TracerError where there is none, or
    where running it again would use up something of the program's."""
    kept = chosen(session, call)
    compiled = [one for one in kept if one.order is not None] or kept
    newest = compiled[-1]
    found = next(one for one in compiled if one.number == newest.number) if newest.block else newest
    return _usable([found])[0]


def _usable(calls: Sequence[KeptCall]) -> Sequence[KeptCall]:
    for one in calls:
        if one.used_up:
            raise TracerError(
                f"call {one.number} can't be run again: it reaches {one.used_up[0]}, which would be used up.",
                next="give it what can be copied, such as a list, or make the generator inside of the call",
            )
    return calls


def chosen(session: Session, call: int | None) -> Sequence[KeptCall]:
    """The kept calls with that number, or all of them; TracerError where there is none."""
    keeper = session.keeper
    if session.closed:
        raise TracerError(
            "this session is closed: the inputs of its calls are freed.", next="run the call in a new tracer.Session"
        )
    if keeper.keep is False:
        raise TracerError(
            "this session keeps no inputs, so no call of it can be run again.",
            next="make it with keep_inputs=True (or 'metadata')",
        )
    kept = list(keeper.calls)
    if not kept:
        why = keeper.failed or _nothing(keeper)
        raise TracerError(f"there is no call to run again: {why}.", next="call session.run(fn, *args) first")
    found = [one for one in kept if call in (None, one.number)]
    if found:
        return found
    numbers = ", ".join(dict.fromkeys(str(one.number) for one in kept))
    raise TracerError(
        f"call {call!r} is not kept: nothing of it was compiled, or there was no room for it.",
        next=f"these are: {numbers}; keep_calls={session.config.keep_calls} says how many",
    )


def _nothing(keeper: Keeper) -> str:
    return (
        "what was traced are blocks of code, and no function was given"
        if keeper.blocks
        else "no call of this session compiled anything"
    )


def device_here(device: Any, *, asked_by: str) -> torch.device:
    """A device of this machine, or one TracerError that names those there are."""
    present = ["cpu", *(f"{kind}:{n}" for kind, count in _accelerators() for n in range(count))]
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError):
        wanted = None
    if wanted is None or f"{wanted.type}:{wanted.index or 0}" not in [*present, "cpu:0"]:
        raise TracerError(
            f"can't run on {str(device)!r}: this machine has {', '.join(present)}.",
            asked_by=asked_by,
            next="pass one of those devices, or open the recording on a machine that has it",
        )
    return wanted


def _accelerators() -> list[tuple[str, int]]:
    found = torch.accelerator.current_accelerator(check_available=True)
    return [(found.type, torch.accelerator.device_count())] if found is not None else []


def _dtype(name: str, dtype: Any) -> torch.dtype | None:
    """A floating dtype, given as one or by its name."""
    if dtype is None:
        return None
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise TracerError(
            f"can't set {name} to {dtype!r}.\n  wanted: a floating dtype, such as torch.bfloat16 or 'bfloat16'"
        )
    return found


def _settings(config: TraceConfig, changes: dict[str, Any]) -> dict[str, Any]:
    """All fields of the changed configuration. Another backend doesn't inherit the mode and options of the first."""
    if "backend" in changes:
        changes = {**{name: None for name in ("mode", "options")}, **changes}
    changed = config.with_changes(**changes)
    return {name: getattr(changed, name) for name in FIELDS}


#: Hears of a call that has ended: the kept call, what it was given (`_Copies`), what it raised.
Ended = Callable[[KeptCall, Any, BaseException | None], None]


# ---- running
def recompile(
    session: Session,
    *,
    overrides: Any,
    device: Any,
    execute: bool,
    call: int | None,
    dtype: Any,
    autocast: Any,
    changes: dict[str, Any],
) -> Session:
    """See `Session.recompile`."""
    calls = _usable(chosen(session, call)) if execute else [find(session, call)]
    where = None if device is None else device_here(device, asked_by=f"session.recompile(device={str(device)!r})")
    kind, cast = _dtype("dtype", dtype), _dtype("autocast", autocast)
    pinned = session.overrides if overrides is None else overrides
    return run_again(
        session,
        calls,
        overrides=pinned,
        settings=_settings(session.config, changes),
        device=where,
        dtype=kind,
        autocast=cast,
        execute=execute,
    )


def run_again(
    session: Session,
    calls: Sequence[KeptCall],
    *,
    overrides: Any,
    settings: dict[str, Any],
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    autocast: torch.dtype | None = None,
    execute: bool = True,
    given: Callable[[Any, tuple[Any, ...], dict[str, Any], list[Any]], None] | None = None,
    ended: Ended | None = None,
    plainly: bool | contextlib.AbstractContextManager[Any] = False,
) -> Session:
    """The kept calls in a new session with these settings. `given` hears of the copies before they are used: the function,
    arguments, values of globals and cells; `ended` of each call when it has ended, before anything is put back. `plainly`: nothing
    is traced; a context manager: the calls run inside of it. Errors of ours are raised, with the new session as their `session`; an exception of the
    program is the new session's `error`, and warned about where the recorded call had none."""
    new = type(session)(overrides=overrides, **settings)
    new.rerun_of = session
    run = _Run(session, new, device, dtype, autocast, given, ended, plainly)
    new.traces_only = not execute
    try:
        for block, group in itertools.groupby(calls, lambda one: one.number if one.block else 0):
            if block:
                run.block(group)
            else:
                for kept in group:
                    run.call(kept)
    except TracerError as error:
        error.session = new  # type: ignore[attr-defined]
        raise
    finally:
        new.traces_only = False
    rewritten = [f"{name} was given another __code__, which is what ran" for kept in calls for name in kept.rewritten()]
    new.rerun_notes = tuple(dict.fromkeys([*(note for kept in calls for note in kept.notes), *rewritten, *run.notes]))
    new.scope = scope_of(session, calls, run.spans, traced=not execute)
    others = (
        new.config.backend != session.config.backend
        and not {new.config.backend, session.config.backend} <= _SAME_NUMBERS
    )
    drawn = run.drawn and (device is not None or others)
    new.not_comparable = _why_not_comparable(session, calls, new, executed=execute, drawn=drawn, rewritten=rewritten)
    return new


class _Run:
    """One re-run. `notes`: what could not be copied. `drawn`: whether torch's random numbers were drawn."""

    def __init__(
        self,
        session: Session,
        new: Session,
        device: torch.device | None,
        dtype: torch.dtype | None,
        autocast: torch.dtype | None,
        given: Callable[..., None] | None,
        ended: Ended | None,
        plainly: bool | contextlib.AbstractContextManager[Any],
    ):
        self.ended, self.plainly = ended, plainly
        self.session, self.new, self.device, self.dtype, self.autocast, self.given = session, new, device, dtype, autocast, given
        self.notes: list[str] = []
        self.drawn = False
        self.same, self.names = Same(), Names()
        self.parameters: dict[int, torch.nn.Parameter] = {}
        self.spans: list[Span] = []

    def block(self, calls: Iterable[KeptCall]) -> None:
        """Calls of one block, in one here as well."""
        with self.new._call("block"):
            for kept in calls:
                self.call(kept)

    def call(self, kept: KeptCall) -> None:
        new, begins = self.new, len(self.new.recorder.events)
        try:
            self._call(kept)
        finally:
            self.spans.append((new.calls, begins, len(new.recorder.events)))

    def _call(self, kept: KeptCall) -> None:
        new, copies = self.new, _Copies(self, kept)
        code = getattr(new.prepare(copies.fn), "__code__", None)  # of the function that calls a module; torch.compile needs none
        if not self.spans:
            kept.memory.apply(new, {id(kept.code): id(code)} if kept.code is not None and code is not None else {})
        elif kept.reset:
            new.reset()
        try:
            if self.given is not None:
                self.given(copies.fn, copies.args, copies.kwargs, copies.values)
            values = list(zip(copies.places, copies.values, strict=True))
            in_context(values, self._run, kept, copies, values)
        except TracedOnly:
            pass
        except TracerError:
            raise
        except (Exception, SystemExit) as error:  # the program's; an interrupt is the user's
            self._raised(kept, error)
        finally:
            self.notes += copies.notes

    def _run(self, kept: KeptCall, copies: _Copies, values: Sequence[tuple[Place, Any]]) -> None:
        with _as_recorded(self, kept, copies, values):
            try:
                self._do(kept, copies)
            except BaseException as error:
                if self.ended is not None:
                    self.ended(kept, copies, error)
                raise
            if self.ended is not None:
                self.ended(kept, copies, None)

    def _do(self, kept: KeptCall, copies: _Copies) -> None:
        new, fn = self.new, copies.fn
        if self.plainly:
            with new._call(name_of(fn)) as number:
                new.result = _plainly(fn, copies.args, copies.kwargs, contextlib.nullcontext() if isinstance(self.plainly, bool) else self.plainly)
            new.result_of = number
        elif kept.block:
            new.result = new.call(fn, new.prepare(fn), copies.args, copies.kwargs)
        else:
            new.run(fn, *copies.args, **copies.kwargs)

    def _raised(self, kept: KeptCall, error: BaseException) -> None:
        known = kept.raised or (self.session.raised if kept.block else None)
        if self.new.error is None or known is not type(error):
            self.new.error = error
        if known is not type(error):
            warnings.warn(
                f"the call raised {type(error).__name__} when it ran again: {error} (session.error has it)",
                RuntimeWarning,
                stacklevel=7,
            )


def _plainly(fn: Any, args: Any, kwargs: Any, inside: contextlib.AbstractContextManager[Any]) -> Any:
    """As Python runs it: nothing is compiled, by whatever the program wrapped in torch.compile either."""
    with torch.compiler.set_stance("force_eager"), inside:
        return without_hook(lambda: fn(*args, **kwargs))()


#: Backends that draw the program's own random numbers.
_SAME_NUMBERS = frozenset({"eager", "aot_eager"})


class _Copies:
    """What one call is given: fresh copies, on a device, in a dtype. What an earlier call of the same run had is filled anew."""

    def __init__(self, run: _Run, kept: KeptCall):
        self._run, self._exchanged, self.session = run, kept.parameters.exchanged(), run.new
        run.same.named = run.names.of if kept.metadata else kept.named
        copier = Copier(device=run.device, dtype=run.dtype, same=run.same, parameter=self._of_today)
        self._copier = copier
        args: Any
        kwargs: Any
        values: Any
        if kept.metadata:
            with plain_dispatch(), torch.no_grad():
                args, kwargs = stood_in((kept.args, kept.kwargs))
            self.places: list[Place] = places((kept.fn, args, kwargs))
            values = [place.read() for place in self.places]
        else:
            args, kwargs, self.places, values = kept.args, kept.kwargs, kept.places, kept.values
        self.fn, self.args, self.kwargs, self.values = copier.copy((kept.fn, args, kwargs, values))
        for parameter, gradient in kept.gradients:
            copied = copier.copy(parameter)
            copied.grad = copier.copy(gradient)
        self.notes = copier.notes

    def _of_today(self, parameter: torch.nn.Parameter) -> Any:
        """A copy of what is in its place now, one object for the whole run."""
        today = self._exchanged.get(id(parameter), parameter)
        copier, known = self._copier, self._run.parameters
        copied = copier.copied(today)
        made = known.setdefault(id(today), copied)
        if made is not copied and isinstance(copied, torch.nn.Parameter):
            made.data, made.grad = copied.data, copied.grad
            made.requires_grad_(copied.requires_grad)
        copier.stand_in(today, made)
        copier.stand_in(parameter, made)
        return made


def _first_device(copies: _Copies) -> torch.device | None:
    return next((value.device for value in copies.args if isinstance(value, torch.Tensor)), None)


@contextlib.contextmanager
def _as_recorded(run: _Run, kept: KeptCall, copies: _Copies, values: Sequence[tuple[Place, Any]]) -> Iterator[None]:
    """Places rebound to copies, random states, modes and stdout as the run needs them; all as it was, afterwards."""
    before = Modes()
    with contextlib.ExitStack() as stack:
        stack.enter_context(kept.random.replayed())
        stack.callback(before.set)
        stack.enter_context(torch.inference_mode(kept.modes.inference))
        kept.modes.set()
        if kept.modes.device != before.device:
            stack.enter_context(kept.modes.device)
        if run.autocast is not None:
            device = run.device or _first_device(copies) or torch.device("cpu")
            stack.enter_context(torch.autocast(device.type, dtype=run.autocast))
        stack.enter_context(put(values))
        with plain_dispatch():
            begun = RandomState()
        stack.enter_context(_heard(run.new))
        try:
            yield
        finally:
            with plain_dispatch():
                run.drawn |= begun.drawn()


@contextlib.contextmanager
def _heard(session: Session) -> Iterator[None]:
    """What this thread prints becomes Output events of the session; other threads print as ever."""
    heard = _Heard(session, sys.stdout)
    with contextlib.redirect_stdout(heard):
        try:
            yield
        finally:
            heard.flush()


class _Heard(io.TextIOBase):
    """Standard output of one thread, an event for each line."""

    def __init__(self, session: Session, outside: Any):
        self._session, self._outside, self._thread, self._part = session, outside, threading.get_ident(), ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            return int(self._outside.write(text))
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            self._say(line + "\n")
        return len(text)

    def flush(self) -> None:
        if threading.get_ident() != self._thread:
            self._outside.flush()
        elif self._part:
            part, self._part = self._part, ""
            self._say(part)

    def _say(self, text: str) -> None:
        if self._session.recorder.on:
            self._session.recorder.aside(Output, "stdout", text)


# ---- what may be said of the results
def _why_not_comparable(
    session: Session, calls: Sequence[KeptCall], new: Session, *, executed: bool, drawn: bool, rewritten: list[str]
) -> str:
    """The first reason why outputs of both sessions say nothing about each other, "" where they do."""
    last = calls[-1]
    written, exchanged = last.parameters.written(), len(last.parameters.exchanged())
    notes = [*last.notes, *rewritten]
    reasons: list[tuple[bool, Callable[[], str]]] = [
        (not executed, lambda: "The graph was compiled, not run (execute=False)."),
        (new.error is not None, lambda: f"The run raised {type(new.error).__name__}."),
        (last.metadata, lambda: "Only shapes of the inputs were kept: random tensors stood in for them."),
        (last.late, lambda: f"Part of call {last.number} had run from the cache before its inputs were kept."),
        (exchanged > 0, lambda: f"{_parameters(exchanged)} exchanged for another since call {last.number} began."),
        (written > 0, lambda: f"{_parameters(written)} written to since call {last.number} began."),
        (last.block, lambda: "Of a call in a block of code the first session keeps no result."),
        (
            session.result_of != last.number,
            lambda: f"The first session's result is not that of call {last.number}, which ran again.",
        ),
        (bool(notes), lambda: f"Not all was as recorded: {notes[0]}."),
        (drawn, lambda: "Random numbers were drawn, and another backend or device draws others."),
    ]
    return next((text() for holds, text in reasons if holds), "")


def _parameters(count: int) -> str:
    return f"{count} parameters were" if count > 1 else "1 parameter was"
