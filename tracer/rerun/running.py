"""A kept call, run again in a session of its own: on copies, from the recorded state, everything put back afterwards.

In: the session that kept the call, the changed settings. Out: a new session that ran it; the original's values, the program's
globals and cells, random states and modes are as before. While it runs, globals and cells hold the copies, for every thread.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..compat.copies import plain_dispatch
from ..config import FIELDS, TraceConfig
from ..errors import TracerError
from ..events import Output
from .copies import Copier
from .kept import KeptCall, Modes
from .metadata import stood_in
from .places import Place, places
from .rng import RandomState

if TYPE_CHECKING:
    from ..session import Session
    from .kept import Keeper

__all__ = ["TracedOnly", "device_here", "find", "recompile", "run_again"]


class TracedOnly(BaseException):
    """Ends a call whose first frame is compiled and shall not run."""


# ---- what is asked for
def find(session: Session, call: int | None) -> KeptCall:
    """The kept call with that number, or the newest; TracerError where there is none."""
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
    if call is None:
        return kept[-1]
    for one in kept:
        if one.number == call:
            return one
    numbers = ", ".join(str(one.number) for one in kept)
    raise TracerError(
        f"call {call!r} is not kept: it compiled nothing, or newer ones took its place.",
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
    kept = find(session, call)
    where = None if device is None else device_here(device, asked_by=f"session.recompile(device={str(device)!r})")
    kind, cast = _dtype("dtype", dtype), _dtype("autocast", autocast)
    chosen = session.overrides if overrides is None else overrides
    return run_again(
        session,
        kept,
        overrides=chosen,
        settings=_settings(session.config, changes),
        device=where,
        dtype=kind,
        autocast=cast,
        execute=execute,
    )


def run_again(
    session: Session,
    kept: KeptCall,
    *,
    overrides: Any,
    settings: dict[str, Any],
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    autocast: torch.dtype | None = None,
    execute: bool = True,
    given: Callable[[Any, tuple[Any, ...], dict[str, Any], list[Any]], None] | None = None,
) -> Session:
    """The kept call in a new session with these settings. `given` hears of the copies before they are used: the function,
    arguments, values of globals and cells. Errors of ours are raised, with the new session as their `session`;
    an exception of the program is the new session's `error`, and warned about where the recorded call had none."""
    new = type(session)(overrides=overrides, **settings)
    new.rerun_of = session
    copies, start = _Copies(kept, device, dtype), _Start()
    code = getattr(new.prepare(copies.fn), "__code__", None)  # of the function that calls a module; torch.compile needs none
    kept.memory.apply(new, {id(kept.code): id(code)} if kept.code is not None and code is not None else {})
    try:
        new.traces_only = not execute
        if given is not None:
            given(copies.fn, copies.args, copies.kwargs, copies.values)
        with _as_recorded(new, kept, copies, autocast, device or _first_device(copies), start):
            new.run(copies.fn, *copies.args, **copies.kwargs)
    except TracedOnly:
        pass
    except TracerError as error:
        error.session = new  # type: ignore[attr-defined]
        raise
    except (Exception, SystemExit) as error:  # the program's; an interrupt is the user's
        new.error = error
        if session.raised is not type(error):
            warnings.warn(
                f"the call raised {type(error).__name__} when it ran again: {error} (session.error has it)",
                RuntimeWarning,
                stacklevel=4,
            )
    finally:
        new.traces_only = False
    new.rerun_notes = tuple(dict.fromkeys([*kept.notes, *copies.notes]))
    others = (
        new.config.backend != session.config.backend
        and not {new.config.backend, session.config.backend} <= _SAME_NUMBERS
    )
    drawn = start.drawn and (device is not None or others)
    new.not_comparable = _why_not_comparable(session, kept, new, executed=execute, drawn=drawn)
    return new


#: Backends that draw the program's own random numbers.
_SAME_NUMBERS = frozenset({"eager", "aot_eager"})


class _Start:
    drawn = False


class _Copies:
    """What one run is given: fresh copies of a kept call, on a device, in a dtype."""

    def __init__(self, kept: KeptCall, device: torch.device | None, dtype: torch.dtype | None):
        copier = Copier(device=device, dtype=dtype)
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


def _first_device(copies: _Copies) -> torch.device | None:
    return next((value.device for value in copies.args if isinstance(value, torch.Tensor)), None)


@contextlib.contextmanager
def _as_recorded(
    new: Session,
    kept: KeptCall,
    copies: _Copies,
    autocast: torch.dtype | None,
    device: torch.device | None,
    start: _Start,
) -> Iterator[None]:
    """Places rebound to copies, random states, modes and stdout as the run needs them; all as it was, afterwards."""
    before = Modes()
    held = [(place, place.read()) for place in copies.places]
    with contextlib.ExitStack() as stack:
        stack.enter_context(kept.random.replayed())
        stack.callback(before.set)
        stack.enter_context(torch.inference_mode(kept.modes.inference))
        kept.modes.set()
        if kept.modes.device != before.device:
            stack.enter_context(kept.modes.device)
        if autocast is not None:
            stack.enter_context(torch.autocast((device or torch.device("cpu")).type, dtype=autocast))
        for place, value in held:
            stack.callback(place.write, value)
        for place, value in zip(copies.places, copies.values, strict=True):
            place.write(value)
        with plain_dispatch():
            begun = RandomState()
        stack.enter_context(_heard(new))
        try:
            yield
        finally:
            with plain_dispatch():
                start.drawn = begun.drawn()


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
def _why_not_comparable(session: Session, kept: KeptCall, new: Session, *, executed: bool, drawn: bool) -> str:
    """The first reason why outputs of both sessions say nothing about each other, "" where they do."""
    changed = kept.changed()
    reasons: list[tuple[bool, Callable[[], str]]] = [
        (not executed, lambda: "The graph was compiled, not run (execute=False)."),
        (new.error is not None, lambda: f"The run raised {type(new.error).__name__}."),
        (kept.metadata, lambda: "Only shapes of the inputs were kept: random tensors stood in for them."),
        (kept.late, lambda: f"Part of call {kept.number} had run from the cache before its inputs were kept."),
        (
            changed > 0,
            lambda: (
                f"{changed} parameter{'s were' if changed > 1 else ' was'} written to since call {kept.number} began."
            ),
        ),
        (
            session.result_of != kept.number,
            lambda: f"The first session's result is not that of call {kept.number}, which ran again.",
        ),
        (bool(kept.notes), lambda: f"Not all was as recorded: {kept.notes[0]}."),
        (drawn, lambda: "Random numbers were drawn, and another backend or device draws others."),
    ]
    return next((text() for holds, text in reasons if holds), "")
