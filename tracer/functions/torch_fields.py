"""What a program writes to a tensor's own fields: `.data`, `.grad`.

`.data = y` is a node of the graph: what comes after it may use the tensor. `.grad = g` is a change of an existing object,
made after the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ..compat import is_eager, set_data
from ..signals import Break
from ..variables import ConstantVariable, TensorVariable, Variable, mention

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["check_replaced", "set_field"]


def set_field(ctx: Context, tensor: TensorVariable, name: str, value: Variable) -> None:
    """`tensor.name = value` for a field that torch itself defines."""
    setter = _SETTERS.get(name)
    if setter is None:
        _refuse(tensor, name, "")
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        _refuse(tensor, name, "the body of an operator must not change what is outside it")
    setter(ctx, tensor, value)


def _refuse(tensor: TensorVariable, name: str, why: str) -> NoReturn:
    raise Break("grad-write", expr=f"{mention(tensor)}.{name}", name=name, **({"why": why} if why else {}))


# ---- .data
def _set_data(ctx: Context, tensor: TensorVariable, value: Variable) -> None:
    why = _unlike(ctx, tensor, value)
    if why:
        _refuse(tensor, "data", why)
    node, _ = ctx.argument(tensor)
    new, fake = ctx.argument(value)
    ctx.create_node("call_function", set_data, (node, new), {}, None).meta["effect"] = True
    tensor.fake = _in_place_of(ctx, tensor, fake)
    ctx.replaced.add(fake.untyped_storage()._cdata)


def check_replaced(ctx: Context, subject: Any) -> None:
    """Backends that trace the graph anew can't have an input that gets other memory and is then written to."""
    if not isinstance(subject, torch.Tensor) or not torch.is_grad_enabled() or is_eager(ctx.session.backend):
        return
    if subject.untyped_storage()._cdata in ctx.replaced:
        raise Break("storage-changed", expr="an operator in place")


def _unlike(ctx: Context, tensor: TensorVariable, value: Variable) -> str:
    """Why the assignment can't be nodes of the graph; empty where it can."""
    if not isinstance(value, TensorVariable):
        return "what is assigned is no tensor"
    old, new = tensor.fake, value.fake
    if old.dtype != new.dtype or old.device != new.device:
        return "the new data is of another dtype or device"
    if ctx.inference or new.is_conj() or new.is_neg():
        return "the new data is not ordinary memory"
    same = _same_sizes(old, new)
    if not same and (old.requires_grad or not all(type(size) is int for size in (*old.shape, *new.shape))):
        return "the new data is of another shape"
    return ""


def _same_sizes(one: Any, other: Any) -> bool:
    """Equal sizes without asking the shape environment: symbols are equal where they are the same."""
    return [str(size) for size in one.shape] == [str(size) for size in other.shape]


def _in_place_of(ctx: Context, tensor: TensorVariable, new: Any) -> Any:
    """A fake for the tensor from here on: the new memory, and what autograd knows of the tensor as before. The one from
    before stays as it was: it tells how the graph's input looked when the frame began."""
    old = tensor.fake
    with torch.no_grad():
        fake = new.detach()
    if isinstance(old, torch.nn.Parameter):
        fake._is_param = True
    fake.requires_grad_(old.requires_grad)
    if ctx.tensors.is_leaf_input(ctx, old):
        ctx.leaves.append(fake)
    return fake


# ---- .grad
def _set_grad(ctx: Context, tensor: TensorVariable, value: Variable) -> None:
    if tensor.fake.requires_grad and (tensor.value is None or not tensor.value.is_leaf):
        _refuse(tensor, "grad", "the tensor is not a leaf")
    none = type(value) is ConstantVariable and value.value is None
    if not none and not (isinstance(value, TensorVariable) and value is not tensor and _fits(tensor.fake, value.fake)):
        _refuse(tensor, "grad", "the gradient isn't a tensor like the one it belongs to")
    ctx.mutate(tensor)
    tensor.attrs = {**(tensor.attrs or {}), "grad": value}


def _fits(tensor: Any, grad: Any) -> bool:
    return tensor.dtype == grad.dtype and tensor.device == grad.device and _same_sizes(tensor, grad)


_SETTERS = {"data": _set_data, "grad": _set_grad}
