"""`torch.cond` and `switch`: all branches are speculated, must agree, and share their lifted inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..functions.table import calls
from ..graph.operators import carry_effects
from ..signals import Break, Declined
from ..variables import ConstantVariable, SymVariable, TensorVariable, Variable
from .nodes import alike, graded, install, parts, refused, shared_inputs, speculated, values_of, with_inputs
from .results import Unknown, constant_in, differs, flatten, rebuild, same_number, same_structure, seen
from .speculate import Body, Policy, Rejected

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(torch.cond)
def cond_function(ctx: Context, pred: Variable, true_fn: Variable, false_fn: Variable, operands: Variable | None = None) -> Any:
    """`torch.cond(pred, true_fn, false_fn, operands)`: as the operator, which takes numbers as well."""
    if isinstance(pred, TensorVariable) and operands is not None:
        try:
            leaves, structure = flatten(ctx, operands)
        except Unknown as unknown:
            raise _no_operand(ctx, true_fn, str(unknown)) from None
        others = [leaf for leaf in leaves if not isinstance(leaf, TensorVariable)]
        if others or (found := constant_in(structure)) is not None:
            raise _no_operand(ctx, true_fn, f"a {others[0].python_type().__name__ if others else type(found[0]).__name__}")
    return cond(ctx, pred, true_fn, false_fn, operands)


def _no_operand(ctx: Context, function: Variable, what: str) -> Break:
    return refused(ctx, "cond-branch-rejected", "torch.cond", function, Rejected(f"is given {what}, where only tensors can be"))


@calls.exact(torch.ops.higher_order.cond)
def cond(ctx: Context, pred: Variable, true_fn: Variable, false_fn: Variable, operands: Variable | None = None) -> Any:
    """`cond(pred, true_fn, false_fn, operands)`: a known predicate chooses now; a tensor makes one node of both branches."""
    args = list(ctx.protocol.unpack(ctx, operands)) if operands is not None else []
    if isinstance(pred, ConstantVariable | SymVariable) and not ctx.shapes.depends_on_data(pred):
        return ctx.call(true_fn if ctx.protocol.truth(ctx, pred) else false_fn, args)
    if not isinstance(pred, TensorVariable | SymVariable):
        return Declined("the predicate is neither a number nor a tensor")
    branches = {"cond_true": true_fn, "cond_false": false_fn}
    return chosen(ctx, "torch.cond", branches, args, pred, lambda modules: (torch.ops.higher_order.cond, (ctx.argument(pred)[0], *modules)))


def chosen(
    ctx: Context,
    called: str,
    branches: dict[str, Variable],
    args: list[Variable],
    pred: Variable,
    node: Callable[[list[fx.Node]], tuple[Any, tuple[Any, ...]]],
) -> Variable:
    """The result of whichever branch runs. `node`: the operator, and what it is given before the operands, with the graphs of the branches."""
    policy = Policy(called.removeprefix("torch."), overlaps=not torch.is_grad_enabled(), constants=(int,), kept=(int,))
    bodies = [speculated(ctx, policy, "cond-branch-rejected", called, name, function, args) for name, function in branches.items()]
    for other in bodies[1:]:
        _agree(called, bodies[0], other)
    return _node(ctx, bodies, pred, node)


def _agree(called: str, one: Body, other: Body) -> None:
    """The same structure, and leaf by leaf the same dtype, device, sizes and strides."""
    if not same_structure(one.structure, other.structure):
        raise Break("cond-branches-differ", does="return results of different structure", func=called)
    for left, right in zip(one.leaves, other.leaves, strict=True):
        if isinstance(left, TensorVariable) and isinstance(right, TensorVariable):
            found = differs(left.fake, right.fake)
            if found:
                raise Break("cond-branches-differ", does=f"return tensors of different {found}", func=called)
        elif left.python_type() is not right.python_type():
            raise Break("cond-branches-differ", does="return a tensor and a number", func=called)


def _node(ctx: Context, bodies: list[Body], pred: Variable, given: Callable[[list[fx.Node]], tuple[Any, tuple[Any, ...]]]) -> Variable:
    shared = shared_inputs(*bodies)
    graphs = [with_inputs(body, shared) for body in bodies]
    target, first = given([install(ctx, graph, body.name) for graph, body in zip(graphs, bodies, strict=True)])
    grad = graded(seen(pred), *values_of(shared))
    fakes = [_joined(ctx, leaves, grad) for leaves in zip(*(body.leaves for body in bodies), strict=True)]
    node = ctx.create_node("call_function", target, (*first, tuple(shared)), {}, tuple(fakes))
    carry_effects(node, *graphs)
    return rebuild(ctx, bodies[0].structure, iter(parts(ctx, node, fakes)))


def _joined(ctx: Context, leaves: tuple[Variable, ...], grad: bool) -> Any:
    """What is known of a result, whichever branch ran: the operator is one autograd function, so if anything needs a gradient, all results do."""
    first = leaves[0]
    if not isinstance(first, TensorVariable):
        known = [seen(leaf) for leaf in leaves]
        return known[0] if all(same_number(n, known[0]) for n in known) else ctx.shapes.any_integer(ctx, known)
    return alike(ctx, first.fake, grad)
