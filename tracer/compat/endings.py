"""Whose error ended a call, as far as torch's exceptions say so."""

from __future__ import annotations

import os
import sys
import types

import torch

from .stances import current
from .wrappers import wrapper_code

__all__ = ["ended_by_torch", "is_out_of_memory", "raised_in"]

#: Exceptions of torch.compile, by what its error means for the call, the closest first.
_REFUSALS = (
    ("limit", ("FailOnRecompileLimitHit", "RecompileLimitExceeded", "RecompileError")),
    ("backend", ("BackendCompilerFailed",)),
    ("operator", ("UncapturedHigherOrderOpError",)),
    ("fullgraph", ("Unsupported",)),
    ("mark", ("UserError",)),
    ("torch", ("InternalTorchDynamoError", "TorchDynamoException")),
)


def ended_by_torch(error: BaseException) -> str:
    """What torch.compile refused a call for: "fullgraph", "operator" (its body isn't one graph), "limit", "backend", "mark" (a size that was
    marked dynamic), "stance", "torch" for a fault or assertion of its own; "" where the error isn't torch.compile's."""
    known = sys.modules.get("torch._dynamo.exc")
    for by, names in _REFUSALS:
        if any(isinstance(error, cls) for name in names if isinstance(cls := getattr(known, name, None), type)):
            inner = getattr(error, "inner_exception", None)
            return "memory" if isinstance(inner, BaseException) and is_out_of_memory(inner) else by
    violated = getattr(sys.modules.get("torch.fx.experimental.symbolic_shapes"), "ConstraintViolationError", ())
    if isinstance(error, violated):
        return "mark"
    raised = raised_in(error)
    if raised is None or type(error) not in (RuntimeError, AssertionError):
        return ""
    if type(error) is RuntimeError and raised is wrapper_code():  # fullgraph=True, and nothing was compiled
        return "fullgraph"
    if os.path.dirname(raised.co_filename) != os.path.dirname(getattr(known, "__file__", "")):
        return ""
    return "torch" if type(error) is AssertionError else "stance" if current().name == "fail_on_recompile" else ""


def raised_in(error: BaseException) -> types.CodeType | None:
    """The code that raised the error itself."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    return None if entry is None else entry.tb_frame.f_code


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: the process's or a device's. The CPU's allocator of torch has no exception of its own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = error.args[0] if type(error) is RuntimeError and error.args else ""
    return type(text) is str and "DefaultCPUAllocator: can't allocate memory" in text
