"""One frame, from the hook's question to a compiled entry: attempts, the break that ends one, the code that comes out.

In: a session and the frame (code, locals, globals, closure). Out: an `Entry`, or `Skip(why)` for a frame that runs as Python.
Whatever an attempt did to torch's state is undone when it ends.
"""

from __future__ import annotations

import builtins
import contextlib
import linecache
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from . import codegen, handlers
from .breaks import render
from .builder.literals import relax_guards
from .compat import fakes, functorch, graphs, is_eager
from .compat.guards import STATES, function_modes
from .compat.memo import with_transforms, without_transforms
from .compat.overriding import is_plain, on_plain, plainly, state, unseen
from .context import BreakHere, Context
from .ending import Ending, FrameInfo, changed_modes, enter, fake_mode_of, given_back
from .errors import BackendError
from .events import (
    AttemptEnded,
    AttemptStarted,
    CodeGenerated,
    FrameFinished,
    FrameStarted,
    GraphCompiled,
    GraphCompileStarted,
    GuardInstalled,
)
from .failing import Unwinding
from .functions.torch.modules import BACKWARD, backward_unseen
from .functions.torch.parameters import check_leaves
from .graph.finish import examples_of
from .graph.modes import MODES, AutocastState, inference, restoring
from .graph.overlaps import overlap_guard, pin_sizes
from .graph.places import note_places
from .graph.transaction import standing, undone
from .guards import GlobalState, Guard, check_seconds, lower
from .guards.shapes import shape_guard
from .higher_order import attention, levels, recomputed
from .interpreter.frame import Frame
from .interpreter.locate import locate
from .interpreter.loop import run
from .interpreter.paths import pin_break
from .rerun.rng import unmoved
from .runtime.answers import Entry, Skip
from .runtime.backends import compile_graph
from .runtime.stages import stages_of, tell_stages
from .signals import Break, Decision, Raised, Restart, Untraceable
from .sources import Roots, Source
from .untaken import restart_before
from .variables import UNSET, NamespaceVariable, TensorVariable, Variable

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Compiled", "FrameInfo", "translate"]

MAX_ATTEMPTS = 64


class Compiled:
    """What a session keeps with an entry."""

    __slots__ = ("back", "changes", "check", "example_inputs", "frame", "gm", "graph", "lowered", "source")

    def __init__(self, frame: str, graph: str, gm: Any, example_inputs: list[Any], source: str):
        self.frame, self.graph, self.gm, self.example_inputs, self.source = frame, graph, gm, example_inputs, source
        self.lowered: Any = None
        self.check = 0.0  # seconds that its guards take; 0: not measured
        self.back: dict[tuple[Any, ...], Source] = {}  # where in the result what existed before lies, and where that was found
        self.changes: tuple[str, ...] = ()  # existing objects that the frame leaves changed, but for tensors


def translate(session: Session, info: FrameInfo) -> Entry | Skip:
    """Attempts at the frame until one stands. Breaks found inside inlined calls pin a decision and start again."""
    rec = session.recorder
    frame_id = session.begin_frame(info)
    decisions: dict[tuple[Any, ...], Decision] = {}
    outcome, graph, why, opens, check = "failed", "", "", -1, 0.0
    try:
        if rec.on:
            opens = rec.begin(
                FrameStarted,
                info.name,
                info.code.co_filename,
                info.code.co_firstlineno,
                "",
                session.resumed_from(info.code),
                session.dynamism.remembered(info.code),
            )
        for attempt in range(MAX_ATTEMPTS):
            rec.attempt, rec.depth = attempt, 0
            try:
                entry = _attempt(session, info, decisions, frame_id)
                outcome, graph, check = "compiled", entry.record.graph, entry.record.check
                return entry
            except Restart as restart:
                decisions[restart.decision.key] = restart.decision
            except Untraceable as stop:
                outcome, why = "skipped", session.give_up(stop, info.code)
                return Skip(why, callees=stop.reason == "too-deep")  # asking about each frame would take of the stack that is short
        outcome, why = "skipped", session.give_up(Untraceable("too-long", limit=MAX_ATTEMPTS, what="attempts"), info.code)
        return Skip(why)
    except Exception as error:
        why = getattr(error, "brief", str(error)) if session.refuses(error) else f"internal fault: {type(error).__name__}: {error}"
        outcome = "refused" if session.refuses(error) or session.config.fullgraph else "failed"
        raise
    except BaseException:
        outcome = "aborted"
        raise
    finally:
        try:
            if opens >= 0:
                rec.end(FrameFinished, opens, outcome, graph, why, check)
        finally:  # whoever listens to the events may give the call up
            session.end_frame()


def _attempt(session: Session, info: FrameInfo, decisions: dict[tuple[Any, ...], Decision], frame_id: str) -> Entry:
    rec = session.recorder
    because = next(reversed(decisions.values())).because if decisions else ""
    bound = _unread(info) if rec.every else ()
    opens = rec.begin(AttemptStarted, str(because), bound) if rec.on else 0
    ended, reason = "aborted", ""
    try:
        entry = undone(_run_attempt, session, info, decisions, frame_id)
        ended = "kept"
        return entry
    except Restart as restart:
        ended, reason = "restarted", str(restart.decision.because)
        raise
    except Untraceable as stop:
        ended, reason = "failed", stop.reason
        raise
    finally:
        if rec.on:
            rec.end(AttemptEnded, opens, ended, reason)


def _unread(info: FrameInfo) -> tuple[tuple[str, int], ...]:
    """The locals that have a value when the frame is entered: none of them was looked at yet."""
    args, cells = codegen.entry_names(info.code)
    frees = info.code.co_freevars
    return tuple((name, 0) for name in (*args, *cells) if name in info.locals or name in frees)


def _run_attempt(session: Session, info: FrameInfo, decisions: dict[tuple[Any, ...], Decision], frame_id: str) -> Entry:
    """One attempt, run by `undone`: what it does to the thread's state is nobody's."""
    number = session.hook.number(info.code)
    dynamic = session.dynamism.of(info.code, number > 0 or session.was_compiled(info.code))
    mode = fake_mode_of(session, dynamic)
    ctx = Context(session, mode, decisions, dynamic)
    ctx.graph.name, ctx.entries = session.next_graph_name(), number
    try:
        ctx.lifetimes.open()
        # Fakes are traced as ordinary tensors, whose version counters tell what an operator writes to.
        with unseen(), inference(False), without_transforms() as ctx.transforms, graphs.tracing_context(mode), mode:
            root = enter(ctx, info)
            try:
                result: Variable | None = run(ctx, root)
                stopped = None
            except BreakHere as here:
                result, stopped = None, here.decision
                ctx.frame = root
            except Break as stop:
                raise pin_break(ctx, root, stop) from None
            except Raised as error:
                raise Untraceable("exception-escapes", type=error.variable.python_type().__name__, value=error.variable.describe()) from None
            return _finish(ctx, info, root, result, stopped, frame_id)
    finally:
        session.traced = ctx.frame = None
        levels.leave(ctx, 0)
        ctx.lifetimes.close()
        ctx.release()


# ---- the end of an attempt
def _finish(ctx: Context, info: FrameInfo, root: Frame, result: Variable | None, stopped: Decision | None, frame_id: str) -> Entry:
    try:
        return _compile(ctx, info, root, result, stopped, frame_id)
    except Break as stop:
        # What the frame leaves behind can't be rebuilt: there is no earlier point to stop at, so it runs as Python.
        locate(ctx, stop)
        ctx.session.note_break(ctx, stop, frame_id)
        raise Untraceable(stop.reason, **stop.context) from None


def _compile(ctx: Context, info: FrameInfo, root: Frame, result: Variable | None, stopped: Decision | None, frame_id: str) -> Entry:
    session, rec = ctx.session, ctx.rec
    levels.check_left(ctx)
    attention.check_left(ctx)
    recomputed.check_left(ctx, root if stopped is not None else None)
    if stopped is not None:
        session.check_fullgraph(ctx, stopped.value, frame_id)
    pin_sizes(ctx)
    ending = Ending(ctx, info, root, result, stopped)
    check_leaves(ctx, ending.body.outputs)
    compiled = ending.graph
    name, graph = f"{info.name} {frame_id}", ctx.root_graph.name if compiled.gm is not None else ""
    unwinds = compiled.gm is not None and (ctx.unwinds() or not is_eager(session.backend))
    failed = Unwinding(ctx, info, compiled.gm, stopped is not None) if unwinds else None
    function = _backend(ctx, compiled) if compiled.gm is not None else None
    hit = session.hit_recorder(frame_id, info.name)
    python, text = ending.body.finish(name, function, ending.inputs(), f"return {ending.answer}", ending.modes(), hit, failed, ending.put_back)
    code = ending.code(python, failed is not None)
    if stopped is not None:
        session.note_break(ctx, stopped.value, frame_id)
        session.note_resumes(code, frame_id)
    if rec.on:
        rec.point(CodeGenerated, graph, name, text, len(code.co_code) // 2)
    record = Compiled(frame_id, graph, compiled.gm, compiled.examples, text)
    record.changes = tuple(ending.body.changed)
    record.back = given_back(result)
    with _outside(ctx):
        with unseen():
            record.lowered = _lower(ctx, info)
        if rec.on:
            record.check = check_seconds(record.lowered.root, info.locals)
    session.keep_graph(record)
    return Entry(code, record.lowered.root, info.name, record)


def _backend(ctx: Context, compiled: Any) -> Any:
    session, rec = ctx.session, ctx.rec
    name = ctx.root_graph.name
    label = session.backend_label
    opens = rec.begin(GraphCompileStarted, name, label) if rec.on else 0
    began = time.perf_counter()
    error = ""
    shown = stages_of(rec, name)
    if not is_eager(session.backend):
        note_places(compiled.gm)
    graphs.force_code(compiled.gm)  # a graph that can't be written down is our fault, and must not surface in the program's call
    held = not is_eager(session.backend) and handlers.let_go()
    try:
        with _outside(ctx), unseen() if is_eager(session.backend) else unmoved():
            examples = examples_of(compiled.inputs, plain=not is_eager(session.backend))
            function = compile_graph(
                compiled.gm, examples, session.backend, fake_mode=ctx.fake_mode, name=name, number=session.graph_number, shown=shown
            )
    except BackendError as failure:
        error = str(failure)
        with _outside(ctx):
            stopped = restart_before(ctx, compiled, failure)
        raise stopped from (failure.__cause__ if stopped is failure else None)
    except Exception as failure:
        error = str(failure)
        raise
    finally:
        if held:
            handlers.hold()
        tell_stages(rec, name, shown)
        if rec.on:
            rec.end(GraphCompiled, opens, name, label, time.perf_counter() - began, error)
    call = function.function
    if ctx.mode_nodes:
        call = restoring(call)
    dual = "DUAL_LEVEL" in ctx.switches and functorch.enters_dual(compiled.gm)
    if ctx.submodules or "FUNCTORCH_STACK" in ctx.switches or dual:
        call = standing(call, dual)
    if any(isinstance(i.value, torch.Tensor) and not is_plain(type(i.value)) for i in compiled.inputs):
        call = plainly(call) if is_eager(session.backend) else on_plain(call)
    if ctx.submodules and is_eager(session.backend):
        call = handlers.waiting(call)
    return session.without_hook(call)


@contextlib.contextmanager
def _outside(ctx: Context) -> Iterator[None]:
    """The program's own modes, as when the compiled graph will run; our fake mode off."""
    changed = changed_modes(ctx)
    for name, _ in changed:
        MODES[name].write(ctx.modes_at_entry[name])
    autocast = AutocastState() if ctx.autocasts else None
    if autocast is not None:
        ctx.autocast_at_entry.restore()
    try:
        with state(ctx.overriding.entry), inference(ctx.inference), with_transforms(ctx.transforms), torch.utils._python_dispatch._disable_current_modes():
            yield
    finally:
        if autocast is not None:
            autocast.restore()
        for name, value in changed:
            MODES[name].write(value)


def _apart(ctx: Context) -> list[list[Source]]:
    """Where an existing object was changed, the others of its type that were met: they must not be that one at the next call."""
    changed = {v.python_type() for v in ctx.effects if v.source is not None and not isinstance(v, TensorVariable | NamespaceVariable)}
    if not changed:
        return []
    groups: dict[type, dict[Any, Source]] = {cls: {} for cls in changed}
    for variable in ctx.by_source.values():
        source = variable.source
        if variable.mutable and source is not None and source.root.kind != "cell" and variable.python_type() in groups:
            groups[variable.python_type()][variable] = source
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def _lower(ctx: Context, info: FrameInfo) -> Any:
    symbolic = _symbolic_inputs(ctx)
    settle = ctx.shapes.tensor_metadata
    sized = {i.source for i in symbolic}
    relax_guards(ctx)
    superfluous = BACKWARD if backward_unseen(ctx) else UNSET
    guards = [
        Guard(source, kind, settle(expected) if source in sized and kind == "TENSOR_MATCH" else expected, cause)
        for (source, kind, extra), (expected, cause) in ctx.guards.items()
        if extra is not superfluous
    ]
    with state(ctx.overriding.entry):
        guards.append(Guard(None, "GLOBAL_STATE", GlobalState(), 0))
    guards.append(Guard(None, "TORCH_FUNCTION_MODE_STACK", modes := function_modes(), 0))
    if modes:  # only the default device's gets here, which leaves its device to be told
        guards.append(Guard(None, "DEVICE_CONTEXTS", STATES["DEVICE_CONTEXTS"](), 0))
    guards += [Guard(None, "DIFFERENT_OBJECTS", sources, 0) for sources in _apart(ctx)]
    if ctx.builtins:
        guards.append(Guard(ctx.namespace(vars(builtins)), "BUILTINS", ctx.builtins, 0))
    guards += [Guard(None, name, STATES[name](), 0) for name in sorted(ctx.switches)]  # the modes are as at entry here
    guards += [Guard(None, "ANSWER", (function, args, function(*args)), 0) for function, args in ctx.asked]
    tensors = [i.source for i in ctx.inputs if isinstance(i.value, torch.Tensor) and not isinstance(i.value, torch.nn.Parameter) and not i.made]
    if len(tensors) > 1:
        found = [source for source in tensors if source.kind != "array"]  # the tensor of an array is made anew each time
        guards += [Guard(None, "NO_TENSOR_ALIASING", found, 0)] if len(found) > 1 else []
        overlaps = overlap_guard(ctx, tensors)
        if overlaps is not None:
            guards.append(overlaps)
    shapes = _shape_guard(ctx, symbolic) if symbolic else None
    skips = ctx.pins.skips_guard
    if ctx.pins.skips:
        guards = [g for g in guards if g.source is not None or not skips(ctx, "", g.kind)]
        shapes = None if shapes is not None and skips(ctx, "", "SHAPES") else shapes
    return lower(guards, code=info.code, roots=Roots(info.locals), shape_guard=shapes)


def _symbolic_inputs(ctx: Context) -> list[Any]:
    """Inputs that ShapeEnv made symbols for."""
    if ctx.fake_mode.shape_env is None:
        return []
    reasons = {source for source, _ in ctx.dynamic.reasons}
    return [i for i in ctx.inputs if i.source.text in reasons]


#: Where torch's own message sends people: its compiler's logs, in which none of this is.
_LOGS = re.compile(r" For more information, run with TORCH_LOGS=\S+")


def _place(at: tuple[Any, ...]) -> str:
    """`file:line` with its code."""
    return f"{at[0]}:{at[1]}: `{linecache.getline(at[0], at[1]).strip()}`" if at else "a place that isn't known"


def _shape_guard(ctx: Context, inputs: list[Any]) -> Guard | None:
    """What was assumed of symbolic sizes. A size that the user marked dynamic and that the program fixed is an error, as under torch.compile."""
    contexts = [fakes.context_of(i.fake) if isinstance(i.fake, torch.Tensor) else None for i in inputs]
    try:
        shapes = shape_guard(ctx.fake_mode.shape_env, [(i.source, i.fake) for i in inputs], contexts=contexts)
    except Exception as error:
        if not fakes.is_constraint_violation(error):
            raise
        text = _LOGS.sub("", str(error).strip())
        fixed = [f"\n  {what} became {now} at {_place(at)}" for what, now, at in ctx.shapes.where_fixed(ctx, inputs)]
        words = f"a size marked dynamic can't be: {text}{''.join(fixed)}"
        raise fakes.mark_violated(words, "leave out mark_dynamic (or use maybe_mark_dynamic), or change the line that fixes the size") from None
    if ctx.rec.on and shapes is not None:
        for expression in shapes.expected.expressions:
            ctx.rec.point(GuardInstalled, "", "SHAPES", shapes.expected.text(expression))
    if ctx.rec.on:  # the guard on the tensor holds it, and doesn't tell which line asked for it
        for what, now, at in ctx.shapes.where_fixed(ctx, inputs):
            if now.is_number:
                with ctx.rec.located(at):
                    ctx.rec.point(GuardInstalled, "", "SHAPES", f"{what} == {now}")
        ctx.shapes.tell_settled(ctx, inputs)
    return shapes


def rendered(stop: Break, **more: Any) -> Any:
    """The catalogue's words for a break."""
    return render(stop.reason, **{**stop.context, **more})


