"""Graphs as dot text, for programs that lay out graphs themselves, and as the picture that the program `dot` draws of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import graphviz

from tracer.errors import TracerError
from tracer.explain import clean
from tracer.export.bodies import Flat, flat
from tracer.export.figure import operator_of, shape_text
from tracer.records import Graph, Node

__all__ = ["dot", "draw", "write"]

#: `dot` takes minutes on graphs of thousands of nodes.
SECONDS = 60.0


def dot(graphs: Sequence[Graph]) -> str:
    """All graphs as one digraph: a cluster for each graph, in it one for each call of a module."""
    whole = graphviz.Digraph("tracer", node_attr={"shape": "box", "fontname": "monospace", "fontsize": "10"})
    for number, graph in enumerate(graphs):
        with whole.subgraph(name=f"cluster_{number}") as lane:
            lane.attr(label=_text(graph.name))
            _fill(lane, flat(graph.nodes, graph.bodies), number)
    return str(whole.source)


def _fill(lane: graphviz.Digraph, whole: Flat, number: int) -> None:
    """Nodes get numbered names of ours, so that no name of theirs is read as dot's syntax."""
    nodes = whole.nodes
    ids = {node.name: f"g{number}n{index}" for index, node in enumerate(nodes)}
    stack: list[tuple[str, graphviz.Digraph]] = []  # the open boxes, outermost first
    boxes = 0

    def close(depth: int) -> None:
        while len(stack) > depth:
            _, box = stack.pop()
            (stack[-1][1] if stack else lane).subgraph(box)

    for node in nodes:
        path = whole.paths[node.name]
        common = 0
        while common < min(len(path), len(stack)) and stack[common][0] == path[common]:
            common += 1
        close(common)
        for depth in range(common, len(path)):
            style = "dashed" if path[: depth + 1] in whole.bodies else "rounded"
            box = graphviz.Digraph(f"cluster_{number}_{boxes}", graph_attr={"label": _text(path[depth]), "style": style})
            stack.append((path[depth], box))
            boxes += 1
        look = {} if node.op.startswith("call") else {"style": "dotted"}
        (stack[-1][1] if stack else lane).node(ids[node.name], _label(node), **look)
    close(0)
    for node in nodes:
        for read in node.inputs:
            if read in ids:
                lane.edge(ids[read], ids[node.name])


def _label(node: Node) -> str:
    what = operator_of(node.target) if node.op.startswith("call") else node.name
    kind = " ".join(filter(None, (node.dtype, shape_text(node.shape))))
    return _text(what) + (r"\n" + _text(kind) if kind else "")


def _text(text: str) -> str:
    """Escaped for a label: backslashes mean something there, and so do angle brackets around the whole."""
    return str(graphviz.nohtml(graphviz.escape(clean(text))))


# --- files ------------------------------------------------------------------------------------------------------------


def write(session: Any, path: Path) -> None:
    """dot text."""
    path.write_text(dot(session.records.graphs), encoding="utf-8")


def draw(session: Any, path: Path, *, seconds: float = SECONDS) -> None:
    """PNG, drawn by `dot`. TracerError where it is missing, fails, or isn't done in time."""
    program = shutil.which("dot")
    other = "export to .svg, which needs no program"
    if program is None:
        raise TracerError(
            "a .png is drawn by the program dot, which is not installed.", next=f"install Graphviz, or {other}"
        )
    text = dot(session.records.graphs)
    try:
        done = subprocess.run(
            [program, "-Tpng"], input=text.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise TracerError(f"dot was not done after {seconds:g} s.", next=other) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise TracerError(f"dot failed with exit status {done.returncode}: {said[:500]}", next=other)
    path.write_bytes(done.stdout)
