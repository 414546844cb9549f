"""Where torch.compile can be watched: the functions of torch._dynamo that the observer wraps, and how they are wrapped.

`POINTS` is the table; `probe()` says which of them the installed torch has. `Wrapped` puts wrappers in their place and
takes them away again: a function that other modules imported by name is replaced there too. A wrapper says it is of the
file that it wraps, so that torch leaves it out of the user stacks that it shows.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import json
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .backends import backend_name, innermost_backend, wrap_backend
from .evalframe import opaque

__all__ = ["POINTS", "Point", "Probe", "Wrapped", "asking_lock", "compiled", "configured", "entry_count", "own_backend", "probe", "room", "tracing_block"]


class Point(NamedTuple):
    """A function to wrap. `path`: in its module, `Class.method` or a function's name. `reads`: its parameters that the hook reads
    by name; `a|b` where versions of torch call one by different names. `gives`: what nobody learns without it."""

    name: str
    module: str
    path: str
    reads: tuple[str, ...]
    gives: str


def _point(name: str, module: str, path: str, reads: str, gives: str) -> Point:
    return Point(name, f"torch.{module}", path, tuple(reads.split()), gives)


#: Every hook point. The order is that of a compile.
POINTS: tuple[Point, ...] = (
    _point("answer", "_dynamo.convert_frame", "ConvertFrameAssert.__call__", "frame", "functions left to Python"),
    _point(
        "frame",
        "_dynamo.convert_frame",
        "_compile",
        "code globals locals closure one_graph compile_id",
        "frames and their outcome",
    ),
    _point(
        "recompile",
        "_dynamo.guards",
        "get_and_maybe_log_recompilation_reasons",
        "cache_entries|cache_entry frame",
        "recompiles, failed guards",
    ),
    _point("attempt", "_dynamo.convert_frame", "trace_frame", "code locals", "attempts and restarts"),
    _point(
        "instruction", "_dynamo.symbolic_convert", "InstructionTranslatorBase.step", "", "instructions, stacks, locals"
    ),
    _point(
        "exception",
        "_dynamo.symbolic_convert",
        "InstructionTranslatorBase.exception_handler",
        "",
        "exceptions that the program raised",
    ),
    _point("inline", "_dynamo.symbolic_convert", "InliningInstructionTranslator.inline_call_", "", "followed calls"),
    _point("build", "_dynamo.variables.builder", "VariableBuilder.__call__", "value", "values that enter the trace"),
    _point("guard", "_guards", "GuardsSet.add", "guard skip", "guards"),
    _point("node", "_dynamo.output_graph", "SubgraphTracer.create_node", "", "operations"),
    _point(
        "node_value",
        "_dynamo.utils",
        "set_example_value",
        "node example_value",
        "shapes of operations as they are made",
    ),
    _point(
        "node_removed",
        "_dynamo.output_graph",
        "SubgraphTracer.remove_node",
        "node",
        "operations that were taken out again",
    ),
    _point(
        "input",
        "_dynamo.output_graph",
        "SubgraphTracer.create_graph_input",
        "name example_value source",
        "inputs of graphs",
    ),
    _point(
        "body",
        "_dynamo.output_graph",
        "OutputGraph.subtracer",
        "source_target prior_tracer description",
        "bodies of operators",
    ),
    _point(
        "effect_attribute",
        "_dynamo.side_effects",
        "SideEffects.store_attr",
        "item name value",
        "attributes that were set",
    ),
    _point("effect_cell", "_dynamo.side_effects", "SideEffects.store_cell", "cellvar value", "cells that were set"),
    _point("effect_mutation", "_dynamo.side_effects", "SideEffects.mutation", "var", "containers that were changed"),
    _point(
        "automatic",
        "_dynamo.pgo",
        "process_automatic_dynamic",
        "name entry",
        "sizes that are dynamic because they changed",
    ),
    _point(
        "symbol", "fx.experimental.symbolic_shapes", "ShapeEnv.create_symbol", "val source", "sizes that became symbols"
    ),
    _point(
        "shape_guard",
        "fx.experimental.symbolic_shapes",
        "ShapeEnv._log_guard",
        "prefix g",
        "what was relied on about sizes",
    ),
    _point(
        "shape_checks",
        "fx.experimental.symbolic_shapes",
        "ShapeEnv.produce_guards_verbose",
        "",
        "guards on sizes",
    ),
    _point(
        "specialised",
        "fx.experimental.symbolic_shapes",
        "ShapeEnv._set_replacement",
        "a",
        "symbols that became numbers",
    ),
    _point(
        "break_text",
        "_dynamo.exc",
        "format_graph_break_message",
        "gb_type context explanation hints",
        "explanations of breaks",
    ),
    _point("cut", "_dynamo.output_graph", "OutputGraph.compile_subgraph", "reason", "graph breaks"),
    _point("backend", "_dynamo.output_graph", "OutputGraph.call_user_compiler", "gm", "compiled graphs"),
)


class Probe(NamedTuple):
    """What was found of a point: `why` is "" where it can be wrapped."""

    point: Point
    owner: Any
    function: Any
    why: str


@functools.cache
def probe() -> tuple[Probe, ...]:
    """Every point in the installed torch. Imports torch._dynamo."""
    return tuple(_find(point) for point in POINTS)


def _find(point: Point) -> Probe:
    *classes, name = point.path.split(".")
    try:
        owner: Any = importlib.import_module(point.module)
    except ImportError as error:
        return Probe(point, None, None, f"there is no module {point.module}: {error}")
    for part in classes:
        owner = getattr(owner, part, None)
    function = vars(owner).get(name) if owner is not None else None
    if not callable(function):
        return Probe(point, None, None, f"there is no {point.module}.{point.path}")
    known = inspect.signature(function).parameters
    missing = [parameter for parameter in point.reads if not any(name in known for name in parameter.split("|"))]
    if missing:
        return Probe(point, None, None, f"{point.path} has no parameter {', '.join(missing).replace('|', ' or ')}")
    return Probe(point, owner, function, "")


def entry_count(entries: Any) -> int:
    """How many compiled entries a recompile looked at: torch hands over a list, or (before 2.13) the first of a chain."""
    if isinstance(entries, list):
        return len(entries)
    count = 0
    while entries is not None:
        entries, count = entries.next, count + 1
    return count


def reader(function: Any) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
    """(args, kwargs) of a call → its arguments by parameter, defaults included."""
    signature = inspect.signature(function)

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    return read


class Wrapped:
    """Wrappers in place: made by `install`, gone after `remove`. `left`: places that somebody else replaced meanwhile."""

    def __init__(self) -> None:
        self._places: list[tuple[Any, str, Any, Any]] = []
        self.left: list[str] = []
        self.at_end: list[Callable[[], Any]] = []

    def install(self, found: Probe, wrapper: types.FunctionType) -> None:
        original = found.function
        functools.update_wrapper(wrapper, original)
        wrapper.__code__ = wrapper.__code__.replace(co_filename=inspect.unwrap(original).__code__.co_filename)
        name = found.point.path.rpartition(".")[2]
        self._put(found.owner, name, wrapper)
        if not isinstance(found.owner, type):
            for module in list(sys.modules.values()):
                if (
                    isinstance(module, types.ModuleType)
                    and module.__name__.startswith("torch.")
                    and vars(module).get(name) is original
                ):
                    self._put(module, name, wrapper)

    def replace(self, module: str, name: str, new: Any) -> None:
        """A module's attribute, by another object."""
        self._put(importlib.import_module(module), name, new)

    def _put(self, owner: Any, name: str, new: Any) -> None:
        self._places.append((owner, name, vars(owner)[name], new))
        setattr(owner, name, new)

    def remove(self) -> None:
        """What was there before is there again, but where somebody else has put something of his own over it."""
        for owner, name, original, new in reversed(self._places):
            if vars(owner).get(name) is new:
                setattr(owner, name, original)
            else:
                self.left.append(f"{getattr(owner, '__name__', owner)}.{name}")
        self._places.clear()
        while self.at_end:
            self.at_end.pop()()


class _AskingLock:
    """The compile lock, which asks first whether waiting for it would ever end."""

    def __init__(self, lock: Any, ask: Callable[[], None]):
        self.lock, self.ask = lock, ask

    def __enter__(self) -> Any:
        self.ask()
        return self.lock.__enter__()

    def __exit__(self, *exc: object) -> Any:
        return self.lock.__exit__(*exc)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lock, name)


def asking_lock(wrapped: Wrapped, ask: Callable[[], None]) -> None:
    """Every compile of torch.compile calls `ask` before it waits for the lock; what it raises goes to who calls."""
    module = "torch._dynamo.convert_frame"
    held = getattr(importlib.import_module(module), "compile_lock", None)
    if isinstance(held, type(threading.RLock())):
        wrapped.replace(module, "compile_lock", _AskingLock(held, ask))


def tell_of_hits(wrapped: Wrapped, told: Callable[[bool], None]) -> None:
    """`told` is called whenever the compiled entries of a function were checked: whether one of them holds."""
    from torch._C._dynamo import eval_frame

    set_hook = getattr(eval_frame, "set_guard_complete_hook", None)
    if set_hook is None:
        return

    def complete(hit: bool) -> bool:
        told(hit)
        return hit if prior is None else prior(hit)  # a false answer compiles anew, though an entry holds

    prior = set_hook(complete)
    wrapped.at_end.append(lambda: set_hook(prior))


def keep_apart(wrapped: Wrapped, region_of: Callable[[int], int], mark_of: Callable[[Any], Any]) -> None:
    """Where compiled code is looked for and kept. `region_of` gets the region of a wrapper of torch.compile, or the one to go back to, and
    says which it is to be (since torch 2.13; it doesn't keep out what is in the common one). `mark_of` gets the backend by which
    compiled code is found, and says what stands for it there."""
    from torch._dynamo import eval_frame

    own = vars(eval_frame)
    set_region, answering = own.get("set_eval_frame_isolate_recompiles_id"), own.get("_callback_from_stance")
    if answering is None:
        return
    if set_region is not None:
        wrapped.replace(eval_frame.__name__, set_region.__name__, lambda region: set_region(region_of(region)))

    def answering_apart(callback: Any) -> Any:
        answer = answering(callback)
        backend = innermost_backend(answer)
        mark = mark_of(backend) if backend is not answer else backend
        return answer if mark is backend else _Apart(answer, mark)

    wrapped.replace(eval_frame.__name__, answering.__name__, answering_apart)


class _Apart:
    """torch.compile's answer to frames, whose compiled code is kept under a mark: nobody else's is found, and nobody else finds it."""

    def __init__(self, answer: Any, mark: Any):
        self.answer, self._torchdynamo_orig_backend = answer, mark

    def __call__(self, *args: Any) -> Any:
        return self.answer(*args)


# --- running --------------------------------------------------------------------------------------------------------------


class _OwnBackend:
    """A backend that no other caller of torch.compile has: before torch 2.13 entries are told apart by their backend alone."""

    def __init__(self, backend: Callable[..., Any], region: int):
        self.backend, self.region, self.compiler_name = backend, region, backend_name(backend)
        for name in ("get_compiler_config", "reset"):  # what torch.compile asks inductor for
            if hasattr(backend, name):
                setattr(self, name, getattr(backend, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.backend(*args, **kwargs)


@functools.cache
def _isolates() -> bool:
    import torch

    return "isolate_recompiles" in inspect.signature(torch.compile).parameters


def own_backend(backend: Any, region: int, **how: Any) -> Any:
    """The backend, bound to a mode or options, by which entries of `region` are found; as it is where torch has regions."""
    if _isolates():
        return backend
    return _OwnBackend(wrap_backend(backend, **how), region)


def compiled(fn: Any, region: int, **settings: Any) -> Any:
    """`torch.compile(fn, **settings)` with entries that no other caller of it meets."""
    import torch

    if _isolates():
        settings["isolate_recompiles"] = True
    elif not (settings.get("mode") and settings.get("options")):  # torch says why it takes no both
        how = {name: settings.pop(name, None) for name in ("mode", "options")}
        settings["backend"] = own_backend(settings["backend"], region, dynamic=settings.get("dynamic"), **how)
    return torch.compile(fn, **settings)


@contextmanager
def room(code: types.CodeType, region: int) -> Iterator[None]:
    """Where torch has no regions, entries of other callers don't count against the recompile limit of this one."""
    if _isolates():
        yield
        return
    import torch._dynamo as dynamo
    from torch._C._dynamo.eval_frame import _debug_get_cache_entry_list

    others = sum(getattr(entry.backend, "region", None) != region for entry in _debug_get_cache_entry_list(code))
    with dynamo.config.patch(recompile_limit=dynamo.config.recompile_limit + others):
        yield


@contextmanager
def tracing_block(backend: Any, *, fullgraph: bool, dynamic: bool | None, shapes: Any) -> Iterator[None]:
    """Functions called inside are compiled by torch.compile; the block's own code runs as Python."""
    import torch._dynamo as dynamo

    context = dynamo.optimize(backend, nopython=fullgraph, dynamic=dynamic, **({} if shapes is None else {"dynamic_shapes": shapes}))
    wrapped = Wrapped()
    _let_stances_be_set(wrapped, context.callback)
    with dynamo.config.patch(raise_on_ctx_manager_usage=False):
        context.__enter__()
    try:
        yield
    finally:
        context.__exit__(None, None, None)
        wrapped.remove()


def _let_stances_be_set(wrapped: Wrapped, callback: Any) -> None:
    """The level of a block is in no compiled function, though torch, which sees `callback` on, takes it for one and refuses."""
    from torch._C._dynamo.eval_frame import get_eval_frame_callback, set_eval_frame
    from torch._dynamo import decorators, eval_frame

    own = vars(eval_frame)
    setter, answering, thread = own.get("_set_stance"), own.get("_callback_from_stance"), threading.get_ident()
    if setter is None or answering is None:
        return

    @opaque
    def setting(stance: Any) -> Any:
        if threading.get_ident() != thread or innermost_backend(get_eval_frame_callback()) is not innermost_backend(answering(callback)):
            return setter(stance)
        set_eval_frame(None)
        try:
            return setter(stance)
        finally:
            set_eval_frame(vars(eval_frame)["_callback_from_stance"](callback))

    setting._dynamo_forbidden = True  # type: ignore[attr-defined]
    for module in (eval_frame, decorators):
        wrapped.replace(module.__name__, setter.__name__, setting)


def configured(changes: dict[str, Any]) -> Any:
    """A context in which torch.compile's settings are changed; names it doesn't have are left out."""
    import torch._dynamo as dynamo

    return dynamo.config.patch({name: value for name, value in changes.items() if hasattr(dynamo.config, name)})


def forget(codes: Iterable[types.CodeType]) -> None:
    """Drop the compiled entries of these code objects."""
    from torch._C._dynamo.eval_frame import reset_code

    for code in codes:
        reset_code(code)


@contextmanager
def handing_over(output: Any, given: Callable[[Any], None]) -> Iterator[None]:
    """`given` gets each graph that an OutputGraph hands to its backend, just before."""
    backend = output.compiler_fn

    @functools.wraps(backend, updated=())
    def hearing(gm: Any, *args: Any, **kwargs: Any) -> Any:
        given(gm)
        return backend(gm, *args, **kwargs)

    output.compiler_fn = hearing
    try:
        yield
    finally:
        if output.compiler_fn is hearing:
            output.compiler_fn = backend


def shape_checks(made: Any) -> list[str]:
    """The expressions of what `ShapeEnv.produce_guards_verbose` returned: one list for each language, Python's first."""
    return list(getattr(made[0], "exprs", made[0])) if made else []


def left_alone(why: str) -> Any:
    """The answer that a frame runs as Python; functions that it calls are asked about."""
    answer = sys.modules["torch._dynamo.convert_frame"].ConvertFrameReturn
    return answer(skip_reason=why) if "skip_reason" in inspect.signature(answer).parameters else answer()


# --- what it knows while it traces ------------------------------------------------------------------------------------------


def translator_now() -> Any:
    """The root translator of the frame that this thread traces; None outside."""
    return getattr(sys.modules["torch._dynamo.symbolic_convert"].tls, "current_tx", None)


def user_stack() -> list[Any]:
    """The user's frames of the trace, outermost first, as traceback.FrameSummary."""
    from torch._guards import TracingContext

    return list(TracingContext.extract_stack()) if TracingContext.try_get() is not None else []


@contextmanager
def collecting() -> Iterator[None]:
    """A pause in a compile, which since torch 2.15 raises the process's threshold of full collections: it is as it was before, meanwhile. What
    the program sets it to in the pause stays when the compile has ended."""
    utils = sys.modules["torch._dynamo.utils"]
    before = getattr(utils, "_gc_threshold_saved", None)
    if before is None:
        yield
        return
    raised = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        yield
    finally:
        utils._gc_threshold_saved, now = gc.get_threshold(), gc.get_threshold()  # type: ignore[attr-defined]
        gc.set_threshold(*now[:2], max(now[2], raised[2]))


@functools.cache
def break_registry() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """What torch itself registers of its graph breaks: number → (title, explanation, hints), the latest wording; {} where it ships none."""
    path = Path(torch.__file__).parent / "_dynamo" / "graph_break_registry.json"
    if not path.exists():
        return {}
    worded = {number: wordings[0] for number, wordings in json.loads(path.read_text()).items()}
    return {number: (str(one["Gb_type"]), str(one["Explanation"]), tuple(map(str, one["Hints"]))) for number, one in worded.items()}


def is_restart(error: BaseException | None) -> bool:
    """Whether an attempt ended only to begin again."""
    return isinstance(error, sys.modules["torch._dynamo.exc"].RestartAnalysis)


def is_break(error: BaseException | None) -> bool:
    """Whether torch.compile gave up for a reason of the program's."""
    return isinstance(error, sys.modules["torch._dynamo.exc"].Unsupported)


def is_half_captured(error: BaseException | None) -> bool:
    """Whether the body of an operator breaks, where torch.compile raises."""
    return isinstance(error, getattr(sys.modules["torch._dynamo.exc"], "UncapturedHigherOrderOpError", ()))


def observed_exceptions() -> tuple[type, ...]:
    return (sys.modules["torch._dynamo.exc"].ObservedException,)


def in_frame_guards(guards: Any) -> bool:
    """Whether a set of guards is that of the frame which this thread traces."""
    from torch._guards import TracingContext

    context = TracingContext.try_get()
    return context is not None and context.guards_context.dynamo_guards is guards
