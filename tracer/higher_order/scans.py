"""`scan`, `map` and `associative_scan`: one body, which runs once for each slice of its operands along their first dimension.

Programs call torch's own functions, which flatten containers and move the dimension to the front, and are followed; what is speculated is
the operator under them. Slices (and a carry) are new in every turn; what else the body uses are operands of the node behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..compat.autograd_functions import is_differentiable
from ..compat.operators import scan_skips_none
from ..functions.table import calls
from ..graph.operators import carry_effects, storage_of
from ..signals import Break, Declined
from ..variables import ListVariable, ModuleVariable, PartialVariable, TensorVariable, TupleVariable, Variable
from .nodes import alike, graded, install, parts, refused, shared_inputs, speculated, values_of, with_inputs
from .results import Structure, constant_in, count_leaves, other_form, rebuild, seen
from .speculate import Body, Given, Policy, Rejected

if TYPE_CHECKING:
    from ..context import Context

_REASON = "loop-body-rejected"
_SCAN, _SCAN_WITH_NONE = Policy("scan", constants=()), Policy("scan", constants=(type(None),))
_MAP = Policy("map", constants=(type(None),))
_ASSOCIATIVE = Policy("associative_scan", constants=())


@calls.exact(torch.ops.higher_order.scan)
def scan(ctx: Context, combine_fn: Variable, init: Variable, xs: Variable, additional_inputs: Variable) -> Any:
    """`scan(combine, init, xs, additional)`: the body takes the carry and a slice, and gives the next carry and a slice of the result."""
    carried, sliced, more = _operands(ctx, init, xs, additional_inputs)
    if not carried or not _scannable(sliced) or not all(isinstance(each, TensorVariable) for each in carried):
        return Declined("a carry and what is scanned are tensors")
    turn = [Given(f"carry_{i}", alike(ctx, each.fake, each.fake.requires_grad)) for i, each in enumerate(carried)]
    policy = _SCAN_WITH_NONE if isinstance(combine_fn, PartialVariable) and scan_skips_none() else _SCAN
    body = speculated(ctx, policy, _REASON, "scan", "scan_body", combine_fn, [*turn, *_slices(ctx, sliced, torch.select_copy), *more])
    count = len(carried)
    if not isinstance(combine_fn, ModuleVariable) and _carry_of(body.structure) != count or len(body.leaves) < count:
        raise _refused(ctx, "scan", combine_fn, Rejected("returns something else than a carry and a result"))
    _check_form(ctx, "scan", combine_fn, [seen(each) for each in carried], body.leaves[:count])
    if graded(*map(seen, (*carried, *sliced)), *values_of(body.lifted)):
        if not all(is_differentiable(each.fake) for each in carried):
            raise _refused(ctx, "scan", combine_fn, Rejected("carries integers where gradients are wanted"))
        if constant_in(body.structure) is not None:
            raise _refused(ctx, "scan", combine_fn, Rejected("returns None where gradients are wanted"))
    return _result(ctx, combine_fn, body, _node(ctx, body, torch.ops.higher_order.scan, [carried, sliced], count))


@calls.exact(torch.ops.higher_order.map_impl)
def map_(ctx: Context, f: Variable, xs: Variable, pos_args: Variable) -> Any:
    """`map_impl(f, xs, args)`: the body takes a slice and gives a slice of the result."""
    _, sliced, more = _operands(ctx, None, xs, pos_args)
    if not _scannable(sliced):
        return Declined("what is mapped are tensors")
    body = speculated(ctx, _MAP, _REASON, "map", "map_body", f, [*_slices(ctx, sliced, torch.select), *more])
    mapped = {storage_of(each.fake) for each in sliced}
    if any(storage_of(value) in mapped for value in values_of(body.lifted)):
        raise _refused(ctx, "map", f, Rejected("uses two tensors that share memory"))
    return rebuild(ctx, body.structure, iter(_node(ctx, body, torch.ops.higher_order.map_impl, [sliced], 0)))


@calls.exact(torch.ops.higher_order.associative_scan)
def associative_scan(ctx: Context, combine_fn: Variable, xs: Variable, additional_inputs: Variable) -> Any:
    """`associative_scan(combine, xs, additional)`: the body takes two slices and gives one."""
    _, sliced, more = _operands(ctx, None, xs, additional_inputs)
    if not _scannable(sliced):
        return Declined("what is scanned are tensors")
    pair = [given for name in ("left", "right") for given in _slices(ctx, sliced, torch.select_copy, name)]
    body = speculated(ctx, _ASSOCIATIVE, _REASON, "associative_scan", "associative_scan_body", combine_fn, [*pair, *more])
    _check_form(ctx, "associative_scan", combine_fn, [each.fake for each in pair[: len(sliced)]], body.leaves)
    if body.lifted and graded(*map(seen, sliced), *values_of(body.lifted)):
        raise _refused(ctx, "associative_scan", combine_fn, Rejected("uses a tensor from outside where gradients are wanted"))
    return _result(ctx, combine_fn, body, _node(ctx, body, torch.ops.higher_order.associative_scan, [sliced], 0))


# ---- operands
def _operands(ctx: Context, init: Variable | None, xs: Variable, more: Variable) -> tuple[list[Any], list[Any], list[Variable]]:
    carried = [] if init is None else list(ctx.protocol.unpack(ctx, init))
    return carried, list(ctx.protocol.unpack(ctx, xs)), list(ctx.protocol.unpack(ctx, more))


def _scannable(sliced: list[Any]) -> bool:
    return bool(sliced) and all(isinstance(each, TensorVariable) and each.fake.dim() for each in sliced)


def _slices(ctx: Context, sliced: list[Any], select: Any, name: str = "slice") -> list[Given]:
    """A slice of each, as a turn finds it."""
    with torch.no_grad():
        first = [select(each.fake, 0, 0) if each.fake.shape[0] else each.fake.new_empty(each.fake.shape[1:]) for each in sliced]
    return [Given(f"{name}_{i}", alike(ctx, fake, each.fake.requires_grad)) for i, (fake, each) in enumerate(zip(first, sliced, strict=True))]


# ---- the body
def _refused(ctx: Context, called: str, function: Variable, rejected: Rejected) -> Break:
    return refused(ctx, _REASON, called, function, rejected)


def _carry_of(structure: Structure) -> int:
    """How many leaves the first of a pair has; -1 where it is no pair."""
    if structure[0] != "sequence" or len(structure[3]) != 2:
        return -1
    return count_leaves(structure[3][0])


def _check_form(ctx: Context, called: str, function: Variable, before: list[Any], after: list[Variable]) -> None:
    """What a turn leaves has the form of what it found."""
    does = other_form(before, after)
    if does:
        raise _refused(ctx, called, function, Rejected(does))


# ---- the node
def _node(ctx: Context, body: Body, target: Any, operands: list[list[Any]], carried: int) -> list[Variable]:
    """One node: the operands, each group as a list, then what the body uses from outside. Of the results the first are what is carried."""
    shared = shared_inputs(body)
    if not all(isinstance(leaf, TensorVariable) for leaf in body.leaves):
        raise Break(_REASON, name=body.name, does="returns a number")
    graph = with_inputs(body, shared)
    module = install(ctx, graph, body.name)
    values = [each.fake for group in operands for each in group]
    grad = graded(*values, *values_of(shared))
    length = operands[-1][0].fake.shape[0]
    made = [seen(leaf) for leaf in body.leaves]
    fakes = [*(alike(ctx, fake, grad) for fake in made[:carried]), *(_stacked(fake, length, grad) for fake in made[carried:])]
    nodes = [[ctx.argument(each)[0] for each in group] for group in operands]
    node = ctx.create_node("call_function", target, (module, *nodes, shared), {}, tuple(fakes))
    carry_effects(node, graph)
    return parts(ctx, node, fakes)


def _result(ctx: Context, function: Variable, body: Body, made: list[Variable]) -> Variable:
    """torch's own functions wrap the program's in a partial one, and give what that returns; the operators themselves give what is flat."""
    if isinstance(function, PartialVariable):
        return rebuild(ctx, body.structure, iter(made))
    listed = body.name == "associative_scan_body" and not any(isinstance(each, TensorVariable) and each.fake.requires_grad for each in made)
    return ListVariable(made) if listed else TupleVariable(made, tuple)


def _stacked(fake: Any, length: Any, grad: bool) -> Any:
    """As many of this form, one behind the other."""
    with torch.no_grad():
        made = torch.empty((length, *fake.shape), dtype=fake.dtype, device=fake.device)
    return made.requires_grad_(grad and is_differentiable(fake))
