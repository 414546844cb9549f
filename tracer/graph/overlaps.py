"""Inputs of a graph that share memory, where the graph writes to it.

What such a graph gives depends on which inputs overlap. A backend that traces the graph anew also bakes in where in its storage each of
them lies, and can't have them with symbolic sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..compat import fakes, is_eager
from ..compat.guards import overlapping_elsewhere
from ..guards import Guard, memory_layout, overlapping
from ..signals import Break, Decision, Restart
from .operators import writes_to

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["is_pinned", "overlap_guard", "pin_sizes"]


def overlap_guard(ctx: Context, sources: list[Any]) -> Guard | None:
    """Holds the answer to which of these inputs overlap, if an operator writes to one of them."""
    loose = _written(ctx, sources)
    if not loose:
        return None
    values = {i.source: i.value for i in ctx.inputs}
    tensors = [values[s] for s in loose]
    shared = overlapping(tensors)
    layout = memory_layout(tensors, shared) if shared and not is_eager(ctx.session.backend) else None
    groups = [s for n, s in enumerate(loose) if n in shared], [s for n, s in enumerate(loose) if n not in shared]
    return Guard(None, "STORAGE_OVERLAP", (*groups, layout and (loose, layout)), 0)


def pin_sizes(ctx: Context) -> None:
    """Begin again with static sizes where the backend can't have symbolic ones: inputs that overlap and are written."""
    if is_eager(ctx.session.backend):
        return
    inputs = {i.source: i for i in ctx.inputs if isinstance(i.value, torch.Tensor) and not i.made}
    _refuse_other_storages(ctx, inputs)
    if ctx.fake_mode.shape_env is None or not any(map(_symbolic, inputs.values())):
        return
    loose = _written(ctx, list(inputs))
    pinned = frozenset(loose[n].text for n in overlapping([inputs[s].value for s in loose]))
    if any(_symbolic(inputs[s]) and s.text in pinned for s in loose):
        raise Restart(Decision(("static", *sorted(pinned)), pinned, "inputs that overlap are written: the backend needs their sizes"))


def _refuse_other_storages(ctx: Context, inputs: dict[Any, Any]) -> None:
    """A backend that traces the graph anew takes tensors of different storages for apart, which arrays of NumPy's needn't be."""
    arrays = [source.text for source in inputs if source.kind == "array"]
    if arrays and (loose := _written(ctx, list(inputs))) and overlapping_elsewhere([inputs[s].value for s in loose]):
        why = "it shares memory with another input of the graph, and one of them is written to, which the backend wouldn't know of"
        raise Break("numpy-unsupported", expr=arrays[0], name="", type="ndarray", why=why)


def is_pinned(ctx: Context, source: Any) -> bool:
    """Whether an earlier attempt found that the sizes of this input have to be static."""
    return any(key[0] == "static" and source.text in decision.value for key, decision in ctx.decisions.items())


def _symbolic(entry: Any) -> bool:
    return fakes.has_symbols(entry.fake)


def _written(ctx: Context, sources: list[Any]) -> list[Any]:
    """The inputs among these that aren't a module's own, if there are several and an operator writes to one of them."""
    loose = [s for s in sources if not _registered(s)]
    return loose if len(loose) > 1 and _writes_to(ctx, set(loose)) else []


def _registered(source: Any) -> bool:
    """Whether a tensor is a module's own: a buffer that begins to overlap with something else is nobody's idiom."""
    return source.base is not None and source.base.kind == "item" and source.base.key in ("_parameters", "_buffers")


def _writes_to(ctx: Context, sources: set[Any]) -> bool:
    """Whether an operator of the graph that writes has one of these inputs, or a view of one, among its arguments."""
    storages = {i.fake.untyped_storage()._cdata for i in ctx.inputs if i.source in sources}
    return any(writes_to(node, storages) for node in ctx.root_graph.graph.nodes)
