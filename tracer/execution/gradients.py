"""`run_graph(backward=True)`: AOTAutograd's graphs of the forward and the backward, each run as any graph, and what is kept between them.

In: a graph in its setting. Out: two more `GraphRun`s and the tensors that the forward keeps, each with the operator and line of the program that it comes from:
every node of the program's graph is marked, and AOTAutograd hands the mark on to what it makes of it, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import torch
from torch import fx

from ..compat.execution import aot_backend
from ..errors import TracerError
from ..records import Graph
from ..rerun.copies import Copier
from ..rerun.kept import Modes
from ..rerun.rng import RandomState
from .inputs import Recorded, copied
from .model import GraphRun, NodeRun, Saved
from .passes import facts_of, tensors_in
from .program import own_graph

__all__ = ["Halves", "halves"]

MARK = "tracer_node"


class Halves:
    """The graphs, as they ran once: `forward` and `backward` with their inputs; `saved`: what went from one to the other."""

    def __init__(self, forward: Recorded, backward: Recorded, saved: tuple[Saved, ...]):
        self.forward, self.backward, self.saved = forward, backward, saved


def halves(setting: Any, nodes: Sequence[NodeRun]) -> Halves:
    """For a thread inside of `setting.entered()`. Gradients of one come in. TracerError where nothing needs a gradient, and where AOTAutograd can't take the
    graph."""
    name, seen = setting.record.graph.name, {}
    gm = own_graph(setting.gm, Copier())
    for node in gm.graph.nodes:
        node.meta["custom"] = {**node.meta.get("custom", {}), MARK: node.name}

    def keeping(half: str) -> Any:
        def compiler(graph: fx.GraphModule, _: Any) -> Any:
            def run(*inputs: Any) -> Any:
                seen[half] = graph, copied(inputs), RandomState(), Modes(), inputs
                return graph(*inputs)

            return run

        return compiler

    inputs = copied(setting.record.inputs, setting.device, setting.converted)
    setting.record.state.restore()
    if torch.is_inference_mode_enabled():
        raise TracerError(f"{name} ran in inference mode, so it has no backward.", next="trace the call outside of it")
    try:
        with torch.enable_grad():
            results = aot_backend(keeping("forward"), keeping("backward"))(gm, inputs)(*inputs)
            wanted = [tensor for tensor in tensors_in(list(results)) if tensor.requires_grad]
            if wanted:
                torch.autograd.backward(wanted, [torch.ones_like(tensor) for tensor in wanted])
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise TracerError(f"AOTAutograd can't take {name}: {type(error).__name__}: {said}", next="leave backward=True out") from error
    if "backward" not in seen:
        raise TracerError(f"nothing that {name} gives needs a gradient, so it has no backward.", next="give it inputs or parameters that require one")
    made = [Recorded(Graph(f"{name} {half}"), *seen[half][:4], random=setting.record.random) for half in ("forward", "backward")]
    return Halves(made[0], made[1], _saved(seen, inputs, {node.name: node for node in nodes}))


def _saved(seen: dict[str, Any], inputs: Sequence[Any], known: dict[str, NodeRun]) -> tuple[Saved, ...]:
    forward, backward = seen["forward"][0], seen["backward"][0]
    made_by = {node.name: node for node in forward.graph.nodes}
    outside = {tensor.untyped_storage()._cdata for tensor in tensors_in(list(inputs)) if tensor.layout is torch.strided}
    met: set[int] = set()
    found = []
    places = [node for node in backward.graph.nodes if node.op == "placeholder"]
    for node, value in zip(places, seen["backward"][4]):
        source = made_by.get(node.name)
        if source is None or not isinstance(value, torch.Tensor):  # a gradient; a size
            continue
        storage = value.untyped_storage() if value.layout is torch.strided else None
        key = storage._cdata if storage is not None else -1
        given = key in outside
        size = 0 if given or key in met or storage is None else storage.nbytes()
        met.add(key)
        of = known.get(_mark(source))
        dtype, shape, _, _ = facts_of(value)
        module, location = (of.module, of.location) if of is not None else ("", None)
        found.append(Saved(node.name, _mark(source), size, dtype, shape, module, location, given))
    return tuple(found)


def _mark(node: fx.Node) -> str:
    """The operator of the program's graph that it was made of."""
    custom = node.meta.get("custom")
    return str(custom.get(MARK, "")) if isinstance(custom, dict) else ""


def placed(run: GraphRun, gm: fx.GraphModule, nodes: Sequence[NodeRun]) -> GraphRun:
    """The run with the modules and lines of the program's operators."""
    known = {node.name: node for node in nodes}
    marks = {node.name: _mark(node) for node in gm.graph.nodes}

    def at(node: NodeRun) -> NodeRun:
        of = known.get(marks.get(node.name, ""))
        if of is None:
            return msgspec.structs.replace(node, location=None)
        return msgspec.structs.replace(node, of=of.name, module=of.module, location=of.location)

    run.nodes = tuple(map(at, run.nodes))
    return run
