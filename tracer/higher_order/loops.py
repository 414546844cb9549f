"""`while_loop` and `while_loop_stack_output`: a condition and a body, each speculated with a carry that is new in every turn.

Programs call torch's own function, which flattens containers and is followed; what is speculated is the operator under it. A tensor of the
carry is one of the same form with memory of its own, an integer is one of which nothing is known. What both use from outside are operands
of the node behind the carry.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ..functions.table import calls
from ..signals import Break, Declined
from ..variables import ConstantVariable, SymVariable, TensorVariable, TupleVariable, Variable
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
from .results import LEAF, other_form, rebuild, seen
from .speculate import Body, Given, Policy, Rejected

if TYPE_CHECKING:
    from ..context import Context

_REASON = "loop-body-rejected"
_POLICY = Policy("while_loop", constants=(int,), kept=(int,))
_CONDITION = Policy("while_loop", constants=(bool, int), kept=(bool, int))


@calls.exact(torch.ops.higher_order.while_loop)
def while_loop(ctx: Context, cond_fn: Variable, body_fn: Variable, carried_inputs: Variable, additional_inputs: Variable) -> Any:
    """`while_loop(cond_fn, body_fn, carried, additional)`: one node of both graphs; a condition that is never true gives the carry as it is."""
    return _loop(ctx, "while_loop", cond_fn, body_fn, carried_inputs, additional_inputs)


@calls.exact(torch.ops.higher_order.while_loop_stack_output)
def while_loop_stack_output(ctx: Context, cond_fn: Variable, body_fn: Variable, carried_inputs: Variable, additional_inputs: Variable) -> Any:
    """As `while_loop`, with the carry of every turn stacked: how many there are, only the run of the graph tells."""
    return _loop(ctx, "while_loop_stack_output", cond_fn, body_fn, carried_inputs, additional_inputs)


def _loop(ctx: Context, called: str, cond_fn: Variable, body_fn: Variable, carried_inputs: Variable, additional_inputs: Variable) -> Any:
    carried, more = list(ctx.protocol.unpack(ctx, carried_inputs)), list(ctx.protocol.unpack(ctx, additional_inputs))
    stacked = called != "while_loop"
    if not all(isinstance(each, TensorVariable) or not stacked and _is_integer(each) for each in carried):
        return Declined("what is carried is tensors and integers")
    condition = _condition(ctx, called, cond_fn, [*_turn(ctx, carried), *more])
    if condition is None:
        return TupleVariable(carried, tuple) if not stacked else Declined("its condition is never true")
    policy = replace(_POLICY, writes=not torch.is_grad_enabled() and ctx.later is None)
    body = speculated(ctx, policy, _REASON, called, "while_body", body_fn, [*_turn(ctx, carried), *more])
    _check_carry(ctx, called, body_fn, carried, body.leaves)
    shared = shared_inputs(condition, body)
    grad = graded(*map(seen, carried), *values_of(shared))
    if grad and any(map(_is_integer, carried)):
        raise refused(ctx, _REASON, called, body_fn, Rejected("carries an integer where gradients are wanted"))
    graphs = [with_inputs(condition, shared, condition.outputs[0]), with_inputs(body, shared)]
    modules = [install(ctx, graph, name) for graph, name in zip(graphs, ("while_cond", "while_body"), strict=True)]
    operands = tuple(ctx.argument(each)[0] for each in carried)
    fakes = [_stacked(ctx, each, grad) if stacked else _left(ctx, each, grad) for each in carried]
    node = ctx.create_node("call_function", getattr(torch.ops.higher_order, called), (*modules, operands, tuple(shared)), {}, tuple(fakes))
    note_written(node, (condition, body), graphs, shared, list(map(seen, carried)))
    return rebuild(ctx, body.structure, iter(parts(ctx, node, fakes)))


def _is_integer(variable: Variable) -> bool:
    return isinstance(variable, ConstantVariable | SymVariable) and variable.python_type() is int


def _turn(ctx: Context, carried: list[Variable]) -> list[Given]:
    """The carry as a turn finds it."""
    return [Given(f"carry_{i}", _any(ctx, each)) for i, each in enumerate(carried)]


def _any(ctx: Context, carried: Variable) -> Any:
    if isinstance(carried, TensorVariable):
        return alike(ctx, carried.fake, carried.fake.requires_grad)
    return ctx.shapes.any_integer(ctx, bound=False)


def _left(ctx: Context, carried: Variable, grad: bool) -> Any:
    """The carry as the loop leaves it."""
    return alike(ctx, carried.fake, grad) if isinstance(carried, TensorVariable) else ctx.shapes.any_integer(ctx)


def _stacked(ctx: Context, carried: Variable, grad: bool) -> Any:
    fake = seen(carried)
    count = ctx.shapes.any_integer(ctx)
    return fake.new_empty((count, *fake.shape)).requires_grad_(grad and fake.is_floating_point())


def _condition(ctx: Context, called: str, function: Variable, args: list[Any]) -> Body | None:
    """The speculated condition; None where it is never true."""
    condition = speculated(ctx, _CONDITION, _REASON, called, "while_cond", function, args)
    if len(condition.leaves) != 1 or condition.structure != LEAF:
        raise _not_a_truth(ctx, called, function, "returns more than one value")
    (found,) = condition.leaves
    if isinstance(found, ConstantVariable):
        if found.value:
            raise _not_a_truth(ctx, called, function, "is always true")
        return None
    if isinstance(found, TensorVariable):
        if found.fake.dtype is not torch.bool or found.fake.dim():
            raise _not_a_truth(ctx, called, function, "returns a tensor that is no single truth")
    elif found.python_type() is not bool:
        raise _not_a_truth(ctx, called, function, "returns a number")
    return condition


def _not_a_truth(ctx: Context, called: str, function: Variable, does: str) -> Break:
    return refused(ctx, _REASON, called, function, Rejected(does))


def _check_carry(ctx: Context, called: str, function: Variable, carried: list[Variable], made: list[Variable]) -> None:
    """What a turn leaves has the form of what it found."""
    does = other_form(list(map(seen, carried)), made, "a carry of ")
    if does:
        raise refused(ctx, _REASON, called, function, Rejected(does))
