"""`torch.cond` and `switch`: all branches are speculated, must agree, and share their lifted inputs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..functions.table import calls
from ..graph.operators import carry_effects
from ..signals import Break, Declined
from ..variables import ConstantVariable, SymVariable, TensorVariable, Variable
from .speculate import Body, Rejected, install, rebuild, speculate

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(torch.cond, torch.ops.higher_order.cond)
def cond(ctx: Context, pred: Variable, true_fn: Variable, false_fn: Variable, operands: Variable | None = None) -> Any:
    """`torch.cond(pred, true_fn, false_fn, operands)`: a known predicate chooses now; a tensor makes one node of both branches."""
    args = list(ctx.protocol.unpack(ctx, operands)) if operands is not None else []
    if isinstance(pred, ConstantVariable | SymVariable):
        return ctx.call(true_fn if ctx.protocol.truth(ctx, pred) else false_fn, args)
    if not isinstance(pred, TensorVariable):
        return Declined("the predicate is neither a number nor a tensor")
    branches = {"cond_true": true_fn, "cond_false": false_fn}
    return chosen(ctx, "torch.cond", branches, args, lambda modules: (torch.ops.higher_order.cond, (ctx.argument(pred)[0], *modules)))


def chosen(
    ctx: Context, called: str, branches: dict[str, Variable], args: list[Variable], node: Callable[[list[fx.Node]], tuple[Any, tuple[Any, ...]]]
) -> Variable:
    """The result of whichever branch runs. `node`: the operator, and what it is given before the operands, with the graphs of the branches."""
    bodies = []
    for name, function in branches.items():
        try:
            body = speculate(ctx, called.removeprefix("torch."), name, function, args)
            _refuse_aliases(body)
        except Rejected as rejected:
            raise _refused(ctx, called, function, rejected) from None
        bodies.append(body)
    for other in bodies[1:]:
        _agree(called, bodies[0], other)
    return _node(ctx, bodies, node)


def _refused(ctx: Context, called: str, function: Variable, rejected: Rejected) -> Break:
    stop = Break("cond-branch-rejected", name=called, func=ctx.protocol.callable_name(function), does=rejected.does, var=rejected.reason)
    if rejected.stop is not None:
        stop.met_at(rejected.stop)
    return stop


def _refuse_aliases(body: Body) -> None:
    """A branch must make what it returns: an input returned as it is, or a view of one, has no single owner."""
    for node in body.subgraph.graph.output_node().args[0]:
        if isinstance(node, fx.Node) and node.op == "placeholder":
            raise Rejected("returns an input as it is")
    inputs = {_storage(n) for n in body.subgraph.graph.nodes if n.op == "placeholder"} - {None}
    for node in body.subgraph.graph.output_node().args[0]:
        if isinstance(node, fx.Node) and _storage(node) in inputs:
            raise Rejected("returns a view of an input")


def _storage(node: fx.Node) -> int | None:
    value = node.meta.get("example_value")
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


def _agree(called: str, one: Body, other: Body) -> None:
    """The same structure, and leaf by leaf the same dtype, device and sizes."""
    if repr(one.structure) != repr(other.structure):
        raise Break("cond-branches-differ", does="return results of different structure", func=called)
    for left, right in zip(one.leaves, other.leaves, strict=True):
        if type(left) is not type(right):
            raise Break("cond-branches-differ", does="return a tensor and a number", func=called)
        if not isinstance(left, TensorVariable) or not isinstance(right, TensorVariable):
            continue
        for what in ("dtype", "device", "shape"):
            a, b = getattr(left.fake, what), getattr(right.fake, what)
            if a != b:
                raise Break("cond-branches-differ", does=f"return tensors of different {what} ({_text(a)} and {_text(b)})", func=called)


def _text(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, torch.Size) else str(value)


def _node(ctx: Context, bodies: list[Body], given: Callable[[list[fx.Node]], tuple[Any, tuple[Any, ...]]]) -> Variable:
    shared = list(dict.fromkeys(node for body in bodies for node in body.lifted))
    graphs = [_with_inputs(body, shared) for body in bodies]
    target, first = given([install(ctx, graph, body.name) for graph, body in zip(graphs, bodies, strict=True)])
    fakes = [_joined(ctx, leaves) for leaves in zip(*(body.leaves for body in bodies), strict=True)]
    node = ctx.create_node("call_function", target, (*first, tuple(shared)), {}, tuple(fakes))
    carry_effects(node, *graphs)
    leaves = [
        ctx.tensors.wrap_result(ctx, fake, ctx.create_node("call_function", operator.getitem, (node, i), {}, fake)) for i, fake in enumerate(fakes)
    ]
    return rebuild(ctx, bodies[0].structure, iter(leaves))


def _joined(ctx: Context, leaves: tuple[Variable, ...]) -> Any:
    first = leaves[0]
    if not isinstance(first, TensorVariable):
        return ctx.argument(first)[1]
    if any(leaf.fake.requires_grad for leaf in leaves if isinstance(leaf, TensorVariable)) and not first.fake.requires_grad:
        first.fake.requires_grad_(True)
    return first.fake


def _with_inputs(body: Body, shared: list[fx.Node]) -> fx.Graph:
    """The body's graph with a placeholder for each shared input, used or not, in the shared order."""
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    lifted = body.subgraph.lifted
    for outer in shared:
        placeholder = graph.placeholder(f"in_{outer.name}")
        placeholder.meta.update(outer.meta)
        if outer in lifted:
            env[lifted[outer]] = placeholder
    for node in body.subgraph.graph.nodes:
        if node.op != "placeholder":
            env[node] = graph.node_copy(node, lambda n: env[n])
    return graph
