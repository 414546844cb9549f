"""Functions and modules that the program gave to torch.compile: its wrapper is stepped over, and the original is traced.

In: the frame of a wrapper, as the hook shows it, or a wrapper that a traced frame calls. Out: an entry in whose place the original
is called under the same hook, or the original's call. The session says once of each which of the wrapper's settings count:

- `dynamic` does, unless the session was told one: which sizes are symbolic decides how many graphs there are.
- `backend`, `mode` and `options` don't. A session has one backend, by default the one that runs a graph as it is, and what it
  captures doesn't depend on it. `fullgraph` doesn't: who looks at a program wants all of its breaks, not the first.
- Inside another traced frame none does, as under torch.compile, for which that frame is one graph.

What torch wraps for itself (bodies of operators, `torch._dynamo.explain`, `torch.export`) runs as it is.
"""

from __future__ import annotations

import sys
import types
import weakref
from builtins import (  # a program may replace them while it runs
    dict,
    isinstance,
    len,
    str,
    tuple,
    type,
    zip,
)
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from . import codegen
from .callers import name_of, of_module
from .compat import evalframe as ef
from .compat.wrappers import Wrapper, wrapper_code, wrapper_namespace
from .events import WrapperFollowed
from .runtime.answers import Entry
from .runtime.hook import without_hook

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Following", "is_wrapper_code"]


def is_wrapper_code(code: types.CodeType) -> bool:
    return code is wrapper_code()


class Following:
    """What one session knows of wrappers: what is called for each, and of which it has told."""

    def __init__(self, session: Session):
        self._session = weakref.ref(session)
        self._known: weakref.WeakKeyDictionary[Any, list[tuple[Any, Callable[..., Any]]]] = weakref.WeakKeyDictionary()
        self._told: set[tuple[Any, ...]] = set()

    def entry(self, code: types.CodeType) -> Entry:
        """What runs in place of any wrapper's frame: there is nothing to check, for it asks the wrapper itself."""
        return Entry(codegen.finished(code, _stand_in(self._session, code)), ef.no_guards(), "torch.compile")

    def target(self, wrapper: Wrapper) -> Callable[..., Any]:
        """What is called in the wrapper's place, the same at each call, so that compiled entries are found again."""
        known = self._known.get(wrapper.context)
        for fn, target in known or ():
            if fn is wrapper.fn:
                return target
        session, original = self._session(), wrapper.original
        assert session is not None
        made: Callable[..., Any] = of_module(original) if isinstance(original, torch.nn.Module) else wrapper.fn
        session._note_target(made)
        self.tell(wrapper, wrapper.dynamic is not None and session.config.dynamic is None and session.config.dynamic_shapes is None)
        if known is None:
            known = self._known[wrapper.context] = []
        known.append((wrapper.fn, made))
        return made

    def tell(self, wrapper: Wrapper, dynamic: bool) -> None:
        """Once for each function and its settings. `dynamic`: whether that one counts, beside what the session was told as well."""
        session = self._session()
        if session is None or not session.recorder.on:
            return
        original = wrapper.original
        place = _code_of(original)
        settings = tuple((name, _shown(value)) for name, value in wrapper.settings().items())
        taken = ("dynamic",) * dynamic + ("fullgraph",) * (session.config.fullgraph and "fullgraph" in dict(settings))
        said = (name_of(original), place.co_filename if place else "", place.co_firstlineno if place else 0, settings, taken)
        if said not in self._told:
            self._told.add(said)
            session.recorder.aside(WrapperFollowed, *said)

    def clear(self) -> None:
        self._known.clear()


def _code_of(original: Any) -> types.CodeType | None:
    if isinstance(original, torch.nn.Module):
        original = type(original).forward
    original = getattr(original, "__func__", original)
    return getattr(getattr(original, "__wrapped__", original), "__code__", None)


def _shown(value: Any) -> str:
    """A setting as text, without running code of what it holds."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(key)}: {_shown(held)}" for key, held in value.items()) + "}"
    return repr(value) if type(value) in (str, int, float, bool, type(None)) else type(value).__name__


@without_hook
def _target(session: Session, wrapper: Wrapper) -> Callable[..., Any]:
    return session.following.target(wrapper)


def _stand_in(session: weakref.ref[Session], code: types.CodeType) -> Callable[..., Any]:
    """The body: called with the wrapper's arguments and its cells."""
    given, names = codegen.entry_names(code)
    count, free = len(given), len(names) - len(code.co_freevars)
    as_it_is = code.replace(co_name=code.co_name)  # the same code, under which nothing of ours is found

    @ef.opaque
    def stand_in(*entry: Any) -> Any:
        args, kwargs = entry[:count]
        cells: tuple[types.CellType, ...] = entry[count + free :]
        wrapper = Wrapper(dict(zip(code.co_freevars, cells, strict=True)))
        owner, caller = session(), sys._getframe(2)  # behind this one is the wrapper's
        if owner is None or owner.closed or not wrapper.compiles or wrapper.serves_torch(caller.f_code):
            return types.FunctionType(as_it_is, wrapper_namespace(), code.co_name, None, cells)(*args, **kwargs)
        del caller
        target = _target(owner, wrapper)
        if wrapper.dynamic is None:
            return target(*args, **kwargs)
        with owner.dynamism.told(wrapper.dynamic):
            return target(*args, **kwargs)

    return stand_in
