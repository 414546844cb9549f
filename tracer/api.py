"""The public functions: `trace`, `compile`, and the marks that users put on functions."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from .callers import name_of
from .compat import disable as _disable
from .config import FIELDS, TraceConfig
from .functions.marks import ALLOWED
from .overrides import Override
from .session import Session

if TYPE_CHECKING:
    from .control import Stepper

__all__ = ["CompiledFunction", "allow_in_graph", "compile", "disable", "graph_break", "step", "trace"]


def trace(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Session:
    """One recorded call with the default configuration; `session.result` is what it returned."""
    session = Session("trace")
    session.run(fn, *args, **kwargs)
    return session


def step(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Stepper:
    """A call in a thread of its own, paused before its first instruction; drive it with `.into()`, `.line()`, `.until(…)`."""
    stepper: Stepper = Session("step").step(fn, *args, **kwargs)
    return stepper


class CompiledFunction:
    """What `tracer.compile` gives: calls run through its own session. Attributes are those of the original."""

    def __init__(self, original: Callable[..., Any], session: Session):
        self.__dict__.update({"session": session, "original": original, "_target": session.prepare(original)})
        if not isinstance(original, torch.nn.Module):
            functools.update_wrapper(self, original, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        session = self.session
        if session.recorder.on or session.stepped_by or session.pins.all:
            with session._call(name_of(self.original), (self.original, self._target, args, kwargs)):
                return session.call(self.original, self._target, args, kwargs)
        session.count_call()
        return session.hook.run(self._target, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if "original" not in self.__dict__:  # while it is being copied or unpickled
            raise AttributeError(name)
        return getattr(self.__dict__["original"], name)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        """A copy of the original with a session of its own: compiled entries belong to one session."""
        return _restore(copy.deepcopy(self.original, memo), self.session.plain_config())

    def __reduce__(self) -> Any:
        return _restore, (self.original, self.session.plain_config())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<tracer.compile of {name_of(self.original)}>"


def _restore(original: Callable[..., Any], settings: dict[str, Any]) -> CompiledFunction:
    known = TraceConfig.from_plain(settings)
    overrides = map(Override.from_plain, settings.get("overrides", ()))
    return CompiledFunction(original, Session("compile", overrides=overrides, **{name: getattr(known, name) for name in FIELDS}))


def compile(fn: Callable[..., Any] | None = None, /, **config: Any) -> Any:
    """Compile `fn` (a function or an nn.Module) as it is called; without `fn`, a decorator. See `TraceConfig` for the settings."""
    if fn is None:
        return functools.partial(compile, **config)
    return CompiledFunction(fn, Session("compile", **config))


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
