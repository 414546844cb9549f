"""Leaves that a program makes, parameters or not: tensors with gradients of their own, from the beginning or from `requires_grad_()` on.

A graph that runs as it is makes them itself. A backend that traces the graph anew would take one for the result of an operator;
for it each call of the compiled code makes an empty one before its graph, which takes over the memory of the program's tensor, or
its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ...compat import fake_of, is_eager
from ...compat.autograd_functions import is_differentiable
from ...graph.operators import Effect, storage_of
from ...interpreter.paths import break_at, moment_of
from ...signals import Break, Declined
from ...variables import TensorVariable, Variable, mention
from ..table import calls
from .fields import SETTERS, alike, replace_data
from .later import ask_needs_gradient

if TYPE_CHECKING:
    from ...context import Context


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


# ---- tensors that become leaves
@calls.exact(torch.Tensor.requires_grad_)
def requires_grad_(ctx: Context, value: Variable, requires_grad: Variable | None = None) -> Any:
    """`x.requires_grad_(flag)`: nothing where the flag is so already; a tensor that the graph makes becomes a leaf there; else it is set by Python."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    _require(ctx, value, requires_grad is None or ctx.protocol.truth(ctx, requires_grad), ".requires_grad_()")
    return value


def _set_requires_grad(ctx: Context, tensor: TensorVariable, value: Variable) -> None:
    _require(ctx, tensor, ctx.protocol.truth(ctx, value), f"{mention(tensor)}.requires_grad")


SETTERS["requires_grad"] = _set_requires_grad


def _require(ctx: Context, tensor: TensorVariable, wanted: bool, spelled: str) -> None:
    ask_needs_gradient(ctx, tensor, "requires_grad")
    if tensor.fake.requires_grad == wanted:
        return
    why = "it doesn't begin here" if not wanted else _not_begun(ctx, tensor)
    if why:
        raise Break("grad-write", expr=spelled, name="requires_grad_", func="requires_grad_", why=why)
    node, fake = ctx.argument(tensor)
    fake.requires_grad_(True)
    ctx.lasting += 1
    ctx.leaves.append(fake)
    begins = ctx.create_node("call_method", "requires_grad_", (node,), {}, None)
    begins.meta["effect"] = Effect(again=True)
    ctx.begins_within.append((begins, moment_of(ctx.root_frame)))


def _not_begun(ctx: Context, tensor: TensorVariable) -> str:
    """Why a tensor can't become a leaf in the graph; empty where it can."""
    if tensor.source is not None or tensor.node.op == "placeholder":
        return "the tensor comes from outside"
    if why := _unsupported(ctx, tensor, True, True):
        return why
    if ctx.levels:
        return "a transform of torch.func is active"
    alone = tensor.node.op == "call_method" and tensor.node.target == "detach"  # no view as autograd knows them, but later ones of it are
    memory, later = storage_of(tensor.fake), False
    for node in ctx.graph.graph.nodes:
        later = later or node is tensor.node
        value = node.meta.get("example_value")
        if value is not tensor.fake and memory is not None and storage_of(value) == memory and (later or not alone):
            return "other tensors share its memory"
    return ""


def check_leaves(ctx: Context, outputs: list[Any]) -> None:
    """A backend that traces the graph anew takes a leaf that begins in it for what it was: no result of it may be shown that needs a gradient."""
    if is_eager(ctx.session.backend):
        return
    shown = set(outputs)
    for begins, moment in ctx.begins_within:
        pending, met = [begins.args[0]], set()
        while pending:
            node = pending.pop()
            value = node.meta.get("example_value")
            if node in met or isinstance(value, torch.Tensor) and not value.requires_grad:
                continue
            if node in shown:
                raise break_at(moment, Break("backend-limit", func="requires_grad_", expr=".requires_grad_()", why="what the leaf leads to is a result"))
            met.add(node)
            pending += node.users
