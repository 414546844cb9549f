"""What one attempt at a frame knows and may change. Rules and handlers work through it and through nothing else.

Built values live in `by_source` and `by_id`, guards in `guards`, inputs in `inputs`, nodes in `graph`: append-only tables that
a roll-back truncates. True changes of variables go through `mutate`, which the undo log sees.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakValueDictionary

import torch

from . import builder, higher_order, protocol
from .compat.guards import SDPA_KERNELS, device_contexts, mode_count
from .events import ExceptionObserved, GuardInstalled, InlineFinished, InputLifted, NodeCreated, SideEffect
from .functions import calls, numpy
from .functions.python import classes, native_methods
from .functions.stdlib import context_rules
from .functions.torch import modules, overriding, tensors
from .graph import shapes
from .graph.effects import Effects
from .graph.modes import MODES
from .graph.operators import Effect
from .graph.subgraph import Subgraph
from .guards.guard import expression as guard_expression
from .higher_order.levels import named
from .interpreter import generators, intrinsics
from .interpreter.frame import Frame, Program
from .interpreter.lifetimes import Lifetimes
from .interpreter.loop import run
from .interpreter.paths import visit
from .protocol import instances
from .signals import Break, Decision, Raised, Restart, Untraceable
from .sources import Source
from .variables import (
    ConstantVariable,
    ExceptionVariable,
    Lazy,
    NamespaceVariable,
    PinnedVariable,
    TensorVariable,
    Variable,
    literal,
)
from .variables.generators import Weakly

if TYPE_CHECKING:
    from .failing import Failing
    from .functions.torch.indexing import IndexMode
    from .functions.torch.later import Later
    from .higher_order.levels import Level
    from .session import Session
    from .variables.contexts import ContextStateVariable

__all__ = ["Context", "GraphInput"]

_ATTENTION = [get for name, (get, _) in SDPA_KERNELS.items() if name != "sdpa_order"]  # another order is another kernel of equal result


class GraphInput:
    """One placeholder of the frame's graph: where its value is read at each call, and the value seen now. `made`: the compiled
    code makes a new one for each call, so there is nothing to guard."""

    __slots__ = ("fake", "made", "node", "source", "value")

    def __init__(self, node: Any, source: Source, value: Any, fake: Any, made: bool = False):
        self.node, self.source, self.value, self.fake, self.made = node, source, value, fake, made


class Context:
    """One attempt. `frame` is the interpreter's current frame, `root_frame` the one that the hook was called for."""

    protocol = protocol
    objects = instances
    functions = calls
    classes = classes
    native_methods = native_methods
    tensors = tensors
    arrays = numpy
    modules = modules
    contexts = context_rules
    shapes = shapes
    generators = generators
    intrinsics = intrinsics

    def __init__(self, session: Session, fake_mode: Any, decisions: dict[tuple[Any, ...], Decision], dynamic: Any):
        self.session, self.config, self.rec, self.fakes = session, session.config, session.recorder, session.fakes
        self.fake_mode, self.decisions, self.dynamic = fake_mode, decisions, dynamic
        self.breaks = {decision.at: decision for decision in decisions.values() if decision.at is not None}
        self.pins = session.pins
        self.skipped: set[str] = set()  # guards that overrides leave out
        self.guards: dict[tuple[Any, ...], tuple[Any, int]] = {}
        self.passed: list[tuple[str, ConstantVariable]] = []  # from outside, with the kinds of their guards, in the order in which they were met
        self.by_source: dict[Source, Variable] = {}
        self.by_id: dict[int, Variable] = {}
        self.global_values: dict[tuple[int, str], Variable] = {}
        self.class_lookups: dict[tuple[Any, ...], tuple[type | None, Any]] = {}
        self.instance_dicts: WeakValueDictionary[int, Any] = WeakValueDictionary()  # by id of the instance, which its dict holds
        self.entered: Mapping[str, Any] = {}  # the root frame's locals, as it began
        self.owners: dict[int, Source] = {}  # id of an instance's `__dict__` → the instance, where it was built
        self.namespaces: dict[int, NamespaceVariable] = {}
        self.sources: dict[tuple[str, Any], Source] = {}
        self.memo: dict[Any, Variable] = {}  # answers of cached functions, by arguments
        self.kept: list[Any] = []
        self.inputs: list[GraphInput] = []
        self.effects = Effects()
        self.undo: list[tuple[Any, Any]] = []  # see `Variable.saved`
        self.touched: dict[int, tuple[Any, ...]] = {}  # index in it → where in the program that change was made
        self.speculating = 0
        self.indexing: list[IndexMode | None] = []  # why an index that is a tensor picks by it: `functions/torch/indexing.py`
        self.overriding = overriding.Overriding()  # of torch's functions, by classes and modes
        self.later: Later | None = None  # for a body that runs later than where it stands
        self.entries = 0
        self.changes = 0
        self.outside_changes = 0  # those of objects that existed before
        self.graph = self.root_graph = Subgraph()
        self.submodules: dict[str, Any] = {}
        self.modes_at_entry = {name: mode.read() for name, mode in MODES.items()}
        self.inference = torch.is_inference_mode_enabled()
        self.modes_key: tuple[Any, ...] = ()
        self.refresh_modes()
        self.mode_nodes = 0
        self.fixed: dict[Any, tuple[Any, ...]] = {}  # symbols of sizes that aren't free any more → where that was decided
        self.showing: set[Variable] = set()  # whose `repr` is being made
        self.handling: ExceptionVariable | None = None  # what the program handles, in the innermost generator that runs
        self.beyond: ExceptionVariable | None = None  # what is handled where that was resumed
        self.lifetimes = Lifetimes()
        self.frame: Frame | None = None
        self.root_frame: Frame | None = None
        self.max_depth = _room()
        self.deadline = (
            session.recorder.seconds + session.config.max_trace_seconds if session.config.max_trace_seconds else None
        )
        self.ticks = 0
        self.items = 0  # that iterators have given to what is no loop of the program's
        self.transforms: list[Any] = []  # of torch.func, active when the frame was entered
        self.asserted: dict[str, tuple[Any, ...]] = {}
        self.leaves: list[Any] = []  # fakes of leaves beside those of inputs
        self.builtins: dict[str, Any] = {}  # functions and classes that were found there, by name: guarded to be the same
        self.asked: dict[Any, None] = {}  # (what reads a switch, its arguments)
        self.switches: set[str] = set()  # of torch, asked or flipped: guarded to be as at entry
        self.replaced: set[int] = set()  # storages that became some tensor's `.data`
        self.written: set[int] = set()  # storages that operators wrote to with grad on
        self.begins_within: list[Any] = []  # nodes with which a tensor that the graph makes becomes a leaf, and the operation of the root frame
        self.begun: set[int] = set()  # storages of existing tensors that begin to need a gradient
        self.regions_met = 0  # calls of nested regions and checkpoints
        self.recomputed: list[Any] = []  # checkpoints whose functions run again in the backward: `higher_order/recomputed.py`
        self.lasting = 0  # changes of fakes that no roll-back takes back: other sizes, a gradient that is needed from then on
        self.regions: dict[Any, str] = {}  # bodies of nested regions → the submodule that they share
        self.globals_read: list[tuple[int, str]] = []  # (id of the namespace, name), and (id of a cell, "") of closures that were entered
        self.traced_regions: dict[int, tuple[Any, Any]] = {}  # in order: (code, what another call is held against or why it can't be)
        self.context_states: dict[int, ContextStateVariable] = {}  # of context variables that the trace set
        self.levels: list[Level] = []  # of torch.func, entered and not yet left
        self.autocasts: list[Any] = []  # entered and not yet left: (manager, what leaves it, node)
        self.autocast_at_entry: Any = None
        self.untaken = {key[1]: decision.value for key, decision in decisions.items() if key[0] == "untaken"}  # nodes, and why: `untaken.py`
        self.failing: Failing | None = None  # for an attempt that finds out what comes of a graph that raised
        self.protected = False  # whether code that has handlers takes part
        self.rec.where = self.where

    # ---- the end
    def release(self) -> None:
        """The attempt is over: let go of the program's objects, which would else live until the collector finds this."""
        for table in (
            self.guards, self.by_source, self.by_id, self.global_values, self.class_lookups, self.owners, self.namespaces, self.sources, self.memo,
            self.builtins, self.asked, self.context_states, self.traced_regions,
        ):  # fmt: skip
            table.clear()
        for held in (self.kept, self.passed, self.inputs, self.undo, self.leaves, self.globals_read, self.recomputed):
            held.clear()
        self.entered, self.effects, self.frame, self.root_frame = {}, Effects(), None, None
        self.handling = self.beyond = None

    def commit(self) -> None:
        """What was done is done: there is no way back any more."""
        for entry, _ in self.undo:
            if type(entry) is Weakly:
                entry.forget()
        self.undo.clear()
        self.touched.clear()

    # ---- positions
    def where(self) -> tuple[Any, ...]:
        frame = self.frame
        if frame is None:
            return ()
        said = frame.program.said
        index = frame.pc - 1 if frame.pc else 0
        known = said[index] if index < len(said) else None
        return known[2] if known is not None else frame.location

    def leave(self, frame: Frame, outcome: str) -> None:
        kind, _, text = outcome.partition(" ")
        self.rec.end(InlineFinished, frame.opens, kind, text)
        frame.opens = 0
        self.rec.depth = max(0, frame.depth - 1)

    def tick(self, frame: Frame) -> None:
        """Called at backward jumps: the limits on how long a trace may take."""
        self.ticks += 1
        limit = self.config.max_instructions
        if limit is not None and self.ticks > limit:
            raise Untraceable("too-long", limit=limit, what="instructions")
        if not self.ticks & 255 and self.deadline is not None and self.rec.seconds > self.deadline:
            raise Untraceable("too-long", limit=self.config.max_trace_seconds, what="seconds")

    def check_length(self, count: int) -> None:
        if count > 1_000_000:
            raise Untraceable("too-long", limit=1_000_000, what="items of an iterator")

    def too_deep(self, frame: Frame) -> NoReturn:
        raise Untraceable("too-deep", limit=self.max_depth, func=frame.decoded.code.co_qualname)

    def at_root(self, frame: Frame) -> None:
        """Before each operation of the root frame: a decision pinned by an earlier attempt takes effect."""
        visits = frame.visits
        if visits is None:
            visits = frame.visits = {}
        pc = frame.pc
        count = visits[pc] = visits.get(pc, 0) + 1
        frame.last = pc
        if self.breaks and (pc, count) in self.breaks:
            raise BreakHere(self.breaks[pc, count])

    # ---- guards
    def guard(self, source: Source, kind: str, expected: Any = None, extra: Any = None) -> None:
        key = (source, kind, extra)
        if key in self.guards or self.pins.skips and self.pins.skips_guard(self, source.text, kind):
            return
        cause = 0
        if self.rec.on:
            cause = self.rec.point(GuardInstalled, source.text, kind, guard_expression(source, kind, expected))
        self.guards[key] = (expected, cause)

    # ---- sources
    def root(self, kind: str, key: Any, label: str) -> Source:
        handle = (kind, key if type(key) is str else id(key))
        source = self.sources.get(handle)
        if source is None:
            source = self.sources[handle] = Source(None, kind, key, label)
        return source

    def local(self, name: str) -> Source:
        return self.root("local", name, name)

    def namespace(self, namespace: dict[str, Any]) -> Source:
        return self.root("namespace", namespace, f"globals of {namespace.get('__name__', '?')}")

    def pinned(self, value: Any) -> Source:
        known = self.sources.get(("pinned", id(value)))
        if known is not None:
            return known
        label = (
            value.__name__ if isinstance(value, type | types.ModuleType | types.FunctionType) else type(value).__name__
        )
        return self.root("pinned", value, label if isinstance(label, str) else type(value).__name__)

    # ---- values
    def build(self, value: Any, source: Source) -> Variable:
        """The variable of `value`, found at `source`; the same one each time."""
        known = self.by_source.get(source)
        if known is not None:
            return known
        return builder.build(self, value, source)

    def remember(self, variable: Variable, value: Any, source: Source | None) -> None:
        """Enter a built variable into the tables."""
        if source is not None:
            self.by_source[source] = variable
        if type(value) not in builder.UNIDENTIFIED:
            self.by_id[id(value)] = variable
            self.kept.append(value)

    def wrap(self, value: Any) -> Variable:
        """The variable of a value that the trace itself made."""
        return builder.wrap(self, value)

    def literal(self, value: Any) -> ConstantVariable:
        return literal(value)

    def builtin(self, name: str, scope: dict[str, Any]) -> Variable:
        if scope is not vars(builtins) or name == "__build_class__":
            return self.build(scope[name], self.namespace(scope).item(name))
        value = scope[name]
        if type(value) is not types.BuiltinFunctionType and not isinstance(value, type):
            return self.build(value, self.namespace(scope).item(name))
        self.builtins[name] = value
        known = self.by_id.get(id(value))
        if known is None:
            known = PinnedVariable(value)
            self.remember(known, value, None)
        return known

    def type_of(self, variable: Variable) -> Variable:
        """The class of an object, as a variable."""
        cls = variable.python_type()
        return self.by_id.get(id(cls)) or self.class_variable(cls)

    def class_variable(self, cls: type) -> Variable:
        """A class that is known by the object that led to it."""
        known = self.by_id.get(id(cls))
        if known is None:
            known = PinnedVariable(cls)
            self.remember(known, cls, None)
        return known

    def namespace_variable(self, namespace: dict[str, Any]) -> NamespaceVariable:
        variable = self.namespaces.get(id(namespace))
        if variable is None:
            variable = self.namespaces[id(namespace)] = NamespaceVariable(namespace, self.namespace(namespace))
        return variable

    def settle(self, value: Any) -> Variable:
        """A variable: a lazy slot is built, a frame is run."""
        kind = type(value)
        if kind is Lazy:
            return self.build(value.value, value.source)
        if kind is Frame:
            return self.finish(value)
        return value

    # ---- changes
    def mutate(self, variable: Variable) -> None:
        """Call before changing `variable`."""
        self.changes += 1
        if variable.source is not None:
            self.outside_changes += 1
        if self.speculating:
            self.touched[len(self.undo)] = self.place_of(self.frame)
            self.undo.append(variable.saved())
        if variable.source is not None and self.effects.note(variable) and self.rec.on:
            self.rec.point(SideEffect, type(variable).__name__.removesuffix("Variable").lower(), variable.source.text)

    def set_mode(self, name: str, value: Any) -> None:
        """Flip one of torch's switches, here, in the graph and after it. Switches that a graph can't flip end it."""
        mode = MODES[name]
        if mode.read() == value:
            return
        if mode.node is None:
            raise Break("outside-state-write", expr=mode.title, type="switch of the process")
        if self.inference and name == "grad" and value:
            raise Break("context-unsupported", expr=mode.title, name=mode.title, type="grad mode inside inference mode")
        if refused := mode.refused():
            raise Break("context-unsupported", expr=mode.title, name=mode.title, type=refused)
        self.switches.update(mode.asked)
        mode.write(value)
        self.refresh_modes()
        function, args = mode.node(value)
        node = self.create_node("call_function", function, args, {}, None)
        node.meta["effect"], node.meta["mode"] = Effect(), (name, value)
        self.mode_nodes += 1

    def refresh_modes(self) -> None:
        self.modes_key = (
            torch.is_grad_enabled(), torch.get_default_dtype(), torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cpu"), torch.get_autocast_dtype("cuda"),
            *(get() for get in _ATTENTION), device_contexts() if mode_count() else (),
        )  # fmt: skip

    # ---- calls
    def call(self, function: Variable, args: list[Variable], kwargs: dict[str, Variable] | None = None) -> Any:
        """A variable, or a frame to run first."""
        return function.call(self, args, kwargs or {})

    def call_now(self, function: Variable, args: list[Variable], kwargs: dict[str, Variable] | None = None) -> Variable:
        result = function.call(self, args, kwargs or {})
        return self.finish(result) if type(result) is Frame else result

    def finish(self, frame: Frame) -> Variable:
        """Run a frame to its end, here and now (on our own stack, unlike calls of the program)."""
        current = frame.back = self.frame
        frame.depth = 0
        if current is not None:
            frame.depth = current.depth + 1
            visit(current, ~(current.pc - 1))
        if frame.depth > self.max_depth:
            self.too_deep(frame)
        try:
            return run(self, frame)
        except RecursionError:
            raise Untraceable("too-deep", limit=self.max_depth, func=frame.decoded.code.co_qualname) from None

    def program(self, code: types.CodeType) -> Program:
        self.protected = self.protected or bool(code.co_exceptiontable)
        return self.session.program(code)

    # ---- exceptions of the program
    @property
    def handled(self) -> ExceptionVariable | None:
        """What `sys.exception()` answers."""
        return self.handling if self.handling is not None else self.beyond

    def chain(self, error: ExceptionVariable, handled: ExceptionVariable) -> None:
        """`error` is raised while `handled` is handled."""
        if handled is not error and (error.context is None or error.source is not None):
            error.chain(self, handled)

    def throw(self, error: ExceptionVariable) -> NoReturn:
        """Raise `error` in the program, chained to what is being handled."""
        handled = self.handled
        if handled is not None:
            self.chain(error, handled)
        if self.rec.on:
            self.rec.point(ExceptionObserved, error.cls.__name__, error.describe())
        raise Raised(error)

    def raise_(self, cls: type[BaseException], *args: Any) -> NoReturn:
        error = ExceptionVariable(cls, [self.wrap(a) for a in args])
        error.implicit = True
        self.throw(error)

    def raise_name(self, cls: type[NameError], text: str, name: str) -> NoReturn:
        """A NameError knows the name; one about an unbound local variable doesn't."""
        error = ExceptionVariable(cls, [literal(text)])
        error.set_field("name", literal(name if cls is NameError else None))
        self.throw(error)

    def raise_missing(self, text: str, name: str, owner: Variable) -> NoReturn:
        """The AttributeError of a look-up on `owner`."""
        error = ExceptionVariable(AttributeError, [literal(text)])
        error.set_field("name", literal(name))
        error.set_field("obj", owner)
        error.implicit = True
        self.throw(error)

    def raise_with(self, cls: type[BaseException], args: list[Variable]) -> NoReturn:
        self.throw(ExceptionVariable(cls, args))

    def raise_from_host(self, error: BaseException) -> NoReturn:
        """The program raises what a native operation raised while tracing."""
        if isinstance(error, Break | Raised | Restart | Untraceable):
            try:
                raise error
            finally:
                del error
        self.throw(ExceptionVariable.of(self, error))

    def traceback(self, error: ExceptionVariable) -> Variable:
        """What `__exit__` and `sys.exc_info()` are given beside the exception."""
        return literal(None) if error.trace is None else self.settle(error.trace)

    def break_(self, reason: str, **context: Any) -> NoReturn:
        raise Break(reason, **context)

    # ---- nodes
    def argument(self, variable: Variable) -> tuple[Any, Any]:
        """(fx argument, fake value) for a node of the current graph."""
        kind = type(variable)
        if kind is TensorVariable:
            node = variable.node  # type: ignore[attr-defined]
            fake = variable.fake  # type: ignore[attr-defined]
            return (node if node.graph is self.graph.graph else self.graph.local(node, fake)), fake
        if kind is ConstantVariable:
            value = variable.value  # type: ignore[attr-defined]
            return value, value
        return variable.argument(self)

    def node(self, op: str, target: Any, args: list[Variable], kwargs: dict[str, Variable] | None = None) -> Any:
        """Run an operator on fakes and record it; the variable of its result."""
        return self.tensors.record(self, op, target, args, kwargs or {})

    def create_node(self, op: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fake: Any) -> Any:
        """The one place where operations enter a graph."""
        if self.overriding.modes:
            overriding.check_told(self, target)
        node = self.graph.create(op, target, args, kwargs, fake)
        if self.failing is not None:
            self.failing.created(self, node)
        if self.untaken and node.name in self.untaken and self.graph is self.root_graph:
            name = self.tensors.target_name(target)
            raise Break("backend-limit", expr=name, func=name, backend=self.session.backend_label, why=self.untaken[node.name])
        if self.fake_mode.shape_env is not None:
            self.shapes.note_unbacked(self, node, fake)
        modules = self.modules_now()
        if modules:
            node.meta["nn_module_stack"] = modules
        if self.levels:
            node.meta["levels"] = named(self.levels)
        frame = self.user_frame()
        node.meta["location"], node.meta["function"] = (frame.location, frame.decoded.code.co_qualname) if frame is not None else ((), "")
        if self.rec.on:
            self.announce_node(node, fake)
        return node

    def announce_node(self, node: Any, fake: Any) -> None:
        """Tell of an operation of the graph that is being made."""
        tensor = isinstance(fake, torch.Tensor)
        self.rec.point(
            NodeCreated, self.graph.name, node.name, node.op, self.tensors.target_name(node.target), self.tensors.args_text(node),
            tuple(s if type(s) is int else str(s) for s in fake.shape) if tensor else None,
            str(fake.dtype).removeprefix("torch.") if tensor else "", str(fake.device) if tensor else "",
            next(reversed(node.meta["nn_module_stack"]), "") if "nn_module_stack" in node.meta else "", tuple(n.name for n in node.all_input_nodes),
            node.meta.get("levels", ()),
        )  # fmt: skip

    def add_input(self, source: Source, value: Any, fake: Any, made: bool = False) -> Any:
        """A placeholder of the frame's own graph."""
        node = self.root_graph.placeholder(self.tensors.input_name(source), fake)
        self.inputs.append(GraphInput(node, source, value, fake, made))
        if self.rec.on:
            tensor = isinstance(fake, torch.Tensor)
            shape = tuple(s if type(s) is int else str(s) for s in fake.shape) if tensor else None
            self.rec.point(
                InputLifted,
                self.root_graph.name,
                node.name,
                source.text,
                shape,
                str(fake.dtype).removeprefix("torch.") if tensor else "",
                str(fake.device) if tensor else "",
            )
        return node

    def unwinds(self) -> bool:
        """Whether anything but the error itself may come of an operator that raises when the graph runs."""
        return bool(self.protected or self.mode_nodes or len(self.effects) or self.asserted)

    def modules_now(self) -> dict[str, tuple[str, str]] | None:
        """path → (path, class) of the nn.Modules whose forward is running, outermost first."""
        frame = self.frame
        while frame is not None:
            if frame.modules is not None:
                return frame.modules
            frame = frame.back
        return None

    def place_of(self, frame: Frame | None) -> tuple[Any, ...]:
        """Where the program is in a frame that runs, or ran last: the innermost user location of it and of what called it."""
        frame = self.user_frame(frame)
        return frame.written or () if frame is not None else ()

    def user_frame(self, frame: Frame | None = None) -> Frame | None:
        """The innermost frame that isn't torch's own, of `frame` (or the one that runs) and those that called it."""
        frame = frame or self.frame
        while frame is not None and frame.back is not None and self.session.is_library(frame.decoded.code):
            frame = frame.back
        return frame

    def size_of(self, tensor: TensorVariable, dim: int) -> Variable:
        """`tensor.size(dim)`: a literal, or a symbolic integer."""
        return self.shapes.size(self, tensor, dim)

    def symbolic(self, value: Any, make: Any) -> Variable:
        """A number that may be symbolic; `make(ctx)` adds its node."""
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
            return self.shapes.wrap(self, value, make)
        return literal(value)



assert higher_order.__name__  # its rules are in the table of calls


def _room() -> int:
    """How deep calls may be nested: half of what CPython has left here. It counts calls through C code as well, so only what is
    far from the limit surely stays below it; a frame that goes deeper runs as Python, which raises at its own depth."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    return max(sys.getrecursionlimit() - depth, 0) // 2


class BreakHere(Exception):
    """A pinned decision: the graph ends before the operation that is next in the root frame."""

    def __init__(self, decision: Decision):
        super().__init__()
        self.decision = decision
