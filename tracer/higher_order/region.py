"""`torch.compiler.nested_compile_region`: the function's body is a graph of its own, which calls of the same form share, to be compiled once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.fakes import is_traced
from ..compat.marks import region_call
from ..functions.table import calls
from ..signals import Decision, Restart
from ..variables import FunctionVariable, Variable
from .nodes import as_node, graded, install
from .speculate import Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context

_POLICY = Policy("nested region", inputs=True, shared=True, overlaps=True, restores=True)


@calls.exact(region_call())
def region(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A marked function: one `invoke_subgraph` node. What can't be a graph of its own is followed as if it weren't marked, which is what eager does."""
    ctx.regions_met += 1
    key = ("region", ctx.regions_met)
    if key in ctx.decisions:
        return ctx.call(function, list(args), kwargs)
    try:
        body = speculate(ctx, _POLICY, "region", function, list(args), kwargs)
    except Rejected as rejected:
        if rejected.lasting:
            raise Restart(Decision(key, False, rejected.does)) from None
        return ctx.call(function, list(args), kwargs)
    code = function.code if isinstance(function, FunctionVariable) else None

    def leading(graph: fx.Graph) -> tuple[Any, ...]:
        form = (code, _form(graph))
        name = ctx.regions.get(form)
        if name is not None and name in ctx.submodules:
            return ctx.create_node("get_attr", name, (), {}, None), name
        module = install(ctx, graph, body.name)
        ctx.regions[form] = module.target
        return module, module.target

    return as_node(ctx, body, invoke_subgraph, leading, {})


def invoke_subgraph(graph: Any, name: str, *operands: Any) -> Any:
    """The operator, for backends that trace the graph, and where nothing asks for gradients; else the graph itself. The operator has no backward
    outside of a trace, and inductor's of two regions that are given one tensor is wrong on torch 2.13."""
    return graph(*operands) if graded(*operands) or not any(map(is_traced, operands)) else torch.ops.higher_order.invoke_subgraph(graph, name, *operands)


invoke_subgraph.__module__ = "tracer"


def _form(graph: fx.Graph) -> str:
    """Equal for two graphs that do the same with inputs of the same description."""
    index: dict[fx.Node, str] = {}
    lines = []
    for node in graph.nodes:
        index[node] = f"%{len(index)}"
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: _Place(index[n]))
        target = "" if node.op == "placeholder" else node.target if isinstance(node.target, str) else id(node.target)
        lines.append(f"{node.op} {target} {args} {kwargs} {_described(node.meta.get('example_value'))}")
    return "\n".join(lines)


class _Place(str):
    __slots__ = ()
    __repr__ = str.__str__


def _described(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__, str(value) if isinstance(value, int | float | torch.SymInt | torch.SymFloat) else ""
    return tuple(value.shape), value.stride(), value.dtype, value.device, value.requires_grad, value.storage_offset(), type(value).__name__
