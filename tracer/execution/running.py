"""`session.run_graph`: a graph run several times on copies of its recorded inputs, and what was seen put into one record.

In: a session, which graph, where and how. Out: a `GraphRun`. Passes, in this order: one for memory and FLOPs (which also finds whether the graph
writes to its inputs: then every pass gets fresh ones), one for the results' numbers, `warmup` and `repeat` for time, node by node and as a whole.
Nothing of the program is touched: the graph, its constants and inputs are copies; random states, modes and hooks are put back.
"""

from __future__ import annotations

import contextlib
import statistics as numbers
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.backends import lookup_backend
from ..compat.overriding import unseen
from ..errors import TracerError
from ..events import GraphRan
from ..export.nodes import nodes_of
from ..graph.modes import restoring
from ..graph.transaction import standing
from ..records import Graph, Node
from ..rerun.copies import Copier
from ..rerun.kept import Modes
from ..rerun.rng import unmoved
from ..rerun.running import _dtype, device_here
from ..runtime.hook import disabled
from .inputs import Recorded, copied, recorded
from .model import GraphRun, NodeRun, to_text
from .passes import Counted, Measured, Timed, TimedOnGpu, facts_of, tensors_in, timer_cost
from .program import Program, Step, Watch, own_graph
from .statistics import joined, statistics

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Setting", "records_of", "run_graph"]

VALUES = ("summary", "none")
#: So much memory is told of by how long it lives.
LIVES = 50
#: Of a graph that takes so many seconds, operators should add up to its own time, up to this share.
WORTH, APART = 5e-3, 0.15


class Setting:
    """A recorded graph on a device and in a dtype: the program that runs, and inputs for each pass."""

    def __init__(self, record: Recorded, device: torch.device | None = None, dtype: torch.dtype | None = None):
        self.record, self.device, self.dtype = record, device, dtype
        self.converted = dtype if record.dtype is not dtype else None
        copier = Copier(device=device, dtype=self.converted)
        moved = None if device is None else _mover(device)
        self.gm = own_graph(record.gm, copier, moved)
        if copier.notes:
            raise TracerError(f"{record.graph.name} holds what can't be copied: {copier.notes[0]}.", next="keep custom objects outside of what is traced")
        self.program = Program(self.gm)
        self._inputs = copied(record.inputs, device, self.converted)
        self._versions: list[tuple[torch.Tensor, int]] = []
        self._note()
        self.written = False
        self.notes = [*record.notes, *self._unmoved()]

    def inputs(self) -> list[Any]:
        """For one pass; fresh ones where an earlier pass wrote to them, or to a constant."""
        if self.written or any(tensor._version != version for tensor, version in self._versions):
            self.written = True
            copier = Copier(device=self.device, dtype=self.converted)
            self._inputs = copied(self.record.inputs, self.device, self.converted)
            _copy_back(self.program, own_graph(self.record.gm, copier, None))
            self._note()
        return self._inputs

    def _note(self) -> None:
        held = [*tensors_in(list(self._inputs)), *_constants(self.program)]
        self._versions = [(tensor, tensor._version) for tensor in held if not tensor.is_inference()]

    def _unmoved(self) -> list[str]:
        """What names a device and can't be told another."""
        if self.device is None:
            return []
        named = [step for step in self.program.steps if step.node.op == "call_method" and step.node.target in ("cpu", "cuda")]
        return [f"{step.name} calls .{step.node.target}(), which isn't moved" for step in named]

    @property
    def where(self) -> torch.device:
        if self.device is not None:
            return self.device
        return next((tensor.device for tensor in tensors_in(list(self.record.inputs))), torch.device("cpu"))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Modes as in the recorded run, but without autograd; hooks and modes of the program off; all of it put back."""
        before = Modes()
        with contextlib.ExitStack() as stack:
            stack.enter_context(unmoved())
            stack.enter_context(disabled())
            stack.enter_context(unseen())
            stack.callback(before.set)
            modes = self.record.modes
            stack.enter_context(torch.inference_mode(modes.inference))
            modes.set()
            torch._C._set_grad_enabled(False)
            home = self.device or (modes.device if modes.device != before.device else None)
            if home is not None:
                stack.enter_context(home)
            yield

    def run(self, watch: Watch) -> Any:
        """One pass. TracerError that names the node where one can't run so."""
        inputs = self.inputs()
        self.record.state.restore()
        try:
            return restoring(standing(self.program.run))(watch, inputs)
        except TracerError:
            raise
        except Exception as error:
            raise self._failed(error, watch) from error

    def _failed(self, error: Exception, watch: Watch) -> TracerError:
        step = _at(error)
        where = f"{step.name} ({step.location})" if step is not None else self.record.graph.name
        said = str(error).partition("\n")[0].rstrip(".")
        if isinstance(error, torch.OutOfMemoryError):
            live = sorted(getattr(watch, "held", ()), key=lambda one: -one[1])[:5]
            told = f" It held {', '.join(f'{name}: {size:,} bytes' for name, size in live)}." if live else ""
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return TracerError(f"{where} ran out of memory on {self.where}: {said}.{told}", next="a smaller dtype, another device, or smaller inputs")
        changed = " ".join(filter(None, (f"on {self.device}" if self.device else "", f"in {self.dtype}" if self.dtype else "")))
        if changed:
            return TracerError(f"{where} can't run {changed}: {type(error).__name__}: {said}.", next="leave dtype and device as recorded, or choose others")
        return TracerError(f"{where} raises {type(error).__name__}: {said}.", next="the recorded run may have raised it too: read session.explain()")


def _at(error: BaseException) -> Step | None:
    """The innermost operator that was running, from the frames that the error came through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is Program._run.__code__:
            found = trace.tb_frame.f_locals.get("step", found)
        trace = trace.tb_next
    return found


def _constants(program: Program) -> list[torch.Tensor]:
    own = [value for _, value in program.constants if isinstance(value, torch.Tensor)]
    return [*own, *(tensor for body in program.bodies.values() for tensor in _constants(body))]


def _copy_back(program: Program, fresh: fx.GraphModule) -> None:
    """Constants as they were when the run was recorded."""
    for one, other in zip(_constants(program), _constants(Program(fresh)), strict=True):
        with torch.no_grad():
            one.copy_(other)


def _mover(device: torch.device) -> Callable[[Any], Any]:
    """What stands for a device that a node names: the wanted one, but for those without data."""

    def moved(named: Any) -> Any:
        if isinstance(named, str):
            return named if named.partition(":")[0] == "meta" else (str(device) if ":" in named else device.type)
        return named if named.type == "meta" else device

    return moved


# ---- the whole
def run_graph(
    session: Session, graph: Any, *, device: Any, dtype: Any, backend: Any, repeat: int, warmup: int, backward: bool, values: str, inputs: str
) -> GraphRun:
    """See `Executions.run_graph`."""
    for name, count, least in (("repeat", repeat, 1), ("warmup", warmup, 0)):
        if type(count) is not int or count < least:
            raise TracerError(f"can't set {name} to {count!r}.", next=f"a whole number from {least}")
    if values not in VALUES:
        raise TracerError(f"can't set values to {values!r}.", next=f"one of {', '.join(VALUES)}")
    where = None if device is None else device_here(device, asked_by=f"session.run_graph(device={str(device)!r})")
    kind = _dtype("dtype", dtype)
    compiler = lookup_backend(backend)
    setting = Setting(recorded(session, graph, inputs=inputs, dtype=kind), where, kind)
    made = _run(setting, compiler, backend if isinstance(backend, str) else getattr(backend, "__name__", type(backend).__name__), repeat, warmup, values)
    if backward:
        _both_ways(made, setting, repeat, warmup, values)
    made.__dict__.update(live=setting, compiler=backend)
    session.runs.append(made)
    if session.recorder.on:
        session.recorder.later(GraphRan, made.graph, to_text(made))
    return made


def _run(setting: Setting, compiler: Callable[..., Any], name: str, repeat: int, warmup: int, values: str) -> GraphRun:
    program = setting.program
    with setting.entered():
        measured = Measured(program, setting.inputs())
        results = setting.run(measured)
        outputs = _bytes(results)
        del results
        counted = Counted(len(program.steps), values == "summary")
        setting.run(counted)
        inputs = _inputs(setting, values == "summary")
        given = _bytes(setting.inputs())
        timed, overhead, whole = _times(setting, compiler, name, repeat, warmup)
        peak = _peak_on_gpu(setting) if setting.where.type == "cuda" else measured.peak
    known = records_of(setting.record.gm, setting.record.graph)
    nodes = tuple(
        _node(
            step, known.get(step.name), counted.facts[step.number], stats=counted.stats[step.number], runs=timed.runs[step.number],
            seconds=timed.seconds[step.number], bytes=measured.allocated[step.number], temporary=measured.temporary[step.number],
            freed=measured.freed[step.number], live=measured.live_after[step.number], moved=measured.moved[step.number], flops=measured.flops[step.number],
        )
        for step in program.steps
    )  # fmt: skip
    peak_node = measured.peak_step.name if measured.peak_step is not None else ""
    made = GraphRun(
        setting.record.graph.name, str(setting.where), str(setting.dtype or "").removeprefix("torch."), name, repeat, whole, overhead, peak, peak_node,
        given, outputs, setting.record.random, nodes, inputs, tuple(setting.notes), held=measured.held, lives=measured.lives(LIVES),
    )  # fmt: skip
    if name == "eager" and whole > WORTH and not 1 - APART < made.node_seconds / whole < 1 + APART:
        share = made.node_seconds / whole
        made.notes = (*made.notes, f"operators add up to {share:.0%} of the graph's own time: the machine was busy with something else; more repeats help")
    if name != "eager":
        made.notes = (*made.notes, f"{name} runs the graph as a whole, which took {whole * 1e3:.3g} ms; times of single operators are eager's")
    return made


def _both_ways(made: GraphRun, setting: Setting, repeat: int, warmup: int, values: str) -> None:
    """The graphs of the forward and the backward, run as any graph."""
    from .gradients import halves, placed

    with setting.entered():
        both = halves(setting, made.nodes)
    eager = lookup_backend("eager")
    ran = [placed(_run(Setting(half), eager, "eager", repeat, warmup, values), half.gm, made.nodes) for half in (both.forward, both.backward)]
    made.forward, made.backward = ran
    made.saved = both.saved
    made.notes = (*made.notes, "the backward was run with gradients of 1")


def _node(step: Step, known: Node | None, facts: tuple[Any, ...] | None, **measured: Any) -> NodeRun:
    dtype, shape, stride, device = facts or ("", None, None, "")
    location = step.location or (known.location if known is not None else None)
    target = known.target if known is not None else str(step.node.target)
    module = known.module_path if known is not None else ""
    return NodeRun(
        step.name, step.node.op, target, step.body, module, location, dtype=dtype, shape=shape, stride=stride, device=device, inputs=step.inputs, **measured
    )


def records_of(graph: fx.GraphModule, record: Graph | None) -> dict[str, Node]:
    """By name of a step what the session recorded of it, or else what the graph says."""
    found: dict[str, Node] = {}

    def read(gm: fx.GraphModule, prefix: str) -> None:
        found.update((prefix + node.name, node) for node in nodes_of(gm))
        for name, module in gm.named_children():
            if isinstance(module, fx.GraphModule):
                read(module, f"{prefix}{name}.")

    def told(nodes: Sequence[Node], bodies: Sequence[Any], prefix: str) -> None:
        found.update((prefix + node.name, node) for node in nodes if node.op.startswith("call"))
        for body in bodies:
            told(body.nodes, body.bodies, f"{prefix}{body.name}.")

    read(graph, "")
    if record is not None:
        told(record.nodes, record.bodies, "")
    return found


def _inputs(setting: Setting, values: bool) -> tuple[NodeRun, ...]:
    """The graph's inputs, with their numbers."""
    made = []
    sources = {one.name: one.source for one in setting.record.graph.inputs}
    for (_, name), value in zip(setting.program.placeholders, setting.inputs(), strict=True):
        given = tensors_in(value)
        dtype, shape, stride, device = facts_of(given[0]) if given else ("", None, None, "")
        stats = joined(map(statistics, given)) if values else None
        made.append(NodeRun(name, "placeholder", sources.get(name, ""), dtype=dtype, shape=shape, stride=stride, device=device, stats=stats))
    return tuple(made)


def _bytes(values: Any) -> int:
    """Of all storages under these values, each once."""
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors_in(list(values)) if t.layout is torch.strided and not t.is_meta}
    return sum(storages.values())


# ---- time
def _times(setting: Setting, compiler: Callable[..., Any], name: str, repeat: int, warmup: int) -> tuple[Timed | TimedOnGpu, float, float]:
    """Medians of each step's seconds, the seconds that node by node takes beside them, and the graph's own as the backend runs it."""
    gpu = setting.where.type == "cuda"
    count = len(setting.program.steps)
    passes: list[Any] = []
    spent: list[float] = []
    whole: list[float] = []
    compiled = _compiled(setting, compiler, name)
    for number in range(warmup + repeat):
        watch: Timed | TimedOnGpu = TimedOnGpu(count) if gpu else Timed(count)
        setting.inputs()  # fresh ones are made outside of what is timed
        begun = perf_counter()
        setting.run(watch)
        if isinstance(watch, TimedOnGpu):
            watch.read()
        took = perf_counter() - begun
        own = _whole(setting, compiled, gpu)
        if number >= warmup:
            passes.append(watch)
            spent.append(took)
            whole.append(own)
    cost = 0.0 if gpu else timer_cost()
    made = passes[0]
    for step in range(count):
        runs = passes[0].runs[step]
        made.seconds[step] = max(numbers.median(one.seconds[step] for one in passes) - cost * runs, 0.0)
    return made, max(numbers.median(spent) - sum(made.seconds), 0.0), numbers.median(whole)


def _compiled(setting: Setting, compiler: Callable[..., Any], name: str) -> Callable[..., Any]:
    if name == "eager":
        return setting.gm.forward
    try:
        made: Callable[..., Any] = compiler(setting.gm, setting.inputs())
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise TracerError(
            f"backend {name!r} can't take {setting.record.graph.name}: {type(error).__name__}: {said}", next="backend='eager' runs it node by node"
        ) from error
    return made


def _whole(setting: Setting, compiled: Callable[..., Any], gpu: bool) -> float:
    inputs = setting.inputs()
    setting.record.state.restore()
    if gpu:
        torch.cuda.synchronize()
    begun = perf_counter()
    restoring(standing(compiled))(*inputs)
    if gpu:
        torch.cuda.synchronize()
    return perf_counter() - begun


def _peak_on_gpu(setting: Setting) -> int:
    """What the device's allocator says of one undisturbed run, above what was there before."""
    inputs = setting.inputs()
    setting.record.state.restore()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    restoring(standing(setting.gm.forward))(*inputs)
    return int(torch.cuda.max_memory_allocated() - before)
