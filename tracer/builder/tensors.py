"""Tensors: inputs of the frame's graph, guarded by their metadata."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from ..compat import FakeTensor, fake_of
from ..compat.memo import is_transformed, without_transforms
from ..compat.overriding import PLAIN, is_followed, is_plain
from ..compat.python_classes import is_python_class
from ..graph.operators import storage_of
from ..graph.overlaps import is_pinned
from ..signals import Break
from ..variables import SubclassVariable, TensorVariable
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


@rules.exact(*PLAIN)
def tensor(ctx: Context, value: torch.Tensor, source: Source) -> Any:
    """A plain tensor, parameter or buffer: an input of the graph; sizes that changed before are symbolic."""
    if is_transformed(value):
        why = "a transform of torch.func made it for one of its levels, and only torch knows whether that has ended"
        raise Break("unsupported-type", type="tensor of a level", source=source.text, why=why)
    if value.layout is not torch.strided and value.layout is not torch._mkldnn:  # type: ignore[attr-defined]
        raise Break(
            "sparse-tensor" if not value.is_nested else "nested-tensor-strided",
            expr=source.text,
            type=str(value.layout),
        )
    if value.is_nested:
        raise Break("nested-tensor-strided", expr=source.text)
    if ctx.begun and storage_of(value) in ctx.begun:
        raise Break("grad-write", expr=source.text, why="it shares memory with a tensor that begins to need a gradient in this graph")
    dims = ctx.dynamic.dims(source, value, static=bool(ctx.decisions) and is_pinned(ctx, source))
    with without_transforms() if ctx.levels else nullcontext():
        fake = ctx.shapes.symbolic_fake(ctx, value, source, dims) if dims else fake_of(ctx.fake_mode, value)
    like = fake if dims else value
    ctx.guard(source, "TENSOR_MATCH", (value, list(like.shape), list(like.stride())))
    within = ctx.dynamic.within(source)
    if within:
        ctx.guard(source, "WITHIN", within)
    node = ctx.add_input(source, value, fake)
    if dims:
        ctx.shapes.note_unbacked(ctx, node, fake)
    cls = type(value)
    return (TensorVariable if is_plain(cls) else SubclassVariable)(node, fake, source, cls, value)


@rules.exact(FakeTensor)
def fake_tensor(ctx: Context, value: Any, source: Source) -> Any:
    """A fake tensor of another mode has no data to run a graph on."""
    raise Break("unsupported-type", type="FakeTensor", source=source.text, why="it has no data")


@rules.base(torch.Tensor)
def tensor_subclass(ctx: Context, value: Any, source: Source) -> Any:
    """Tensors of other classes: an input of the graph too where all that is their own is Python's (`__torch_function__`), which is followed."""
    if is_followed(value) and is_python_class(type(value)):
        return tensor(ctx, value, source)
    raise Break("tensor-subclass-unsupported", type=type(value).__name__, expr=source.text)
