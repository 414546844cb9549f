"""Leaves that a program makes, parameters or not: tensors with gradients of their own.

A graph that runs as it is makes them itself. A backend that traces the graph anew would take one for the result of an operator;
for it each call of the compiled code makes an empty one before its graph, which takes over the memory of the program's tensor, or
its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat import fake_of, is_eager
from ..compat.autograd_functions import is_differentiable
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
    if eager:
        return _in_the_graph(ctx, data, wanted)
    made = _before_the_graph(ctx, data.fake, torch.nn.Parameter, wanted)
    replace_data(ctx, made, data)
    return made


def new_leaf(ctx: Context, op: str, target: Any, args: list[Variable], kwargs: dict[str, Variable]) -> Variable:
    """The result of an operator that is asked for `requires_grad=True`: whatever it is made of, it is a leaf."""
    if is_eager(ctx.session.backend):
        made = ctx.tensors.record(ctx, op, target, args, kwargs, leaf=True)
        if isinstance(made, TensorVariable):
            ctx.leaves.append(made.fake)
        return made
    data = ctx.tensors.record(ctx, op, target, args, {name: value for name, value in kwargs.items() if name != "requires_grad"})
    why = _unsupported(ctx, data, True, False)
    if why:
        raise Break("grad-write", expr="requires_grad=True", name="requires_grad", why=why)
    made = _before_the_graph(ctx, data.fake, torch.Tensor, True)
    ctx.leaves.append(made.fake)
    alias = ctx.node("call_method", "detach", [made])
    ctx.node("call_method", "copy_", [alias, data])  # nobody else has its memory: to replace that would part it from its node of autograd
    return made


def _unsupported(ctx: Context, data: Variable, requires_grad: bool, eager: bool) -> str:
    if not isinstance(data, TensorVariable) or data.cls not in (torch.Tensor, torch.nn.Parameter):
        return "it isn't made of a plain tensor"
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        return "the body of an operator can't make one"
    if not eager and not all(type(size) is int for size in (*data.fake.shape, *data.fake.stride())):
        return "its sizes may change"
    if requires_grad and not is_differentiable(data.fake):
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


def _before_the_graph(ctx: Context, like: Any, cls: type, requires_grad: bool) -> TensorVariable:
    make = _maker(cls, tuple(like.shape), tuple(like.stride()), like.dtype, like.device, requires_grad)
    make.__name__ = f"{'parameter' if cls is torch.nn.Parameter else 'leaf'}_{sum(i.made for i in ctx.inputs)}"  # names the input
    with torch.utils._python_dispatch._disable_current_modes():
        value = make()
    source = ctx.pinned(make).deref()
    empty = fake_of(ctx.fake_mode, value)
    made = TensorVariable(ctx.add_input(source, value, empty, made=True), empty, None, cls)
    made.made = source
    return made


def _maker(cls: type, shape: tuple[int, ...], stride: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool) -> Callable[[], Any]:
    def make() -> torch.Tensor:
        memory = torch.empty_strided(shape, stride, dtype=dtype, device=device)
        return torch.nn.Parameter(memory, requires_grad) if cls is torch.nn.Parameter else memory.requires_grad_(requires_grad)

    return make
