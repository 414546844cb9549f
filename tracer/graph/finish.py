"""From what an attempt drew to a graph module: results chosen, dead nodes and unused inputs removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..compat import graphs, has_symbols, is_eager
from ..compat.overriding import as_plain
from ..events import NodeRemoved
from .modes import MODES
from .operators import Effect
from .retained import retain, retain_views, separate
from .spelling import settle_powers

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context, GraphInput

__all__ = ["Finished", "examples_of", "finish_graph", "only_computes"]

class Finished:
    """`gm` is None where nothing needs to run."""

    __slots__ = ("examples", "gm", "inputs")

    def __init__(self, gm: Any, inputs: list[GraphInput], examples: list[Any]):
        self.gm, self.inputs, self.examples = gm, inputs, examples


def finish_graph(ctx: Context, body: Body) -> Finished:
    graph = ctx.root_graph.graph
    if not is_eager(ctx.session.backend) and ctx.failing is None:
        retain(ctx, body)
        known = set(graph.nodes)
        retain_views(ctx, body)
        if separate(ctx, body) and ctx.rec.on:
            _tell_anew(ctx, graph, known)
    graph.output(tuple(body.outputs))
    if ctx.failing is not None:
        ctx.failing.substitute(ctx, graph)
    if ctx.fake_mode.shape_env is not None and any("unbacked_bindings" in node.meta for node in graph.nodes):
        _insert_asserts(ctx, graph)
    _remove_dead(ctx, graph)
    if ctx.mode_nodes and ctx.failing is None:
        _remove_idle_switches(ctx, graph)
    settle_powers(graph)
    used = []
    for entry in ctx.inputs:
        if entry.node.users:
            used.append(entry)
        else:
            _drop(ctx, graph, entry.node)
    if not (ctx.failing is not None and body.outputs) and not any(node.op not in ("placeholder", "output") for node in graph.nodes):
        return Finished(None, [], [])
    gm = graphs.make_graph_module(ctx.submodules, graph, ctx.root_graph.name)
    return Finished(gm, used, [entry.fake for entry in used])


def only_computes(node: Any) -> bool:
    """Whether an operation does nothing but give its result: it may be left out, or done again."""
    return "effect" not in node.meta


def _remove_dead(ctx: Context, graph: Any) -> None:
    for node in reversed(graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users and only_computes(node):
            _drop(ctx, graph, node)


def _insert_asserts(ctx: Context, graph: Any) -> None:
    known = set(graph.nodes)
    whole = graphs.make_graph_module(ctx.submodules, graph, ctx.root_graph.name)
    for node in graphs.insert_asserts(whole, ctx.fake_mode.shape_env, ctx.root_graph.name):
        node.meta["effect"] = Effect(again=True)
    if ctx.rec.on:
        _tell_anew(ctx, graph, known)


def _tell_anew(ctx: Context, graph: Any, known: set[Any]) -> None:
    """What was put between nodes that were told of: from the first of it on they are told of again, in the graph's order."""
    place, function = (), ""
    moved = False
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        place, function = node.meta.setdefault("location", place), node.meta.setdefault("function", function)
        moved = moved or node not in known
        if moved:
            if node in known:
                ctx.rec.point(NodeRemoved, ctx.root_graph.name, node.name)
            with ctx.rec.located(place):
                ctx.announce_node(node, node.meta.get("example_value"))


def _remove_idle_switches(ctx: Context, graph: Any) -> None:
    """Switches of modes with nothing between them but others, and those that switch to what is on."""
    now, last = dict(ctx.modes_at_entry), {}
    for node in list(graph.nodes):
        name, value = node.meta.get("mode") or ("", None)
        if name not in MODES:
            if node.op not in ("placeholder", "output"):
                now, last = now | {switch: before.meta["mode"][1] for switch, before in last.items()}, {}
            continue
        if name in last:
            _drop(ctx, graph, last.pop(name))
        if value == now[name]:
            _drop(ctx, graph, node)
        else:
            last[name] = node


def _drop(ctx: Context, graph: Any, node: Any) -> None:
    graph.erase_node(node)
    if ctx.rec.on:
        ctx.rec.point(NodeRemoved, ctx.root_graph.name, node.name)


def examples_of(inputs: list[GraphInput], plain: bool) -> list[Any]:
    """What a backend makes its own fakes of: the inputs as they are when the frame begins. Tracing wrote to its fakes; those with
    symbolic sizes, and what shares memory with them, have nothing else to be made of. `plain`: without the program's classes."""
    tensors = [i for i in inputs if isinstance(i.value, torch.Tensor)]
    symbolic = {i.fake.untyped_storage()._cdata for i in tensors if has_symbols(i.fake)}
    real = {id(i) for i in tensors if i.fake.untyped_storage()._cdata not in symbolic}
    found = [i.value if id(i) in real else i.fake for i in inputs]
    return [*map(as_plain, found)] if plain else found
