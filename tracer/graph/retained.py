"""What a backend that traces the graph anew would leave out.

It keeps writes to inputs and torch's own checks, and takes everything else for pure: a random number that is thrown away is not drawn, an
index out of range in a result that is thrown away is no error. What would go so is made a result of the graph. Views of what the graph
makes come back as made without grad, or as no views at all: they are made once more of what they are views of. A view that a custom autograd function
gives comes back as one of its argument, without the function's backward.
"""

from __future__ import annotations

import operator
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from ..compat.functorch import inner
from ..compat.graphs import get_data, set_data
from .applied import autograd_function_apply
from .applied_in_levels import autograd_function_in_levels
from .operators import memories_written, storage_of

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = ["retain", "retain_views", "separate", "view_again"]


def retain(ctx: Context, body: Body) -> None:
    """Adds to the results of the body, before the graph gets its output."""
    graph = ctx.root_graph.graph
    effects = [node.meta["effect"] for node in graph.nodes if "effect" in node.meta]
    if not effects:
        return
    writing = any(effect.writes for effect in effects)  # else it doesn't matter what lies where
    given = {storage_of(i.fake) for i in ctx.inputs} - {None} if writing else set()
    needed, memory = set(body.outputs), {storage_of(node.meta.get("example_value")) for node in body.outputs} if writing else set()
    living: set[Any] = set()
    unused = []
    for node in reversed(graph.nodes):
        effect = node.meta.get("effect")
        writes = {storage_of(fake) for fake in effect.writes} if effect is not None else set()
        live = node in needed or not living.isdisjoint(node.users) or bool(writes & (memory | given))
        if not live and effect is not None:
            live = effect.again and not writes and node.meta.get("example_value") is None or bool(node.meta.get("mode"))
            if not live and (not effect.again or not writes) and _tensor(node) is not None:
                unused.append(node)
                live = True
        if live:
            living.add(node)
            if writing:
                memory.update(storage_of(argument.meta.get("example_value")) for argument in node.all_input_nodes)
                memory.discard(None)
    for node in reversed(unused):
        body.result(_detached(ctx, node))


def _tensor(node: Any) -> Any:
    value = node.meta.get("example_value")
    if isinstance(value, torch.Tensor):
        return value
    return next((part for part in value if isinstance(part, torch.Tensor)), None) if isinstance(value, list | tuple) else None


def _detached(ctx: Context, node: Any) -> Any:
    """The node, or a part of what it gives, without a history: else its backward would run."""
    value = node.meta["example_value"]
    if not isinstance(value, torch.Tensor):
        at = next(i for i, part in enumerate(value) if isinstance(part, torch.Tensor))
        node, value = ctx.create_node("call_function", operator.getitem, (node, at), {}, value[at]), value[at]
    if not value.requires_grad:
        return node
    return ctx.create_node("call_method", "detach", (node,), {}, value.detach())


# ---- views
#: What shares memory with its argument, and is no view of it for autograd.
_APART = frozenset({"detach", "detach_", "set_", get_data.__name__, set_data.__name__})


def retain_views(ctx: Context, body: Body) -> None:
    """Results that need no gradient and share memory may be written to by what does, behind the graph, which the others have to see."""
    if not torch.is_grad_enabled() or ctx.mode_nodes:
        return
    memories = Counter(storage_of(node.meta.get("example_value")) for node in body.outputs)
    if max([count for memory, count in memories.items() if memory is not None], default=0) < 2:
        return
    for node in list(body.outputs):
        value = node.meta.get("example_value")
        if memories[storage_of(value)] > 1 and isinstance(value, torch.Tensor) and not (value.requires_grad or value.is_conj() or value.is_neg()):
            base = _viewed(node)
            if base is not node and base is not None and base.op != "placeholder" and base.meta["example_value"].dtype == value.dtype:
                body.view(node, base)


def _viewed(node: Any) -> Any:
    """The node whose value this one's is a view of, itself where it is none; None for what autograd lets nobody write to."""
    memory = storage_of(node.meta["example_value"])
    while True:
        above = [n for n in node.all_input_nodes if _shares(n.meta.get("example_value"), memory)]
        if not above:
            return node
        name = node.target if type(node.target) is str else getattr(node.target, "__name__", "")
        if len(above) > 1 or name in _APART or not isinstance(above[0].meta["example_value"], torch.Tensor):
            return None
        node = above[0]


def _shares(value: Any, memory: int | None) -> bool:
    if isinstance(value, list | tuple):  # one of several views
        return any(_shares(part, memory) for part in value)
    return memory is not None and storage_of(value) == memory


def view_again(view: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """`view` as autograd would have it, had it been made of `base` with grad on."""
    if view.requires_grad or storage_of(view) != storage_of(base):
        return view
    return base.as_strided(view.shape, view.stride(), view.storage_offset())


# ---- views that have a backward of their own
_FUNCTIONS = (autograd_function_apply, autograd_function_in_levels)


def separate(ctx: Context, body: Body) -> bool:
    """What a custom autograd function gives of its argument's memory becomes memory of its own, where a result of the graph would show it: such a backend
    makes results that share memory with an input or with each other anew, of that, and gradients would go by the function. Says whether any did."""
    graph = ctx.root_graph.graph
    results = [node for node in graph.nodes if node.target is operator.getitem and getattr(node.args[0], "target", None) in _FUNCTIONS]
    written = memories_written(graph)
    found = False
    for node in results:
        memory = storage_of(node.meta["example_value"])
        given = {storage_of(operand.meta["example_value"]) for operand in node.args[0].all_input_nodes if operand.op != "get_attr"}
        shown = _views(node, memory).intersection(body.outputs)
        value = node.meta["example_value"]
        in_level = inner(value) is not value  # whether what is below it needs a gradient, it doesn't say
        if memory is None or memory not in given or memory in written or not shown or not (value.requires_grad or in_level):
            continue
        with graph.inserting_after(node):
            copy = graph.call_method("clone", (node,))
        with torch.no_grad():
            copy.meta.update(node.meta, example_value=inner(value).clone())
        copy.meta["example_value"].requires_grad_(value.requires_grad)
        node.replace_all_uses_with(copy, lambda user, copy=copy: user is not copy)
        body.outputs[:] = [copy if output is node else output for output in body.outputs]
        found = True
    return found


def _views(node: Any, memory: int | None) -> set[Any]:
    """The node and what is made of it in the same memory."""
    found, pending = set(), [node]
    while pending:
        one = pending.pop()
        if one not in found and _shares(one.meta.get("example_value"), memory):
            found.add(one)
            pending += one.users
    return found
