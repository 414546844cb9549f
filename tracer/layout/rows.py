"""Columns: the order within each row, and where along it everything stands.

Order: one sweep downward. A thing's key is the mean of the keys of what it reads (its barycentre), moved aside where
that is taken; it depends on earlier nodes only, so a graph that grows keeps the order it had. Place: as near as
possible below what it reads, without overlap (isotonic regression, one pass a row).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

from tracer.layout.ranks import Ranks
from tracer.layout.tree import Tree
from tracer.layout.types import Metrics

__all__ = ["Lane", "Ports", "Row", "columns", "rows_of", "spread"]

#: Where an edge passes a row between nodes: (upper child, lower child, number of the row).
Lane = tuple[int, int, int]
Row = list[int | Lane]
#: Where edges enter an open box above and leave it below, from its axis.
Ports = tuple[float, float]

#: How far a thing moves aside whose place in the order is taken.
ASIDE = 1 / 64


class Extent(NamedTuple):
    """How far a thing reaches to both sides of its axis, and how high it is."""

    left: float
    right: float
    height: float


def rows_of(tree: Tree, ranks: Ranks, box: int, extents: dict[int, Extent], metrics: Metrics) -> list[Row]:
    """The rows of one box from top to bottom, each in order from left to right; rows too wide are broken. An edge has a lane in
    every row that it passes."""
    keys, of, drawn = _keys(tree, ranks, box), ranks.of, ranks.drawn
    children: list[list[tuple[float, int, int]]] = [[] for _ in range(ranks.rows[box])]
    for child in tree.children[box]:
        children[of[child]].append((keys[child], tree.position(child), child))
    rows: list[list[tuple[float, int, int | Lane]]] = []
    at: dict[int, int] = {}  # child → its row
    ranked_as: list[int] = []  # row → the rank of its children
    for number, ranked in enumerate(children):
        for row in _broken(sorted(ranked), extents, metrics) if len(ranked) > 1 else (ranked,):
            for _, _, child in row:
                at[child] = len(rows)
            rows.append(list(row))
            ranked_as.append(number)
    for child in tree.children[box]:
        for other in drawn.get(child, ()):
            if at[child] - at[other] > 1:
                near = {of[other]: keys[other], of[child]: keys[child]}
                passing = (keys[child] + keys[other]) / 2 + ASIDE / 2
                for between in range(at[other] + 1, at[child]):
                    rows[between].append((near.get(ranked_as[between], passing), tree.position(child), (other, child, between)))
    return [[item for _, _, item in (sorted(row, key=_by_key) if len(row) > 1 else row)] for row in rows]


def _by_key(entry: tuple[float, int, int | Lane]) -> tuple[float, int]:
    return entry[0], entry[1]


def _keys(tree: Tree, ranks: Ranks, box: int) -> dict[int, float]:
    """The key of every child; sources that stand lower than the top take their place beside their first reader."""
    of, above = ranks.of, ranks.above
    keys: dict[int, float] = {}
    taken: dict[tuple[int, float], int] = {}
    tops = loose = 0
    sources: list[int] = []
    for child in tree.children[box]:
        rank = of[child]
        read = above.get(child)
        if read:
            near = [keys[other] for other in ranks.drawn.get(child, ()) if other in keys]
            if not near:
                near = [keys[other] for other in read if other in keys]
            key = sum(near) / len(near) if near else 0.0
            for other in read:
                if other not in keys:
                    keys[other] = key - ASIDE
        elif child < tree.root and tree.nodes[child].pin:
            key = float(tops)
            tops += 1
        else:
            loose += 1  # counted even where it stands lower, so that the others keep their keys when it goes there
            if rank:
                sources.append(child)
                continue
            key = tops - 1 + loose * ASIDE
        count = taken.get((rank, key), 0)
        taken[rank, key] = count + 1
        keys[child] = key + count * ASIDE
    for child in sources:
        keys.setdefault(child, 0.0)
    return keys


def _broken(
    row: Sequence[tuple[float, int, int]], extents: dict[int, Extent], metrics: Metrics
) -> list[list[tuple[float, int, int]]]:
    """One row, or several where it would be wider than a page."""
    rows: list[list[tuple[float, int, int]]] = [[]]
    width = 0.0
    for entry in row:
        wide = extents[entry[2]].left + extents[entry[2]].right
        if width and width + wide > metrics.row_width:
            rows.append([])
            width = 0.0
        rows[-1].append(entry)
        width += wide + metrics.column_gap
    return rows


def columns(
    rows: Sequence[Row], ranks: Ranks, extents: dict[int, Extent], ports: dict[int, Ports], metrics: Metrics
) -> tuple[dict[int, float], dict[Lane, float]]:
    """The axis of every child and of every lane, row by row below what they read; 0 is the axis of the box."""
    axes: dict[int, float] = {}
    lanes: dict[Lane, float] = {}
    half = metrics.lane / 2
    for number, row in enumerate(rows):
        wanted = [_wanted(item, number, ranks, axes, lanes, ports) for item in row]
        if len(row) == 1:
            placed = [wanted[0] or 0.0]
        else:
            left = [half if isinstance(item, tuple) else extents[item].left for item in row]
            right = [half if isinstance(item, tuple) else extents[item].right for item in row]
            placed = spread(wanted, left, right, metrics.column_gap)
        for item, axis in zip(row, placed):
            snapped = floor(axis * 4 + 0.5) / 4  # quarters are exact in binary: sums are the same text everywhere
            if isinstance(item, tuple):
                lanes[item] = snapped
            else:
                axes[item] = snapped
    return axes, lanes


def _wanted(
    item: int | Lane, row: int, ranks: Ranks, axes: dict[int, float], lanes: dict[Lane, float], ports: dict[int, Ports]
) -> float | None:
    """Right below what it reads, where edges are drawn; of a box that counts where its edges end."""
    if isinstance(item, tuple):
        high, low, _ = item
        before = lanes.get((high, low, row - 1))
        return axes[high] + (ports[high][1] if high in ports else 0.0) if before is None else before
    read = ranks.drawn.get(item)
    if read is None:
        return None
    total = 0.0
    for other in read:
        passed = lanes.get((other, item, row - 1))
        total += axes[other] + (ports[other][1] if other in ports else 0.0) if passed is None else passed
    return total / len(read) - (ports[item][0] if item in ports else 0.0)


def spread(wanted: Sequence[float | None], left: Sequence[float], right: Sequence[float], gap: float) -> list[float]:
    """Axes in the given order that don't overlap, with the least sum of squared distances to the wanted ones.

    `None` wants nothing: such a thing stands beside its neighbour.

    >>> spread([0, 0], [10, 10], [10, 10], 4)
    [-12.0, 12.0]
    """
    if len(wanted) == 2:  # by far the most frequent: a node, and an edge that passes it
        first, second = wanted
        first = first if first is not None else second or 0.0
        second = second if second is not None else first
        push = max(0.0, right[0] + gap + left[1] - (second - first)) / 2
        return [first - push, second + push]
    offset = 0.0
    offsets: list[float] = []
    blocks: list[list[float]] = []  # [sum, count, first]: a run of things that touch
    for number, place in enumerate(wanted):
        if number:
            offset += right[number - 1] + gap + left[number]
        offsets.append(offset)
        if place is None:
            place = _beside(wanted, number)
        blocks.append([place - offset, 1, number])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            total, count, _ = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    placed: list[float] = []
    for total, count, first in blocks:
        start = total / count
        placed.extend(start + offsets[int(first) + step] for step in range(int(count)))
    return placed


def _beside(wanted: Sequence[float | None], number: int) -> float:
    """The wish of the nearest neighbour to the left, else to the right, else the middle."""
    for other in (*range(number - 1, max(-1, number - 4), -1), *range(number + 1, min(len(wanted), number + 4))):
        place = wanted[other]
        if place is not None:
            return place
    return 0.0
