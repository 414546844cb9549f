"""What torch.compile returns: which functions and modules those are, what they stand for, and what they were told.

In: a function, a module, or the cells of a wrapper's frame. Out: the original and the settings, as plain values. Nothing here
imports `torch._dynamo`: while it isn't loaded nobody has a wrapper.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from typing import Any

import torch

from .backends import backend_name, innermost_backend

__all__ = [
    "Wrapper", "are_settings", "called_by_wrapper", "called_module", "calls_only", "is_optimized", "is_optimized_call", "note_identity",
    "original_of", "over", "owns_call",
    "wrapper_code", "wrapper_namespace", "wrapper_of",
]  # fmt: skip

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
#: The one file of torch that calls a wrapper because the program called a module.
_CALLS_MODULES = os.path.abspath(torch.nn.modules.module.__file__)
_TRACERS = os.path.join(_TORCH, "_dynamo") + os.sep
#: The cells that a wrapper reads: what it wraps, the settings, what answers for its frames.
_CELLS = frozenset({"fn", "self", "callback"})
#: The cell of what `calls_only` finds.
_CALLED = "fn"
_DISPATCH = (torch.nn.Module._wrapped_call_impl, torch.nn.Module._call_impl)


def wrapper_code() -> types.CodeType | None:
    """The code that all of torch.compile's wrappers share; None while nothing can have been wrapped."""
    frames = sys.modules.get("torch._dynamo.eval_frame")
    context = getattr(frames, "_TorchDynamoContext", None)  # not there while the module is being imported
    return None if context is None else _code_in(context)


@functools.cache
def _code_in(context: type) -> types.CodeType | None:
    for constant in context.__call__.__code__.co_consts:
        if isinstance(constant, types.CodeType) and set(constant.co_freevars) >= _CELLS:
            return constant
    return None


def wrapper_namespace() -> dict[str, Any]:
    """The globals of wrappers."""
    return vars(sys.modules["torch._dynamo.eval_frame"])


def calls_only(code: types.CodeType, cells: Any) -> tuple[str, Any] | None:
    """Of a function of torch's own that only calls what torch.compile was given (a module of torch's, a builtin): the name of its cell, and
    what that holds. None for any other code."""
    helpers = sys.modules.get("torch._dynamo.external_utils")
    if helpers is None or code.co_filename != helpers.__file__ or _CALLED not in code.co_freevars:
        return None
    held = dict(zip(code.co_freevars, cells or (), strict=False)).get(_CALLED)
    return None if held is None else (_CALLED, held.cell_contents)


def called_module(code: types.CodeType, cells: Any) -> str:
    """The name under which such a function holds a module; "" for any other code."""
    found = calls_only(code, cells)
    return found[0] if found is not None and isinstance(found[1], torch.nn.Module) else ""


class Wrapper:
    """One wrapper, by the cells of its function. `context` holds its settings and is the same at each call."""

    __slots__ = ("callback", "context", "fn")

    def __init__(self, cells: dict[str, types.CellType]):
        self.fn, self.context, self.callback = (cells[name].cell_contents for name in ("fn", "self", "callback"))

    @property
    def compiles(self) -> bool:
        """Whether it is torch.compile's: not torch.export's, nor one that only runs what is compiled already."""
        return callable(self.callback) and not getattr(self.context, "export", False)

    def serves_torch(self, caller: types.CodeType | None) -> bool:
        """Whether torch called it for a purpose of its own: to run an operator's body, or to explain a function."""
        file = caller.co_filename if caller is not None else ""
        if not file.startswith(_TORCH) or file == _CALLS_MODULES:
            return False
        code = getattr(self.fn, "__code__", None)
        return file.startswith(_TRACERS) or code is None or code.co_filename.startswith(_TORCH)

    @property
    def original(self) -> Any:
        """The function or method that was given to torch.compile; the module, where that is what calls it."""
        fn = self.fn
        if isinstance(fn, types.MethodType) and isinstance(fn.__self__, torch.nn.Module) and fn.__func__ in _DISPATCH:
            return fn.__self__
        inner = getattr(fn, "__wrapped__", None)  # a frame that torch put around what has none of its own
        return inner if isinstance(inner, torch.nn.Module) else fn

    @property
    def dynamic(self) -> bool | None:
        found = getattr(self.context, "_dynamic", None)
        return found if isinstance(found, bool) else None

    def settings(self) -> dict[str, Any]:
        """The backend by its name, and those of dynamic, dynamic_shapes, fullgraph, mode and options that were given."""
        backend = innermost_backend(self.callback)
        found: dict[str, Any] = {"backend": backend_name(backend)}
        if self.dynamic is not None:
            found["dynamic"] = self.dynamic
        if getattr(self.context, "_shapes_spec", None) is not None:
            found["dynamic_shapes"] = self.context._shapes_spec
        if getattr(self.context, "fullgraph", False) or getattr(self.context, "error_on_graph_break", False):
            found["fullgraph"] = True
        given = getattr(backend, "kwargs", None)
        if isinstance(given, dict):
            found.update({name: given[name] for name in ("mode", "options") if given.get(name)})
        chosen = getattr(backend, "config", None)  # inductor's, into which the mode is resolved
        if isinstance(chosen, dict) and chosen:
            mode = _mode_of(chosen, self.dynamic)
            found.update({"mode": mode} if mode else {"options": dict(chosen)})
        return found


def _mode_of(chosen: dict[str, Any], dynamic: bool | None) -> str:
    listed = getattr(sys.modules.get("torch._inductor"), "list_mode_options", None)
    modes: dict[str, dict[str, Any]] = listed(None, dynamic) if listed is not None else {}
    return next((name for name, options in modes.items() if options and _spelt(options) == _spelt(chosen)), "")


def _spelt(options: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in options.items()}


def called_by_wrapper(depth: int) -> Any:
    """What the wrapper stands for that called, through torch's own code at most, what is about to run for the frame so many levels up;
    None where other code did."""
    frame: types.FrameType | None = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename.startswith(_TORCH):
        if frame.f_code is wrapper_code():
            return Wrapper({name: types.CellType(frame.f_locals[name]) for name in _CELLS}).original
        frame = frame.f_back
    return None


def wrapper_of(function: Any) -> Wrapper | None:
    """What torch.compile made of a function, as a Wrapper; None for any other function."""
    code = wrapper_code()
    if code is None or type(function) is not types.FunctionType or function.__code__ is not code:
        return None
    wrapper = Wrapper(dict(zip(code.co_freevars, function.__closure__ or (), strict=True)))
    return wrapper if wrapper.compiles else None


def is_optimized_call(function: Any) -> bool:
    """Whether this is the `__call__` of the class of modules that torch.compile returns: torch's own, with a note for itself around it."""
    optimized = _optimized()
    return optimized is not None and function is optimized.__dict__.get("__call__")


def owns_call(module: torch.nn.Module) -> bool:
    """Whether calling `module` goes through a wrapper of torch.compile: it returned this module, or `module.compile()` was called."""
    optimized = _optimized()
    if optimized is not None and isinstance(module, optimized):
        return True
    return wrapper_of(object.__getattribute__(module, "__dict__").get("_compiled_call_impl")) is not None


def original_of(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself, of one that torch.compile returned."""
    optimized = _optimized()
    while optimized is not None and type(module) is optimized:
        module = module._modules["_orig_mod"]
    return module


def is_optimized(cls: type) -> bool:
    """Whether this is the class of modules that torch.compile returns."""
    return cls is _optimized()


def over(function: Any, fn: Any) -> Any:
    """A wrapper like `function`, with its settings, of something else."""
    wrapper = wrapper_of(function)
    assert wrapper is not None
    return wrapper.context(fn)


def are_settings(value: Any) -> bool:
    """Whether this is what wrappers hold their settings in; a copy of it would lose some."""
    context = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_TorchDynamoContext", None)
    return context is not None and isinstance(value, context)


def note_identity(module: torch.nn.Module) -> None:
    """A copy of a module that torch.compile returned knows itself."""
    own = object.__getattribute__(module, "__dict__")
    if "_torchdynamo_wrapper_id" in own:
        own["_torchdynamo_wrapper_id"] = id(module)


def _optimized() -> Any:
    return getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", None)
