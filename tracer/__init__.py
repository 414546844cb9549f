"""Tracer: an interactive tracing debugger for PyTorch graph capture.

    session = tracer.trace(model, x)     # one recorded call
    print(session.explain())
    fast = tracer.compile(model)         # like torch.compile, with a session to look at

Names are loaded when they are used, so that `tracer.isa` works without torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import imports

__all__ = [
    "Override", "Session", "TraceConfig", "TracerError", "Where", "allow_in_graph", "compile", "disable", "graph_break", "load", "replay",
    "reset", "step", "trace",
]  # fmt: skip

_WHERE = {
    "Session": "session", "reset": "session", "FullGraphError": "session", "TraceConfig": "config", "TracerError": "errors", "load": "recording",
    "compile": "api", "trace": "api", "disable": "api", "allow_in_graph": "api", "graph_break": "api",
    "step": "api", "Override": "overrides", "Where": "overrides",
    "replay": "rerun.replay", "Recording": "recording",
}  # fmt: skip


imports.install(__path__[0])


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tracer' has no attribute {name!r}")
    with imports.telling():
        value = getattr(importlib.import_module(f"tracer.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext tracer`: the one place where this package reaches for the notebook side."""
    with imports.telling():
        importlib.import_module("notebook_ext").load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext tracer`."""
    importlib.import_module("notebook_ext").unload(ipython)
