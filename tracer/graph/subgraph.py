"""One graph being drawn: the frame's own, or the body of a higher-order operator inside it.

Nodes are created in one place (`create`); a value of an enclosing graph that a body uses is *lifted*: it becomes an input
of the body and of every body between. Placeholders stand at the head in the order in which they were needed.
"""

from __future__ import annotations

from typing import Any

from torch import fx

__all__ = ["Subgraph"]


class Subgraph:
    """`lifted` maps a node of the parent to the placeholder that stands for it here; `symbols` maps what is known of a
    symbolic number (`graph/shapes.py`) to the node that computes it here."""

    __slots__ = ("created", "graph", "last_input", "lifted", "name", "parent", "symbols", "unflatten")

    def __init__(self, parent: Subgraph | None = None, name: str = "graph"):
        self.graph = fx.Graph()
        self.parent, self.name = parent, name
        self.lifted: dict[fx.Node, fx.Node] = {}
        self.created: list[fx.Node] = []
        self.symbols: dict[Any, fx.Node] = {}
        self.last_input: fx.Node | None = None

    def create(self, op: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fake: Any) -> fx.Node:
        node = self.graph.create_node(op, target, args, kwargs)
        node.meta["example_value"] = fake
        self.created.append(node)
        return node

    def placeholder(self, name: str, fake: Any) -> fx.Node:
        """A new input, after those that exist and before every operation."""
        node = self.graph.create_node("placeholder", name, (), {})
        if self.last_input is not None:
            self.last_input.append(node)
        else:
            first = next(iter(self.graph.nodes))
            if first is not node:
                first.prepend(node)
        self.last_input = node
        node.meta["example_value"] = fake
        self.created.append(node)
        return node

    def local(self, node: fx.Node, fake: Any) -> fx.Node:
        """The node that stands for `node` in this graph: itself, or the input that it was lifted to."""
        if node.graph is self.graph:
            return node
        known = self.lifted.get(node)
        if known is not None:
            return known
        if self.parent is None:
            raise AssertionError(f"{node.name} belongs to no enclosing graph of {self.name}")
        outer = self.parent.local(node, fake)
        known = self.lifted.get(outer)
        if known is None:
            known = self.placeholder(f"lifted_{outer.name}", fake)
            self.lifted[outer] = known
        return known

    def mark(self) -> tuple[int, int, fx.Node | None, int]:
        return len(self.created), len(self.lifted), self.last_input, len(self.symbols)

    def truncate(self, mark: tuple[int, int, fx.Node | None, int]) -> list[fx.Node]:
        """Take back what was created since `mark`; answers the nodes taken out."""
        count, lifted, self.last_input, symbols = mark
        while len(self.symbols) > symbols:
            self.symbols.popitem()
        gone = self.created[count:]
        for node in reversed(gone):
            self.graph.erase_node(node)
        del self.created[count:]
        while len(self.lifted) > lifted:
            self.lifted.popitem()
        return gone
