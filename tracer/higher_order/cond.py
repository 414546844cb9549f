"""`torch.cond` and `switch`: all branches are speculated, must agree, and share their lifted inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.autograd_functions import is_differentiable
from ..compat.memo import fake_alike
from ..functions.table import calls
from ..signals import Break, Declined
from ..variables import ConstantVariable, SymVariable, TensorVariable, Variable
from .nodes import (
    alike,
    graded,
    install,
    note_written,
    parts,
    refused,
    shared_inputs,
    speculated,
    values_of,
    with_inputs,
)
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
    free = not torch.is_grad_enabled()
    policy = Policy(called.removeprefix("torch."), overlaps=free, constants=(int,), kept=(int,), writes=free and ctx.later is None)
    bodies = [speculated(ctx, policy, "cond-branch-rejected", called, name, function, args) for name, function in branches.items()]
    for other in bodies[1:]:
        _agree(called, bodies[0], other)
    return _node(ctx, bodies, pred, node)


def _agree(called: str, one: Body, other: Body) -> None:
    """The same structure, and leaf by leaf the same dtype, device, rank and order in memory."""
    if not same_structure(one.structure, other.structure):
        raise Break("cond-branches-differ", does="return results of different structure", func=called)
    for left, right in zip(one.leaves, other.leaves, strict=True):
        if isinstance(left, TensorVariable) and isinstance(right, TensorVariable):
            found = _apart(left.fake, right.fake)
            if found:
                raise Break("cond-branches-differ", does=f"return tensors of different {found}", func=called)
        elif left.python_type() is not right.python_type():
            raise Break("cond-branches-differ", does="return a tensor and a number", func=called)


def _apart(one: Any, other: Any) -> str:
    """In what two results differ that can't be told by numbers which the run knows; empty where they don't: of other sizes may be what is dense."""
    found = differs(one, other)
    if not found or found.split()[0] not in ("shape", "stride") or one.dim() != other.dim():
        return found
    return "" if one.storage_offset() == other.storage_offset() == 0 and _order(one) is not None and _order(one) == _order(other) else found


def _order(fake: Any) -> list[int] | None:
    """The dimensions of a tensor without gaps, innermost first; None where there are gaps, or it isn't known."""
    order = sorted(range(fake.dim()), key=lambda dim: (_Known(fake.stride(dim)), -dim))
    step: Any = 1
    for dim in order:
        if not same_number(fake.stride(dim), step):
            return None
        step = step * fake.shape[dim]
    return order


class _Known:
    """A stride to sort by: symbolic ones are told apart by what is known of them, without a guard."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value if not isinstance(value, torch.SymInt) else value.node.hint if value.node.has_hint() else None

    def __lt__(self, other: _Known) -> bool:
        return self.value is not None and (other.value is None or self.value < other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.value == other.value


def _merged(ctx: Context, fakes: list[Any], grad: bool) -> Any:
    """A tensor of whichever branch ran: where their sizes differ, the run tells which it is."""
    first = fakes[0]
    if not any(differs(first, other) for other in fakes[1:]):
        return alike(ctx, first, grad)
    by_branch = zip(*(fake.shape for fake in fakes), strict=True)
    sizes = [own[0] if all(same_number(own[0], n) for n in own) else ctx.shapes.any_integer(ctx, list(own)) for own in by_branch]
    strides: list[Any] = [1] * len(sizes)
    step: Any = 1
    for dim in _order(first) or ():
        strides[dim] = step
        step = step * sizes[dim]
    return fake_alike(ctx.fake_mode, sizes, strides, first.dtype, first.device, grad and is_differentiable(first))


def _node(ctx: Context, bodies: list[Body], pred: Variable, given: Callable[[list[fx.Node]], tuple[Any, tuple[Any, ...]]]) -> Variable:
    shared = shared_inputs(*bodies)
    graphs = [with_inputs(body, shared) for body in bodies]
    target, first = given([install(ctx, graph, body.name) for graph, body in zip(graphs, bodies, strict=True)])
    grad = graded(seen(pred), *values_of(shared))
    fakes = [_joined(ctx, leaves, grad) for leaves in zip(*(body.leaves for body in bodies), strict=True)]
    node = ctx.create_node("call_function", target, (*first, tuple(shared)), {}, tuple(fakes))
    note_written(node, bodies, graphs, shared)
    return rebuild(ctx, bodies[0].structure, iter(parts(ctx, node, fakes)))


def _joined(ctx: Context, leaves: tuple[Variable, ...], grad: bool) -> Any:
    """What is known of a result, whichever branch ran: the operator is one autograd function, so if anything needs a gradient, all results do."""
    first = leaves[0]
    if not isinstance(first, TensorVariable):
        known = [seen(leaf) for leaf in leaves]
        return known[0] if all(same_number(n, known[0]) for n in known) else ctx.shapes.any_integer(ctx, known)
    return _merged(ctx, [seen(leaf) for leaf in leaves], grad)
