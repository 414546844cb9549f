"""A session: the composition root. It owns every piece of state — recorder, hook, caches, records — and runs calls.

Nothing at module level changes after import but one weak registry of sessions, for `reset()`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
import types
import warnings
import weakref
from builtins import (  # a program may replace them while it runs
    dict,
    frozenset,
    getattr,
    id,
    isinstance,
    len,
    list,
    set,
    str,
    tuple,
    type,
)
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from . import records as typed
from .breaks import context_of, place_of, render
from .callers import called_from, caller_of, forward_of, name_of, parameters_of
from .compat.stacks import other_tracer
from .compat.stances import setting_code
from .config import TraceConfig
from .engines import hook_of, target_of
from .errors import FullGraphError, TracerError
from .events import (
    CallFinished,
    CallStarted,
    FrameSkipped,
    GraphBreak,
    GuardFailed,
    Instruction,
    InternalFault,
    Recompiled,
    SessionFinished,
    SessionStarted,
)
from .execution.methods import Executions
from .export.nodes import nodes_of
from .following import Following, is_wrapper_code
from .found import Found
from .graph.dynamism import Dynamism
from .graph.fakes import FakeRunner
from .interpreter.frame import Program
from .interpreter.paths import path_of
from .journal import Journal, Recorder
from .libraries import LIBRARIES, whose
from .overrides import Override, Where, read
from .refusals import LIMITED, NEVER_WHOLE, WITHOUT, Refusals, ended
from .rerun import Hit, Keeper, Reruns
from .rerun.running import TracedOnly
from .runtime import backends
from .runtime.answers import Entry, Root, Skip
from .runtime.hook import without_hook
from .runtime.policy import Facts, Policy, takes_tensors
from .signals import Break, Decision, Restart
from .sources import Roots
from .stances import Stances
from .translate import Compiled, FrameInfo, translate
from .whatif import Pins, applied_earlier, compared

__all__ = ["FullGraphError", "Session", "reset"]

_SESSIONS: weakref.WeakSet[Session] = weakref.WeakSet()


class Session(Executions, Found, Reruns, Refusals):
    """Traces what it runs. Any field of `TraceConfig` is a keyword; unknown ones are refused with the list of known ones.

    overrides: decisions to take in the compiler's place, as `Override`s or their texts (see `tracer.overrides`).
    """

    def __init__(self, _preset: str = "session", *, overrides: Iterable[Override | str] = (), **settings: Any):
        self.config = TraceConfig.preset(_preset, **settings)
        self.recorder = Recorder(self.config.record)
        self.pins = Pins(read(overrides), self.recorder)
        self.unsafe_runs: list[tuple[int, str, tuple[str, ...]]] = []  # (call, what was found, differences)
        self.backend = backends.resolve(self.config.backend, mode=self.config.mode, options=self.config.options, dynamic=self.config.dynamic)
        backend = self.config.backend
        self.backend_label = backend if isinstance(backend, str) else getattr(backend, "__name__", type(backend).__name__)
        self.fakes = FakeRunner()
        self.dynamism = Dynamism(self.config, self.pins)
        self.plans: dict[int, tuple[Any, Any]] = {}
        self._programs: dict[int, Program] = {}
        self._kept: list[Any] = []
        self._coded: list[types.CodeType] = []  # by number of a frame
        self.keeper = Keeper(self, self.config.keep_inputs, self.config.keep_calls)
        self._callers: dict[int, Any] = {}  # of modules, which they hold
        self._called: dict[str, tuple[Any, ...]] = {}
        self._frames: dict[int, tuple[int, int]] = {}
        self._frame_stack: list[tuple[str, int]] = []
        self.compiled: list[Compiled] = []
        self._breaks: list[tuple[Break, str]] = []
        self._records: tuple[int, typed.Records] | None = None
        self._journal: Journal | None = None
        self.graph_number = 0
        self.calls = 0
        self.result: Any = None
        self.trace_seconds = 0.0
        self._library: dict[int, bool] = {}
        self._limited: set[int] = set()
        self._depth = 0
        self.fault: Exception | None = None  # what failed in the compiler itself during the call, where it is raised
        self.traced: Any = None  # the attempt that is running
        self.stepped_by = 0  # the thread of the call that is being stepped, -1 until it has begun
        self._resumes: dict[int, str] = {}  # resume code → the frame whose break it goes on from
        self.facts = Facts(recurrent=self.config.allow_rnn)
        self.policy = Policy(self.facts)
        self.following = Following(self)
        self.stances = Stances(self)
        self.hook = hook_of(self)
        if self.recorder.on:
            versions = {"torch": str(torch.__version__), "python": sys.version.split()[0]}
            self._opens = self.recorder.begin(SessionStarted, 0, 1, versions, self.plain_config())
        self.closed = False
        _SESSIONS.add(self)

    # ---- running
    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `fn(*args, **kwargs)` with tracing on; what it returns or raises is the program's own."""
        if self.closed:
            raise TracerError("this session is closed.", next="make a new tracer.Session")
        target = self.prepare(fn)
        with self._call(name_of(fn), (fn, target, args, kwargs)) as number:
            self.result = self.call(fn, target, args, kwargs)
        self.result_of = number
        return self.result

    def prepare(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """What `run` calls for `fn`: of a module the same function each time, so that compiled entries are found again."""
        target: Callable[..., Any] | None = self._callers.get(id(fn))
        if target is None:
            target = target_of(self, fn)
            if target is not fn:
                self._callers[id(fn)] = target
        self._note_target(target)
        return target

    def call(self, fn: Callable[..., Any], target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`target`, which stands for `fn`, under the hook; compared with a plain run where guards are left out."""
        self.escaped = None
        if self.pins.skips:
            result = compared(self, fn, lambda: self.hook.run(target, *args, **kwargs), args, kwargs)
        else:
            result = self.hook.run(target, *args, **kwargs)
        if self.escaped is not None and self.config.fullgraph:
            raise FullGraphError("exception-escapes", f"{self.escaped}, but nothing was raised: it ran as plain Python.", next=WITHOUT)
        return result

    @contextlib.contextmanager
    def tracing(self, name: str = "block") -> Iterator[Session]:
        """Everything called inside the block is traced; the block's own code runs as Python."""
        with self._call(name), self.hook.active():
            yield self

    @contextlib.contextmanager
    def _call(self, name: str, given: tuple[Any, ...] = ()) -> Iterator[int]:
        if self._elsewhere():
            yield 0
            return
        rec = self.recorder
        self.count_call()
        number, self.raised = self.calls, None
        begun, thread = self.keeper.begun, threading.get_ident()
        outermost = thread not in begun
        how, opens, around = ("returned", "", "", ""), -1, rec.parent
        self._depth += 1
        try:
            if outermost:
                self.keeper.begin(number, given)
            if rec.on:
                opens = rec.begin(CallStarted, name)
            yield number
        except BaseException as error:
            self.raised, how = type(error), ended(error, self.fault, self.config.engine == "dynamo")
            raise
        finally:
            self._depth -= 1
            self.fault = None
            if outermost and (over := begun.pop(thread, None)) is not None:  # by C: no interrupt comes before it; `close` may have been there
                self.keeper.end(over, self.raised)
            try:
                if self.pins.all and not self._depth:
                    self.pins.report()
            finally:  # whoever listens to the events may give the call up
                if opens >= 0:
                    outcome, by, text, said = how
                    rec.end(CallFinished, opens, outcome, text, by, said)
                else:  # an interrupt came before the call was told: what follows isn't inside it
                    rec.parent = around

    def count_call(self) -> None:
        """One more call from outside. All there is to say of it while nothing is recorded, stepped or pinned."""
        self.calls += 1
        self.recorder.call = self.calls

    def step(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `fn(*args, **kwargs)` in a thread of its own, paused before the first instruction: a `tracer.control.Stepper`."""
        from .control import Stepper

        return Stepper(self, lambda: self.run(fn, *args, **kwargs))

    def called_from(self, name: str) -> tuple[Any, ...] | None:
        """Where the program calls the module that is being called by `name`: (place, function). In a re-run, where the recorded call stood."""
        if self.rerun_of is not None:
            return self.rerun_of._called.get(name)
        found = called_from()
        if found is not None:
            self._called[name] = found
        return found

    def _elsewhere(self) -> bool:
        """Whether another thread's call is being stepped: until it ends, calls of this thread run what is compiled already,
        and the rest of them as Python."""
        return self.stepped_by not in (0, threading.get_ident())

    def _note_target(self, fn: Any) -> None:
        code = getattr(fn, "__code__", None) or getattr(getattr(fn, "__func__", None), "__code__", None)
        if code is not None and code not in self.facts.targets:
            self.facts.targets[code] = True

    # ---- overrides
    @property
    def overrides(self) -> tuple[Override, ...]:
        """The decisions that were taken in the compiler's place."""
        return self.pins.all

    @property
    def unmatched_overrides(self) -> list[tuple[Override, str]]:
        """Overrides without effect until now, and why."""
        return self.pins.unmatched()

    @property
    def unsafe(self) -> list[str]:
        """Why results may be wrong: the guards that overrides left out. [] for a session that checks all it relies on."""
        return [f"{what} is not checked ({override.text})" for override, what in self.pins.unsafe]

    def override_now(self, override: Override | str) -> None:
        """Pin a decision from here on. While a frame is being traced this is for its thread, at an event: where the override
        would have applied earlier in the frame, the frame begins again (raises Restart). Otherwise compiled entries that may
        know nothing of it are dropped."""
        (wanted,) = read(override)
        if self.config.engine != "tracer":
            self.hook.refuse(wanted.text)
        self.pins.set(tuple(dict.fromkeys((*self.pins.all, wanted))))
        self.plans.clear()
        for program in self._programs.values():
            self.pins.prepare(program)
        ctx = self.traced
        if ctx is None:
            self.reset()
        elif applied_earlier(ctx, wanted):
            raise Restart(Decision(((), "override", wanted), wanted, f"override: {wanted.text}"))

    def where_now(self) -> Where | None:
        """The operation that is being traced, as a decision to override: for the thread of a trace, at an event. None outside."""
        ctx = self.traced
        if ctx is None or ctx.frame is None:
            return None
        frame, waiting = ctx.frame, type(self.recorder.events[-1]) is Instruction
        index = frame.pc if waiting or not frame.pc else frame.pc - 1
        time = (frame.visits or {}).get(index, 0) if frame is ctx.root_frame else 0
        return Where(decision=path_of(frame, time, index))

    def plain_config(self) -> dict[str, Any]:
        """The configuration and the overrides as plain values, for recordings and pickles."""
        plain = self.config.plain()
        return {**plain, "overrides": [override.plain() for override in self.overrides]} if self.overrides else plain

    # ---- the hook's questions
    def _decide(self, frame: Any) -> Root | Skip:
        verdict = self._verdict(frame)
        if self.config.fullgraph and isinstance(verdict, Skip) and verdict.rule in NEVER_WHOLE and frame.f_code in self.facts.targets:
            raise FullGraphError("not-traced", f"{frame.f_code.co_qualname} isn't captured: {verdict.reason}.", next=WITHOUT)
        if self.traces_only and isinstance(verdict, Skip) and not self.is_library(frame.f_code):
            raise TracedOnly
        return verdict

    def _verdict(self, frame: Any) -> Root | Skip:
        if id(frame.f_code) in self._limited:
            return Skip("recompile limit", rule="limit")
        if self.pins.plain and (plain := self.pins.runs_plainly(frame)) is not None:
            return plain
        verdict = self.policy.decide(frame)
        if isinstance(verdict, Root) and verdict.rule == "optimizer step" and frame.f_code not in self.facts.targets:
            return Skip("optimizers write to parameters and to state of their own", rule="optimizer step")
        if isinstance(verdict, Root) and (other := other_tracer()):
            return Skip(other, rule="other tracer", callees=True)
        return verdict

    def _compile(self, frame: Any) -> Entry | Skip:
        if self._elsewhere():
            return Skip("session busy", rule="busy")
        if is_wrapper_code(frame.f_code):
            return self.following.entry(frame.f_code)
        if (code := setting_code()) is not None and frame.f_code is code:
            return self.stances.entry(code)
        began = self.recorder.seconds
        info = FrameInfo(frame.f_code, dict(frame.f_locals), frame.f_globals, tuple(frame.closure or ()))
        rec, outer = self.recorder, len(self._frame_stack)
        call, name, attempt, depth, parent = rec.mark()
        try:
            if (left := self.stances.answer(info, takes_tensors(frame))) is not None:
                return left
            if not self._within_limit(info):
                if self.config.fullgraph:
                    raise FullGraphError("recompile-limit", f"{info.name} was compiled {self.config.recompile_limit} times.", next=LIMITED)
                return Skip("recompile limit", rule="limit")
            self.keeper.compiling(self, info)
            with self.stances.backend(info.code):
                entry = translate(self, info)
        finally:  # where an interrupt came, nobody may have put the position back; there is no call here behind which one could come
            del self._frame_stack[outer:]
            rec.call, rec.frame, rec.attempt, rec.depth, rec.parent, rec.where = call, name, attempt, depth, parent, tuple
            self.trace_seconds += self.recorder.seconds - began
        if self.traces_only:
            raise TracedOnly
        return entry

    def _within_limit(self, info: FrameInfo) -> bool:
        number = self.hook.number(info.code)
        if not number:
            return True
        rec = self.recorder
        limit = self.hook.reached(info.code, self.config.recompile_limit)
        if rec.on:
            line = info.origin.co_firstlineno
            with rec.located((info.origin.co_filename, line, 0, line, 0)):
                names = dict(parameters_of(info.code, info.locals, info.cells))
                for record, failure in self.failures(info):
                    guard = failure.guard
                    if guard.source is not None and (name := guard.source.global_name):
                        names[name] = f"global {name}"
                    rec.point(GuardFailed, record.frame, guard.source.text if guard.source is not None else "", guard.expression, failure.seen)
                rec.point(Recompiled, info.name, number, limit, caller_of(info.goes_on_from), tuple(names.items()))
        if limit:
            self._leave_alone(info)
        return not limit

    def failures(self, info: FrameInfo) -> Iterator[tuple[Compiled, Any]]:
        """Why none of the entries that would have been asked first fits: (what was compiled, the guard that fails and what it saw)."""
        roots = Roots(info.locals)
        for guards in self.hook.entries(info.code, _EXPLAINED):
            record: Compiled = guards.entry.record
            for failure in record.lowered.failures(roots):
                yield record, failure

    def _leave_alone(self, info: FrameInfo) -> None:
        """Past the limit a function runs as Python. The function that calls a module stands for the module's forward."""
        forward = forward_of(info.code, info.cells)
        for code in (info.code, *([forward.__code__] if forward is not None else [])):
            self._limited.add(id(code))
            self._kept.append(code)

    def was_compiled(self, code: types.CodeType) -> bool:
        return self._frames.get(id(code), (0, 0))[1] > 1

    def skipped(self, code: types.CodeType, skip: Skip) -> None:
        if self.recorder.on and (not skip.lasting or code in self.facts.targets) and skip.rule not in _SILENT_SKIPS:
            self.recorder.aside(FrameSkipped, code.co_qualname, code.co_filename, code.co_firstlineno, skip.reason)

    def _fault(self, frame: Any, fault: Exception) -> None:
        if self.refuses(fault):
            raise fault
        if self.config.strict:
            self.fault = fault
        text = "".join(traceback.format_exception(fault))
        if self.recorder.on:
            self.recorder.point(InternalFault, type(fault).__name__, str(fault), text)
        if self.config.fullgraph:
            words = f"Tracer failed on {frame.f_code.co_qualname} ({type(fault).__name__}: {fault}): a fault of ours, not of the program."
            raise FullGraphError("internal-fault", words, next=f"report it with the session's recording (session.save); {WITHOUT}") from fault
        if not self.config.strict:
            warnings.warn(
                f"Tracer failed on {frame.f_code.co_qualname} ({type(fault).__name__}: {fault}); it runs as plain Python, results are unaffected. "
                "Please report this with the session's recording (session.save).",
                RuntimeWarning,
                stacklevel=3,
            )

    # ---- what a translation asks and tells
    def begin_frame(self, info: FrameInfo) -> str:
        number, entry = self._frames.get(id(info.code), (len(self._frames), 0))
        if not entry:
            self._coded.append(info.code)
        self._frames[id(info.code)] = (number, entry + 1)
        rec = self.recorder
        self._frame_stack.append((rec.frame, rec.attempt))
        rec.frame, rec.attempt, rec.depth = f"{number}/{entry}", 0, 0
        return rec.frame

    def code_of(self, frame: str) -> types.CodeType:
        """The code that was compiled as this frame."""
        return self._coded[int(frame.partition("/")[0])]

    def end_frame(self) -> None:
        rec = self.recorder
        rec.frame, rec.attempt = self._frame_stack.pop()
        rec.depth = 0
        rec.where = tuple

    def note_resumes(self, code: types.CodeType, frame: str) -> None:
        """The generated code of `frame` goes on in resume functions, whose codes are among its constants."""
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._resumes[id(constant)] = frame
                self._kept.append(constant)

    def resumed_from(self, code: types.CodeType) -> str:
        return self._resumes.get(id(code), "")

    def next_graph_name(self) -> str:
        return f"graph_{self.graph_number}"

    def keep_graph(self, record: Compiled) -> None:
        if record.gm is not None:
            self.graph_number += 1
        self.compiled.append(record)

    def program(self, code: types.CodeType) -> Program:
        program = self._programs.get(id(code))
        if program is None:
            program = self._programs[id(code)] = Program(code)
            if self.pins.by_call:
                self.pins.prepare(program)
        return program

    def remember_plan(self, value: Any, plan: Any) -> tuple[Any, Any]:
        """How calls of `value` go: for as long as it lives, which isn't longer for this. Gives what `plans` has of it by its id: `plan` is the second part."""
        plans, key = self.plans, id(value)
        try:
            held: Any = weakref.ref(value, lambda _: plans.pop(key, None))
        except TypeError:  # a descriptor of a class in C
            held = value
        plans[key] = found = held, plan
        return found

    def is_library(self, code: types.CodeType) -> bool:
        known = self._library.get(id(code))
        if known is None:
            known = self._library[id(code)] = whose(code.co_filename) in LIBRARIES
            self._kept.append(code)
        return known

    def shape_env_settings(self) -> dict[str, Any]:
        config = self.config
        return {
            "allow_scalar_outputs": config.capture_scalar_outputs or config.fullgraph,
            "allow_dynamic_output_shape_ops": config.capture_dynamic_output_shape_ops or config.fullgraph,
        }

    def fake_mode_settings(self) -> dict[str, Any]:
        return {"allow_non_fake_inputs": False}

    def note_break(self, ctx: Any, stop: Break, frame: str) -> None:
        self._breaks.append((stop, frame))
        if stop.override is not None:
            self.pins.note(stop.override, stop.context["what"])
        if not self.recorder.on:
            return
        context = context_of(stop)
        words = render(stop.reason, **context)
        stack = stop.user_stack[:-1] + tuple((*place_of(stop), entry[5]) for entry in stop.user_stack[-1:])
        self.recorder.point(
            GraphBreak, stop.reason, words.title, words.explanation, tuple(words.hints), tuple((k, str(v)) for k, v in context.items()), stack
        )

    def hit_recorder(self, frame: str, name: str) -> Callable[[], None] | None:
        """What compiled code calls when it runs: records a hit, but for the run right after the compile."""
        if not self.recorder.on:
            return None
        return Hit(self.recorder, self.keeper, frame, name)

    def without_hook(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return without_hook(function)

    # ---- looking
    @property
    def events(self) -> list[Any]:
        self.recorder.flush()
        return self.recorder.events

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self.recorder.events)
        self.recorder.flush()
        return self._journal

    @property
    def records(self) -> typed.Records:
        events = self.events
        if self._records is None or self._records[0] != len(events) or not self.recorder.on:
            made = typed.from_events(events)
            live = {c.graph: c for c in self.compiled if c.graph}
            for graph in made.graphs:
                held = live.get(graph.name)
                if held is not None:
                    graph.gm, graph.example_inputs = held.gm, held.example_inputs
            if not self.recorder.on:
                made.graphs += [self._unrecorded(c) for c in self.compiled if c.graph]
            self._records = (len(events), made)
        return self._records[1]

    def _unrecorded(self, compiled: Compiled) -> typed.Graph:
        """The record of a graph in a session that records nothing."""
        graph = typed.Graph(compiled.graph, compiled.frame, self.backend_label, nodes=nodes_of(compiled.gm))
        graph.gm, graph.example_inputs = compiled.gm, compiled.example_inputs
        return graph

    @property
    def stats(self) -> dict[str, float]:
        return {**self.records.stats, "trace_seconds": self.trace_seconds}

    def __repr__(self) -> str:
        return f"<tracer.Session backend={self.backend_label!r}: {len(self.compiled)} compiled frames, {len(self._breaks)} graph breaks>"

    # ---- ending
    def reset(self) -> None:
        """Drop every compiled entry; the records stay."""
        self.keeper.reset = True
        self.hook.reset()
        self._limited.clear()

    def close(self) -> None:
        """Free guards, code and inputs; what was recorded stays readable."""
        if self.closed:
            return
        self.closed = True
        self.hook.close()
        if self.recorder.on:
            self.recorder.end(SessionFinished, self._opens)
        self.compiled.clear()
        self._programs.clear()
        self.plans.clear()
        self._kept.clear()
        self._coded.clear()
        self._callers.clear()
        self.keeper.clear()
        self.held_graphs.clear()
        self.following.clear()
        self.result = self.error = self.rerun_of = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()




#: Why a recompile was needed is said of so many entries, those that would have been asked first: what one costs doesn't grow.
_EXPLAINED = 8
#: Skips that say nothing about the user's program.
_SILENT_SKIPS = frozenset({"otherwise", "module call", "named tuple", "transform"})


def reset() -> None:
    """Drop every compiled entry of every session."""
    for session in list(_SESSIONS):
        session.reset()


