"""Call rules of what a tensor is asked about itself: kind of numbers, sizes, how it lies in memory. Known of its fake, or symbolic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...graph.operators import storage_of
from ...signals import Declined
from ...variables import TensorVariable, TupleVariable, Variable, literal
from ..table import calls
from . import facts, later

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(torch.is_tensor)
def is_tensor(ctx: Context, value: Variable) -> Any:
    """`torch.is_tensor(x)`."""
    return literal(isinstance(value, TensorVariable))


@calls.exact(torch.is_floating_point, torch.Tensor.is_floating_point)
def is_floating_point(ctx: Context, value: Variable) -> Any:
    """Whether the dtype is a floating one."""
    return literal(value.fake.is_floating_point()) if isinstance(value, TensorVariable) else Declined("not a tensor")


@calls.exact(torch.is_complex, torch.Tensor.is_complex)
def is_complex(ctx: Context, value: Variable) -> Any:
    """Whether the dtype is a complex one."""
    return literal(value.fake.is_complex()) if isinstance(value, TensorVariable) else Declined("not a tensor")


@calls.exact(torch.numel, torch.Tensor.numel, torch.Tensor.nelement)
def numel(ctx: Context, value: Variable) -> Any:
    """Known sizes fold to an integer; symbolic ones stay an expression of the graph."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    number = value.fake.numel()
    return ctx.shapes.number(ctx, value, lambda fake: number, lambda c, n: c.create_node("call_method", "numel", (n,), {}, number))


@calls.exact(torch.Tensor.size)
def size(ctx: Context, value: Variable, dim: Variable | None = None) -> Any:
    """`x.size()` and `x.size(dim)`."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    if dim is None or dim.python_type() is type(None):
        return ctx.shapes.shape(ctx, value)
    index = ctx.protocol.index(ctx, dim, "size(): argument 'dim' must be int, not {}")
    count = value.fake.dim()
    if not -count <= index < count:
        ctx.raise_(IndexError, f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {index})")
    return ctx.size_of(value, index % count)


@calls.exact(torch.Tensor.stride)
def stride(ctx: Context, value: Variable, dim: Variable | None = None) -> Any:
    """`x.stride()` and `x.stride(dim)`."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    later.ask_layout(ctx, value, "stride()")
    strides = value.fake.stride()

    def at(i: int) -> Variable:
        stride = torch.ops.aten.sym_stride.int
        return ctx.shapes.number(
            ctx, value, lambda fake: strides[i], lambda c, n: c.create_node("call_function", stride, (n, i), {}, strides[i])
        )

    if dim is None or dim.python_type() is type(None):
        from ...variables import TupleVariable

        return TupleVariable([at(i) for i in range(len(strides))], tuple)
    index = ctx.protocol.index(ctx, dim)
    if not -len(strides) <= index < len(strides):
        ctx.raise_(IndexError, f"Dimension out of range (expected to be in range of [{-len(strides)}, {len(strides) - 1}], but got {index})")
    return at(index % len(strides))


@calls.exact(torch.Tensor.storage_offset)
def storage_offset(ctx: Context, value: Variable) -> Any:
    """`x.storage_offset()`."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    later.ask_layout(ctx, value, "storage_offset()")
    offset = value.fake.storage_offset()
    for read in ctx.inputs:
        if isinstance(read.fake, torch.Tensor) and storage_of(read.fake) == storage_of(value.fake):
            facts.hold(ctx, read.source, read.value, "storage_offset")
    return ctx.symbolic(
        offset,
        lambda c: c.create_node("call_method", "storage_offset", (c.graph.local(value.node, value.fake),), {}, offset),
    )


_OF_LAYOUT = frozenset({"is_contiguous", "is_conj", "is_neg"})


def _metadata(name: str) -> Any:
    def rule(ctx: Context, value: Variable, *args: Variable, **kwargs: Variable) -> Any:
        """A question about dtype, layout or rank: answered while tracing."""
        if not isinstance(value, TensorVariable):
            return Declined("not a tensor")
        if name in _OF_LAYOUT:
            later.ask_layout(ctx, value, f"{name}()")
        answer = getattr(value.fake, name)(*[a.constant() for a in args], **{k: v.constant() for k, v in kwargs.items()})
        return ctx.wrap(answer) if not isinstance(answer, torch.SymBool) else literal(bool(answer))

    rule.__name__ = name
    return rule


for _name in (
    "dim", "ndimension", "is_contiguous", "element_size", "get_device", "is_signed", "is_conj", "is_neg",
    "is_coalesced", "is_same_size",
):
    if _name != "is_same_size":
        calls.exact(getattr(torch.Tensor, _name))(_metadata(_name))


@calls.exact(torch.Tensor.is_inference, torch.is_inference)
def is_inference(ctx: Context, value: Variable) -> Any:
    """Whether a tensor was made in inference mode. Views are what their base is, wherever they are made; fakes are never made there."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    memory = storage_of(value.fake)
    for given in ctx.inputs:
        if isinstance(given.value, torch.Tensor) and storage_of(given.fake) == memory:
            return literal(given.value.is_inference())
    return literal(ctx.inference)


@calls.exact(torch.Tensor.contiguous)
def contiguous(ctx: Context, value: Variable, **kwargs: Variable) -> Any:
    """`x.contiguous()`: where it isn't known whether that is `x` itself, a node all the same."""
    if not later.is_unsettled(ctx, value):
        return Declined("recorded as it is")
    node, fake = ctx.argument(value)
    laid = fake.clone(**{"memory_format": torch.contiguous_format, **{name: given.constant() for name, given in kwargs.items()}})
    return ctx.tensors.wrap_result(ctx, laid, ctx.create_node("call_method", "contiguous", (node,), {k: v.constant() for k, v in kwargs.items()}, laid))


@calls.exact(torch.Size)
def torch_size(ctx: Context, *args: Variable) -> Any:
    """`torch.Size(x)`."""

    return TupleVariable(list(ctx.protocol.unpack(ctx, args[0])) if args else [], torch.Size)


@calls.exact(torch.Size.numel)
def size_numel(ctx: Context, value: Variable) -> Any:
    """The product of the sizes."""
    import operator

    total: Variable = literal(1)
    for item in ctx.protocol.unpack(ctx, value):
        total = ctx.protocol.binary_now(ctx, operator.mul, total, item)
    return total


@calls.exact(torch.finfo, torch.iinfo)
def number_limits(ctx: Context, *args: Variable) -> Any:
    """Limits of a dtype; the class called is told apart by the dtype."""
    return Declined("made natively")
