"""Speculation: a body is traced into a graph of its own, and taken back whole if it can't be.

`speculate` runs a callable with a nested `Subgraph` as the current graph. What the body uses from outside is lifted, level by
level. What it must not do — change an object from outside, write to an outside tensor, leave a mode flipped, break the graph —
raises `Rejected` after a roll-back: the attempt's tables are truncated, the undo log is run backwards, nothing remains.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import fx

from ..compat import graphs
from ..events import Committed, RolledBack, SpeculationStarted
from ..graph.modes import MODES, AutocastState
from ..graph.operators import carry_effects, storage_of, writes_to
from ..graph.spelling import settle_powers
from ..graph.subgraph import Subgraph
from ..signals import Break, Raised
from ..variables import (
    BoundVariable,
    CellVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    NamespaceVariable,
    ObjectVariable,
    PinnedVariable,
    SequenceVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
)
from ..variables.base import Lazy
from ..variables.contexts import ENTRY, ContextStateVariable

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["Body", "Rejected", "as_node", "flatten", "rebuild", "speculate"]


class Rejected(Exception):
    """The body can't be captured; everything it did was taken back. `does` completes "the branch …"."""

    def __init__(self, does: str, reason: str = "", stop: Break | None = None):
        super().__init__(does)
        self.does, self.reason, self.stop = does, reason, stop


class Body:
    """A committed body: its graph, what it returned (flat), the shape of the result, and what was lifted."""

    __slots__ = ("leaves", "name", "result", "structure", "subgraph")

    def __init__(self, name: str, subgraph: Subgraph, result: Variable, leaves: list[Variable], structure: Any):
        self.name, self.subgraph, self.result, self.leaves, self.structure = name, subgraph, result, leaves, structure

    @property
    def lifted(self) -> list[fx.Node]:
        """Nodes of the enclosing graph that the body uses, in order."""
        return list(self.subgraph.lifted)


def speculate(
    ctx: Context, kind: str, name: str, function: Variable, args: list[Variable], kwargs: dict[str, Variable] | None = None, *, once: bool = False
) -> Body:
    """Trace `function(*args, **kwargs)` into a graph of its own. Raises Rejected, rolled back. `once`: the body runs once, where it stands, so it may
    change what it finds outside itself and write to its inputs; tensors that it makes stay in it."""
    rec = ctx.rec
    opens = rec.begin(SpeculationStarted, kind, name) if rec.on else 0
    outside = _outside_mutables(ctx, [function, *args, *(kwargs or {}).values()])
    try:
        with attempt(ctx, name) as (subgraph, mark):
            result = ctx.call_now(function, args, kwargs)
            leaves, structure = flatten(ctx, result)
            if once:
                _check_escapes(ctx, mark, outside)
            else:
                _check_effects(ctx, mark, outside)
            outputs = tuple(ctx.argument(leaf)[0] for leaf in leaves)
            subgraph.graph.output(outputs)
            body = Body(name, subgraph, result, leaves, structure)
    except Break as stop:
        ctx.locate(stop)
        _rolled_back(ctx, opens, stop.reason)
        raise Rejected("ends the graph", stop.reason, stop) from None
    except Raised as error:
        _rolled_back(ctx, opens, "raised")
        raise Rejected(f"raises {error.variable.python_type().__name__}", "raised") from None
    except Rejected as rejected:
        _rolled_back(ctx, opens, rejected.does)
        raise
    if rec.on:
        results = (n.name for n in subgraph.graph.output_node().all_input_nodes if n.op != "placeholder")
        rec.end(Committed, opens, name, tuple(n.name for n in body.lifted), tuple(results))
    return body


def _rolled_back(ctx: Context, opens: int, reason: str) -> None:
    if ctx.rec.on:
        ctx.rec.end(RolledBack, opens, reason)


@contextmanager
def attempt(ctx: Context, name: str) -> Iterator[tuple[Subgraph, Any]]:
    """A nested graph as the current one; on any exception the context is as it was before."""
    mark = ctx.mark()
    outer, frame, handled = ctx.graph, ctx.frame, (ctx.handling, ctx.beyond)
    modes, autocasts, autocast = {n: mode.read() for n, mode in MODES.items()}, list(ctx.autocasts), AutocastState()
    subgraph = ctx.graph = Subgraph(outer, name)
    held = {name: state.held for name, state in ctx.context_states.items()}
    ctx.speculating += 1
    try:
        yield subgraph, mark
        for of, state in ctx.context_states.items():
            if state.held is not held.get(of, ENTRY):
                raise Rejected(f"leaves the {state.describe()} changed")
        changed = [n for n, mode in MODES.items() if mode.read() != modes[n]]
        if changed or ctx.autocasts != autocasts:
            changed.append("autocast")
            raise Rejected(f"leaves the {changed[0]} mode changed")
    except BaseException:
        for n, mode in MODES.items():
            if mode.read() != modes[n]:
                mode.write(modes[n])
        if ctx.autocasts != autocasts:
            autocast.restore()
            ctx.autocasts[:] = autocasts
        ctx.refresh_modes()
        ctx.roll_back(mark)
        raise
    finally:
        ctx.speculating -= 1
        ctx.graph, ctx.frame = outer, frame
        ctx.handling, ctx.beyond = handled
    if not ctx.speculating:
        ctx.commit()


def _check_effects(ctx: Context, mark: Any, outside: set[Variable]) -> None:
    """Bodies run zero, one or many times: they may change only what they made."""
    for changed in ctx.effects_since(mark):
        if isinstance(changed, ContextStateVariable):
            continue  # it holds what it held before, or `attempt` had said so
        raise Rejected(f"changes {changed.source.text} outside itself" if changed.source is not None else "changes an object outside itself")
    for variable, _ in ctx.undo_since(mark):
        if variable in outside:
            raise Rejected(f"changes {variable.describe()} outside itself")
    nodes = ctx.graph.graph.nodes
    given = {storage_of(node.meta["example_value"]) for node in nodes if node.op == "placeholder"} - {None}
    if any(writes_to(node, given) for node in nodes):
        raise Rejected("modifies its input in place")


def _check_escapes(ctx: Context, mark: Any, outside: set[Variable]) -> None:
    """What the body changed outside itself must hold nothing that is known in its graph only."""
    changed = [v for v in ctx.effects_since(mark) if not isinstance(v, ContextStateVariable)]
    pending: list[Any] = [*changed, *(v for v, _ in ctx.undo_since(mark) if v in outside or v.source is not None)]
    seen: set[int] = set()
    while pending:
        variable = pending.pop()
        if not isinstance(variable, Variable) or id(variable) in seen:
            continue
        seen.add(id(variable))
        if isinstance(variable, TensorVariable) and variable.node.graph is ctx.graph.graph or isinstance(variable, SymVariable) and is_inner(ctx, variable):
            raise Rejected(f"stores outside itself a {'number' if isinstance(variable, SymVariable) else 'tensor'} that it makes")
        if not isinstance(variable, (*_SEEN_THROUGH, SymVariable)):
            raise Rejected(f"changes {variable.describe()} outside itself")
        pending += _parts(variable)


def is_inner(ctx: Context, number: SymVariable) -> bool:
    """Whether a symbolic number is known in the body's graph only."""
    inner, ctx.graph = ctx.graph, ctx.graph.parent
    try:
        number.node(ctx)
    except AssertionError:  # it is made of what belongs to the body
        return True
    finally:
        ctx.graph = inner
    return False


def _outside_mutables(ctx: Context, roots: list[Variable]) -> set[Variable]:
    """Every mutable variable that can be reached from the frames that are running and from the body's arguments."""
    pending: list[Any] = list(roots)
    frame = ctx.frame
    while frame is not None:
        pending += [v for v in frame.locals if v is not None]
        pending += frame.stack
        frame = frame.back
    seen: set[int] = set()
    found: set[Variable] = set()
    while pending:
        variable = pending.pop()
        if not isinstance(variable, Variable) or id(variable) in seen:
            continue
        seen.add(id(variable))
        if variable.mutable:
            found.add(variable)
        pending += _parts(variable)
    return found


_SEEN_THROUGH = (
    SequenceVariable, DictVariable, ObjectVariable, CellVariable, FunctionVariable, NamespaceVariable, TensorVariable, ConstantVariable, PinnedVariable,
    BoundVariable,
)  # fmt: skip


def _parts(variable: Variable) -> list[Any]:
    if isinstance(variable, SequenceVariable):
        return [v for v in (variable.held if isinstance(variable, ListVariable) else variable.items) if type(v) is not Lazy]
    if isinstance(variable, DictVariable):
        return [v for v in variable.items.values() if type(v) is not Lazy]
    if isinstance(variable, ObjectVariable):
        return [*variable.attrs.values(), *variable.slots.values(), variable.data]
    if isinstance(variable, CellVariable):
        return [variable.value]
    if isinstance(variable, FunctionVariable):
        return [*(variable.closure or ()), *(variable.defaults or ())]
    if isinstance(variable, NamespaceVariable):
        return list(variable.stored.values())
    if isinstance(variable, TensorVariable):
        return list((variable.attrs or {}).values())
    return [getattr(variable, name) for name in ("function", "owner", "part") if hasattr(variable, name)]


# ---- as a node
def as_node(ctx: Context, body: Body, target: Any, leading: Callable[[fx.Graph], tuple[Any, ...]], options: dict[str, Any]) -> Variable:
    """The result of a body that runs once, where it stands: one node of `target`, with `leading(graph of the body)` before what the body uses.
    Outputs that are inputs stay what they are outside; the others are parts of the node's result."""
    inside = {placeholder: outer for outer, placeholder in body.subgraph.lifted.items()}
    graph = body.subgraph.graph
    outputs = list(graph.output_node().args[0])
    passed = [node in inside for node in outputs]
    graph.output_node().args = (tuple(n for n, through in zip(outputs, passed, strict=True) if not through),)
    first = leading(graph)
    fakes = [leaf.fake if isinstance(leaf, TensorVariable) else ctx.argument(leaf)[1] for leaf, through in zip(body.leaves, passed, strict=True) if not through]
    node = ctx.create_node("call_function", target, (*first, *body.lifted), options, tuple(fakes))
    carry_effects(node, graph)
    made = iter(
        [ctx.tensors.wrap_result(ctx, fake, ctx.create_node("call_function", operator.getitem, (node, i), {}, fake)) for i, fake in enumerate(fakes)]
    )
    leaves = [leaf if through else next(made) for leaf, through in zip(body.leaves, passed, strict=True)]
    return rebuild(ctx, body.structure, iter(leaves))


# ---- results
def flatten(ctx: Context, variable: Variable) -> tuple[list[Variable], Any]:
    """(tensors and symbolic numbers, structure): constants stay in the structure; leaves become outputs of the body."""
    leaves: list[Variable] = []

    def walk(value: Variable) -> Any:
        if isinstance(value, TensorVariable | SymVariable):
            leaves.append(value)
            return ("leaf",)
        if isinstance(value, ListVariable | TupleVariable):
            return ("sequence", type(value), value.cls, [walk(v) for v in value.settled(ctx)])
        if isinstance(value, DictVariable):
            return ("dict", value.cls, [(key_variable(k).constant(), walk(v)) for k, v in zip(list(value.items), value.values(ctx), strict=True)])
        if isinstance(value, ConstantVariable):
            return ("constant", value.value)
        raise Rejected(f"returns a {value.python_type().__name__}")

    return leaves, walk(variable)


def rebuild(ctx: Context, structure: Any, leaves: Iterator[Variable]) -> Variable:
    """The variable of a result with new leaves in the place of the old ones."""
    kind = structure[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "constant":
        return ctx.literal(structure[1])
    if kind == "sequence":
        return structure[1]([rebuild(ctx, part, leaves) for part in structure[3]], structure[2])
    return DictVariable({key: rebuild(ctx, part, leaves) for key, part in structure[2]}, structure[1])


def install(ctx: Context, graph: fx.Graph, name: str) -> fx.Node:
    """The graph as a submodule of the current graph: the `get_attr` node that an operator takes."""
    taken, n = name, 0
    while taken in ctx.submodules:
        n += 1
        taken = f"{name}_{n}"
    settle_powers(graph)
    ctx.submodules[taken] = graphs.make_graph_module({k: v for k, v in ctx.submodules.items() if _used(graph, k)}, graph, taken)
    return ctx.create_node("get_attr", taken, (), {}, None)


def _used(graph: fx.Graph, name: str) -> bool:
    return any(node.op == "get_attr" and node.target == name for node in graph.nodes)
