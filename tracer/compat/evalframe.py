"""torch's eval-frame hook: the C functions, what they read, and the compiled entries that hang on code objects.

What C++ reads of a callback's result (probed, not documented): `.frame_exec_strategy`, `.apply_to_code`,
`.guarded_code`, of which `.code`, `.guard_manager`, `.compile_id`, `.trace_annotation`. Of a guard manager: `.root` and
`.diff_guard_root`; it *sets* `.cache_entry` and `.extra_state`, and sets both to None when the entry is gone.

Entries hang on the code object and are shared with torch.compile. An entry is looked up by its backend (the callback,
or what its `_torchdynamo_orig_backend` chain ends in) and, since 2.13, by its *region* (`isolate_recompiles_id`). A
region has a skip strategy of its own on each code object; where it has none, the code object's common one counts.

Facts that a reader would otherwise rediscover the hard way:

- The region is one number for the whole process in 2.13, not one per thread. It is read at the lookup and again when a
  result is stored. So what is stored must be harmless in the wrong region: see `current_region`.
- When a callback raises, the thread's hook stays off and torch's count of threads with a hook is never taken back:
  every later call in the process takes the slow path. `stopping_code` is the way to raise without raising.
- A callback class with `__getattr__` crashes the interpreter (C++ asks for an attribute that isn't there).
- An entry keeps its backend, so its callback, alive for as long as the code object lives, invisible to the collector.
"""

from __future__ import annotations

import dis
import functools
import importlib
import itertools
import random
import sys
import types
from builtins import (  # a program may replace them while it runs
    any,
    bool,
    bytes,
    getattr,
    hasattr,
    iter,
    len,
    list,
    next,
    range,
    set,
    tuple,
    type,
)
from collections.abc import Callable
from typing import Any

import torch
from torch._C._dynamo import eval_frame as _c
from torch._guards import CompileId

from ..errors import CompatError
from . import TORCH_VERSION
from .versions import PROVEN, TORCHES

__all__ = [
    "COMMON",
    "FIRST_REGION",
    "ISOLATED",
    "UNKNOWN",
    "FrameResult",
    "GuardManagerAdapter",
    "GuardedCode",
    "allow",
    "compiled",
    "current_region",
    "cut_behind_callback",
    "codes_seen_by_dynamo",
    "entries",
    "has_entries",
    "in_callback",
    "invalidate",
    "is_live",
    "is_vacant",
    "never",
    "new_region",
    "no_guards",
    "note_code",
    "opaque",
    "pins",
    "reset_code",
    "run_untraced",
    "self_test",
    "set_eval_frame",
    "set_region",
    "stoppable",
    "stopping_code",
    "sheltered",
    "unasked",
]

_NEEDED = (
    "set_eval_frame",
    "reset_code",
    "set_code_exec_strategy",
    "_FrameExecStrategy",
    "_FrameAction",
    "_debug_get_cache_entry_list",
)
if _missing := [name for name in _NEEDED if not hasattr(_c, name)]:
    raise CompatError(
        f"torch {torch.__version__} has no frame hook as Tracer knows it: {', '.join(_missing)} is missing.",
        next=f"install a torch that Tracer was made for: pip install '{TORCHES}'",
    )

#: A torch newer than the one that all was run with: `self_test` says whether it will do.
UNKNOWN: bool = TORCH_VERSION > PROVEN

#: torch ≥ 2.13: entries and skip strategies of one region are invisible to the others.
ISOLATED: bool = hasattr(_c, "set_eval_frame_isolate_recompiles_id")

set_eval_frame = _c.set_eval_frame
reset_code = _c.reset_code

_Strategy, _Action = _c._FrameExecStrategy, _c._FrameAction
_DEFAULT = _Strategy(_Action.DEFAULT, _Action.DEFAULT)
_SKIP = _Strategy(_Action.SKIP, _Action.DEFAULT)
_PLAIN = _Strategy(_Action.SKIP, _Action.SKIP)

# --- regions ----------------------------------------------------------------------------------------------------------

#: torch counts its regions from 0 (in `torch._dynamo.eval_frame`, a second to import): ours can't meet them.
FIRST_REGION = 1 << 40
COMMON = -1  # the region of who has none
_regions = itertools.count(FIRST_REGION)


def new_region() -> int:
    """A region that nobody else has."""
    return next(_regions)


if ISOLATED:
    set_region = _c.set_eval_frame_isolate_recompiles_id  # (region) → the prior one
    current_region = _c.get_eval_frame_isolate_recompiles_id
else:

    def set_region(region: int) -> int:
        """Without isolation there is only the common region, -1."""
        return -1

    def current_region() -> int:
        """Without isolation there is only the common region, -1."""
        return -1


# --- what a callback answers ------------------------------------------------------------------------------------------


class FrameResult:
    """A callback's answer, as C++ reads it."""

    __slots__ = ("apply_to_code", "frame_exec_strategy", "guarded_code", "skip_reason")

    def __init__(self, strategy: Any, apply_to_code: bool, guarded_code: GuardedCode | None, skip_reason: str | None):
        self.frame_exec_strategy, self.apply_to_code = strategy, apply_to_code
        self.guarded_code, self.skip_reason = guarded_code, skip_reason


class GuardedCode:
    """One compiled entry, as C++ reads it."""

    __slots__ = ("code", "compile_id", "guard_manager", "trace_annotation")

    def __init__(self, code: types.CodeType, guard_manager: GuardManagerAdapter, number: int, name: str):
        self.code, self.guard_manager = code, guard_manager
        self.compile_id = CompileId(frame_id=number, frame_compile_id=0)
        self.trace_annotation = f"Tracer-compiled: {name}"


def run_untraced(reason: str) -> FrameResult:
    """Run this frame as it is, this time; calls that it makes are still seen."""
    return FrameResult(_DEFAULT, False, None, reason)


def run_plainly(reason: str) -> FrameResult:
    """Run this frame as it is, this time, and all that it calls."""
    return FrameResult(_PLAIN, False, None, reason)


def never(reason: str) -> FrameResult:
    """Run every frame of this code as it is, in the current region: C++ won't ask again (64 ns instead of 12 µs).

    Only where the region is ours: without isolation this would hide the code from torch.compile too.
    """
    return FrameResult(_SKIP, True, None, reason)


def compiled(guarded: GuardedCode, pin: bool) -> FrameResult:
    """Run `guarded` and keep it. `pin` gives the current region a strategy of its own, so that a skip that
    torch.compile puts on this code later doesn't hide it from us, if `pins()`; only where the region is ours."""
    return FrameResult(_DEFAULT, pin, guarded, None)


class _ForeignGuards:
    """What torch.compile gets to see when it asks one of our entries why it failed."""

    result = False
    verbose_code_parts = ("compiled by tracer, not by torch.compile",)
    num_guards_executed = 0
    user_stack = None
    failure_reasons = verbose_code_parts


class GuardManagerAdapter:
    """One entry's guards in the shape that C++ and torch.compile's own Python read.

    `owner` is the hook, `entry` what the session made. There is no way back to the code object that the entry hangs on:
    it would keep both for ever. Most attributes are only read by torch.compile, when it lists all entries of a code
    object (under a stance, or at any recompile before 2.13).
    """

    __slots__ = (
        "__weakref__",
        "args",
        "cache_entry",
        "closure_vars",
        "code_parts",
        "diff_guard_root",
        "diff_guard_sources",
        "entry",
        "extra_state",
        "global_scope",
        "guard_fail_fn",
        "id_matched_objs",
        "invalidation_reason",
        "no_tensor_aliasing_sources",
        "owner",
        "printed_relational_guards",
        "root",
        "verbose_code_parts",
    )

    def __init__(self, root: Any, entry: Any = None, owner: Any = None):
        self.root, self.entry, self.owner = root, entry, owner
        self.diff_guard_root = root
        self.cache_entry = self.extra_state = self.guard_fail_fn = None
        self.args: list[str] = []
        self.code_parts: list[str] = []
        self.verbose_code_parts: list[str] = list(_ForeignGuards.verbose_code_parts)
        self.closure_vars: dict[str, Any] = {}
        self.global_scope: dict[str, Any] = {"G": {}}
        self.id_matched_objs: dict[str, Any] = {}
        self.no_tensor_aliasing_sources: list[str] = []
        self.diff_guard_sources: set[str] = set()
        self.printed_relational_guards: set[Any] = set()
        self.invalidation_reason = _ForeignGuards.verbose_code_parts[0]

    def check(self, f_locals: dict[str, Any]) -> bool:
        """Whether the guards pass for these locals."""
        return self.root is not None and bool(self.root.check(f_locals))

    def check_verbose(self, f_locals: dict[str, Any]) -> Any:
        """For torch.compile: never a match. Our own explanations ask `.root`."""
        return _ForeignGuards

    def collect_diff_guard_sources(self) -> set[str]:
        """For torch.compile's skip_guard_eval_unsafe."""
        return self.diff_guard_sources

    def populate_diff_guard_manager(self) -> None:
        """For torch.compile's skip_guard_eval_unsafe: all of our guards are checked there as well."""
        self.diff_guard_root = self.root


# --- entries on code objects ------------------------------------------------------------------------------------------


def entries(code: types.CodeType, owner: Any) -> list[GuardManagerAdapter]:
    """The live entries of `owner` on `code`, the one that matched last first within a region."""
    found = (entry.guard_manager for entry in _c._debug_get_cache_entry_list(code))
    return [guards for guards in found if type(guards) is GuardManagerAdapter and guards.owner is owner]


def is_live(guards: GuardManagerAdapter) -> bool:
    """Whether the entry is still on its code object: torch, or `invalidate`, takes it off."""
    return guards.entry is not None and guards.cache_entry is not None


def invalidate(guards: GuardManagerAdapter) -> None:
    """Free the code and guards of one entry. An empty entry stays on the code object: see `is_vacant`."""
    state, entry = guards.extra_state, guards.cache_entry
    if state is not None and entry is not None:
        state.invalidate(entry, _deleted())
    guards.root = guards.diff_guard_root = guards.entry = guards.owner = None


def _deleted() -> Any:
    """The guards of a freed entry. torch.compile knows its own kind and asks it nothing; for another it would look up the
    entry's code, which is gone. Torch hands them to nobody while its guards aren't loaded."""
    guards = sys.modules.get("torch._dynamo.guards")
    kind = getattr(guards, "DeletedGuardManagerWrapper", None)
    return GuardManagerAdapter(None) if kind is None else kind("freed by tracer")


def is_vacant(code: types.CodeType) -> bool:
    """Whether no entry of `code`, whoever made it, can ever match again."""
    if any(entry.code is not None for entry in _c._debug_get_cache_entry_list(code)):
        return False
    precompiled = getattr(_c, "_debug_get_precompile_entries", None)
    return precompiled is None or not precompiled(code)


def has_entries(code: types.CodeType) -> bool:
    """Whether anything, live or freed, hangs on `code`."""
    return bool(_c._debug_get_cache_entry_list(code))


def allow(code: types.CodeType) -> None:
    """Lift the common skip of `code`, if it has one: torch.compile will ask itself again, and hooks see the frame."""
    _c.set_code_exec_strategy(code, _DEFAULT)


def cut_behind_callback(error: SystemError) -> BaseException | None:
    """The exception of a signal's handler that `error` hides. Torch's C++ puts Python's random state back behind each callback, by a call of
    `random.setstate`, and goes on with what that raises still set: some call of C fails with a SystemError later."""
    cause = error.__cause__
    at = cause.__traceback__ if cause is not None else None
    return cause if at is not None and at.tb_frame.f_code is random.Random.setstate.__code__ else None


def note_code(code: types.CodeType) -> None:
    """torch.compile, when it recompiles a function, looks up where the code of each entry that it sees came from. It
    sees ours before 2.13, and when another thread's torch.compile changed the region while we compiled.

    It only counts failures by that, so any code object will do; the true one would be kept alive for ever.
    """
    if not ISOLATED:
        importlib.import_module("torch._dynamo.utils")
    utils = sys.modules.get("torch._dynamo.utils")
    if utils is not None:
        utils.orig_code_map[code] = note_code.__code__


def codes_seen_by_dynamo() -> list[Any]:
    """Weak references to the code objects that torch.compile has looked at, in order; empty while it isn't loaded."""
    convert = sys.modules.get("torch._dynamo.convert_frame")
    return getattr(getattr(convert, "input_codes", None), "seen", []) if convert else []


_TORCH_CALLBACK = ("torch/_dynamo/convert_frame.py", "torch\\_dynamo\\convert_frame.py")


def in_callback(ours: types.CodeType) -> bool:
    """Whether any thread is inside a callback, torch.compile's or `ours`. C++ then holds a pointer to the state of the
    frame's code object, and `reset_code` on it would crash."""
    for frame in sys._current_frames().values():
        at: types.FrameType | None = frame
        while at is not None:
            if at.f_code is ours or at.f_code.co_filename.endswith(_TORCH_CALLBACK):
                return True
            at = at.f_back
    return False


# --- code of our own --------------------------------------------------------------------------------------------------


def opaque(function: Any) -> Any:
    """Make a function of ours invisible: no hook asks about its frames, torch.compile doesn't trace into it. Calls that
    it makes are still seen."""
    _c.set_code_exec_strategy(function.__code__, _SKIP)
    function._torchdynamo_disable = True
    function._torchdynamo_disable_msg = "belongs to tracer"
    function._torchdynamo_disable_recursive = False
    return function


#: The argument with which RESUME looks for no signals: as behind a `yield from`, for which the outer frame looks.
_QUIET = 2


def unasked(function: Any) -> Any:
    """`function`, entered without a look for signals: an interrupt that waits there leaves later, in the program's own code or behind
    the first call inside, where a `try` may stand."""
    code = function.__code__
    steps = bytearray(code.co_code)
    for offset in range(0, len(steps), 2):
        if steps[offset] == dis.opmap["RESUME"]:
            steps[offset + 1] = _QUIET
            break
    function.__code__ = code.replace(co_code=bytes(steps))
    return function


def sheltered(function: Any) -> Any:
    """`function`, of which no hook is asked and which is entered without a look for signals: nothing can be raised before its first call."""
    unasked(function)
    _c.set_code_exec_strategy(function.__code__, _SKIP)
    return function


def _stop(free: int) -> tuple[bytes, bytes]:
    """(instructions, lines) of code that raises what its first constant, an iterator, gives. The cells of `free` variables
    are put in their places first: whoever reads the locals of a traceback's frame would follow a null pointer else."""
    named = (("RESUME", 0), ("LOAD_CONST", 0), ("UNPACK_EX", 1), ("RAISE_VARARGS", 1))
    steps = [(dis.opmap[name], argument) for name, argument in ((("COPY_FREE_VARS", free),) if free else ()) + named]
    # One entry of a location table: no columns (code 13) for all instructions, zero lines away from the first line.
    return bytes(itertools.chain.from_iterable(steps)), bytes([0x80 | 13 << 3 | len(steps) - 1, 0])


def stopping_code(code: types.CodeType, error: BaseException) -> types.CodeType:
    """Code that fits a frame of `code` and raises `error`, once.

    The error waits in an iterator that lets go of it when it is taken: a constant would make a cycle through a code
    object and a traceback, which the collector can't see.
    """
    steps, lines = _stop(len(code.co_freevars))
    return code.replace(co_code=steps, co_consts=(iter([error]),), co_exceptiontable=b"", co_linetable=lines, co_stacksize=4)


def stoppable(code: types.CodeType) -> bool:
    """Whether `stopping_code` fits: a plain function's frame, at its start."""
    special = 0x20 | 0x80 | 0x200  # generator, coroutine, asynchronous generator
    return bool(code.co_flags & 0x1) and not code.co_flags & special and len(code.co_freevars) < 256  # 0x1: has fast locals


# --- does the installed torch behave? ---------------------------------------------------------------------------------


def _probe() -> tuple[Callable[[int], int], types.CodeType]:
    """A function that adds 1000 to its argument, and code for it that adds 5000."""

    def probe(x: int) -> int:
        return x + 1000  # small numbers are no constants since 3.14

    code = probe.__code__
    return probe, code.replace(co_consts=tuple(5000 if value == 1000 else value for value in code.co_consts))


@functools.cache
def self_test() -> None:
    """Compile a function by hand, find its entry, raise through a frame, skip; CompatError where torch does otherwise.

    Takes a tenth of a millisecond, once; for versions of torch that nobody has run this on.
    """

    probe, changed = _probe()
    asked: list[str] = []
    code = probe.__code__
    answers = [
        compiled(GuardedCode(stopping_code(code, KeyError()), GuardManagerAdapter(None), 0, "self-test"), ISOLATED),
        run_untraced("self-test"),
        compiled(GuardedCode(changed, GuardManagerAdapter(no_guards()), 0, "self-test"), ISOLATED),
    ]

    def callback(frame: Any, cache_entry: Any, frame_state: Any) -> FrameResult:
        asked.append(frame.f_code.co_name)
        return answers[len(asked) - 1] if frame.f_code is code else run_untraced("self-test")

    results: list[Any] = []
    prior, region = set_eval_frame(None), set_region(new_region())
    try:
        for _ in range(4):
            set_eval_frame(callback)
            try:
                results.append(probe(1))
            except KeyError:
                results.append("raised")
            finally:
                set_eval_frame(None)
    finally:
        set_region(region)
        set_eval_frame(prior)
        reset_code(code)
    if results != ["raised", 1001, 5001, 5001] or asked != ["probe"] * 3:
        raise CompatError(
            f"torch {torch.__version__} runs frames otherwise than Tracer expects: {results}, {len(asked)} questions.",
            next=f"install a torch that Tracer was made for: pip install '{TORCHES}'",
        )


@functools.cache
def pins() -> bool:
    """Whether an entry that was pinned (see `compiled`) is still found when the code gets a common skip: not in torch 2.15."""
    if not ISOLATED:
        return False

    probe, changed = _probe()
    code = probe.__code__
    answer = compiled(GuardedCode(changed, GuardManagerAdapter(no_guards()), 0, "pins"), True)
    results = []
    prior, region = set_eval_frame(None), set_region(new_region())
    try:
        for _ in range(2):
            set_eval_frame(lambda frame, *_: answer if frame.f_code is code else run_untraced("pins"))
            results.append(probe(1))
            set_eval_frame(None)
            _c.set_code_exec_strategy(code, _SKIP)
    finally:
        set_eval_frame(None)
        set_region(region)
        set_eval_frame(prior)
        reset_code(code)
    return results == [5001, 5001]


def no_guards() -> Any:
    """Guards that hold for every call."""
    from torch._C._dynamo.guards import RootGuardManager

    return RootGuardManager()
