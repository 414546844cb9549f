"""Speculation: a body is traced into a graph of its own, and taken back whole if it can't be.

`speculate` runs a callable with a nested `Subgraph` as the current graph. What the body uses from outside is lifted, level by
level; what is new each time that it runs (a loop's carry, a slice) is `Given`, and stands before what is lifted. What it must not do by the
operator's `Policy`, or never — change an object from outside, leave a mode flipped, break the graph — raises `Rejected` after a roll-back:
nothing remains. What is found of a body is found when it ends, from what it changed, not by looking at all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..graph.modes import MODES, AutocastState
from ..graph.operators import storage_of, writes_to
from ..graph.subgraph import Subgraph
from ..interpreter.locate import locate
from ..signals import Break, Raised
from ..variables import SymVariable, TensorVariable, Variable
from ..variables.base import EPOCH
from ..variables.contexts import ENTRY, ContextStateVariable
from ..variables.tracebacks import TracebackVariable
from . import levels
from .escapes import escaping
from .marks import Mark
from .results import ANY, Structure, Unknown, flatten
from .told import Tried

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["Body", "Given", "Policy", "Rejected", "speculate"]


@dataclass(frozen=True)
class Policy:
    """What bodies of an operator may do. `operator`: what it is called where it is spoken of. `inputs`: return what they were given as it is;
    `shared`: return memory of an input, or one memory twice; `overlaps`: use tensors that share memory. `constants`: the types of what they may
    return beside tensors and symbolic numbers; `kept`: of those that are outputs of the graph as well. `once`: the body runs once, where it
    stands, so it may change what it finds outside itself and write to its inputs; tensors that it makes stay in it, unless it `gives_out` those that are kept
    outside, in `Body.given_out`. `writes`: it may write to its inputs, however often it runs. `restores`: it may change objects outside itself if it puts
    them back as they were; others may do that to modules and dicts, as a call with other parameters does."""

    operator: str
    inputs: bool = False
    shared: bool = False
    overlaps: bool = False
    constants: tuple[type, ...] = ANY
    kept: tuple[type, ...] = ()
    once: bool = False
    gives_out: bool = False
    writes: bool = False
    restores: bool = False


class Rejected(Exception):
    """The body can't be captured; everything it did was taken back. `does` completes "the branch …", `at` is where in the body it does that, if known.
    `kind`: what it goes against, one of the names that the catalogue's words ask for: "effect" outside itself, "write" to memory that it found,
    "memory" of its results, "result" (anything else that it is given or gives), "raises", "ends" the graph (`stop`: how), "looked at".
    `lasting`: but for what no roll-back takes back: who goes on must begin the frame again."""

    def __init__(self, does: str, reason: str = "", stop: Break | None = None, kind: str = "result", at: tuple[Any, ...] = ()):
        super().__init__(does)
        self.does, self.reason, self.stop, self.kind, self.at = does, reason, stop, kind, at
        self.lasting = False


class Given:
    """An argument that is new each time that the body runs: an input of its graph of this form, used or not."""

    __slots__ = ("fake", "name")

    def __init__(self, name: str, fake: Any):
        self.name, self.fake = name, fake

    def enter(self, graph: Subgraph) -> Variable:
        node = graph.placeholder(self.name, self.fake)
        if isinstance(self.fake, torch.Tensor):
            return TensorVariable(node, self.fake)
        return SymVariable(self.fake, lambda _: node)


class Body:
    """A committed body: its graph, what it returned (flat), the structure of the result, what was lifted, and its own tensors that are kept outside."""

    __slots__ = ("given_out", "leaves", "name", "seq", "structure", "subgraph")

    def __init__(self, name: str, subgraph: Subgraph, leaves: list[Variable], structure: Structure, given_out: list[TensorVariable], seq: int = 0):
        """`seq`: the event that began it, where events are recorded."""
        self.name, self.subgraph, self.leaves, self.structure, self.given_out, self.seq = name, subgraph, leaves, structure, given_out, seq

    @property
    def graph(self) -> fx.Graph:
        return self.subgraph.graph

    @property
    def lifted(self) -> list[fx.Node]:
        """Nodes of the enclosing graph that the body uses, in order."""
        return list(self.subgraph.lifted)

    @property
    def outputs(self) -> tuple[Any, ...]:
        outputs: tuple[Any, ...] = self.graph.output_node().args[0]  # type: ignore[assignment]
        return outputs


def speculate(
    ctx: Context, policy: Policy, name: str, function: Variable, args: list[Any], kwargs: dict[str, Variable] | None = None, because: str = "",
    looked_at: Callable[[Body], str] | None = None,
) -> Body:  # fmt: skip
    """Trace `function(*args, **kwargs)` into a graph of its own; among the arguments may be `Given` ones. Raises Rejected, rolled back.
    `because`: why it is traced, where an earlier body might have served. `looked_at`: the body is wanted for what this says of it and is rejected so."""
    tried, mark = Tried(ctx, policy.operator, name, because), Mark(ctx)
    try:
        with attempt(ctx, name, mark) as (subgraph, born):
            inside = [arg.enter(subgraph) if type(arg) is Given else arg for arg in args]
            result = ctx.call_now(function, inside, kwargs)
            leaves, structure = flatten(ctx, result, policy.constants, policy.kept)
            given_out = _check_effects(ctx, policy, mark, born, [*args, *(kwargs or {}).values()])
            subgraph.graph.output(tuple(ctx.argument(leaf)[0] for leaf in leaves))
            body = Body(name, subgraph, leaves, structure, given_out, tried.opens)
            _check_memory(body, policy)
            if looked_at is not None:
                raise Rejected(looked_at(body), kind="looked at")
    except Break as stop:
        locate(ctx, stop)
        raise _rolled_back(ctx, tried, mark, Rejected("ends the graph", stop.reason, stop, "ends"), stop.reason) from None
    except Raised as error:
        does, at = f"raises {error.variable.python_type().__name__}", _raised_at(ctx, error.variable)
        raise _rolled_back(ctx, tried, mark, Rejected(does, "raised", None, "raises", at), "raised") from None
    except Unknown as unknown:
        raise _rolled_back(ctx, tried, mark, Rejected(f"returns {unknown}")) from None
    except Rejected as rejected:
        raise _rolled_back(ctx, tried, mark, rejected) from None
    tried.committed(subgraph, args, kwargs or {}, structure)
    return body


def _rolled_back(ctx: Context, tried: Tried, mark: Mark, rejected: Rejected, reason: str = "") -> Rejected:
    rejected.lasting = mark.lasting(ctx)
    tried.rolled_back(mark, reason or rejected.does)
    return rejected


@contextmanager
def attempt(ctx: Context, name: str, mark: Mark) -> Iterator[tuple[Subgraph, int]]:
    """A nested graph as the current one, and the moment from which on variables are its own; on any exception the context is as it was before."""
    outer, frame, handled = ctx.graph, ctx.frame, (ctx.handling, ctx.beyond)
    modes, autocasts, autocast = {n: mode.read() for n, mode in MODES.items()}, list(ctx.autocasts), AutocastState()
    subgraph = ctx.graph = Subgraph(outer, name)
    begun, indexing, switched = len(ctx.levels), list(ctx.indexing), ctx.later is not None and ctx.later.switched
    held = {name: state.held for name, state in ctx.context_states.items()}
    ctx.speculating += 1
    EPOCH.now += 1
    try:
        yield subgraph, EPOCH.now
        for of, state in ctx.context_states.items():
            if state.held is not held.get(of, ENTRY):
                raise Rejected(f"leaves the {state.describe()} changed", kind="effect")
        changed = [n for n, mode in MODES.items() if mode.read() != modes[n]]
        if len(ctx.levels) != begun:
            raise Rejected("leaves a level of torch.func on", kind="effect")
        if ctx.indexing != indexing:
            raise Rejected("leaves a torch-function mode on", kind="effect")
        if ctx.later is not None and ctx.later.switched is not switched:
            changed.append("grad")
        if changed or ctx.autocasts != autocasts:
            changed.append("autocast")
            raise Rejected(f"leaves the {changed[0]} mode changed", kind="effect")
        mark.forget_answers(ctx)
    except BaseException as error:
        for n, mode in MODES.items():
            if mode.read() != modes[n]:
                mode.write(modes[n])
        if ctx.autocasts != autocasts:
            autocast.restore()
            ctx.autocasts[:] = autocasts
        if ctx.later is not None:
            ctx.later.switched = switched
        levels.leave(ctx, begun)
        ctx.indexing[:] = indexing
        ctx.refresh_modes()
        if isinstance(error, Break):
            locate(ctx, error)
        mark.roll_back(ctx)
        raise
    finally:
        ctx.speculating -= 1
        ctx.graph, ctx.frame = outer, frame
        ctx.handling, ctx.beyond = handled
    if not ctx.speculating:
        ctx.commit()


# ---- what a body must not do
def _check_effects(ctx: Context, policy: Policy, mark: Mark, born: int, given: list[Any]) -> list[TensorVariable]:
    """Bodies run zero, one or many times: they may change only what they made. One that runs once may change more, if nothing of its own is kept there but
    what it can give out. `given`: what the body was called with."""
    graph = ctx.graph.graph
    restored = mark.settle_restored(ctx, policy.restores)
    changed = [v for v in dict.fromkeys([*mark.changed(ctx), *mark.undone(ctx)]) if v not in restored and not isinstance(v, ContextStateVariable)]
    outside = [v for v in changed if _is_outside(v, graph, born)]
    if policy.once:
        given_out: list[TensorVariable] = []
        does = escaping(ctx, outside, given_out if policy.gives_out else None)
        if does:
            raise Rejected(does, kind="effect")
        return given_out
    if outside:
        what = outside[0].source.text if outside[0].source is not None else outside[0].describe()
        raise Rejected(f"changes {what} outside itself", kind="effect", at=mark.place_of_change(ctx, outside[0]))
    if policy.writes:
        return []
    found = {placeholder: storage_of(placeholder.meta["example_value"]) for placeholder in graph.nodes if placeholder.op == "placeholder"}
    memories = set(found.values()) - {None}
    for node in graph.nodes:
        if writes_to(node, memories):
            read = next((name for name, memory in found.items() if memory is not None and writes_to(node, {memory})), None)
            raise Rejected(_written_to(ctx, read, given), kind="write", at=node.meta.get("location", ()))
    return []


def _written_to(ctx: Context, placeholder: fx.Node | None, given: list[Any]) -> str:
    """What writing to the memory of an input of the body is: to what it is given, or to what it reads outside itself."""
    outer = next((outer for outer, inside in ctx.graph.lifted.items() if inside is placeholder), None)  # type: ignore[attr-defined]
    if outer is None or any(isinstance(each, TensorVariable) and each.node is outer for each in given):
        return "modifies its input in place"
    source = next((path.text for path, known in ctx.by_source.items() if isinstance(known, TensorVariable) and known.node is outer), "")
    return f"writes to {source or 'a tensor'} outside itself"


def _raised_at(ctx: Context, error: Any) -> tuple[Any, ...]:
    """Where in the program an exception of a body was raised."""
    entry = error.trace
    while isinstance(entry, TracebackVariable) and isinstance(entry.following, TracebackVariable):
        entry = entry.following
    return ctx.place_of(entry.frame) if isinstance(entry, TracebackVariable) else ()


def _is_outside(variable: Variable, graph: fx.Graph, born: int) -> bool:
    """Whether a changed object is older than the body. Context variables aside: they hold what they held before, or `attempt` says so."""
    if variable.source is not None:
        return True
    if isinstance(variable, TensorVariable):
        return variable.node.graph is not graph
    return bool(getattr(variable, "born", born) < born)


def _check_memory(body: Body, policy: Policy) -> None:
    """What a body returns must have one owner, where the operator says so: it makes what it returns."""
    if policy.inputs and policy.shared:
        return
    outputs = [node for node in body.outputs if isinstance(node, fx.Node)]
    if not policy.inputs and any(node.op == "placeholder" for node in outputs):
        raise Rejected("returns an input as it is", kind="memory")
    if policy.shared:
        return
    given = [memory for node in body.graph.nodes if node.op == "placeholder" and (memory := _storage(node)) is not None]
    if not policy.overlaps and len(set(given)) != len(given):
        raise Rejected("uses two tensors that share memory", kind="memory")
    made = [memory for node in outputs if (memory := _storage(node)) is not None]
    view = next((node for node in outputs if _storage(node) in given), None)
    if view is not None:
        raise Rejected("returns a view of an input", kind="memory", at=view.meta.get("location", ()) if view.op != "placeholder" else ())
    if len(set(made)) != len(made):
        raise Rejected("returns one memory twice", kind="memory")


def _storage(node: fx.Node) -> int | None:
    return storage_of(node.meta.get("example_value"))
