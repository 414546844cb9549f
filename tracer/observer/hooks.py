"""The hooks, one for each point of `tracer.compat.dynamo.POINTS`: what is read there, and which events it becomes.

A body does its first half, gives way to the function itself, and gets back what that returned or raised. Parameters are named as
torch names them where a hook reads them.
"""

from __future__ import annotations

import inspect
import re
import time
from typing import Any

from .. import events as ev
from ..callers import caller_of
from ..compat import dynamo
from ..compat import evalframe as ef
from ..compat.wrappers import called_module
from ..guards import UNCHANGED, check_seconds, switches
from ..runtime.answers import Skip
from ..runtime.policy import makes_named_tuple
from ..translate import FrameInfo
from . import breaks, graphs
from .now import relied_on, seen_now
from .switch import Hook, current
from .table import HOOKS, hook, wrapping
from .values import (
    fields,
    first_line,
    guard_text,
    looked_at,
    plain_text,
    readable,
    resolved,
    source_in,
    summary,
)
from .watch import Attempt, Watch, location

__all__ = ["HOOKS", "graphs"]  # whose hooks enter the table when they are imported


# ---- frames
@wrapping("answer")
def answer(row: Hook, function: Any) -> Any:
    """The question itself. Of a block of code, what is not the program's is not asked about, nor what isn't compiled under our own engine."""

    def __call__(converter: Any, frame: Any, *args: Any, **kwargs: Any) -> Any:
        watch = current()
        if watch is None:
            return function(converter, frame, *args, **kwargs)
        if watch.blocks and (why := _left_alone(watch, frame)):
            return dynamo.left_alone(why)
        steps = watch.before(_answered, (frame,), {}) if "decisions" in watch.levels else None
        try:
            result = function(converter, frame, *args, **kwargs)
        except BaseException as error:
            watch.after(steps, None, error)
            raise
        watch.after(steps, result, None)
        return result

    return __call__


def _left_alone(watch: Watch, frame: Any) -> str:
    """Why a frame in a block runs as Python; "" where torch.compile decides: of what the program gave to it, that is of every frame."""
    if _surroundings(frame):
        return "not the program's own code"
    if ef.current_region() != watch.session.hook.region:
        return ""
    verdict = watch.session.policy.decide(frame)
    if not isinstance(verdict, Skip):
        return ""
    watch.left_alone(frame.f_code, verdict)
    return verdict.reason


#: Packages whose functions stand around a block of code, or show what it prints.
_AROUND = frozenset(
    [
        "tracer",
        "notebook_ext",
        "widgets",
        "contextlib",
        "IPython",
        "ipykernel",
        "traitlets",
        "comm",
        "jupyter_client",
        "tornado",
        "zmq",
    ]
)


def _surroundings(frame: Any) -> bool:
    """Whether a frame in a block is the block's own level, or belongs to what runs the block."""
    name = frame.f_globals.get("__name__")
    return frame.f_code.co_name == "<module>" or isinstance(name, str) and name.partition(".")[0] in _AROUND


def _answered(watch: Watch, frame: Any) -> Any:
    """A function that torch.compile leaves to Python without looking inside."""
    compiled = len(watch.frames)
    result, _ = yield
    why = getattr(result, "skip_reason", None)
    code = frame.f_code
    if why and len(watch.frames) == compiled and not watch.session.is_library(code) and not makes_named_tuple(frame):
        watch.rec.point(ev.FrameSkipped, watch.name_of(code)[0], code.co_filename, code.co_firstlineno, str(why))


@hook("frame", level="nothing")
def frame_(
    watch: Watch, code: Any, globals: Any, locals: Any, builtins: Any, closure: Any, *args: Any, **kwargs: Any
) -> Any:
    """One compile of one frame: from the question to the entry, or to why there is none."""
    session, rec = watch.session, watch.rec
    began = time.perf_counter()
    name, resumes = watch.name_of(code, closure)
    info = FrameInfo(code, dict(locals), globals, tuple(closure or ()))
    session.keeper.compiling(session, info)
    number = session.begin_frame(info)
    mark = rec.mark()
    watch.codes[id(code)] = code
    watch.frames[str(kwargs.get("compile_id", number))] = number
    watch.compiling.append(name)
    called, watch.called = watch.called, called_module(code, closure)
    watch.because = ""
    at = (code.co_filename, code.co_firstlineno, None, code.co_firstlineno, None)
    outer, rec.where = rec.where, lambda: watch.where() or at
    opens = rec.begin(ev.FrameStarted, name, code.co_filename, code.co_firstlineno, "", resumes) if rec.on else -1
    graphs = session.graph_number
    try:
        with dynamo.room(code, session.hook.region):
            result, error = yield
        whole = kwargs.get("one_graph", args[1] if len(args) > 1 else False)
        outcome, why = _outcome(result, error, whole)
        watch.tell_recompile(limit=True)
        if (dynamo.is_break(error) or dynamo.is_half_captured(error)) and rec.on:
            breaks.event_of(watch, str(error), getattr(error, "real_stack", None) or [])
        guarded = getattr(result, "guarded_code", None)
        graph = f"graph_{graphs}" if guarded is not None and session.graph_number > graphs else ""
        if guarded is not None:
            watch.note_resumes(guarded.code, globals, name, number)
            if rec.on:
                rec.point(ev.CodeGenerated, graph, f"{name} {number}", "", len(guarded.code.co_code) // 2)
        if rec.on:
            root = getattr(getattr(guarded, "guard_manager", None), "root", None)
            rec.end(ev.FrameFinished, opens, outcome, graph, why, 0.0 if root is None else check_seconds(root, info.locals))
    finally:
        session.trace_seconds += time.perf_counter() - began
        if watch.compiling:
            watch.compiling.pop()
        watch.called = called
        rec.restore(mark)
        session.end_frame()
        rec.where = outer
        rec.parent = rec.events[opens].parent if opens >= 0 else rec.parent


def _outcome(result: Any, error: BaseException | None, whole: bool) -> tuple[str, str]:
    """What becomes of the frame. `whole`: a break is an error of the call, as what isn't a break always is."""
    if error is None:
        skipped = getattr(result, "guarded_code", None) is None
        return (
            ("skipped", str(getattr(result, "skip_reason", None) or "nothing to compile"))
            if skipped
            else ("compiled", "")
        )
    if not isinstance(error, Exception):
        return "aborted", type(error).__name__
    return ("skipped" if dynamo.is_break(error) and not whole else "refused"), first_line(error)


_FAILED = re.compile(r"^(\d+/\d+): (.*)", re.DOTALL)
_GLOBAL = re.compile(r"\bG\['(\w+)'\]")
_SWITCHES = "GLOBAL_STATE changed:"


@hook("recompile")
def recompile(watch: Watch, entries: Any, frame: Any, *args: Any, **kwargs: Any) -> Any:
    """Entries there are, and why none of them fits; whether it is compiled again is known when it is read. Torch hands both over by position."""
    reasons, _ = yield
    if not reasons:
        return
    called = called_module(frame.f_code, frame.closure)
    locals = dict(frame.f_locals)
    for reason in reasons:
        found = _FAILED.match(reason)
        entry, text = (watch.frames.get(found[1], found[1]), found[2]) if found else ("", reason)
        expression = text.partition("  # ")[0].strip()
        wanted, _, actual = expression.partition(", actual ")  # how a tensor's check words what differs
        if wanted.startswith(_SWITCHES):
            wanted, actual = UNCHANGED, f"changed: {switches(wanted.removeprefix(_SWITCHES).split())}"
        seen = actual.rstrip(".") or seen_now(expression, locals, frame.f_globals)
        watch.rec.point(ev.GuardFailed, entry, source_in(expression, called), readable(wanted, called), seen, relied_on(text))
    (name, resumes), file = watch.name_of(frame.f_code, frame.closure), frame.f_code.co_filename
    caller = caller_of(lambda code: bool(resumes) and code.co_filename == file and watch.name_of(code)[0] == name)
    names = tuple((found, f"global {found}") for found in dict.fromkeys(_GLOBAL.findall("\n".join(reasons))))
    watch.recompiling = (name, dynamo.entry_count(entries), caller, names)


@hook("attempt", level="nothing")
def attempt(watch: Watch, code: Any, globals: Any, locals: Any, *args: Any, **kwargs: Any) -> Any:
    """One reading of the frame."""
    rec = watch.rec
    watch.tell_recompile(limit=False)
    mine = Attempt(watch, code)
    watch.attempts.append(mine)
    bound = tuple(
        (name, 0)
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
        if name in locals or name in code.co_freevars
    )
    opens = rec.begin(ev.AttemptStarted, watch.because, tuple(dict.fromkeys(bound))) if rec.on else -1
    ended = "aborted"
    try:
        _, error = yield
        ended, watch.because = _ended(error)
        if rec.on:
            watch.settle()
            mine.translators.clear()
            rec.depth = 0
            rec.end(ev.AttemptEnded, opens, ended, watch.because)
    finally:
        if watch.attempts and watch.attempts[-1] is mine:
            watch.attempts.pop()
        rec.attempt += ended == "restarted"
        rec.depth = 0
        watch.session.hook.traced_once()


def _ended(error: BaseException | None) -> tuple[str, str]:
    if error is None:
        return "kept", ""
    if dynamo.is_restart(error):
        return "restarted", str(getattr(error, "restart_reason", None) or first_line(error)).partition("\n")[0]
    return ("failed", first_line(error)) if isinstance(error, Exception) else ("aborted", type(error).__name__)


# ---- instructions
@wrapping("instruction", level="every")
def instruction(row: Hook, function: Any) -> Any:
    """The hot one: no generator, and nothing after the step."""

    def step(translator: Any) -> Any:
        watch = current()
        if watch is not None and "every" in watch.levels:
            watch.busy = True
            try:
                _instruction(watch, translator)
            except Exception as fault:
                watch.fault(fault)
            finally:
                watch.busy = False
        return function(translator)

    return step


def _instruction(watch: Watch, translator: Any) -> None:
    attempt, index = watch.attempt, translator.instruction_pointer
    if attempt is None or index is None:
        return
    if attempt.pending:
        watch.settle()
    found = translator.instructions[index]
    numbers = [attempt.numbers.of(one) for one in translator.stack]
    _, before = attempt.stacks.get(id(translator), (None, []))
    same = 0
    for one, other in zip(numbers, before):
        if one != other:
            break
        same += 1
    attempt.stacks[id(translator)] = (translator, numbers)
    watch.rec.instruction(
        operation(found.opname), _argument(found), len(numbers), tuple(numbers[same:]), location(translator, found)
    )


_OPERATIONS: dict[str, str] = {"LOAD_FAST_CHECK": "LoadFast", "LOAD_FAST_BORROW": "LoadFast"}


def operation(name: str) -> str:
    """`LOAD_FAST` → `LoadFast`, as our own operations are called."""
    known = _OPERATIONS.get(name)
    if known is None:
        known = _OPERATIONS[name] = "".join(part.capitalize() for part in name.split("_"))
    return known


def _argument(found: Any) -> str:
    value = found.argval
    if value is None or found.target is not None:
        return ""
    return value if type(value) is str else plain_text(value)


@hook("exception")
def exception(watch: Watch, translator: Any, raised: Any, *args: Any, **kwargs: Any) -> Any:
    """The program raised an exception, which it may handle."""
    if isinstance(raised, BaseException) and isinstance(raised, dynamo.observed_exceptions()):
        watch.rec.point(ev.ExceptionObserved, type(raised).__name__.removeprefix("Observed"), first_line(raised)[:200])
    yield


@hook("inline")
def inline(watch: Watch, translator: Any) -> Any:
    """A call is followed, or a generator goes on."""
    attempt, rec, code = watch.attempt, watch.rec, translator.f_code
    if (
        attempt is None or attempt.translators and attempt.translators[-1] is translator
    ):  # a generator's own method calls the common one
        return
    bound = tuple((name, attempt.numbers.of(one)) for name, one in translator.symbolic_locals.items())
    where = (code.co_qualname, code.co_filename, code.co_firstlineno, bound)
    if code.co_flags & inspect.CO_GENERATOR:
        opens = rec.begin(ev.GeneratorResumed, *where, tuple(map(attempt.numbers.of, translator.stack)))
    else:
        opens = rec.begin(ev.InlineStarted, *where)
    attempt.translators.append(translator)
    rec.depth += 1
    try:
        result, error = yield
        attempt.translators.pop()
        if error is None:
            rec.end(ev.InlineFinished, opens, "returned", summary(resolved(result))[1])
        else:
            raised = isinstance(error, dynamo.observed_exceptions())
            rec.end(ev.InlineFinished, opens, "raised" if raised else "broke", first_line(error)[:200])
    finally:
        rec.depth = max(0, rec.depth - 1)
        if attempt.translators and attempt.translators[-1] is translator:
            attempt.translators.pop()


# ---- values and guards
@hook("build")
def build(watch: Watch, builder: Any, value: Any) -> Any:
    """A value enters the trace, for the first time."""
    attempt, rec = watch.attempt, watch.rec
    source = fields(builder).get("source")
    if attempt is None or looked_at(builder.tx.output.variable_tracker_cache.get(source)):
        return
    parent = rec.parent
    opens = rec.begin(ev.BuildStarted, watch.source_text(source), type(value).__name__)
    tracker, error = yield
    if error is None:
        made = resolved(tracker)
        rec.end(ev.VariableBuilt, opens, type(made).__name__, (), attempt.numbers.of(made))
    else:
        rec.parent = parent


@wrapping("guard")
def guard(row: Hook, function: Any) -> Any:
    """A guard that is new to the frame. torch's own record of who asked for it leaves our frame out."""

    def add(guards: Any, guard: Any, **kwargs: Any) -> Any:
        watch = current()
        if watch is None or "decisions" not in watch.levels:
            return function(guards, guard, **kwargs)
        known = len(guards.inner)
        result = function(guards, guard, **{**kwargs, "skip": kwargs.get("skip", 0) + 1})
        if len(guards.inner) != known:
            watch.after(watch.before(_guarded, (guards, guard), {}), None, None)
        return result

    return add


def _guarded(watch: Watch, guards: Any, guard: Any) -> Any:
    if watch.attempt is not None and dynamo.in_frame_guards(guards):
        kind = guard.inner_create_fn().__name__
        name = guard.name
        source = watch.readable(str(name() if callable(name) else name))
        watch.rec.point(ev.GuardInstalled, source, kind, guard_text(kind, source))
    yield


# ---- side effects
@hook("effect_attribute")
def effect_attribute(watch: Watch, effects: Any, item: Any, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
    """`object.name = value`; cells are told by their own hook."""
    yield
    if watch.attempt is not None and name != "cell_contents":
        held = resolved(item)
        _effect(watch, "attribute", held, f".{name} = {summary(resolved(value))[1]}")


@hook("effect_cell")
def effect_cell(watch: Watch, effects: Any, cellvar: Any, value: Any) -> Any:
    """A variable that functions share was set."""
    yield
    if watch.attempt is not None:
        _effect(watch, "cell", resolved(cellvar), f" = {summary(resolved(value))[1]}")


@hook("effect_mutation")
def effect_mutation(watch: Watch, effects: Any, var: Any) -> Any:
    """A container is about to change."""
    yield
    if watch.attempt is not None:
        _effect(watch, "mutation", resolved(var), "")


def _effect(watch: Watch, kind: str, held: Any, text: str) -> None:
    attempt = watch.attempt
    assert attempt is not None
    if fields(held).get("source") is not None:  # else it was made inside
        words = summary(held, watch.called)
        watch.rec.point(ev.SideEffect, kind, words[5] or words[1], text)
    attempt.numbers.changed(held)
