"""The public functions: `trace`, `compile`, and the marks that users put on functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .compat import disable as _disable
from .compat.shape_specs import attached
from .errors import TracerError
from .functions.torch.marks import ALLOWED
from .session import Session
from .wrappers import compiled

if TYPE_CHECKING:
    from .control import Stepper

__all__ = ["allow_in_graph", "compile", "disable", "graph_break", "step", "trace"]


def trace(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Session:
    """One recorded call with the default configuration; `session.result` is what it returned."""
    session = Session("trace")
    session.run(fn, *args, **kwargs)
    return session


def step(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Stepper:
    """A call in a thread of its own, paused before its first instruction; drive it with `.into()`, `.line()`, `.until(…)`."""
    stepper: Stepper = Session("step").step(fn, *args, **kwargs)
    return stepper


def compile(fn: Callable[..., Any] | None = None, /, **config: Any) -> Any:
    """Compile `fn` (a function or an nn.Module) as it is called; without `fn`, a decorator. See `TraceConfig` for the settings."""
    if fn is None:
        return functools.partial(compile, **config)
    spec = attached(fn)
    if spec is not None and config.get("engine") != "dynamo":
        if config.get("dynamic_shapes") is not None:
            raise TracerError("dynamic_shapes is given, and by @dynamic_spec on the function as well.\n  next: leave one of them out")
        config["dynamic_shapes"] = spec
    return compiled(fn, Session("compile", **config))


def disable(fn: Callable[..., Any] | None = None, *, recursive: bool = True, reason: str | None = None) -> Any:
    """Run `fn`, and with `recursive` whatever it calls, as plain Python. A decorator too."""
    return _disable(fn, recursive, reason=reason)


def allow_in_graph(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Calls of `fn` become one node of the graph; nobody looks inside."""
    fn.__dict__[ALLOWED] = True
    return fn


def graph_break() -> None:
    """The graph ends here, on purpose; without tracing this does nothing."""


graph_break.__dict__["_tracer_graph_break"] = True
