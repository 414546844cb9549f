"""What lies on what in a laid out graph: labels, boxes and edges, measured as they are drawn.

In: a layout. Out: for each kind of fault what takes part in it. Edges are curves: they are measured along the straight lines and bends
that the page and the exports draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.layout import Box, Layout, Route

__all__ = ["Rectangle", "faults", "title_of"]

Point = tuple[float, float]

#: Steps along one curve.
STEPS = 12


class Rectangle(NamedTuple):
    id: str
    x: float
    y: float
    right: float
    bottom: float


def rectangle(thing: object, name: str) -> Rectangle:
    x, y, w, h = (getattr(thing, part) for part in ("x", "y", "width", "height"))
    return Rectangle(name, x, y, x + w, y + h)


def title_of(box: Box) -> Rectangle:
    """Where the name and the size of an open box are written, with its chevron."""
    words = f"{box.nodes:,} {'op' if box.nodes == 1 else 'ops'}"
    width = 10 + 12 + 6.9 * len(box.path[-1]) + 8 + 6.0 * len(words)
    return Rectangle(f"title of {box.id}", box.x + 8, box.y + 5, box.x + width, box.y + 19)


def overlap(a: Rectangle, b: Rectangle, by: float = 0.5) -> bool:
    return a.x + by < b.right and b.x + by < a.right and a.y + by < b.bottom and b.y + by < a.bottom


def faults(picture: Layout) -> dict[str, list[tuple[str, str]]]:
    """{kind: [(one, the other)]}: "things" on each other, "titles" on something, what an edge goes through."""
    solid = [rectangle(n, n.id) for n in picture.nodes]
    solid += [rectangle(b, b.id) for b in picture.boxes if not b.open]
    pills = [rectangle(s, f"stub of {s.node}") for s in picture.stubs]
    titles = [title_of(b) for b in picture.boxes if b.open]
    boxes = {b.id: b for b in picture.boxes}
    found: dict[str, list[tuple[str, str]]] = {"things": [], "titles": [], "edge through a thing": [], "edge through a stub": [], "edge through a title": [], "edge through a box": []}
    for a, b in crossing([*solid, *pills]):
        found["things"].append((a.id, b.id))
    for title in titles:
        box = boxes[title.id.removeprefix("title of ")]
        if title.right > box.x + box.width + 0.5:
            found["titles"].append((title.id, "its box's edge"))
    for a, b in crossing([*titles, *solid, *pills]):
        if a in titles or b in titles:
            found["titles"].append((a.id, b.id))
    shelf = Shelf([*(("edge through a thing", r) for r in solid), *(("edge through a stub", r) for r in pills), *(("edge through a title", r) for r in titles)])
    around = holders(picture)
    opened = Shelf([("edge through a box", rectangle(b, b.id)) for b in picture.boxes if b.open])
    for route in picture.routes:
        name, met = f"{route.source} → {route.target}", set()
        allowed = around.get(route.source, set()) | around.get(route.target, set())
        for x, y in along(route):
            for kind, r in shelf.at(x, y):
                if r.id not in (route.source, route.target):
                    met.add((kind, r.id))
            for kind, r in opened.at(x, y):
                if r.id not in allowed:
                    met.add((kind, r.id))
        for kind, other in sorted(met):
            found[kind].append((name, other))
    return {kind: pairs for kind, pairs in found.items() if pairs}


def holders(picture: Layout) -> dict[str, set[str]]:
    """Thing → the open boxes that it lies in."""
    opened = [b for b in picture.boxes if b.open]
    shelf = Shelf([("", rectangle(b, b.id)) for b in opened])
    things = [*picture.nodes, *(b for b in picture.boxes if not b.open)]
    return {t.id: {r.id for _, r in shelf.at(t.x + t.width / 2, t.y + t.height / 2)} for t in things}


def along(route: Route) -> Iterator[Point]:
    """Points of an edge without its ends: the page's curve and the exports', which bend differently."""
    points = route.points
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        for bend in (min(14.0, abs(y1 - y0) / 2), (y1 - y0) / 2):
            for step in range(1, STEPS):
                t = step / STEPS
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                yield x0 * (a + b) + x1 * (c + d), y0 * a + (y0 + bend) * b + (y1 - bend) * c + y1 * d
            if x0 == x1:
                break


class Shelf:
    """Rectangles by height, so that a point meets few of them."""

    HIGH = 60

    def __init__(self, things: Sequence[tuple[str, Rectangle]]):
        self.rows: dict[int, list[tuple[str, Rectangle]]] = {}
        for thing in things:
            for row in range(int(thing[1].y // self.HIGH), int(thing[1].bottom // self.HIGH) + 1):
                self.rows.setdefault(row, []).append(thing)

    def at(self, x: float, y: float) -> Iterator[tuple[str, Rectangle]]:
        for kind, r in self.rows.get(int(y // self.HIGH), ()):
            if r.x + 0.5 < x < r.right - 0.5 and r.y + 0.5 < y < r.bottom - 0.5:
                yield kind, r


def crossing(things: Sequence[Rectangle]) -> Iterator[tuple[Rectangle, Rectangle]]:
    """Pairs that lie on each other."""
    waiting: list[Rectangle] = []
    for thing in sorted(things, key=lambda r: r.y):
        waiting = [one for one in waiting if one.bottom > thing.y]
        yield from ((one, thing) for one in waiting if overlap(one, thing))
        waiting.append(thing)
