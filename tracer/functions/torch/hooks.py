"""Hooks that a program registers on tensors. Only a backward pass calls them, and no graph holds one, so that those of a leaf
from outside may be registered when the graph has run; others belong to tensors that exist only while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.hooks import RemovableHandle

from ...signals import Break, Declined
from ...variables import (
    NONE,
    BoundVariable,
    FunctionVariable,
    HandleVariable,
    PinnedVariable,
    SubclassVariable,
    TensorVariable,
    Variable,
    mention,
)
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


def _register(ctx: Context, tensor: Variable, method: str, hook: Variable) -> Any:
    if not isinstance(tensor, TensorVariable):
        return Declined("not a tensor")
    why = _not_later(ctx, tensor, hook)
    if why:
        raise Break("tensor-hook", expr=f"{mention(tensor)}.{method}", name=method, why=why)
    ctx.mutate(tensor)
    handle = HandleVariable(tensor, method, hook)
    tensor.hooks = (*tensor.hooks, handle)
    return handle


def _not_later(ctx: Context, tensor: TensorVariable, hook: Variable) -> str:
    """Why the hook can't be registered after the graph; empty where it can."""
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        return "the body of an operator must not change what is outside it"
    if tensor.source is None or tensor.value is None:
        return "the tensor is made inside"
    if type(tensor) is SubclassVariable:
        return f"its class, {tensor.cls.__name__}, would be told of it once more where it is registered"
    if not tensor.fake.requires_grad:
        return "the tensor doesn't require grad"
    if not tensor.value.is_leaf:
        return "the tensor isn't a leaf, and may be changed in place before the graph ends"
    if hook.source is None and not isinstance(hook, FunctionVariable | PinnedVariable | BoundVariable):
        return "the hook is no function"
    return ""


@calls.exact(torch.Tensor.register_hook)
def register_hook(ctx: Context, tensor: Variable, hook: Variable) -> Any:
    """`x.register_hook(f)` on a leaf from outside: registered after the graph. The handle may be passed on and removed."""
    return _register(ctx, tensor, "register_hook", hook)


@calls.exact(torch.Tensor.register_post_accumulate_grad_hook)
def register_post_accumulate_grad_hook(ctx: Context, tensor: Variable, hook: Variable) -> Any:
    """As `register_hook`, for what is called once the gradient was accumulated."""
    return _register(ctx, tensor, "register_post_accumulate_grad_hook", hook)


@calls.exact(RemovableHandle.remove)
def remove(ctx: Context, handle: Variable) -> Any:
    """`handle.remove()` of a hook that this trace registered."""
    if not isinstance(handle, HandleVariable):
        return Declined("a handle from outside")
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        raise Break(
            "tensor-hook",
            expr="handle.remove()",
            name="remove",
            why="the body of an operator must not change what is outside it",
        )
    ctx.mutate(handle.tensor)
    handle.removed = True
    return NONE
