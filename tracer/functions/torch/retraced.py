"""Operators that run on fakes, but that a backend which traces the graph anew can't take: their backward needs what only data decides,
or saves what such a backend can't save. A graph that runs as it is has no such limits, and gradients that nobody wants need no backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...compat import is_eager
from ...signals import Break, Declined
from ...variables import ListVariable, TensorVariable, TupleVariable, Variable, mention
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context
    from ...graph.fakes import Outcome

__all__ = ["check_begins", "check_masked_write", "check_printed", "takes_sizes_of_data"]


def _differentiated(ctx: Context, *values: Variable) -> bool:
    """Whether a backend will trace the backward of an operator with these among its arguments."""
    if is_eager(ctx.session.backend) or not torch.is_grad_enabled():
        return False
    return any(_needs_grad(ctx, value) for value in values)


def _needs_grad(ctx: Context, value: Variable) -> bool:
    value = ctx.settle(value)
    if isinstance(value, TensorVariable):
        return bool(value.fake.requires_grad)
    return isinstance(value, ListVariable | TupleVariable) and any(_needs_grad(ctx, item) for item in value.items)


@calls.exact(torch.lstm)
def lstm(ctx: Context, *args: Variable) -> Any:
    """The kernel of `nn.LSTM`: what it saves for its backward is partly None."""
    if _differentiated(ctx, *args):
        why = "what the kernel of an LSTM saves for its backward is partly None"
        raise Break("backend-limit", expr="torch.lstm", func="torch.lstm", backend=ctx.session.backend_label, why=why)
    return Declined("nothing is differentiated")


def check_printed(ctx: Context, target: Any, outcome: Outcome) -> None:
    """Such a backend writes down the overload that ran by its name: it must not be a reserved word."""
    if outcome.reserved and not is_eager(ctx.session.backend):
        name = ctx.tensors.target_name(target)
        raise Break("backend-limit", expr=name, func=name, backend=ctx.session.backend_label, why="torch calls it by a reserved word of Python")


def check_begins(ctx: Context, name: str, begin: list[Any]) -> None:
    """Such a backend writes to inputs behind its graph, and what the write saved for its backward counts as changed then."""
    if not is_eager(ctx.session.backend) and any(i.fake is fake for i in ctx.inputs for fake in begin):
        why = "what is written to came from outside, and needs a gradient from then on"
        raise Break("backend-limit", expr=name, func=name, backend=ctx.session.backend_label, why=why)


def check_masked_write(ctx: Context, subject: Variable, key: Variable, value: Variable) -> None:
    """`x[mask] = v`: the gradient of `v` is what the mask picks, so its size depends on data."""
    _check(ctx, subject, key.items if type(key) is TupleVariable else [key], value)


def takes_sizes_of_data(ctx: Context) -> bool:
    """Whether sizes that data decides are symbols of the graph."""
    env = ctx.fake_mode.shape_env
    return env is not None and bool(env.allow_dynamic_output_shape_ops)


def _check(ctx: Context, subject: Variable, indices: list[Variable], value: Variable) -> None:
    if takes_sizes_of_data(ctx):
        return
    masks = [index for index in map(ctx.settle, indices) if _is_mask(ctx, index)]
    if masks and _differentiated(ctx, value):
        shape = {"shape": str(tuple(masks[0].fake.shape))} if isinstance(masks[0], TensorVariable) else {}
        raise Break("data-dependent-shape", expr=f"{mention(subject)}[{mention(masks[0])}]", var=mention(masks[0]), **shape)


def _is_mask(ctx: Context, index: Variable) -> bool:
    if isinstance(index, TensorVariable):
        return index.fake.dtype in (torch.bool, torch.uint8)
    return type(index) is ListVariable and any(ctx.settle(item).python_type() is bool for item in index.items)


def index_put(ctx: Context, subject: Variable, indices: Variable, values: Variable, *more: Variable, **named: Variable) -> Any:
    """`x.index_put((mask,), v)`: as `x[mask] = v`."""
    _check(ctx, subject, list(getattr(indices, "items", ())), values)
    return Declined("its backward needs no data")


for _function in (torch.index_put, torch.index_put_, torch.Tensor.index_put, torch.Tensor.index_put_):
    calls.exact(_function)(index_put)
