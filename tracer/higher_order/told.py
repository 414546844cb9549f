"""What the recording says of a body that is tried: what became of it, what its inputs are and why, what it returned, what was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import fx

from ..events import Committed, Reused, RolledBack, SpeculationStarted
from ..variables import DictVariable, SequenceVariable, SymVariable, TensorVariable
from .results import Structure, spelled

if TYPE_CHECKING:
    from ..context import Context
    from ..graph.subgraph import Subgraph
    from .marks import Mark

__all__ = ["Tried"]

_NEW = "new each time that the body runs"


class Tried:
    """A span of the recording, open until one of the methods closes it. Nothing is done where nothing is recorded."""

    __slots__ = ("_body", "_ctx", "opens")

    def __init__(self, ctx: Context, operator: str, body: str, because: str = ""):
        self._ctx, self._body = ctx, body
        self.opens = ctx.rec.begin(SpeculationStarted, operator, body, because) if ctx.rec.on else 0

    def committed(self, subgraph: Subgraph, args: list[Any], kwargs: dict[str, Any], structure: Structure) -> None:
        """The body became `subgraph`, which was given these arguments."""
        if not self._ctx.rec.on:
            return
        output = subgraph.graph.output_node()
        results = tuple(n.name for n in output.all_input_nodes if n.op != "placeholder")
        gives = spelled(structure, iter([n.name if isinstance(n, fx.Node) else repr(n) for n in output.args[0]]))  # type: ignore[union-attr]
        lifted = tuple(node.name for node in subgraph.lifted)
        self._ctx.rec.end(Committed, self.opens, self._body, lifted, results, tuple(_inputs(self._ctx, subgraph, args, kwargs)), gives)

    def reused(self, graph: str, of: int, names: list[str], operands: list[fx.Node]) -> None:
        """The body of an equal call was taken. `names`: its inputs, which the operands are now."""
        if self._ctx.rec.on:
            sources = _sources(self._ctx)
            inputs = ((name, node.name, _origin(self._ctx.graph, node, sources)) for name, node in zip(names, operands, strict=True))
            self._ctx.rec.end(Reused, self.opens, graph, of, tuple(inputs))

    def rolled_back(self, mark: Mark, reason: str) -> None:
        if self._ctx.rec.on:
            self._ctx.rec.end(RolledBack, self.opens, reason, mark.taken_back)


def _inputs(ctx: Context, subgraph: Subgraph, args: list[Any], kwargs: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, the node outside that it stands for, why it is an input), of each placeholder."""
    outer = {inside: node for node, inside in subgraph.lifted.items()}
    sources, given = _sources(ctx), dict(_given(ctx, args, kwargs))
    for node in subgraph.graph.nodes:
        if node.op == "placeholder":
            outside = outer.get(node)
            if outside is None:
                yield node.name, "", _NEW
            else:
                origin = _origin(ctx.graph, outside, sources)
                yield node.name, outside.name, f"{given[outside]}: {origin}" if outside in given else f"used in the body: {origin}"


def _given(ctx: Context, args: list[Any], kwargs: dict[str, Any]) -> Iterator[tuple[fx.Node, str]]:
    """The nodes of tensors and numbers among the arguments, and which argument each is."""
    pending = [*((f"argument {i}", value) for i, value in enumerate(args)), *((f"argument {name}", value) for name, value in kwargs.items())]
    while pending:
        what, value = pending.pop()
        if isinstance(value, TensorVariable):
            yield _here(ctx.graph, value.node), what
        elif isinstance(value, SymVariable):
            node = ctx.shapes.found(ctx, value)
            if node is not None:
                yield _here(ctx.graph, node), what
        elif isinstance(value, SequenceVariable):
            pending += [(what, part) for part in getattr(value, "held", None) or value.items]
        elif isinstance(value, DictVariable) and value.source is None:
            pending += [(what, part) for part in value.items.values()]


def _here(graph: Any, node: fx.Node) -> fx.Node:
    """The node that stands for one of a graph around this one, here."""
    if node.graph is graph.graph or graph.parent is None:
        return node
    outer = _here(graph.parent, node)
    return graph.lifted.get(outer, outer)


def _sources(ctx: Context) -> dict[fx.Node, str]:
    return {given.node: given.source.text for given in ctx.inputs}


def _origin(graph: Any, node: fx.Node, sources: dict[fx.Node, str]) -> str:
    """Where the value of a node comes from: its source, or that it was computed, by what."""
    while graph is not None and node.op == "placeholder" and node not in sources:
        outer = next((outside for outside, inside in graph.lifted.items() if inside is node), None)
        if outer is None:
            return _NEW
        node, graph = outer, graph.parent
    return sources.get(node, f"{node.name}, computed before")
