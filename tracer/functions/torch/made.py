"""Call rules of tensors that are made of Python's numbers: `torch.tensor`, and the classes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch._refs

from ...signals import Declined
from ...variables import ConstantVariable, SequenceVariable, SymVariable, TensorVariable, Variable
from ...variables.base import mention
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(torch.tensor, torch.as_tensor, torch.asarray)
def tensor_of(ctx: Context, data: Variable, **kwargs: Variable) -> Any:
    """`torch.tensor(data)` of numbers and nested lists of them; a tensor inside needs its value."""
    if isinstance(data, TensorVariable):
        return Declined("data is a tensor")
    if _holds_symbols(ctx, data) and kwargs.keys() <= {"dtype", "device", "requires_grad", "pin_memory"}:
        return ctx.node("call_function", torch._refs.tensor, [data], kwargs)  # torch.tensor asks for the numbers
    return Declined("recorded as it is")


def _holds_symbols(ctx: Context, data: Variable) -> bool:
    """Whether symbolic integers or floats are in the data; a tensor in it breaks the graph."""
    if isinstance(data, SymVariable):
        return data.python_type() is not bool
    if not isinstance(data, SequenceVariable):
        return False
    found = False
    for part in data.settled(ctx):
        if isinstance(part, TensorVariable):
            ctx.break_("tensor-to-python-number", expr="torch.tensor(…)", var=mention(part))
        found = _holds_symbols(ctx, part) or found
    return found


def _legacy(cls: Any) -> Any:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """`torch.Tensor(…)` and the classes of one dtype, of sizes or of numbers and nested lists of them: one node."""
        if not all(_is_plain(ctx, arg) for arg in (*args, *kwargs.values())):
            return Declined("not sizes or numbers")
        given = list(args)
        if len(args) == 1 and isinstance(args[0], SequenceVariable) and args[0].python_type() is torch.Size:  # sizes, where a tuple would be data
            given = args[0].settled(ctx)
        return ctx.node("call_function", cls, given, kwargs)

    rule.__name__ = cls.__name__
    return rule


def _is_plain(ctx: Context, data: Variable) -> bool:
    """Whether it is known numbers, a device, or sequences of such."""
    if isinstance(data, SequenceVariable):
        return all(_is_plain(ctx, part) for part in data.settled(ctx))
    return isinstance(data, ConstantVariable)


for _cls in (torch.Tensor, *(cls for cls in torch._tensor_classes if not cls.is_cuda and not cls.is_sparse)):
    calls.exact(_cls)(_legacy(_cls))
