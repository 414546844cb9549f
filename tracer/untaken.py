"""A graph that AOTAutograd can't take: the operator before which it has to end.

In: a graph that a backend refused, and its inputs. Out: the first node with which it is refused, found by halving: parts of the graph, from
its beginning on, are given to the plainest backend that traces graphs anew. torch.compile ends its graph as well where a backend can't
have an operator. What that backend takes is no matter of AOTAutograd's: then the error is the backend's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx

from .compat import graphs, is_symbolic
from .errors import BackendError
from .graph.finish import examples_of
from .runtime.backends import compile_graph
from .signals import Decision, Restart

if TYPE_CHECKING:
    from .context import Context
    from .graph.finish import Finished

__all__ = ["restart_before"]


def restart_before(ctx: Context, compiled: Finished, failure: BackendError) -> Exception:
    """What to raise where a backend failed: the restart that ends the graph before the operator, or the failure itself."""
    calls = [node for node in compiled.gm.graph.nodes if node.op not in ("placeholder", "output")]
    why = _refused(ctx, compiled, len(calls))
    if not why:
        return failure
    taken, refused = 0, len(calls)
    while refused - taken > 1:
        middle = (taken + refused) // 2
        found = _refused(ctx, compiled, middle)
        if found:
            refused, why = middle, found
        else:
            taken = middle
    key = ("untaken", calls[refused - 1].name)
    return failure if key in ctx.decisions else Restart(Decision(key, why, "backend-limit"))


def _refused(ctx: Context, compiled: Finished, count: int) -> str:
    """Why AOTAutograd can't take the first `count` operations; empty where it can."""
    part, kept = _part(compiled.gm, count)
    examples = examples_of([entry for entry, keep in zip(compiled.inputs, kept, strict=True) if keep], plain=True)
    try:
        compile_graph(part, examples, "aot_eager", fake_mode=ctx.fake_mode, name=ctx.root_graph.name)
    except BackendError as refused:
        return _first_line(refused.__cause__)
    return ""


def _first_line(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


def _part(gm: fx.GraphModule, count: int) -> tuple[fx.GraphModule, list[bool]]:
    """The graph of the first operations, whose results are what the others need of them; and which inputs it has."""
    nodes = list(gm.graph.nodes)
    calls = [node for node in nodes if node.op not in ("placeholder", "output")]
    within = set(calls[:count])
    inputs = [node for node in nodes if node.op == "placeholder"]
    kept = [any(user in within for user in node.users) for node in inputs]
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in [*(node for node, keep in zip(inputs, kept, strict=True) if keep), *calls[:count]]:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in calls[:count] if _is_value(node) and not within.issuperset(node.users)))
    return graphs.make_graph_module(gm, graph, "part"), kept


def _is_value(node: fx.Node) -> bool:
    value = node.meta.get("example_value")
    return isinstance(value, torch.Tensor) or is_symbolic(value)
