"""Backends that get one operator wrong, each in its own way. They see graphs and parts of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx


def at(name: str, wrong: Callable[[Any], Any]) -> Callable[[fx.GraphModule, Any], Any]:
    """A backend that puts `wrong` behind the node of that name."""

    def planted(gm: fx.GraphModule, _: Any) -> Any:
        graph = fx.Graph()
        graph.output(graph.graph_copy(gm.graph, {}))
        for node in list(graph.nodes):
            if node.op.startswith("call") and node.name == name:
                with graph.inserting_after(node):
                    put = graph.call_function(wrong, (node,))
                node.replace_all_uses_with(put, delete_user_cb=lambda user, put=put: user is not put)
        return fx.GraphModule(gm, graph)

    return planted


def scaled(value: Any) -> Any:
    return value * 1.01


def one_item(value: Any) -> Any:
    value = value.clone()
    value.view(-1)[0] += 0.05
    return value


def through_bfloat16(value: Any) -> Any:
    return value.bfloat16().to(value.dtype)


def turned(value: Any) -> Any:
    return value.flip(-1)


def zeroed(value: Any) -> Any:
    return torch.zeros_like(value)


def nan(value: Any) -> Any:
    return value.masked_fill(value == value.max(), float("nan"))


def softmax_wrong(gm: fx.GraphModule, inputs: Any) -> Any:
    """One that a script can import."""
    return at("softmax", scaled)(gm, inputs)
