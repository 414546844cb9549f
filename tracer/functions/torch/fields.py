"""What a program writes to a tensor's own fields: `.data`, `.grad`.

`.data = y` is a node of the graph: what comes after it may use the tensor. `.grad = g` is a change of an existing object,
made after the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ...compat import is_eager, set_data
from ...graph.operators import Effect, storage_of
from ...signals import Break
from ...variables import ConstantVariable, SubclassVariable, TensorVariable, Variable, mention

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["SETTERS", "alike", "check_replaced", "replace_data", "set_field"]


def set_field(ctx: Context, tensor: TensorVariable, name: str, value: Variable) -> None:
    """`tensor.name = value` for a field that torch itself defines."""
    setter = SETTERS.get(name)
    if setter is None:
        _refuse(tensor, name, "")
    if ctx.speculating or ctx.graph is not ctx.root_graph:
        _refuse(tensor, name, "the body of an operator must not change what is outside it")
    setter(ctx, tensor, value)


def _refuse(tensor: TensorVariable, name: str, why: str) -> NoReturn:
    raise Break("grad-write", expr=f"{mention(tensor)}.{name}", name=name, **({"why": why} if why else {}))


# ---- .data
def _set_data(ctx: Context, tensor: TensorVariable, value: Variable) -> None:
    if why := _unlike(ctx, tensor, value):
        _refuse(tensor, "data", why)
    assert isinstance(value, TensorVariable)
    if why := _untaken(ctx, tensor, value):
        _refuse(tensor, "data", why)
    replace_data(ctx, tensor, value)


def replace_data(ctx: Context, tensor: TensorVariable, value: TensorVariable) -> None:
    """The node that gives `tensor` the memory of `value`, which is like it."""
    node, _ = ctx.argument(tensor)
    new, fake = ctx.argument(value)
    old = tensor.fake  # stays as it was: it tells how the graph's input looked when the frame began
    ctx.create_node("call_function", set_data, (node, new), {}, None).meta["effect"] = Effect([old], again=True)
    tensor.fake = alike(ctx, old, fake, leaf=ctx.tensors.is_leaf_input(ctx, old))
    ctx.replaced.add(fake.untyped_storage()._cdata)


def _untaken(ctx: Context, tensor: TensorVariable, value: TensorVariable) -> str:
    """Why a backend that traces the graph anew can't have the assignment; empty where it can."""
    if is_eager(ctx.session.backend):
        return ""
    if type(tensor) is SubclassVariable:
        return "the backend is given a plain tensor of the same memory instead, whose data it would change"
    if tensor.node.op != "placeholder":
        return "the tensor is made in the graph, and the backend would take it for the one whose memory it gets"
    if storage_of(value.fake) in ctx.written:
        return "the new data was written to in this graph, which the backend can't have"
    return ""


def check_replaced(ctx: Context, subject: Any) -> None:
    """Backends that trace the graph anew can't have an input that gets other memory and is then written to with grad on."""
    if not isinstance(subject, torch.Tensor) or is_eager(ctx.session.backend):
        return
    if storage_of(subject) in ctx.replaced:
        raise Break("backend-limit", func="an operator in place", why="the tensor got other memory in this graph (`.data = …`)")


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


def alike(ctx: Context, tensor: Any, memory: Any, *, leaf: bool) -> Any:
    """A fake with the memory of one fake, and what autograd knows of another."""
    with torch.no_grad():
        fake = memory.detach()
    if isinstance(tensor, torch.nn.Parameter):
        fake._is_param = True
    fake.requires_grad_(tensor.requires_grad)
    if leaf:
        ctx.leaves.append(fake)
    return fake


# ---- .grad
def _set_grad(ctx: Context, tensor: TensorVariable, value: Variable) -> None:
    if not ctx.tensors.is_leaf(ctx, tensor):
        _refuse(tensor, "grad", "the tensor is not a leaf")
    none = type(value) is ConstantVariable and value.value is None
    if not none and not (isinstance(value, TensorVariable) and value is not tensor and _fits(tensor.fake, value.fake)):
        _refuse(tensor, "grad", "the gradient isn't a tensor like the one it belongs to")
    ctx.mutate(tensor)
    tensor.attrs = {**(tensor.attrs or {}), "grad": value}


def _fits(tensor: Any, grad: Any) -> bool:
    return tensor.dtype == grad.dtype and tensor.device == grad.device and _same_sizes(tensor, grad)


SETTERS = {"data": _set_data, "grad": _set_grad}
