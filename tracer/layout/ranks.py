"""Rows: which child of a box stands above which, and which edges are short enough to be drawn.

In: the tree and the edges. Out: for every visible child its rank in its box, and for every edge the two children of one
box between which it runs. One pass over the children and their edges; a child's rank never depends on what comes later,
but for sources that aren't inputs, which stand right above the first that reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from tracer.layout.tree import Tree
from tracer.layout.types import Edge, Metrics

__all__ = ["Link", "Ranks", "label_width", "rank"]

#: source and target as visible things, then the children of one box that hold them, then whether it is drawn.
Link = tuple[int, int, int, int, bool]


class Ranks:
    """What ranking found out about one layout."""

    __slots__ = ("above", "drawn", "links", "of", "rows")

    def __init__(self) -> None:
        self.of: dict[int, int] = {}  # child → its rank in its box
        self.rows: dict[int, int] = {}  # box → how many ranks it has
        self.above: dict[int, list[int]] = {}  # child → children of the same box that it reads, in order of appearance
        self.drawn: dict[int, list[int]] = {}  # the same, where an edge between them is short enough to be drawn
        self.links: list[Link] = []


def rank(tree: Tree, edges: Iterable[Edge], metrics: Metrics) -> Ranks:
    """Lift the edges to the boxes' children, rank those, and tell short edges from long ones."""
    longest = metrics.longest_edge
    ranks = Ranks()
    lifted = _lift(tree, edges, ranks.above)
    for box in tree.open:
        _rank_children(tree, box, ranks)
    heights = _heights(tree, ranks)
    wide = _wide(tree, ranks, metrics)
    pairs: set[int] = set()
    size = len(tree.parent)
    for source, target, high, low in lifted:
        between = range(ranks.of[high] + 1, ranks.of[low])
        short = len(between) < longest
        if short:
            box = tree.parent[high]
            broken = wide.get(box, {})
            passed = broken.get(ranks.of[high], 0) + broken.get(ranks.of[low], 0)
            if between:
                rows = heights[box]
                passed += sum(rows[row] * (1 + broken.get(row, 0)) for row in between)
            short = passed < longest
        drawn = short and _borders(tree, ranks, wide, source, target, high, low)
        ranks.links.append((source, target, high, low, drawn))
        if drawn:
            pair = high * size + low
            if pair not in pairs:
                pairs.add(pair)
                ranks.drawn.setdefault(low, []).append(high)
    return ranks


def _wide(tree: Tree, ranks: Ranks, metrics: Metrics) -> dict[int, dict[int, int]]:
    """Box → rank → how many more rows its children take than one, at least: those of a rank too wide are broken."""
    wide: dict[int, dict[int, int]] = {}
    for box in tree.open:
        widths = [0.0] * ranks.rows[box]
        for child in tree.children[box]:
            own = tree.nodes[child].width if child < tree.root else label_width(tree, child, metrics)
            widths[ranks.of[child]] += own + metrics.column_gap
        more = {row: int(width // metrics.row_width) for row, width in enumerate(widths) if width > metrics.row_width}
        if more:
            wide[box] = more
    return wide


def label_width(tree: Tree, box: int, metrics: Metrics) -> float:
    """What the name and the size of a box take, with the sign before them; whole pixels: sums of such widths stay exact."""
    count = tree.end[box] - tree.start[box]
    return float(ceil(metrics.box_text * len(f"{tree.paths[box][-1]} {count:,} ops") + metrics.box_padding))


def _heights(tree: Tree, ranks: Ranks) -> dict[int, list[int]]:
    """How many rows of nodes each rank of each open box is high: one, or as many as the highest box in it has."""
    whole: dict[int, int] = {}
    heights: dict[int, list[int]] = {}
    for box in reversed(tree.open):
        heights[box] = rows = [1] * ranks.rows[box]
        for child in tree.children[box]:
            if child in whole and whole[child] > rows[ranks.of[child]]:
                rows[ranks.of[child]] = whole[child]
        whole[box] = sum(rows) + 1  # and its header
    return heights


def _lift(tree: Tree, edges: Iterable[Edge], above: dict[int, list[int]]) -> list[tuple[int, int, int, int]]:
    """Edges between visible things, each once, with the siblings that hold its ends; and which sibling reads which."""
    index = {node.id: number for number, node in enumerate(tree.nodes)}
    visible, parent, depth = tree.visible, tree.parent, tree.depth
    seen: set[int] = set()  # pairs as one number: source * size + target
    pairs: set[int] = set()
    size = len(parent)
    lifted = []
    for source_id, target_id in edges:
        source, target = index[source_id], index[target_id]
        if source >= target:
            continue  # not an edge of a graph in order: nothing that could be drawn downward
        source, target = visible[source], visible[target]
        pair = source * size + target
        if source == target or pair in seen:
            continue
        seen.add(pair)
        high, low = source, target
        while parent[high] != parent[low]:
            if depth[high] >= depth[low]:
                high = parent[high]
            else:
                low = parent[low]
        lifted.append((source, target, high, low))
        pair = high * size + low
        if pair not in pairs:
            pairs.add(pair)
            above.setdefault(low, []).append(high)
    return lifted


def _rank_children(tree: Tree, box: int, ranks: Ranks) -> None:
    """Longest path from the top; a source that isn't an input moves down to right above its first reader."""
    of, above, nodes, root = ranks.of, ranks.above, tree.nodes, tree.root
    unread: set[int] = set()  # sources that nothing has read so far
    bottom: list[int] = []
    deepest = -1
    for child in tree.children[box]:
        own = 0
        read = above.get(child)
        if read:
            for other in read:
                if of[other] >= own:
                    own = of[other] + 1
        of[child] = own
        if child < root and nodes[child].pin:
            if nodes[child].pin == "bottom":
                bottom.append(child)
                continue
        elif not read:
            unread.add(child)
        if read and unread:
            for other in read:
                if other in unread:
                    unread.remove(other)
                    of[other] = own - 1
        if own > deepest:
            deepest = own
    for child in bottom:
        of[child] = max(of[child], deepest + 1)
    ranks.rows[box] = 1 + max((of[child] for child in tree.children[box]), default=-1)


def _borders(tree: Tree, ranks: Ranks, wide: dict[int, dict[int, int]], source: int, target: int, high: int, low: int) -> bool:
    """Whether nothing lies below the source and above the target in their boxes, where an edge would cross it."""
    of, parent = ranks.of, tree.parent
    while source != high:
        box = parent[source]
        if of[source] != ranks.rows[box] - 1 or of[source] in wide.get(box, ()):
            return False
        source = box
    while target != low:
        if of[target] != 0 or 0 in wide.get(parent[target], ()):
            return False
        target = parent[target]
    return True
