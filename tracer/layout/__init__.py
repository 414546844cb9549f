"""Pure layouts of graphs: nodes, edges and boxes in, coordinates out. Widget, svg and html all draw from these."""

from tracer.layout.place import lay_out
from tracer.layout.types import Box, Edge, Layout, Metrics, Node, Placed, Route, Stub

__all__ = ["Box", "Edge", "Layout", "Metrics", "Node", "Placed", "Route", "Stub", "lay_out"]
