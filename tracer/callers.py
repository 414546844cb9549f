"""What is called for what the user hands over, and how it is named."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

import torch

from .compat.wrappers import original_of, owns_call
from .libraries import CALL, OURS, PROGRAM, TORCH, whose

__all__ = ["called_from", "caller_of", "entry", "forward_of", "is_module_call", "module_of", "name_of", "of_module", "parameters_of"]

#: What calls for others, beside torch and ourselves.
_PASSES_ON = (contextlib.__file__, threading.__file__, CALL, "<frozen")


def entry(fn: Any) -> Any:
    """What to call for `fn`: a module gets a function of its own, so that its call, hooks included, is one frame. One whose call
    belongs to torch.compile is called as it is: it comes to the wrapper's frame, and the original is what gets a function."""
    if isinstance(fn, torch.nn.Module) and not owns_call(fn):
        return of_module(fn)
    return fn


def of_module(module: torch.nn.Module) -> Callable[..., Any]:
    """`module(*args, **kwargs)` as a function with code of its own: entries of two modules never meet."""
    namespace: dict[str, Any] = {"torch": torch}
    text = "def make(self):\n    def call(*args, **kwargs):\n        return self(*args, **kwargs)\n    return call\n"
    exec(compile(text, f"{CALL}{type(module).__name__}>", "exec"), namespace)  # our own text
    made = namespace["make"](module)
    made.__qualname__ = made.__name__ = type(module).__name__
    made.__code__ = made.__code__.replace(co_name=type(module).__name__, co_qualname=type(module).__name__)
    return made


def is_module_call(file: str) -> bool:
    """Whether this is the file of a function of `of_module`."""
    return file.startswith(CALL)


def called_from() -> tuple[Any, ...] | None:
    """(file, line, column, end line, end column, function) of the program's call that is running; None where another thread made it."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and _passes_on(frame):
        frame = frame.f_back
    return None if frame is None else _place(frame)


def caller_of(ours: Callable[[types.CodeType], bool]) -> tuple[Any, ...]:
    """The call that led to the frame that is about to run, as `called_from` tells one; () where none is known. Frames of code that is `ours`
    (what the frame goes on from) are part of it; code that was installed is told only where nothing else called."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and (_passes_on(frame) or ours(frame.f_code)):
        frame = frame.f_back
    nearest = frame
    while frame is not None and (whose(frame.f_code.co_filename) != PROGRAM or _passes_on(frame)):
        frame = frame.f_back
    found = frame or nearest
    return () if found is None else _place(found)


def _passes_on(frame: types.FrameType) -> bool:
    """Whether what runs in it was called for somebody else."""
    file = frame.f_code.co_filename
    return whose(file) in (TORCH, OURS) or file.startswith(_PASSES_ON)


def _place(frame: types.FrameType) -> tuple[Any, ...]:
    code = frame.f_code
    line, end_line, column, end_column = next(itertools.islice(code.co_positions(), frame.f_lasti // 2, None), (frame.f_lineno, None, None, None))
    return code.co_filename, line, column, end_line, end_column, code.co_qualname


def module_of(fn: Any) -> Any:
    """The module that a function of `of_module`, or one with its code, calls; None for any other function."""
    code = getattr(fn, "__code__", None)
    mine = code is not None and code.co_filename.startswith(CALL) and code.co_freevars == ("self",)
    return fn.__closure__[0].cell_contents if mine else None


def forward_of(code: types.CodeType, cells: tuple[types.CellType, ...]) -> types.FunctionType | None:
    """Of a function of `of_module`, the forward of the module that it calls; None for any other code, and for a forward that is no Python function."""
    forward = getattr(type(cells[0].cell_contents), "forward", None) if cells and is_module_call(code.co_filename) else None
    return forward if type(forward) is types.FunctionType else None


def parameters_of(code: types.CodeType, locals: Mapping[str, Any], cells: tuple[types.CellType, ...]) -> tuple[tuple[str, str], ...]:
    """How the arguments of a module's call are spelt in a function of `of_module`, each with what the module's forward calls it."""
    forward = forward_of(code, cells) if "args" in locals else None
    if forward is None:
        return ()
    own = forward.__code__.co_varnames[1 : forward.__code__.co_argcount]
    given = tuple((f"args[{index}]", name) for index, name in zip(range(len(locals["args"])), own))
    return given + tuple((f"kwargs[{name!r}]", name) for name in locals["kwargs"])


def name_of(fn: Any) -> str:
    if isinstance(fn, torch.nn.Module):
        return type(original_of(fn)).__name__
    return getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or type(fn).__name__
