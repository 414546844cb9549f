"""Which node lies in which box: the calls of modules as a tree over the nodes in their order.

A box is one *call*: a run of consecutive nodes with the same path. So a module that is called twice has two boxes, and
because the runs follow the order of the nodes, edges between boxes can't form a cycle.

Items are numbered: `0 … n-1` are the nodes, `n` is the root, `n+1 …` are boxes, outer before inner, in order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tracer.layout.types import Node

__all__ = ["Tree", "build_tree"]


class Tree:
    """Items, their parents and children, and which of them are visible."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.root = root = len(nodes)
        self.parent: list[int] = [root] * (root + 1)
        self.depth: list[int] = [1] * root + [0]
        self.children: dict[int, list[int]] = {root: []}
        self.paths: dict[int, tuple[str, ...]] = {root: ()}
        self.names: dict[int, str] = {root: ""}
        self.start: dict[int, int] = {root: 0}  # a box holds the nodes start … end-1
        self.end: dict[int, int] = {root: root}
        self.boxes: list[int] = []
        self.open: list[int] = [root]
        self.visible: list[int] = list(range(root))  # node → itself, or the closed box that hides it

    def position(self, item: int) -> int:
        """Where an item stands in the order of the nodes."""
        return item if item < self.root else self.start[item]

    def settle(self, closed: Collection[int]) -> None:
        """Hide what is inside the closed boxes, and say which boxes are open, outer before inner."""
        self.open = [self.root]
        reached = {self.root}
        for box in self.boxes:
            if self.parent[box] not in reached:
                continue
            if box in closed:
                first, last = self.start[box], self.end[box]
                self.visible[first:last] = [box] * (last - first)
            else:
                reached.add(box)
                self.open.append(box)


def build_tree(nodes: Sequence[Node], closed: Collection[str] = (), limit: int | None = None) -> Tree:
    """The tree of boxes. `closed` names boxes to close; `limit` closes depths until so many things are visible."""
    tree = Tree(nodes)
    _grow(tree)
    names = frozenset(closed)
    tree.settle({box for box in tree.boxes if tree.names[box] in names} | _too_deep(tree, limit))
    return tree


def _grow(tree: Tree) -> None:
    """Open a box where a path begins, end it where the path is left."""
    root = tree.root
    parent, depth, children = tree.parent, tree.depth, tree.children
    calls: dict[tuple[str, ...], int] = {}
    stack = [root]
    before: tuple[str, ...] = ()
    for index, node in enumerate(tree.nodes):
        path = node.cluster
        if path != before:
            common = 0
            for left, right in zip(path, before):
                if left != right:
                    break
                common += 1
            for box in stack[common + 1 :]:
                tree.end[box] = index
            del stack[common + 1 :]
            for length in range(common + 1, len(path) + 1):
                stack.append(_new_box(tree, path[:length], stack[-1], index, calls))
            before = path
        top = stack[-1]
        parent[index] = top
        depth[index] = len(stack)
        children[top].append(index)
    for box in stack:
        tree.end[box] = root


def _new_box(tree: Tree, path: tuple[str, ...], outer: int, index: int, calls: dict[tuple[str, ...], int]) -> int:
    box = len(tree.parent)
    calls[path] = number = calls.get(path, 0) + 1
    tree.parent.append(outer)
    tree.depth.append(tree.depth[outer] + 1)
    tree.children[box] = []
    tree.children[outer].append(box)
    tree.paths[box] = path
    tree.names[box] = ".".join(path) + (f"#{number}" if number > 1 else "")
    tree.start[box] = index
    tree.boxes.append(box)
    return box


def _too_deep(tree: Tree, limit: int | None) -> set[int]:
    """The boxes to close: depth after depth is opened while no more than `limit` things are visible."""
    if limit is None:
        return set()
    level = [tree.root]
    visible = len(tree.children[tree.root])
    while True:
        inner = [item for box in level for item in tree.children[box] if item > tree.root]
        visible += sum(len(tree.children[box]) - 1 for box in inner)
        if not inner or visible > limit:
            return set(inner)
        level = inner
