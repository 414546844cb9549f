"""Bodies as nodes of torch's operators: their graphs installed, what they use from outside as operands, the results made of the node's parts."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat import graphs
from ..compat.autograd_functions import is_differentiable
from ..compat.memo import fake_alike
from ..graph.operators import Effect, carry_effects, memories_written, storage_of
from ..graph.spelling import settle_powers
from ..signals import Break
from ..variables import CellVariable, FunctionVariable, PartialVariable, Variable, literal
from .results import rebuild, seen
from .speculate import Body, Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "alike", "as_node", "form_of", "graded", "install", "module_of", "note_effects", "note_written", "parts", "refused", "shared_inputs", "speculated",
    "values_of", "with_inputs", "written",
]  # fmt: skip


def refused(ctx: Context, reason: str, called: str, function: Variable, rejected: Rejected) -> Break:
    """The break of an operator whose body was rejected, told of where the body failed."""
    own = next(_of_the_program(ctx, function), function)
    stop = Break(reason, name=called, func=ctx.protocol.callable_name(own), var=rejected.reason, **{rejected.kind: called})
    if rejected.stop is None:
        stop.context["does"] = rejected.does
    else:
        stop.met_in_body(rejected.stop)
    if rejected.at:
        here = ctx.place_of(ctx.frame)
        stop.context["body_at"] = f"line {rejected.at[1]}" + ("" if here and here[0] == rejected.at[0] else f" of {os.path.basename(rejected.at[0])}")
    return stop


def _of_the_program(ctx: Context, function: Any) -> Iterator[FunctionVariable]:
    """The program's functions in a function that torch makes of them, which flattens what they are given and give."""
    if isinstance(function, PartialVariable):
        for part in (function.function, *function.args, *function.named(ctx).values()):
            yield from _of_the_program(ctx, part)
    elif isinstance(function, FunctionVariable) and not ctx.session.is_library(function.code):
        yield function
    elif isinstance(function, FunctionVariable):
        for cell in function.closure or ():
            yield from _of_the_program(ctx, cell.value if isinstance(cell, CellVariable) else None)


def speculated(
    ctx: Context, policy: Policy, reason: str, called: str, name: str, function: Variable, args: list[Any], kwargs: dict[str, Variable] | None = None
) -> Body:
    """The body of an operator that ends the graph, for `reason`, where it is rejected."""
    try:
        return speculate(ctx, policy, name, function, args, kwargs)
    except Rejected as rejected:
        raise refused(ctx, reason, called, function, rejected) from None


def note_effects(node: fx.Node, body: fx.Graph, writes: Sequence[Any]) -> None:
    """The node that runs `body`, in which `writes` are written to, has what it does beside its results."""
    carry_effects(node, body)
    if writes:
        node.meta["effect"] = Effect(writes, node.meta["effect"].again)


def note_written(
    node: fx.Node, bodies: Sequence[Body], graphs: Sequence[fx.Graph], shared: Sequence[fx.Node], given: Sequence[Any] = ()
) -> None:
    """The node that may run any of `bodies` has what they do beside their results; some of what they share, and of what they are given
    first (`given`: what is known of it), may be written to."""
    carry_effects(node, *graphs)
    found = [value for body in bodies for value in written(body, shared)]
    for body in bodies:
        inside = set(body.subgraph.lifted.values())
        own = [inner for inner in body.graph.nodes if inner.op == "placeholder" and inner not in inside]
        memories = memories_written(body.graph)
        found += [value for inner, value in zip(own, given, strict=False) if storage_of(inner.meta["example_value"]) in memories]
    if found:
        node.meta["effect"] = Effect(list({id(value): value for value in found}.values()), node.meta["effect"].again)


def written(body: Body, outers: Iterable[fx.Node]) -> list[Any]:
    """Fakes of those of `outers` whose memory the body writes to."""
    memories = memories_written(body.graph)
    return [value for value in values_of(outers) if storage_of(value) in memories]


def values_of(nodes: Iterable[fx.Node]) -> list[Any]:
    """What is known of the nodes' values."""
    return [node.meta.get("example_value") for node in nodes]


# ---- bodies that run once, where they stand
def as_node(
    ctx: Context, body: Body, target: Any, leading: Callable[[fx.Graph], tuple[Any, ...]], options: dict[str, Any],
    laid_out: Callable[[list[fx.Node]], tuple[Any, ...]] = tuple, writes: Sequence[Any] = (),
) -> Variable:  # fmt: skip
    """One node of `target`, with `leading(graph of the body)` before what the body uses, `laid_out` as the operator takes it. Outputs that are inputs
    stay what they are outside; the others are parts of the node's result. `writes`: fakes from outside that the body writes to."""
    inside = set(body.subgraph.lifted.values())
    passed = [node in inside for node in body.outputs]
    body.graph.output_node().args = (tuple(n for n, through in zip(body.outputs, passed, strict=True) if not through),)
    first = leading(body.graph)
    fakes = [seen(leaf) for leaf, through in zip(body.leaves, passed, strict=True) if not through]
    node = ctx.create_node("call_function", target, (*first, *laid_out(body.lifted)), options, tuple(fakes))
    note_effects(node, body.graph, writes)
    made = iter(parts(ctx, node, fakes))
    return rebuild(ctx, body.structure, iter([leaf if through else next(made) for leaf, through in zip(body.leaves, passed, strict=True)]))


def parts(ctx: Context, node: fx.Node, fakes: list[Any]) -> list[Variable]:
    """The parts of a node's result. What is known of it needs no node."""
    return [
        ctx.tensors.wrap_result(ctx, fake, ctx.create_node("call_function", operator.getitem, (node, i), {}, fake))
        if isinstance(fake, torch.Tensor | torch.SymInt | torch.SymFloat | torch.SymBool)
        else literal(fake)
        for i, fake in enumerate(fakes)
    ]


def alike(ctx: Context, fake: Any, requires_grad: bool) -> Any:
    """A tensor of this form with memory of its own. What can't have a gradient doesn't require one."""
    return fake_alike(ctx.fake_mode, fake.shape, fake.stride(), fake.dtype, fake.device, requires_grad and is_differentiable(fake))


def graded(*values: Any) -> bool:
    """Whether an operator that is an autograd function, as those of loops are, gives results that need a gradient."""
    return torch.is_grad_enabled() and any(value.requires_grad for value in values if isinstance(value, torch.Tensor))


# ---- bodies that share what they use
def shared_inputs(*bodies: Body) -> list[fx.Node]:
    """What at least one of the bodies uses from outside, in order."""
    return list(dict.fromkeys(node for body in bodies for node in body.lifted))


def with_inputs(body: Body, shared: list[fx.Node], output: Any = None, called: str = "in") -> fx.Graph:
    """The body's graph, with its own inputs first and then one for each that is shared, used or not, whose names begin
    with `called`. `output`: what it gives, else a tuple."""
    lifted = body.subgraph.lifted
    outer_of = {placeholder: outer for outer, placeholder in lifted.items()}
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    own = [node for node in body.graph.nodes if node.op == "placeholder" and node not in outer_of]
    for node in own:
        env[node] = graph.node_copy(node)
    for i, outer in enumerate(shared):
        placeholder = graph.placeholder(f"{called}_{outer.name}" + "_again" * shared[:i].count(outer))
        placeholder.meta.update(outer.meta)
        placeholder.meta.pop("effect", None)
        if outer in lifted:
            env.setdefault(lifted[outer], placeholder)
    for node in body.graph.nodes:
        if node.op == "output":
            graph.output(fx.map_arg(body.outputs if output is None else output, env.__getitem__))
        elif node.op != "placeholder":
            env[node] = graph.node_copy(node, env.__getitem__)
    return graph


def install(ctx: Context, graph: fx.Graph, name: str) -> fx.Node:
    """The graph as a submodule of the current graph: the `get_attr` node that an operator takes."""
    taken, n = name, 0
    while taken in ctx.submodules:
        n += 1
        taken = f"{name}_{n}"
    ctx.submodules[taken] = module_of(ctx, graph, taken)
    return ctx.create_node("get_attr", taken, (), {}, None)


def module_of(ctx: Context, graph: fx.Graph, name: str) -> fx.GraphModule:
    """The graph as a module of its own, with the bodies of operators in it."""
    settle_powers(graph)
    used = {node.target for node in graph.nodes if node.op == "get_attr"}
    return graphs.make_graph_module({k: ctx.submodules[k] for k in used if k in ctx.submodules}, graph, name)


# ---- what a graph does
def form_of(ctx: Context, graph: fx.Graph) -> str:
    """Equal for two graphs that do the same with inputs of the same description."""
    index: dict[fx.Node, str] = {}
    lines = []
    for node in graph.nodes:
        index[node] = f"%{len(index)}"
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: _Place(index[n]))
        inner = ctx.submodules.get(node.target) if node.op == "get_attr" else None
        target = f"({form_of(ctx, inner.graph)})" if inner is not None else node.target if isinstance(node.target, str) else id(node.target)
        lines.append(f"{node.op} {'' if node.op == 'placeholder' else target} {args} {kwargs} {_described(node.meta.get('example_value'))}")
    return "\n".join(lines)


class _Place(str):
    __slots__ = ()
    __repr__ = str.__str__


def _described(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__, str(value) if isinstance(value, int | float | torch.SymInt | torch.SymFloat) else ""
    return tuple(value.shape), value.stride(), value.dtype, value.device, value.requires_grad, value.storage_offset(), type(value).__name__
