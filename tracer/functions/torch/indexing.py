"""`x[i]` where `i` is a tensor with one integer: in the bodies of flex_attention, and under the mode by which torch makes masks of such bodies
(`create_block_mask`), it picks by the tensor and asks for no number.

`ctx.indexing` holds what makes it so, innermost last. The operator that runs a body makes one operator of its indexing itself; under the mode
that is done here.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ...signals import Break
from ...variables import ConstantVariable, ListVariable, SymVariable, TensorVariable, TupleVariable, Variable, literal
from ..known import leaves

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["IndexMode", "indexed_by_body", "picked"]

_NUMBERS = (bool, int)


class IndexMode:
    """The mode, entered by the program: its variable, and the operation of the root frame in which it was."""

    __slots__ = ("began", "mode")

    def __init__(self, mode: Variable, began: Any):
        self.mode, self.began = mode, began


@contextmanager
def indexed_by_body(ctx: Context) -> Iterator[None]:
    """While a body is traced whose operator makes one operator of its indexing."""
    ctx.indexing.append(None)
    try:
        yield
    finally:
        ctx.indexing.pop()


# ---- indices
def picked(ctx: Context, variable: TensorVariable, key: Variable) -> Variable | None:
    """`x[i, j]` as one operator, where it is one here; None where it is what it always is."""
    return (_in_a_body if ctx.indexing[-1] is None else _under_the_mode)(ctx, variable, key)


def _in_a_body(ctx: Context, variable: TensorVariable, key: Variable) -> Variable | None:
    """All indices are integers and tensors, some of which the run tells: whoever runs the graph makes one operator of it."""
    keys = key.settled(ctx) if isinstance(key, TupleVariable) else [key]
    if not any(type(each) is TensorVariable and not each.fake.dim() and each.fake.dtype is not torch.bool for each in keys):
        return None
    node, fake = ctx.argument(variable)
    given = ctx.argument(key)[0]
    indices = [ctx.argument(each)[1] for each in keys]
    if not all(isinstance(index, torch.Tensor) or type(index) is int for index in indices):
        return None
    with torch.no_grad():
        tensors = [index if isinstance(index, torch.Tensor) else fake.new_full((), index, dtype=torch.int64) for index in indices]
        result = torch.ops.aten.index(fake, tensors)
    result.requires_grad_(torch.is_grad_enabled() and fake.requires_grad)
    return ctx.tensors.wrap_result(ctx, result, ctx.create_node("call_function", operator.getitem, (node, given), {}, result))


def _under_the_mode(ctx: Context, variable: TensorVariable, key: Variable) -> Variable | None:
    """All indices, also those in lists, are integers and tensors: the mode makes tensors of them all, and one operator."""
    indices = list(leaves(ctx, key))
    if not all(isinstance(each, TensorVariable) or _is_number(each) for each in indices):
        return None
    if any(isinstance(each, TensorVariable) and each.fake.dtype in (torch.bool, torch.uint8) for each in indices):
        raise Break("data-dependent-shape", expr="x[mask]", shape=str(tuple(variable.fake.shape)))
    like = next((each for each in indices if isinstance(each, TensorVariable)), None)
    tensors = [each if isinstance(each, TensorVariable) else _as_tensor(ctx, each, like, variable) for each in indices]
    return ctx.node("call_function", torch.ops.aten.index, [variable, ListVariable(tensors)])


def _as_tensor(ctx: Context, number: Variable, like: TensorVariable | None, variable: TensorVariable) -> Variable:
    """Beside a tensor, one that is wrapped by the same transforms: torch's fakes of an index with both kinds fail where transforms are nested."""
    dtype = {"dtype": literal(torch.int64)}
    if like is not None:
        return ctx.node("call_function", torch.full_like, [like, number], dtype)
    return ctx.node("call_function", torch.full, [TupleVariable([], tuple), number], {**dtype, "device": literal(variable.fake.device)})


def _is_number(variable: Variable) -> bool:
    return isinstance(variable, ConstantVariable | SymVariable) and variable.python_type() in _NUMBERS
