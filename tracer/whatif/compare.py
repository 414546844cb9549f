"""An unsafe run held against a plain one: guards were left out, so compiled code may not fit the call that it ran for.

The plain run gets copies of the arguments (and of the module), made before the compiled one; the random state and what the
function's module and closure name are put back after it; what it prints is dropped. What it does to files and to other objects can't be undone.
"""

from __future__ import annotations

import contextlib
import copy
import io
import random
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat.evalframe import set_eval_frame
from ..events import UnsafeRun

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["compared", "differences", "random_state", "set_random_state"]


def compared(session: Session, fn: Any, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`run()`, which runs `fn(*args, **kwargs)` compiled. Where guards were left out, its outputs are compared with those of a
    plain run: an UnsafeRun event and `session.unsafe_runs` say how they differ, "" where they don't."""
    try:
        plain, inputs, named = copy.deepcopy((fn if isinstance(fn, torch.nn.Module) else None, args, kwargs))
    except Exception as error:
        outcome = run()
        if session.pins.unsafe:
            _say(session, f"can't be compared: the arguments can't be copied ({type(error).__name__})", ())
        return outcome
    before = random_state()
    try:
        outcome, raised = run(), None
    except Exception as error:
        outcome, raised = None, error
    if session.pins.unsafe:
        after = random_state()
        set_random_state(before)
        try:
            expected, failed = _plainly(plain if plain is not None else fn, inputs, named)
        finally:
            set_random_state(after)
        if type(failed) is not type(raised):
            _say(session, "differs from a plain run", (f"the call {_outcome(raised)}, a plain run {_outcome(failed)}",))
        else:
            states = [each.state_dict() if each is not None else {} for each in (fn if plain is not None else None, plain)]
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


def _plainly(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Exception | None]:
    function = fn.forward if isinstance(fn, torch.nn.Module) else fn
    function = getattr(function, "__func__", function)
    names = dict(function.__globals__) if isinstance(function, types.FunctionType) else None
    cells = [(cell, _held(cell)) for cell in (function.__closure__ or ())] if isinstance(function, types.FunctionType) else []
    prior = set_eval_frame(None)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return fn(*args, **kwargs), None
    except Exception as error:
        return None, error
    finally:
        set_eval_frame(prior)
        if names is not None:
            _put_back(function.__globals__, names)
        for cell, held in cells:
            if held:
                cell.cell_contents = held[0]


def _put_back(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    for name in [name for name in namespace if name not in names]:
        del namespace[name]
    for name, value in names.items():
        if namespace.get(name, names) is not value:
            namespace[name] = value


def _held(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def random_state() -> Any:
    """Python's random numbers and torch's of the CPU, for `set_random_state`."""
    return random.getstate(), torch.random.get_rng_state()


def set_random_state(state: Any) -> None:
    random.setstate(state[0])
    torch.random.set_rng_state(state[1])


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
