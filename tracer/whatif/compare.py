"""An unsafe run held against a plain one: guards were left out, so compiled code may not fit the call that it ran for.

The plain run gets copies of the arguments (and of the module) and of what the function reaches elsewhere (`tracer.rerun.places`), made
before the compiled one; after it the random state and all these places are as the compiled run left them; what it prints is dropped.
What it does to files and to other objects can't be undone.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..compat.copies import plain_dispatch
from ..compat.evalframe import set_eval_frame
from ..events import UnsafeRun
from ..rerun.copies import Copier
from ..rerun.places import Place, Walk, in_context, put
from ..rerun.rng import RandomState

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["compared", "differences"]


def compared(session: Session, fn: Any, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`run()`, which runs `fn(*args, **kwargs)` compiled. Where guards were left out, its outputs are compared with those of a
    plain run: an UnsafeRun event and `session.unsafe_runs` say how they differ, "" where they don't."""
    copier, notes = Copier(), []
    try:
        with plain_dispatch():
            walk = Walk((fn, args, kwargs), code=True)
            places, notes = list(walk.found.values()), walk.notes
            plain, inputs, named, values = copier.copy((fn, args, kwargs, [place.read() for place in places]))
    except Exception as error:
        copier.notes.insert(0, f"the arguments can't be copied ({type(error).__name__})")
    notes = [*copier.notes, *notes]
    if notes:  # a plain run would do to the originals what the compiled one does
        outcome = run()
        if session.pins.unsafe:
            _say(session, f"can't be compared: {notes[0]}", ())
        return outcome
    before = RandomState()
    try:
        outcome, raised = run(), None
    except Exception as error:
        outcome, raised = None, error
    if session.pins.unsafe:
        with before.replayed():
            kept = list(zip(places, values, strict=True))
            expected, failed = in_context(kept, _plainly, kept, plain, inputs, named)
        if type(failed) is not type(raised):
            _say(session, "differs from a plain run", (f"the call {_outcome(raised)}, a plain run {_outcome(failed)}",))
        else:
            states = [each.state_dict() if isinstance(each, torch.nn.Module) else {} for each in (fn, plain)]
            found = differences((outcome, args, kwargs, states[0]), (expected, inputs, named, states[1]))
            _say(session, "differs from a plain run" if found else "", tuple(found))
    if raised is not None:
        raise raised
    return outcome


def _outcome(failed: BaseException | None) -> str:
    return f"raises {type(failed).__name__}" if failed is not None else "returns"


def _say(session: Session, what: str, found: tuple[str, ...]) -> None:
    session.unsafe_runs.append((session.calls, what, found))
    if session.recorder.on:
        session.recorder.point(UnsafeRun, what, found)


def _plainly(
    values: Sequence[tuple[Place, Any]], fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Exception | None]:
    prior = set_eval_frame(None)
    try:
        with put(values), contextlib.redirect_stdout(io.StringIO()):
            return fn(*args, **kwargs), None
    except Exception as error:
        return None, error
    finally:
        set_eval_frame(prior)


# ---- comparing
def differences(got: Any, wanted: Any, path: str = "") -> list[str]:
    """Where two results differ, in words; of floats the largest error. Objects of other types than containers compare by type."""
    place = path or "the result"
    if isinstance(wanted, torch.Tensor) and isinstance(got, torch.Tensor):
        return _tensors(got.detach(), wanted.detach(), place)
    if type(got) is not type(wanted):
        return [f"{place} is a {type(got).__name__}, in a plain run a {type(wanted).__name__}"]
    if isinstance(wanted, (list, tuple)):
        if len(got) != len(wanted):
            return [f"{place} has {len(got)} parts, in a plain run {len(wanted)}"]
        names = ("", "arguments", "keywords", "state") if not path else tuple(f"{path}[{i}]" for i in range(len(wanted)))
        return [text for name, a, b in zip(names, got, wanted) for text in differences(a, b, name)]
    if isinstance(wanted, dict):
        if list(got) != list(wanted):
            return [f"{place} has other keys than in a plain run"]
        return [text for key in wanted for text in differences(got[key], wanted[key], f"{path}[{key!r}]")]
    if isinstance(wanted, (int, float, complex, str, bytes, bool)) and got != wanted and wanted == wanted:
        return [f"{place} is {got!r}, in a plain run {wanted!r}"]
    return []


def _tensors(got: torch.Tensor, wanted: torch.Tensor, place: str) -> list[str]:
    for name in ("shape", "dtype", "device"):
        a, b = getattr(got, name), getattr(wanted, name)
        if a != b:
            return [f"{place} has {name} {tuple(a) if name == 'shape' else a}, in a plain run {tuple(b) if name == 'shape' else b}"]
    if got.layout is not torch.strided or torch.equal(got, wanted) or torch.allclose(got, wanted, equal_nan=True):
        return []
    error = (got.to(torch.complex128) - wanted.to(torch.complex128)).abs()
    return [f"{place} differs by up to {error.max().item():g}"]
