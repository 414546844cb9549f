"""What a session keeps of calls that compile, so that they can be run again.

In: the beginning of each call (references only) and of each compile. A call is copied when its first frame is compiled, before
anything of that frame has run: a call that only runs from the cache costs no copy. Out: a `KeptCall` for each of the newest
`keep_calls` calls, from which any number of fresh runs can be made.
"""

from __future__ import annotations

import inspect
import threading
import types
from builtins import (  # a program may replace them while it runs
    any,
    bool,
    dict,
    isinstance,
    list,
    reversed,
    set,
    sum,
    tuple,
    type,
)
from collections import deque
from typing import TYPE_CHECKING, Any

import torch

from ..compat.copies import plain_dispatch
from ..compat.wrappers import owns_call
from ..events import CacheHit, CallStarted
from ..graph.modes import MODES, AutocastState
from ..runtime.hook import _codes_of
from .copies import Copier
from .metadata import described
from .places import Place, places
from .rng import RandomState

if TYPE_CHECKING:
    from ..session import Session
    from ..translate import FrameInfo

__all__ = ["Keeper", "KeptCall", "Memory", "Modes"]


class Modes:
    """Grad and inference mode, default dtype and device, autocast, and the other switches of `MODES`."""

    def __init__(self) -> None:
        self.values = {name: mode.read() for name, mode in MODES.items()}
        self.autocast = AutocastState()
        self.inference = torch.is_inference_mode_enabled()
        self.device = torch.get_default_device()

    def set(self) -> None:
        for name, value in self.values.items():
            if MODES[name].read() != value:
                MODES[name].write(value)
        self.autocast.restore()


class Memory:
    """The recorded dynamism state: what the session knew of sizes and numbers, and which code had been compiled."""

    def __init__(self, session: Session):
        memory = session.dynamism
        self.sizes, self.numbers = dict(memory.sizes), dict(memory.numbers)
        self.moved = {key: set(dims) for key, dims in memory.moved.items()}
        self.changing = set(memory.changing)
        self.known = {code for code, (_, entries) in session._frames.items() if entries}
        self.codes = dict(memory.codes)

    def apply(self, session: Session, renamed: dict[int, int]) -> None:
        """Into a new session; `renamed`: id of code → id of the code that stands for it there."""
        memory = session.dynamism

        def key(old: tuple[int, str]) -> tuple[int, str]:
            return renamed.get(old[0], old[0]), old[1]

        memory.sizes = {key(k): v for k, v in self.sizes.items()}
        memory.moved = {key(k): set(v) for k, v in self.moved.items()}
        memory.numbers = {key(k): v for k, v in self.numbers.items()}
        memory.changing = {key(k) for k in self.changing}
        memory.known = {renamed.get(code, code) for code in self.known}
        memory.codes.update(self.codes)


class KeptCall:
    """One call as it began. `number`: the session's. `metadata`: tensors are described only. `late`: part of the call had run
    before this was made. `notes`: what isn't as it was. `versions`: of parameters, which are the originals."""

    def __init__(
        self,
        number: int,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        session: Session,
        *,
        metadata: bool,
        late: bool,
    ):
        self.number, self.metadata, self.late = number, metadata, late
        self.fn: Any = fn
        self.args: Any = ()
        self.kwargs: Any = {}
        self.code: Any = None  # of the function that calls a module, which is the session's
        self.versions: list[tuple[torch.Tensor, tuple[int, int]]] = []
        self.gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self.block = False  # the first frame of a block of code stands for the call
        self.memory, self.modes, self.random = Memory(session), Modes(), RandomState()
        self.places: list[Place] = []
        self.values: list[Any] = []
        self.notes: list[str] = []
        if metadata:
            self.args, self.kwargs = described((args, kwargs))
            return
        self.places = places((fn, args, kwargs))
        copier = Copier(parameter=self._by_reference)
        self._copier = copier
        self.fn, self.args, self.kwargs, self.values = copier.copy(
            (fn, args, kwargs, [place.read() for place in self.places])
        )
        if any(copier.has_storage(parameter) for parameter, _ in self.versions):
            copier.notes.append("a tensor shares memory with a parameter: its copy doesn't")
        self.notes = list(dict.fromkeys(copier.notes))
        del self._copier

    def _by_reference(self, parameter: torch.nn.Parameter) -> torch.nn.Parameter:
        self.versions.append((parameter, _version(parameter)))
        self._copier.stand_in(parameter, parameter)
        self.gradients.append((parameter, None if parameter.grad is None else self._copier.copy(parameter.grad)))
        return parameter

    def changed(self) -> int:
        """How many parameters were written to since."""
        return sum(_version(parameter) != version for parameter, version in self.versions)


def _version(tensor: torch.Tensor) -> tuple[int, int]:
    """Changes with every write, and where the data was exchanged."""
    try:
        return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
    except RuntimeError:  # a subclass without storage of its own
        return 0, tensor._version


class _Begun:
    """A call that has begun: references to what it was given, until it ends or something of it is compiled."""

    __slots__ = ("given", "kept", "number")

    def __init__(self, number: int, given: tuple[Any, ...]):
        self.number, self.given, self.kept = number, given, False


class Keeper:
    """The calls of one session. `copies` counts those that were kept."""

    def __init__(self, keep: bool | str, most: int):
        self.keep = keep
        self.calls: deque[KeptCall] = deque(maxlen=most)
        self.copies = 0
        self.failed = ""  # why the last call that could not be kept is not
        self.blocks = 0  # `with` blocks that compiled: no call that could be run again
        self.begun: dict[int, _Begun] = {}  # by thread: the outermost call there is the unit

    def begin(self, number: int, given: tuple[Any, ...]) -> None:
        """A call begins in this thread, which is in none; `begun.pop(thread, None)` ends it. `given`: the function, what is called for
        it, arguments, keywords; () for a block of code."""
        self.begun[threading.get_ident()] = _Begun(number, given)

    def compiling(self, session: Session, info: FrameInfo) -> None:
        """A frame is about to be compiled: what its call was given is kept now, if it isn't yet. Of a block of code it is that
        frame itself, the outermost one there is."""
        begun = self.begun.get(threading.get_ident())
        if begun is None or begun.kept or not self.keep:
            return
        begun.kept = True
        code, given = info.code, begun.given or _frame_call(info)
        if given is None:
            self.blocks += 1
            return
        fn, target, args, kwargs = given
        codes = _codes_of(target)
        whole = isinstance(fn, torch.nn.Module) and owns_call(fn)  # its frames are those of what torch.compile was given
        late = bool(codes) and code not in codes and not whole or _hit(session, begun.number)
        try:
            with plain_dispatch():
                call = KeptCall(begun.number, fn, args, kwargs, session, metadata=self.keep == "metadata", late=late)
        except Exception as error:  # the program's own way of being copied failed; the call itself goes on
            self.failed = f"call {begun.number} could not be kept ({type(error).__name__}: {error})"
            return
        call.block = not begun.given
        call.code = codes[0] if target is not fn else None
        self.copies += 1
        self.calls.append(call)

    def clear(self) -> None:
        self.calls.clear()
        self.begun.clear()


def _frame_call(info: FrameInfo) -> tuple[Any, ...] | None:
    """The call that a frame which is just being entered stands for; None for the rest of a broken one."""
    code = info.code
    if info.origin is not code:
        return None
    names = code.co_varnames
    count = code.co_argcount + code.co_kwonlyargcount
    rest = bool(code.co_flags & inspect.CO_VARARGS)
    if any(name not in info.locals for name in names[: count + rest]):
        return None
    args = [info.locals[name] for name in names[: code.co_argcount]]
    args += info.locals[names[count]] if rest else ()
    kwargs = {name: info.locals[name] for name in names[code.co_argcount : count]}
    if code.co_flags & inspect.CO_VARKEYWORDS:
        kwargs.update(info.locals.get(names[count + rest], {}))
    made = types.FunctionType(code, info.globals, code.co_name, None, info.cells)
    made.__qualname__ = code.co_qualname
    return made, made, tuple(args), kwargs


def _hit(session: Session, number: int) -> bool:
    """Whether something of this call ran from the cache already."""
    for event in reversed(session.recorder.events):
        if event.call != number or isinstance(event, CallStarted):
            return False
        if isinstance(event, CacheHit):
            return True
    return False
