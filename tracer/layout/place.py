"""The layout itself: boxes are measured from the inside out, then everything is placed from the outside in."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil

from tracer.layout.ranks import Ranks, label_width, rank
from tracer.layout.rows import Extent, Lane, Ports, Row, columns, rows_of
from tracer.layout.tree import Tree, build_tree
from tracer.layout.types import Box, Edge, Layout, Metrics, Node, Placed, Route, Stub

__all__ = ["lay_out"]

DEFAULT = Metrics()
#: A stub shows so many characters of a name.
STUB_NAME = 16


def lay_out(
    nodes: Sequence[Node],
    edges: Iterable[Edge],
    *,
    closed: Collection[str] = (),
    limit: int | None = None,
    metrics: Metrics = DEFAULT,
) -> Layout:
    """Place a graph: rows from top to bottom, one box for each call of a module.

    `nodes` stand in the order of creation; an edge that points backward in that order is left out. `closed` names boxes
    that stand for their nodes ("layers.0"); `limit` closes whole depths so that at most so many things are visible,
    where possible. Linear in nodes and edges. Adding nodes at the end keeps the rows and the order of those that were
    there.

    >>> picture = lay_out([Node("a", ("a",), 40), Node("b", ("b",), 40)], [Edge("a", "b")])
    >>> [(node.id, node.x, node.y) for node in picture.nodes]
    [('a', 0.0, 0.0), ('b', 0.0, 30.0)]
    """
    with _collector_paused():
        tree = build_tree(nodes, closed, limit)
        ranks = rank(tree, edges, metrics)
        return _Placing(tree, ranks, metrics).run()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A layout makes many tuples and no cycles: the collector would only walk the program's whole heap, repeatedly."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Placing:
    """One layout on its way: what each box measures, and where each thing is."""

    def __init__(self, tree: Tree, ranks: Ranks, metrics: Metrics) -> None:
        self.tree, self.ranks, self.metrics = tree, ranks, metrics
        self.name = [*(node.id for node in tree.nodes), *tree.names.values()]  # item → its id
        self.out: dict[int, list[int]] = {}  # visible thing → the far ends of edges that are not drawn
        self.into: dict[int, list[int]] = {}
        self.widths: dict[int, float] = {}
        self.pills: dict[tuple[str, int], tuple[str, float]] = {}  # (side, thing) → what its stub says, how wide it is
        self.extents: dict[int, Extent] = {}
        self.ports: dict[int, Ports] = {}
        self.inside: dict[int, tuple[list[Row], list[float], dict[int, float], dict[Lane, float]]] = {}
        self.spots: dict[int, tuple[float, float]] = {}  # visible thing → (axis, top)
        self.lanes: dict[Lane, tuple[float, float, float]] = {}  # (axis, top, bottom)
        self.rows: dict[int, int] = {}  # child → the number of its row in its box
        self.entered: dict[int, list[int]] = {}  # open box → things in it that edges from outside lead to
        self.floors: dict[int, float] = {}  # child → the bottom of its row, where a higher one stands beside it

    def run(self) -> Layout:
        for source, target, _, low, drawn in self.ranks.links:
            if not drawn:
                self.out.setdefault(source, []).append(target)
                self.into.setdefault(target, []).append(source)
            holder = target
            while drawn and holder != low:
                holder = self.tree.parent[holder]
                self.entered.setdefault(holder, []).append(target)
        for box in reversed(self.tree.open):
            for child in self.tree.children[box]:
                if child not in self.extents:
                    self.extents[child] = self._leaf(child)
            self.extents[box] = self._measure(box)
        whole = self.extents[self.tree.root]
        self.spots[self.tree.root] = (whole.left, 0.0)
        for box in self.tree.open:
            self._place(box)
        return Layout(
            tuple(self._nodes()),
            tuple(self._boxes()),
            tuple(self._routes()),
            tuple(self._stubs()),
            whole.left + whole.right,
            whole.height,
        )

    # --- inside out: sizes --------------------------------------------------------------------------------------------

    def _leaf(self, item: int) -> Extent:
        """A node or a closed box, with the stubs beside it."""
        metrics, tree = self.metrics, self.tree
        if item < tree.root:
            width = tree.nodes[item].width
        else:
            width = label_width(tree, item, metrics)
        self.widths[item] = width
        left = right = width / 2
        if item in self.into:
            left += metrics.stub_gap + self._pill("in", item, max(self.into[item]))
        if item in self.out:
            right += metrics.stub_gap + self._pill("out", item, min(self.out[item]))
        return Extent(left, right, metrics.node_height)

    def _measure(self, box: int) -> Extent:
        """An open box round its rows."""
        metrics, tree, extents = self.metrics, self.tree, self.extents
        rows = rows_of(tree, self.ranks, box, extents, metrics)
        axes, lanes = columns(rows, self.ranks, extents, self.ports, metrics)
        self._find_ports(box, axes)
        heights = [self._row_height(row) for row in rows]
        self.inside[box] = rows, heights, axes, lanes
        left = max((extents[child].left - axis for child, axis in axes.items()), default=0.0)
        right = max((extents[child].right + axis for child, axis in axes.items()), default=0.0)
        if lanes:
            left = max(left, metrics.lane / 2 - min(lanes.values()))
            right = max(right, metrics.lane / 2 + max(lanes.values()))
        height = sum(heights) + metrics.row_gap * max(0, len(rows) - 1)
        if box == tree.root:
            return Extent(left, right, height)
        label = label_width(tree, box, metrics)
        left, right = left + metrics.padding, right + metrics.padding
        if box in self.entered:  # the name stands left of all edges that enter
            left = max(left, label - min(self._entry(target, box) for target in self.entered[box]))
        short = max(0.0, label - left - right) / 2
        return Extent(left + short, right + short, metrics.header + height + metrics.padding)

    def _entry(self, target: int, box: int) -> float:
        """Where something in a box stands, from the axis of the box."""
        away = 0.0
        while target != box:
            holder = self.tree.parent[target]
            away += self.inside[holder][2][target]
            target = holder
        return away

    def _find_ports(self, box: int, axes: dict[int, float]) -> None:
        """Edges enter at the first row and leave at the last, on average."""
        of, ports, last = self.ranks.of, self.ports, self.ranks.rows[box] - 1
        first = [axes[child] + ports.get(child, (0.0, 0.0))[0] for child in axes if of[child] == 0]
        final = [axes[child] + ports.get(child, (0.0, 0.0))[1] for child in axes if of[child] == last]
        if first and final:
            ports[box] = sum(first) / len(first), sum(final) / len(final)

    def _row_height(self, row: Row) -> float:
        height = 0.0
        for item in row:
            if not isinstance(item, tuple):
                height = max(height, self.extents[item].height)
        return height

    # --- outside in: places -------------------------------------------------------------------------------------------

    def _place(self, box: int) -> None:
        """The children of a box whose own spot is known."""
        rows, heights, axes, lanes = self.inside[box]
        axis, top = self.spots[box]
        if box != self.tree.root:
            top += self.metrics.header
        for number, (row, height) in enumerate(zip(rows, heights)):
            for item in row:
                if isinstance(item, tuple):
                    self.lanes[item] = (axis + lanes[item], top, top + height)
                else:
                    self.rows[item] = number
                    self.spots[item] = (axis + axes[item], top)
                    if self.extents[item].height < height:
                        self.floors[item] = top + height
            top += height + self.metrics.row_gap

    def _nodes(self) -> Iterable[Placed]:
        of, height, spots = self.ranks.of, self.metrics.node_height, self.spots
        for item, node in enumerate(self.tree.nodes):
            if item in spots:
                axis, top = spots[item]
                yield Placed(node.id, axis - node.width / 2, top, node.width, height, of[item])

    def _boxes(self) -> Iterable[Box]:
        tree = self.tree
        opened = set(tree.open)
        for item in tree.boxes:
            spot = self.spots.get(item)
            if spot is None:
                continue
            extent = self.extents[item]
            is_open = item in opened
            left, right = (extent.left, extent.right) if is_open else (self.widths[item] / 2,) * 2
            yield Box(
                tree.names[item],
                tree.paths[item],
                spot[0] - left,
                spot[1],
                left + right,
                extent.height,
                tree.end[item] - tree.start[item],
                is_open,
                tree.depth[item] - 1,
            )

    def _routes(self) -> Iterable[Route]:
        rows, lanes, spots, extents, name = self.rows, self.lanes, self.spots, self.extents, self.name
        for source, target, high, low, drawn in self.ranks.links:
            if not drawn:
                continue
            axis, top = spots[source]
            points = [(axis, top + extents[source].height)]
            # out of a box, and past a higher one in the same row, an edge goes straight down: slanting, it would cross the box
            floor = self.floors.get(high, spots[high][1] + extents[high].height)
            if floor > points[0][1]:
                points.append((axis, floor))
            for between in range(rows[high] + 1, rows[low]):
                axis, top, bottom = lanes[high, low, between]
                points += [(axis, top), (axis, bottom)]
            end = spots[target]
            if low != target:  # into a box likewise: past its name
                points.append((end[0], spots[low][1]))
            yield Route(name[source], name[target], (*points, end))

    # --- stubs --------------------------------------------------------------------------------------------------------

    def _pill(self, side: str, item: int, nearest: int) -> float:
        """Write the stub of one side: the nearest other end, and how many more there are. Returns its width."""
        tree, metrics = self.tree, self.metrics
        if nearest < tree.root:
            name = tree.nodes[nearest].label[0]
        else:
            name = tree.paths[nearest][-1]
        if len(name) > STUB_NAME:
            name = name[: STUB_NAME - 1] + "…"
        more = len((self.into if side == "in" else self.out)[item]) - 1
        text = f"{name} +{more}" if more else name
        width = _whole(metrics.stub_text * (len(text) + 2) + metrics.stub_padding)
        self.pills[side, item] = text, width
        return width

    def _stubs(self) -> Iterable[Stub]:
        metrics, name, position = self.metrics, self.name, self.tree.position
        down = (metrics.node_height - metrics.stub_height) / 2
        for (side, item), (text, width) in self.pills.items():
            others = (self.into if side == "in" else self.out)[item]
            if len(others) > 1:
                others.sort(key=position, reverse=side == "in")
            axis, top = self.spots[item]
            reach = self.widths[item] / 2 + metrics.stub_gap
            left = axis + reach if side == "out" else axis - reach - width
            far = tuple([name[other] for other in others])
            yield Stub(name[item], side, text, far, left, top + down, width, metrics.stub_height)


def _whole(width: float) -> float:
    """Whole pixels: sums of such widths stay exact, so that a layout is the same text everywhere."""
    return float(ceil(width))
