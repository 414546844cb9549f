"""torch's optimizers are followed as eager runs them, into one graph.

Their code asks whether it is compiled, and then keeps step counts as tensors, stacks them, and computes in float32 what eager computes in Python's floats:
another result in the last bits. So `torch.compiler.is_compiling()` is False for them, and the numbers that they read from their own state are numbers of the
graph, whatever the configuration says of such numbers: they are read in every step and never decide what is captured unless they are compared. The breaks
that torch's wrapper around `step` asks for are for the sake of its own compiler, which can't tell that gradients are off inside; our graphs hold the switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...compat.optimizers import group_by_device_and_dtype, is_optimizer_code
from ...signals import Break, Declined
from ...variables import DictVariable, ListVariable, ObjectVariable, TensorVariable, TupleVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["followed", "undecided"]


def _optimizer(ctx: Context) -> type | None:
    """The class of the optimizer of which a method is followed now, in torch's own code; None elsewhere (a scheduler's code, a functional form)."""
    frame = ctx.frame
    if frame is None or not is_optimizer_code(frame.program.code):
        return None
    while frame is not None:
        first = frame.locals[0] if frame.locals else None
        if isinstance(first, TupleVariable) and first.items:  # `*args` of what torch wraps around `step`
            first = first.items[0]
        if isinstance(first, ObjectVariable) and issubclass(first.python_type(), torch.optim.Optimizer):
            return first.python_type()
        frame = frame.back
    return None


def followed(ctx: Context) -> bool:
    """Whether the function that is followed now is of one of torch's optimizers, called by its `step`."""
    return _optimizer(ctx) is not None


def undecided(ctx: Context, reason: str, **details: str) -> Break:
    """The break where Python has to know a number that only data decides. Of an optimizer's state nobody asked for it: the call is what stops."""
    cls = _optimizer(ctx)
    return Break(reason, **details) if cls is None else Break("optimizer-step-inside", type=cls.__name__, **details)


@calls.exact(*group_by_device_and_dtype())
def grouped(ctx: Context, tensorlistlist: Variable, with_indices: Variable | None = None) -> Any:
    """Lists of tensors, by the device and dtype of the first list's: what the fused and the foreach implementations take."""
    lists = [ctx.protocol.unpack(ctx, each) for each in ctx.protocol.unpack(ctx, tensorlistlist)]
    indexed = with_indices is not None and ctx.protocol.truth(ctx, with_indices)
    if not lists or any(len(each) not in (0, len(lists[0])) for each in lists) or not all(isinstance(t, TensorVariable) for t in lists[0]):
        return Declined("no lists of as many tensors")
    groups: dict[Any, list[int]] = {}
    for index, tensor in enumerate(lists[0]):
        groups.setdefault((tensor.fake.device, tensor.fake.dtype), []).append(index)  # type: ignore[attr-defined]
    made = {}
    for key, places in groups.items():
        parts = ListVariable([ListVariable([each[i] for i in places] if each else []) for each in lists])
        numbers = ListVariable([literal(i) for i in places] if indexed else [])
        made[TupleVariable([ctx.wrap(part) for part in key], tuple).dict_key(ctx)] = TupleVariable([parts, numbers], tuple)
    return DictVariable(made)
