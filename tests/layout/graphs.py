"""Graphs to lay out: a few drawn by hand, and a strategy for any."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from tracer.layout import Edge, Node

Graph = tuple[list[Node], list[Edge]]


def node(name: str, *, cluster: tuple[str, ...] = (), width: float = 60, pin: str = "") -> Node:
    return Node(name, (name,), width, cluster, pin)


def chain(*names: str, cluster: tuple[str, ...] = ()) -> Graph:
    nodes = [node(name, cluster=cluster) for name in names]
    return nodes, [Edge(a, b) for a, b in itertools.pairwise(names)]


def diamond() -> Graph:
    nodes = [node(name) for name in ("split", "q", "k", "v", "sdpa")]
    return nodes, [Edge("split", n) for n in "qkv"] + [Edge(n, "sdpa") for n in "qkv"]


def block(number: int, before: str) -> Graph:
    """A transformer block with its two residual edges."""
    home = (f"layers.{number}",)
    steps = ["ln_1", "attn", "add_1", "ln_2", "fc", "gelu", "proj", "add_2"]
    places = {"attn": (*home, "attn"), "fc": (*home, "mlp"), "gelu": (*home, "mlp"), "proj": (*home, "mlp")}
    nodes = [node(f"{step}_{number}", cluster=places.get(step, home)) for step in steps]
    names = [before, *(n.id for n in nodes)]
    edges = [Edge(a, b) for a, b in itertools.pairwise(names)]
    return nodes, [*edges, Edge(before, names[3]), Edge(names[3], names[8])]


def transformer(layers: int) -> Graph:
    nodes = [node("idx", pin="top"), node("embed")]
    edges = [Edge("idx", "embed")]
    for number in range(layers):
        more, links = block(number, nodes[-1].id)
        nodes += more
        edges += links
    nodes.append(node("output", pin="bottom"))
    return nodes, [*edges, Edge(nodes[-2].id, "output")]


@st.composite
def graphs(draw: st.DrawFn, most: int = 40) -> Graph:
    """Any graph in order: nodes in boxes up to three deep, a few of them inputs, edges from earlier to later."""
    count = draw(st.integers(1, most))
    paths = draw(st.lists(st.lists(st.sampled_from("abc"), max_size=3).map(tuple), min_size=count, max_size=count))
    inputs = draw(st.integers(0, min(4, count)))
    nodes, edges = [], []
    for number in range(count):
        top = number < inputs
        width = draw(st.integers(20, 140))
        nodes.append(node(f"n{number}", cluster=() if top else paths[number], width=width, pin="top" if top else ""))
        if not top and number:
            edges += [Edge(f"n{s}", nodes[-1].id) for s in draw(st.sets(st.integers(0, number - 1), max_size=3))]
    return nodes, edges
