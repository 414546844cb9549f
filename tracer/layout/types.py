"""What goes into a layout and what comes out of it: plain tuples, pixels, no text measuring, no torch.

Coordinates are pixels; x grows to the right, y downward; a rectangle is its left upper corner, width and height.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Box", "Edge", "Layout", "Metrics", "Node", "Placed", "Route", "Stub"]


class Node(NamedTuple):
    """One node to be placed. Nodes come in the order in which they were created: an edge goes from earlier to later."""

    id: str
    label: tuple[str, ...]  # operator, instance name, shape: the first names the node in stubs
    width: float
    cluster: tuple[str, ...] = ()  # the calls of modules that it belongs to, outermost first
    pin: str = ""  # "top" for inputs, "bottom" for outputs, else where the edges put it


class Edge(NamedTuple):
    """The target reads what the source made."""

    source: str
    target: str


class Metrics(NamedTuple):
    """Sizes in pixels; the defaults are those of the widget."""

    node_height: float = 20
    row_gap: float = 10  # node_height + row_gap is the pitch
    column_gap: float = 14
    lane: float = 4  # room that an edge takes beside the nodes it passes
    padding: float = 10  # inside a box, left, right and below
    header: float = 26  # inside an open box, above its first row
    row_width: float = 960  # a wider row is broken into several
    stub_gap: float = 6
    stub_height: float = 14
    stub_text: float = 5.6  # one character of a stub
    stub_padding: float = 14
    box_text: float = 6.8  # one character of a box's label
    box_padding: float = 34
    longest_edge: int = 3  # ranks; a longer edge becomes a stub at both ends


class Placed(NamedTuple):
    """A node where it was put. `rank` counts rows of its box, from 0."""

    id: str
    x: float
    y: float
    width: float
    height: float
    rank: int


class Box(NamedTuple):
    """One call of a module: closed it stands for its nodes, open it surrounds them."""

    id: str  # "layers.0", or "layers.0#2" for a second call
    path: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    nodes: int  # how many nodes it holds, those of inner boxes included
    open: bool
    depth: int  # 0 for a box that lies in no other


class Route(NamedTuple):
    """A drawn edge between two visible things, as points from top to bottom."""

    source: str
    target: str
    points: tuple[tuple[float, float], ...]


class Stub(NamedTuple):
    """The end of edges too long to draw: a pill beside the node, naming what is at the other end."""

    node: str
    side: str  # "out" (right of the source) or "in" (left of the target)
    text: str
    others: tuple[str, ...]  # what the edges lead to or come from, nearest first
    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """Everything to draw, in drawing order: boxes from outside in, then routes, stubs and nodes."""

    nodes: tuple[Placed, ...]
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]
    stubs: tuple[Stub, ...]
    width: float
    height: float
