"""Parameters that a program makes: leaves with gradients of their own.

A graph that runs as it is makes them itself. A backend that traces the graph anew would take one for the result of an operator;
for it each call of the compiled code makes an empty one before its graph, which takes over the memory of the program's tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat import fake_of, is_eager
from ..signals import Break
from ..variables import TensorVariable, Variable
from .table import calls
from .torch_fields import alike, replace_data

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(torch.nn.Parameter)
def parameter(ctx: Context, data: Variable, requires_grad: Variable | None = None) -> Any:
    """`nn.Parameter(tensor, requires_grad)` of a plain tensor."""
    wanted = True if requires_grad is None else ctx.protocol.truth(ctx, requires_grad)
    eager = is_eager(ctx.session.backend)
    why = _unsupported(ctx, data, wanted, eager)
    if why:
        raise Break("grad-write", expr="torch.nn.Parameter", name="torch.nn.Parameter", why=why)
    assert isinstance(data, TensorVariable)
    return _in_the_graph(ctx, data, wanted) if eager else _before_the_graph(ctx, data, wanted)


def _unsupported(ctx: Context, data: Variable, requires_grad: bool, eager: bool) -> str:
    if not isinstance(data, TensorVariable) or data.cls not in (torch.Tensor, torch.nn.Parameter):
        return "it isn't made of a plain tensor"
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        return "the body of an operator can't make one"
    if not eager and not all(type(size) is int for size in (*data.fake.shape, *data.fake.stride())):
        return "its sizes may change"
    if requires_grad and not (data.fake.is_floating_point() or data.fake.is_complex()):
        return "its dtype can't have gradients"
    if ctx.inference or data.fake.is_conj() or data.fake.is_neg():
        return "its data is not ordinary memory"
    return ""


def _in_the_graph(ctx: Context, data: TensorVariable, requires_grad: bool) -> TensorVariable:
    node, fake = ctx.argument(data)
    empty = torch.empty((), dtype=fake.dtype, device=fake.device)
    empty._is_param = True  # type: ignore[attr-defined]
    made = alike(ctx, empty.requires_grad_(requires_grad), fake, leaf=requires_grad)
    return TensorVariable(
        ctx.create_node("call_function", torch.nn.Parameter, (node, requires_grad), {}, made),
        made,
        None,
        torch.nn.Parameter,
    )


def _before_the_graph(ctx: Context, data: TensorVariable, requires_grad: bool) -> TensorVariable:
    fake = data.fake
    make = _maker(tuple(fake.shape), tuple(fake.stride()), fake.dtype, fake.device, requires_grad)
    make.__name__ = f"parameter_{sum(isinstance(i.value, torch.nn.Parameter) for i in ctx.inputs)}"  # names the input
    with torch.utils._python_dispatch._disable_current_modes():
        value = make()
    source = ctx.pinned(make).deref()
    empty = fake_of(ctx.fake_mode, value)
    made = TensorVariable(ctx.add_input(source, value, empty), empty, None, torch.nn.Parameter)
    made.made = source
    replace_data(ctx, made, data)
    return made


def _maker(
    shape: tuple[int, ...], stride: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool
) -> Callable[[], torch.nn.Parameter]:
    def parameter() -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.empty_strided(shape, stride, dtype=dtype, device=device), requires_grad)

    return parameter
