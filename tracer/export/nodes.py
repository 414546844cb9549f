"""Node records from a `torch.fx.GraphModule`: for graphs that reach us without a recording, and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer.records import Node

if TYPE_CHECKING:
    import torch.fx

__all__ = ["module_of", "nodes_of"]


def nodes_of(gm: torch.fx.GraphModule) -> list[Node]:
    """The nodes of a graph as records, read from `target`, `args` and `meta`; nothing is run."""
    import torch

    records = []
    for node in gm.graph.nodes:
        value = node.meta.get("example_value", node.meta.get("val"))
        tensor = isinstance(value, torch.Tensor)
        records.append(
            Node(
                node.name,
                node.op,
                _target(node.target),
                _arguments(node),
                tuple(size if type(size) is int else str(size) for size in value.shape) if tensor else None,
                str(value.dtype).removeprefix("torch.") if tensor else "",
                str(value.device) if tensor else "",
                module_of(node),
                inputs=tuple(one.name for one in node.all_input_nodes),
                levels=node.meta.get("levels", ()),
            )
        )
    return records


def _target(target: Any) -> str:
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", "") or type(target).__name__
    module = getattr(target, "__module__", "") or ""
    if module.startswith("torch._ops"):
        return str(target)
    return f"{module}.{name}" if module.startswith("torch") else name


def _arguments(node: Any) -> str:
    parts = [_short(value) for value in node.args]
    return ", ".join(parts + [f"{key}={_short(value)}" for key, value in node.kwargs.items()])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def module_of(node: Any) -> str:
    """The dotted path of the innermost module around the node."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next(reversed(list(stack.values())), ("", None))[0] if stack else ""
    return str(path).removeprefix("L['self'].").removeprefix("L['self']")
