"""torch.compiler.set_stance, honoured: it speaks to our compiler as to torch.compile, around compiled calls and inside of them.

In: what torch holds as its stance. Out: why nothing compiled may run now, what becomes of a frame that no entry fits, and the entry that
stands in for torch's own setter, which refuses whoever has a hook on.

- `force_eager`: nothing compiled runs. So with `force_backend`, where it isn't the session's own: a session compiles for one backend.
- `eager_on_recompile`: what is compiled runs, nothing new is compiled. `fail_on_recompile`: what would be compiled is an error.
- `eager_then_compile`: a function's first call runs as Python, and what changes until the second is symbolic.
  `aot_eager_then_compile`: its first compile is for the backend `aot_eager`.
- `skip_guard_eval_unsafe` allows to check less than all guards. All are checked.
- A stance of another name is one that we can't follow: what it is set around runs as Python.
"""

from __future__ import annotations

import contextlib
import types
import weakref
from builtins import (  # a program may replace them while it runs
    dict,
    enumerate,
    frozenset,
    getattr,
    id,
    isinstance,
    len,
    list,
    str,
    tuple,
    type,
)
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from . import codegen
from .compat import evalframe as ef
from .compat import stances
from .errors import RecompileError
from .runtime import backends
from .runtime.answers import Entry, Skip
from .runtime.hook import stand

if TYPE_CHECKING:
    from .session import Session
    from .translate import FrameInfo

__all__ = ["Stances"]

_COMPILING = frozenset({"default", "eager_then_compile", "aot_eager_then_compile"})
_FOLLOWED = _COMPILING | {"eager_on_recompile", "fail_on_recompile"}


def _words(stance: stances.Stance) -> str:
    return f"torch.compiler.set_stance({stance.name!r}) is in force"


class Stances:
    """What one session makes of the stance."""

    def __init__(self, session: Session):
        self._session = weakref.ref(session)
        self._met: dict[int, types.CodeType] = {}  # ran once under a stance that waits for the second call

    def rests(self) -> str:
        """Why nothing compiled may run now; "" where it may."""
        stance, session = stances.current(), self._session()
        if stance is stances.DEFAULT or session is None:
            return ""
        if stance.backend is not None and stance.backend != session.config.backend:
            name = stance.backend if isinstance(stance.backend, str) else getattr(stance.backend, "__name__", type(stance.backend).__name__)
            return f"torch.compiler.set_stance(force_backend={name!r}) is in force, and this session compiles for {session.backend_label!r}"
        if stance.name == "force_eager":
            return _words(stance)
        return "" if stance.name in _FOLLOWED else f"{_words(stance)}, which Tracer doesn't know"

    def answer(self, info: FrameInfo, tensors: bool) -> Skip | None:
        """What becomes of a root that no entry fits: None where it is compiled. `tensors`: it has some among its arguments, or goes on
        behind a break; only then is its compile an error to `fail_on_recompile`, as it is to torch.compile."""
        stance = stances.current()
        if stance.name == "eager_then_compile" and id(info.code) not in self._met:
            self._note(info)
            return Skip(f"{_words(stance)}: the first call runs as Python", rule="stance")
        if stance.name == "eager_on_recompile" or (stance.name == "fail_on_recompile" and not tensors):
            return Skip(f"{_words(stance)}, and nothing that is compiled fits this call", rule="stance")
        if stance.name == "fail_on_recompile":
            session = self._session()
            assert session is not None
            why = dict.fromkeys(f"{failure.guard.expression}, which is {failure.seen} now" for _, failure in session.failures(info))
            because = f": {'; '.join(list(why)[:3])}" if why else ", for the first time"
            raise RecompileError(f"{info.name} would be compiled at this call{because}, and {_words(stance)}.", next="call it once without that stance")
        return None

    def _note(self, info: FrameInfo) -> None:
        session = self._session()
        assert session is not None
        self._met[id(info.code)] = info.code
        memory = session.dynamism
        memory.known.add(id(info.code))
        for name, value in info.locals.items():
            for text, part in _parts(name, value):
                if isinstance(part, torch.Tensor):
                    memory.sizes[id(info.code), text] = tuple(part.shape)
                elif type(part) in (int, float):
                    memory.numbers[id(info.code), text] = part

    @contextlib.contextmanager
    def backend(self, code: types.CodeType) -> Iterator[None]:
        """The backend for which this code is compiled now."""
        session = self._session()
        assert session is not None
        if stances.current().name != "aot_eager_then_compile" or session.hook.number(code):
            yield
            return
        own = session.backend, session.backend_label
        session.backend, session.backend_label = backends.resolve("aot_eager"), "aot_eager"
        try:
            yield
        finally:
            session.backend, session.backend_label = own

    def entry(self, code: types.CodeType) -> Entry:
        """What runs in place of torch's setter, whose frame has our hook on: the same, without it, and then what the stance asks for."""
        return Entry(codegen.finished(code, _stand_in(code)), ef.no_guards(), "torch.compiler.set_stance")


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An argument by its source, and what the containers in it hold."""
    yield name, value
    held = enumerate(value) if type(value) in (list, tuple) else value.items() if type(value) is dict else ()
    for key, part in held:
        yield from _parts(f"{name}[{key!r}]", part)


def _stand_in(code: types.CodeType) -> Callable[..., Any]:
    count = len(codegen.entry_names(code)[0])

    @ef.opaque
    def stand_in(*entry: Any) -> Any:
        setter = stances.setter()
        assert setter is not None
        answering = ef.set_eval_frame(None)
        try:
            return setter(*entry[:count])
        finally:
            stand(answering)

    return stand_in
