"""What a session keeps of its calls, so that they can be run again.

In: the beginning of each call (references only), of each compile, and of each run from the cache. A call is copied when its first
frame is compiled, before anything of that frame has run; one that only runs from the cache while there is room (`keep_calls`, `HITS`,
`OBJECTS`), and later ones of that kind cost nothing. In a block of code each frame that no other traced one called is a call. Out: `KeptCall`s in order,
the newest `keep_calls` that compiled (of one block the first), from which any number of fresh runs can be made.
"""

from __future__ import annotations

import inspect
import sys
import threading
import types
import weakref
from builtins import (  # a program may replace them while it runs
    any,
    bool,
    dict,
    id,
    isinstance,
    len,
    list,
    map,
    reversed,
    set,
    tuple,
    type,
    zip,
)
from typing import TYPE_CHECKING, Any

import torch

from ..codegen.adapter import entry_names
from ..compat.copies import plain_dispatch
from ..compat.wrappers import owns_call
from ..events import CacheHit, CallStarted, GuardFailed, Recompiled
from ..graph.modes import MODES, AutocastState
from ..runtime.hook import _codes_of, without_hook
from .copies import Copier, Names
from .metadata import described
from .parameters import Parameters
from .places import Place, Walk
from .rng import RandomState

if TYPE_CHECKING:
    from ..session import Session
    from ..translate import FrameInfo

__all__ = ["Keeper", "KeptCall", "Memory", "Modes"]

#: So many bytes of tensors, and objects, are copied for all the calls together that only ran from the cache.
HITS, OBJECTS = 1 << 26, 1 << 13


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
    """One call as it began. `number`: the session's; in a block of code (`block`) several have the same, and `span` says which events are of
    this one. `order`: it was the n-th that compiled something, None where it only ran from the cache. `reset`: entries were dropped before.
    `metadata`: tensors are described only. `late`: part of the call had run before this was made. `notes`: what isn't as it was. `used_up`:
    what a re-run would use up. `raised`: the type of what it raised. `parameters` are the originals."""

    block = False  # a frame in a block of code
    order: int | None = None
    reset = False
    raised: type[BaseException] | None = None

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
        names: Names,
    ):
        self.number, self.metadata, self.late = number, metadata, late
        self.span: list[int | None] = [0, None]
        self.fn: Any = fn
        self.args: Any = ()
        self.kwargs: Any = {}
        self.code: Any = None  # of the function that calls a module, which is the session's
        self.parameters = Parameters()
        self.gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self.memory, self.modes, self.random = Memory(session), Modes(), RandomState()
        self.places: list[Place] = []
        self.values: list[Any] = []
        self.notes: list[str] = []
        self.used_up: list[str] = []
        self.originals: dict[int, tuple[Any, int]] = {}
        self.bytes = self.objects = 0
        self._alive: list[Any] = []
        self._bodies: list[tuple[Any, types.CodeType]] = []
        if metadata:
            self.args, self.kwargs = described((args, kwargs))
            return
        walk = Walk((fn, args, kwargs), code=True)
        self.places = list(walk.found.values())
        self._bodies = [(weakref.ref(function), function.__code__) for function in walk.functions]
        copier = Copier(parameter=self._by_reference, module=self.parameters.note_module, names=names)
        self._copier = copier
        self.fn, self.args, self.kwargs, self.values = copier.copy(
            (fn, args, kwargs, [place.read() for place in self.places])
        )
        if any(copier.has_storage(parameter) for parameter in self.parameters):
            copier.notes.append("a tensor shares memory with a parameter: its copy doesn't")
        self.notes = list(dict.fromkeys([*walk.notes, *copier.notes]))
        self.used_up, self.originals, self._alive = copier.used_up, copier.originals, copier.alive
        self.bytes, self.objects = copier.bytes, copier.objects
        del self._copier

    def _by_reference(self, parameter: torch.nn.Parameter) -> torch.nn.Parameter:
        self.parameters.note(parameter)
        self._copier.stand_in(parameter, parameter)
        self.gradients.append((parameter, None if parameter.grad is None else self._copier.copy(parameter.grad)))
        return parameter

    def named(self, copied: Any) -> int | None:
        """The name of what the session's copy is of."""
        known = self.originals.get(id(copied))
        return None if known is None else known[1]

    def rewritten(self) -> list[str]:
        """Functions whose `__code__` is another one than it was: what runs is theirs of today."""
        alive = ((reference(), code) for reference, code in self._bodies)
        return [function.__qualname__ for function, code in alive if function is not None and function.__code__ is not code]


class _Begun:
    """A call that has begun: references to what it was given, until it ends or something of it is kept. Of a block of code `kept` is
    the last call in it, `many` how many of them are kept."""

    __slots__ = ("given", "kept", "many", "number", "seen")

    def __init__(self, number: int, given: tuple[Any, ...]):
        self.number, self.given, self.seen, self.many = number, given, False, 0
        self.kept: KeptCall | None = None


class Keeper:
    """The calls of one session. `copies` counts those that were kept."""

    def __init__(self, session: Session, keep: bool | str, most: int):
        self._session = weakref.ref(session)
        self.keep, self.most = keep, most
        self.calls: list[KeptCall] = []
        self.copies = 0
        self.compiled = 0  # calls that compiled something, kept or not
        self.missed = False  # a call that ran from the cache, or in a block, isn't kept
        self.failed = ""  # why the last call that could not be kept is not
        self.blocks = 0  # `with` blocks that compiled: no call that could be run again
        self.begun: dict[int, _Begun] = {}  # by thread: the outermost call there is the unit
        self.listening = bool(keep)  # whether runs from the cache are told
        self.reset = False  # entries were dropped since the last compile
        self._bytes = self._objects = 0  # of calls that ran from the cache
        self._names = Names()
        self._inner: set[tuple[str, int, str]] = set()  # code of the calls in blocks, as it was and as it was made
        self.hitting = without_hook(self._hitting)

    def begin(self, number: int, given: tuple[Any, ...]) -> None:
        """A call begins in this thread, which is in none; who takes it out of `begun` tells `end`. `given`: the function, what is called for it, arguments,
        keywords; () for a block of code."""
        self.begun[threading.get_ident()] = _Begun(number, given)

    def end(self, begun: _Begun, raised: type[BaseException] | None) -> None:
        """The call has ended."""
        if begun.kept is not None and begun.given:
            begun.kept.raised = raised

    def compiling(self, session: Session, info: FrameInfo) -> None:
        """A frame is about to be compiled: what its call was given is kept now, if it isn't yet."""
        begun = self.begun.get(threading.get_ident())
        if begun is None or not self.keep:
            return
        given, within = begun.given, begun.seen if begun.given else self._within(sys._getframe(1))
        if within:
            if begun.kept is not None and begun.kept.order is None:  # it began with a run from the cache
                self._count(begun.kept)
            return
        if given:
            begun.seen = True
        else:
            self._next(session, begun, info.code)
            given = _frame_call(info.code, info.origin, info.locals, info.cells, info.globals) or ()
        call = None
        if not given:
            self.blocks += 1
        elif (given is begun.given or begun.many < self.most) and self._made_room():
            call = self._keep(session, begun, given, info.code)
        self._count(call)

    def _count(self, call: KeptCall | None) -> None:
        """One more call compiles something."""
        if call is not None:
            call.order, call.reset = self.compiled, self.reset
            self.listening |= call.block  # where it ends has to be heard
        self.compiled, self.reset = self.compiled + 1, False

    def _hitting(self, frame: str, body: types.FrameType) -> None:
        """Compiled code, whose body's frame this is, is about to run again."""
        begun, session = self.begun.get(threading.get_ident()), self._session()
        if begun is None or begun.seen or session is None:
            return
        given, code = begun.given, session.code_of(frame)
        outer: Any = body.f_back
        if not given:
            if self._within(outer.f_back):
                return
            self._next(session, begun, code)
        room = len(self.calls) < self.most and self._bytes < HITS and self._objects < OBJECTS
        if room and not given:
            taken = [body.f_locals[name] for name in body.f_code.co_varnames[: body.f_code.co_argcount]]
            given = _frame_call(code, code, *_entered(code, taken), outer.f_globals) or ()
        if room and given and (call := self._keep(session, begun, given, code)) is not None:
            self._bytes, self._objects = self._bytes + call.bytes, self._objects + call.objects
            begun.seen = given is begun.given
        else:
            self.missed = True
        self.listening = room or begun.kept is not None and begun.kept.block

    def _made_room(self) -> bool:
        """Before one more that compiles: one that only ran from the cache goes first, then the oldest."""
        if len(self.calls) >= self.most > 0:
            hits = [call for call in self.calls if call.order is None]
            self.calls.remove(hits[-1] if hits else self.calls[0])
            self.missed = True
        return self.most > 0

    def _keep(self, session: Session, begun: _Begun, given: tuple[Any, ...], code: types.CodeType) -> KeptCall | None:
        fn, target, args, kwargs = given
        if not begun.given:
            fn = target = self._known(fn)
        codes = _codes_of(target)
        whole = isinstance(fn, torch.nn.Module) and owns_call(fn)  # its frames are those of what torch.compile was given
        late = bool(begun.given) and (bool(codes) and code not in codes and not whole or _hit(session, begun.number))
        try:
            with plain_dispatch():
                metadata = self.keep == "metadata"
                call = KeptCall(begun.number, fn, args, kwargs, session, metadata=metadata, late=late, names=self._names)
        except Exception as error:  # the program's own way of being copied failed; the call itself goes on
            self.failed = f"call {begun.number} could not be kept ({type(error).__name__}: {error})"
            return None
        call.block = not begun.given
        call.code = codes[0] if target is not fn else None
        if call.block:
            begun.many += 1
            call.span[0] = _position(session)
        begun.kept = call
        self.copies += 1
        self.calls.append(call)
        return call

    # ---- calls in a block of code
    def _known(self, fn: types.FunctionType) -> types.FunctionType:
        """The function of an earlier call in a block that is the same, so that the two are one to torch.compile."""
        for call in self.calls:
            if call.block and isinstance(call.fn, types.FunctionType) and _parts(call.fn) == _parts(fn):
                return call.fn
        return fn

    def _next(self, session: Session, begun: _Begun, code: types.CodeType) -> None:
        """The next one begins, of this code."""
        self._inner.add(_key(code))
        if begun.kept is not None:
            begun.kept.span[1] = _position(session)
            begun.kept = None

    def _within(self, frame: types.FrameType | None) -> bool:
        """Whether a call in the block has called this frame."""
        while frame is not None:
            if _key(frame.f_code) in self._inner:
                return True
            frame = frame.f_back
        return False

    def clear(self) -> None:
        self.calls.clear()
        self.begun.clear()


def _parts(fn: types.FunctionType) -> tuple[int, ...]:
    return id(fn.__code__), id(fn.__globals__), *map(id, fn.__closure__ or ())


def _key(code: types.CodeType) -> tuple[str, int, str]:
    """The same for a function's code and what is made of it."""
    return code.co_filename, code.co_firstlineno, code.co_name


def _position(session: Session) -> int:
    """Where the next event will be; why the frame is compiled anew belongs to it."""
    events = session.recorder.events
    at = len(events)
    while at and type(events[at - 1]) in (GuardFailed, Recompiled):
        at -= 1
    return at


def _entered(code: types.CodeType, given: list[Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Locals of a frame that is entered and the cells of its closure, by what its body is given (`codegen.entry_names`)."""
    args, cells = entry_names(code)
    named = dict(zip((*args, *cells), given, strict=True))
    free = tuple(named.pop(name) for name in code.co_freevars)
    for name in code.co_cellvars:
        cell = named.pop(name)
        if name in code.co_varnames:
            named[name] = cell.cell_contents
    return named, free


def _frame_call(
    code: types.CodeType, origin: types.CodeType, values: dict[str, Any], cells: tuple[Any, ...], globals: dict[str, Any]
) -> tuple[Any, ...] | None:
    """The call that a frame which is just being entered stands for; None for the rest of a broken one."""
    if origin is not code:
        return None
    names = code.co_varnames
    count = code.co_argcount + code.co_kwonlyargcount
    rest = bool(code.co_flags & inspect.CO_VARARGS)
    if any(name not in values for name in names[: count + rest]):
        return None
    args = [values[name] for name in names[: code.co_argcount]]
    args += values[names[count]] if rest else ()
    kwargs = {name: values[name] for name in names[code.co_argcount : count]}
    if code.co_flags & inspect.CO_VARKEYWORDS:
        kwargs.update(values.get(names[count + rest], {}))
    made = types.FunctionType(code, globals, code.co_name, None, cells)
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
