"""The frame hook: torch asks one object per session about every frame of the threads that run under it.

In: `decide(frame)`, which says Root or Skip, and `compile(frame)`, which says Entry or Skip. Out: compiled entries on
the code objects of the program, which C++ looks up before it asks again. Invariants:

- While a callback runs, its thread has no hook: tracing doesn't trace itself.
- A callback never raises into C++ (that would leave the process slow for good); what must leave it is raised by the
  frame itself, run with code that does just that.
- Nothing is applied to a code object that torch.compile or another session would notice.
- C++ holds pointers into a code object's state during a callback: no code object is reset then, by any thread.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import threading
import types
import weakref
from builtins import (  # a program may replace them while it runs
    getattr,
    id,
    isinstance,
    len,
    list,
    next,
    range,
    reversed,
    set,
    type,
)
from collections.abc import Callable
from typing import Any

from .. import handlers
from ..codegen.resume import is_resume, raising
from ..compat import evalframe as ef
from .answers import Entry, Root, Skip
from .codes import CodeMap, Told
from .replaced import replaced
from .resting import NEVER, PLAIN, RUN, STOOD_IN, Resting

__all__ = ["FrameHook", "disabled", "stand", "without_hook"]

Frame = Any  # torch's _PyInterpreterFrame: f_code, f_locals, f_globals, f_builtins, f_lasti, closure

_BUSY = Skip("session busy", rule="busy")
_REPLACED = Skip("a builtin function was replaced by the program: until it is itself again, functions run as Python", rule="builtin replaced")
_CLOSED = Skip("session closed", rule="closed")


class FrameHook:
    """A session's callback. Never give this class a `__getattr__`: the interpreter crashes.

    compile:  frame → Entry | Skip. Its exceptions are faults of ours: the frame runs untraced, unless `strict`.
              KeyboardInterrupt and other BaseExceptions leave through the frame. A bound method is held weakly, and
              its object's death frees the entries (which keep the hook alive where the collector can't see it); so are
              other methods of that object.
    decide:   frame → Root | Skip; None makes every frame a root.
    on_skip:  (code, Skip), once for each code object and reason.
    on_fault: (frame, exception) when `compile` or `decide` fails.
    strict:   raise such faults instead; by default as TRACER_STRICT says.
    rests:    why nothing compiled may run now, "" while it may: asked when this hook is put on, and when a stance is set under it.
    """

    def __init__(
        self,
        compile: Callable[[Frame], Entry | Skip],
        *,
        decide: Callable[[Frame], Root | Skip | None] | None = None,
        on_skip: Callable[[types.CodeType, Skip], None] | None = None,
        on_fault: Callable[[Frame, Exception], None] | None = None,
        strict: bool | None = None,
        rests: Callable[[], str] | None = None,
    ):
        if ef.UNKNOWN:
            ef.self_test()
        self._pins = ef.pins()  # else a skip that torch.compile puts on code hides our entries: it is lifted before each run
        self.region = ef.new_region()
        self.strict = os.environ.get("TRACER_STRICT", "") not in ("", "0") if strict is None else strict
        self.closed = False
        self.muted = 0  # a thread whose frames run as they are: the call that runs there was given up
        owner = compile.__self__ if inspect.ismethod(compile) else None
        self._compile, self._decide = _weakly(compile, owner), _weakly(decide, owner)
        self._rests = rests
        self._resting: Resting | None = None
        self._on_skip, self._on_fault = _weakly(on_skip, owner), _weakly(on_fault, owner)
        self._numbers = itertools.count()
        self._lock, self._lock_pid = threading.RLock(), os.getpid()
        self._runs: set[object] = set()  # activations now in progress, in all threads
        self._free_when_idle = False
        self._compiled: CodeMap[bool] = CodeMap()  # code objects that have, or had, entries of ours
        self._made: CodeMap[dict[int, weakref.ref[ef.GuardManagerAdapter]]] = CodeMap()  # the entries by identity, oldest first
        self._prepared: CodeMap[bool] = CodeMap()
        self._lasting: CodeMap[Skip] = CodeMap()
        self._reported = Told()
        self._kept: dict[int, types.CodeType] = {}  # before 2.13: code never to be asked about, by id
        self._stops: list[ef.GuardManagerAdapter] = []
        self._pending: dict[int, BaseException] = {}  # by thread: errors that the frame they met couldn't raise
        self._left: tuple[types.CodeType, ...] = ()  # run as they are while a builtin was replaced: told when it is itself again
        self._dynamo_seen = 0
        if owner is not None:
            weakref.finalize(owner, self._owner_died).atexit = False

    # --- running under the hook ---------------------------------------------------------------------------------------

    @ef.opaque
    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`function(*args, **kwargs)` with this hook on, in this thread; the hook that was there comes back after."""
        activation = object()
        region, prior = ef.current_region(), None
        try:
            prior = ef.set_eval_frame(None)
            if not self.closed:
                self._meet(function)
            self._runs.add(activation)
            answering = self.answering()
            ef.set_region(answering.region)
            ef.set_eval_frame(answering)
            result = function(*args, **kwargs)
            if self._pending:
                self._raise_pending()
            return result
        except SystemError as error:
            cut = ef.cut_behind_callback(error)
            if cut is None:
                raise
            raise cut from None
        finally:  # an interrupt may come behind any of these calls
            try:
                ef.set_eval_frame(None)
                prior = _standing(prior)
                if region >= ef.FIRST_REGION:  # the process has one: what was found may be another thread's, which has left it by now
                    region = prior.region if type(prior) in _OURS else ef.COMMON
            finally:
                try:
                    ef.set_region(region)
                finally:
                    try:
                        self._runs.discard(activation)
                        if self._stops or self._free_when_idle or self._left:
                            self._settle()
                    finally:
                        ef.set_eval_frame(prior)

    def answering(self) -> FrameHook | Resting:
        """What answers for this hook's frames as torch's stance is now."""
        if self._rests is None or not self._rests():
            return self
        if self._resting is None:
            self._resting = Resting(self)
        return self._resting

    def pausing(self) -> contextlib.nullcontext[None]:
        """Entered while a stepped call waits: this hook holds nothing that others need."""
        return contextlib.nullcontext()

    def active(self) -> _Active:
        """A context in which frames that this thread calls are seen. Re-entrant; `run` is cheaper for one call."""
        return _Active(self)

    def _meet(self, function: Any) -> None:
        """Before `function` runs: its code is seen by us, whatever torch.compile decided about it."""
        for code in _codes_of(function):
            self.prepare(code)
        self._meet_dynamo()

    def _settle(self) -> None:
        """What waited for the end of an activation."""
        while self._stops:
            ef.invalidate(self._stops.pop())
        if self._left and not replaced():
            left, self._left = self._left, ()
            for code in left:
                self._skipped(code, _REPLACED)
        if self._free_when_idle and not self._runs:
            self._free()

    def prepare(self, code: types.CodeType) -> None:
        """Make sure that frames of `code` reach this hook, whatever torch.compile put on it: a skip hides the frames
        of a code object from everybody who has no strategy of their own there. Also sweeps entries that were freed."""
        again = code in self._prepared
        if again and ef.ISOLATED:
            if not self._pins:
                ef.allow(code)
            return
        self._prepared[code] = True
        if (ef.has_entries(code) or code in self._lasting) and ef.is_vacant(code) and not self._in_callback():
            ef.reset_code(code)
            self._lasting.pop(code)
        if not again:
            self._kept.pop(id(code), None)
        ef.allow(code)

    def _meet_dynamo(self) -> None:
        """Code that torch.compile met since we last looked may carry its skips. What isn't known to be no root here is
        allowed again; torch.compile then decides anew, with the same result."""
        seen = ef.codes_seen_by_dynamo()
        if len(seen) != self._dynamo_seen:
            start = self._dynamo_seen if len(seen) > self._dynamo_seen else 0
            for reference in seen[start:]:
                code = reference()
                if code is not None and (code not in self._compiled or not self._pins) and code not in self._lasting:
                    ef.allow(code)
            self._dynamo_seen = len(seen)

    # --- the callback -------------------------------------------------------------------------------------------------

    @ef.unasked
    def __call__(self, frame: Frame, cache_entry: Any, frame_state: dict[Any, Any]) -> ef.FrameResult:
        """What C++ calls when no entry matched. Never writes `frame_state`: it is torch.compile's."""
        try:
            if replaced():
                self._left += (frame.f_code,)
                return RUN
            if self._pending and ef.stoppable(frame.f_code):
                self._raise_pending()
            if self.muted and self.muted == threading.get_ident():
                return RUN
            answer = self._answer(frame)
            if isinstance(answer, Entry):
                return self._keep(frame.f_code, answer)
            if answer.callees:
                return PLAIN
            if answer.lasting and ef.ISOLATED and ef.current_region() == self.region:
                return NEVER
            return RUN
        except BaseException as error:
            return self.stop(frame.f_code, error)

    def _answer(self, frame: Frame) -> Entry | Skip:
        code = frame.f_code
        if id(code) in self._kept or self.closed:
            return _CLOSED
        try:
            verdict = self._decide(frame) if self._decide is not None else None
        except Exception as fault:
            verdict = self._fault(frame, fault)
        if isinstance(verdict, Skip):
            return self._skipped(code, verdict)
        answer = self.alone(self._made_for, frame)
        return answer if isinstance(answer, Entry) else self._skipped(code, answer or _BUSY)

    def _made_for(self, frame: Frame) -> Entry | Skip:
        try:
            return self._known(frame) or self._compile(frame)
        except Exception as fault:
            return self._fault(frame, fault)

    def alone(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)`, while nobody else compiles in this session and signals wait; None where somebody compiles, maybe this thread."""
        lock: Any = self._lock if self._lock_pid == os.getpid() else self._new_lock()
        if lock._is_owned():  # what is being compiled runs something that would be compiled
            return None
        cut: BaseException | None = None
        try:
            if not lock.acquire(blocking=False):
                return None
            handlers.hold()
            return function(*args)
        except handlers.Delivered as stop:
            cut = stop.error
        finally:
            while True:  # an interrupt may come behind any call, also behind these
                try:
                    if lock._is_owned():
                        lock.release()
                    handlers.let_go()
                    break
                except handlers.Delivered as stop:
                    cut = stop.error
                except BaseException as error:
                    cut = error
            if cut is not None:
                raise cut

    def _new_lock(self) -> Any:
        """In a forked process: the thread that compiled in its parent, if one did, isn't here."""
        self._lock, self._lock_pid = threading.RLock(), os.getpid()
        return self._lock

    def rest(self, frame: Frame) -> Entry | None:
        """While nothing compiled may run: what stands in for a frame of torch's that is stood in for all the same. Other roots are told."""
        if self.closed:
            return None
        verdict = self._decide(frame) if self._decide is not None else None
        if not isinstance(verdict, Root):
            return None
        if verdict.rule in STOOD_IN:
            entry = self._compile(frame)
            return entry if isinstance(entry, Entry) else None
        self._skipped(frame.f_code, Skip(self._rests() if self._rests is not None else "", rule="stance"))
        return None

    def _known(self, frame: Frame) -> Entry | None:
        """Another thread's torch.compile may have moved the process to its region, where ours aren't looked up."""
        if ef.current_region() == self.region or not ef.ISOLATED:
            return None
        for guards in self.entries(frame.f_code):
            if guards.entry is not None and guards.check(frame.f_locals):
                return guards.entry
        return None

    def _keep(self, code: types.CodeType, entry: Entry) -> ef.FrameResult:
        guards = ef.GuardManagerAdapter(entry.guards, entry, self)
        self._compiled[code] = True
        made = self._made.get(code)
        if made is None:
            made = self._made[code] = {}
        key, forget = id(guards), made.pop
        made[key] = weakref.ref(guards, lambda _: forget(key, None))
        ef.note_code(entry.code)
        guarded = ef.GuardedCode(entry.code, guards, next(self._numbers), entry.name)
        return ef.compiled(guarded, pin=ef.ISOLATED and ef.current_region() == self.region)

    def _skipped(self, code: types.CodeType, skip: Skip) -> Skip:
        if skip.lasting and code not in self._lasting:
            self._lasting[code] = skip
            if not ef.ISOLATED:
                self._kept[id(code)] = code
        if self._on_skip is not None and self._reported.is_new(code, skip.reason):
            self._on_skip(code, skip)
        return skip

    def _fault(self, frame: Frame, fault: Exception) -> Skip:
        if self._on_fault is not None:
            self._on_fault(frame, fault)
        if self.strict:
            raise fault
        return Skip(f"internal fault: {type(fault).__name__}: {fault}", rule="internal fault")

    def stop(self, code: types.CodeType, error: BaseException) -> ef.FrameResult:
        """Let `error` leave through the frame."""
        if not ef.stoppable(code):  # a generator's or a body's frame: the next function's, or the end of the run
            self._pending[threading.get_ident()] = error
            return RUN
        guards = ef.GuardManagerAdapter(None, None, self)
        self._stops.append(guards)
        self._compiled[code] = True
        stop = raising(code, error) if is_resume(code) else ef.stopping_code(code, error)
        ef.note_code(stop)
        return ef.compiled(ef.GuardedCode(stop, guards, next(self._numbers), "stop"), pin=False)

    def _raise_pending(self) -> None:
        error = self._pending.pop(threading.get_ident(), None)
        if error is not None:
            raise error

    # --- entries ------------------------------------------------------------------------------------------------------

    def entries(self, code: types.CodeType, most: int | None = None) -> list[ef.GuardManagerAdapter]:
        """This session's live entries on `code`, the newest first, `most` of them: `.entry` (the Entry), `.root` (its guards). Torch's own list
        of all entries of a code object takes its time where there are many."""
        made = self._made.get(code)
        newest = list(itertools.islice(reversed(made.values()), most)) if made else ()
        return [guards for reference in newest if (guards := reference()) is not None and ef.is_live(guards)]

    def number(self, code: types.CodeType) -> int:
        """How many entries of this session are on `code`: known without a look at each, so one that torch took off counts until it is freed."""
        return len(self._made.get(code) or ())

    def reached(self, code: types.CodeType, limit: int) -> bool:
        """Whether the entries that count against the recompile limit are as many."""
        return self.number(code) >= limit and self.count(code) >= limit

    def count(self, code: types.CodeType) -> int:
        """How many entries count against the recompile limit: those of this session, each compiled result once."""
        return len({id(guards.entry) for guards in self.entries(code)})

    def codes(self) -> list[types.CodeType]:
        """The code objects that have entries of this session."""
        return [code for code in self._compiled.codes() if self.entries(code)]

    # --- freeing ------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Drop every entry; the hook goes on. While it is running anywhere this waits for the end of that run."""
        if self._runs:
            self._free_when_idle = True
        else:
            self._free()

    def close(self) -> None:
        """Drop every entry and stop asking. A code object that has no other owner's entries is as if never compiled."""
        self.closed = True
        self.reset()

    def _free(self, reset_codes: bool = True) -> None:
        self._free_when_idle = False
        reset_codes = reset_codes and not self._in_callback()
        for code in self._compiled.codes():
            for guards in ef.entries(code, self):
                ef.invalidate(guards)
            if reset_codes and ef.is_vacant(code):
                ef.reset_code(code)
        if self._resting is not None:
            self._resting.free()
        self._compiled.clear()
        self._made.clear()
        self._prepared.clear()
        if self.closed:
            self._compile = _closed_compile
            self._decide = self._on_skip = self._on_fault = None
            self._reported.clear()
            self._kept.clear()

    def _owner_died(self) -> None:
        # Called by the collector, perhaps while C++ is between a lookup and our callback: free, but reset nothing.
        self.closed = True
        self._free(reset_codes=False)

    @staticmethod
    def _in_callback() -> bool:
        return ef.in_callback(FrameHook.__call__.__code__)


_OURS = (FrameHook, Resting)


def _standing(callback: Any) -> Any:
    """What is to answer where `callback` did, as torch's stance is now."""
    if type(callback) not in _OURS:
        return callback
    hook = callback if type(callback) is FrameHook else callback.hook()
    return callback if hook is None else hook.answering()


def stand(callback: Any) -> None:
    """Let frames of this thread be answered for where `callback` did until now."""
    now = _standing(callback)
    if now is not callback:
        ef.set_region(now.region)
    ef.set_eval_frame(now)


def _closed_compile(_frame: Frame) -> Skip:
    return _CLOSED


def _weakly(function: Any, owner: Any) -> Any:
    """A method of `owner`, the session, without keeping it alive; any other function as it is."""
    if not inspect.ismethod(function) or function.__self__ is not owner:
        return function
    method, name = weakref.WeakMethod(function), getattr(function, "__name__", "method")

    def call(*args: Any) -> Any:
        alive = method()
        return _CLOSED if alive is None else alive(*args)

    call.__name__ = name
    return call


def _codes_of(function: Any) -> list[types.CodeType]:
    """The code objects that calling `function` runs first, as far as that can be told without running anything."""
    found = []
    for _ in range(4):
        if isinstance(function, types.MethodType):
            function = function.__func__
        if isinstance(function, types.FunctionType):
            found.append(function.__code__)
            function = function.__dict__.get("__wrapped__")
            if function is None:
                break
            continue
        forward = getattr(type(function), "forward", None)  # a module
        call = forward if isinstance(forward, types.FunctionType) else _called(type(function))
        if not isinstance(call, types.FunctionType):
            break
        function = call
    return found


def _called(cls: type) -> Any:
    return next((base.__dict__["__call__"] for base in cls.__mro__ if "__call__" in base.__dict__), None)


class _Blocks(threading.local):
    """The `active` blocks that this thread is in, in the order in which they were entered."""

    def __init__(self) -> None:
        self.entered: list[_Active] = []


_blocks = _Blocks()


class _Active:
    """See FrameHook.active. Blocks may be left in another order than the reverse of that in which they were entered (tasks of an
    event loop): each leaves behind what would be on without it."""

    __slots__ = ("_hook", "_prior", "_region")

    def __init__(self, hook: FrameHook):
        self._hook = hook

    @ef.opaque
    def __enter__(self) -> FrameHook:
        hook = self._hook
        self._region = ef.current_region()
        self._prior = ef.set_eval_frame(None)
        if self._region >= ef.FIRST_REGION:
            self._region = self._prior.region if type(self._prior) in _OURS else ef.COMMON
        hook._runs.add(self)
        _blocks.entered.append(self)
        answering = hook.answering()
        ef.set_region(answering.region)
        ef.set_eval_frame(answering)
        return hook

    @ef.opaque
    def __exit__(self, *_: object) -> None:
        hook, entered = self._hook, _blocks.entered
        now = ef.set_eval_frame(None)
        if self in entered:  # a generator's block may be closed by another thread, which isn't in it
            place = entered.index(self)
            if place == len(entered) - 1:
                now = _standing(self._prior)
                ef.set_region(self._region if now is self._prior else now.region)
            else:  # whoever entered after us found us here
                entered[place + 1]._prior, entered[place + 1]._region = self._prior, self._region
            del entered[place]
        hook._runs.discard(self)
        if hook._stops or hook._free_when_idle or hook._left:
            hook._settle()
        ef.set_eval_frame(now)
        if hook._pending:
            hook._raise_pending()


class disabled:
    """A context without any hook in this thread, ours or torch.compile's; what was there comes back."""

    __slots__ = ("_prior",)

    @ef.opaque
    def __enter__(self) -> None:
        self._prior = ef.set_eval_frame(None)

    @ef.opaque
    def __exit__(self, *_: object) -> None:
        ef.set_eval_frame(self._prior)


def without_hook(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run without any hook: what compiled graphs are called through."""
    set_eval_frame = ef.set_eval_frame

    def call(*args: Any) -> Any:
        prior = set_eval_frame(None)
        try:
            return function(*args)
        finally:
            set_eval_frame(prior)

    return ef.opaque(call)
