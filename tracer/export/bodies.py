"""A graph and the bodies of its higher-order operators as one list of nodes, as they are drawn.

In: nodes, and the bodies that some of them stand for. Out: nodes with names of their own (`cond_true/matmul`), the boxes that each
lies in, and inputs that lead from one graph into the other: what a body lifted comes from outside, and the operator reads
what its bodies return.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tracer.records import Body, Node

__all__ = ["Flat", "boxes_of", "cluster_of", "flat"]

#: Boxes, outermost first.
Path = tuple[str, ...]


@dataclass
class Flat:
    """`paths`: node → its boxes; `bodies`: boxes that are bodies; `homes`: node of a body → that body, and its name there."""

    nodes: list[Node] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    bodies: dict[Path, Body] = field(default_factory=dict)
    homes: dict[str, tuple[Body, str]] = field(default_factory=dict)

    def boxed(self) -> list[Node]:
        """The nodes; the module path of one that lies in a body names its boxes."""
        return [replace(node, module_path=".".join(self.paths[node.name]), levels=()) if node.name in self.homes else node for node in self.nodes]

    def role(self, path: Path) -> str:
        """The operator whose body a box holds; "" for a module's."""
        return self.bodies[path].operator if path in self.bodies else ""

    def add(self, node: Node, path: Path) -> None:
        self.nodes.append(node)
        self.paths[node.name] = path


def flat(nodes: Sequence[Node], bodies: Sequence[Body] = ()) -> Flat:
    """Everything in one list; a body stands before the operator that runs it."""
    made = Flat()
    _pour(made, nodes, bodies, _Around(), None)
    return made


class _Around(NamedTuple):
    """Where a graph is poured in. `prefix`: of its nodes' names; `box`: what it lies in; `modules`: of these, the modules around its
    operator; `outside`: its placeholders → nodes that are there."""

    prefix: str = ""
    box: Path = ()
    modules: Path = ()
    outside: Mapping[str, str] = {}


def _pour(made: Flat, nodes: Sequence[Node], bodies: Sequence[Body], around: _Around, home: Body | None) -> list[str]:
    """Adds one graph. Answers what it returns: of a recording that doesn't tell, what nobody in it reads."""
    known, held = dict(around.outside), {body.node: body for body in bodies}
    results: dict[str, list[str]] = {}  # the node that stands for a body → what the body returns
    inner: dict[str, set[str]] = {}  # the same → what the body reads from outside
    read: set[str] = set()
    mine = []
    for node in nodes:
        if node.name in held:
            continue
        modules = boxes_of(node)
        path = _inside(around.box, around.modules, modules)
        for body in (held[name] for name in node.inputs if name in held and name not in results):
            place = (*path, body.node)
            made.bodies[place] = body
            passed = {name: known.get(outer, outer) for name, outer in body.inputs}
            before = len(made.nodes)
            results[body.node] = _pour(made, body.nodes, body.bodies, _Around(f"{around.prefix}{body.node}/", place, modules, passed), body)
            inner[body.node] = {name for one in made.nodes[before:] for name in one.inputs}
        known[node.name] = name = around.prefix + node.name
        inputs = _inputs(node, known, results, inner)
        read.update(inputs)
        mine.append(name)
        made.add(replace(node, name=name, inputs=inputs, args=_said(node.args, around.outside)), path)
        if home is not None:
            made.homes[name] = (home, node.name)
    told = [known[name] for name in home.results if name in known] if home is not None else []
    return told or [name for name in mine if name not in read]


def _said(args: str, outside: Mapping[str, str]) -> str:
    """Arguments with the names outside for a body's placeholders."""
    return re.sub(r"\w+", lambda word: outside.get(word[0], word[0]), args) if outside else args


def _inputs(node: Node, known: Mapping[str, str], results: Mapping[str, list[str]], inner: Mapping[str, set[str]]) -> tuple[str, ...]:
    """What a node reads; an operator reads its bodies' results, and not again what only goes through it into them."""
    through = set().union(*(inner[name] for name in node.inputs if name in inner))
    found: list[str] = []
    for name in node.inputs:
        if name in results:
            found += results[name]
        elif known.get(name, name) not in through:
            found.append(known.get(name, name))
    return tuple(dict.fromkeys(found))


def _inside(box: Path, modules: Path, path: Path) -> Path:
    """The boxes of a node in a body: those of the body, then the modules that were called in it."""
    common = 0
    while common < min(len(modules), len(path)) and modules[common] == path[common]:
        common += 1
    return (*box, *path[common:])


# --- modules ----------------------------------------------------------------------------------------------------------


def boxes_of(node: Node) -> Path:
    """The boxes a node lies in, outermost first: the modules around it, and levels of torch.func, each inside the module in which it began."""
    path = cluster_of(node.module_path)
    for count, (began, name) in enumerate(node.levels):
        at = min(len(cluster_of(began)) + count, len(path))
        path = (*path[:at], name, *path[at:])
    return path


def cluster_of(module_path: object) -> tuple[str, ...]:
    """The boxes a node lies in, outermost first, from a dotted path or from (path, class) of each module around it.

    >>> cluster_of("h.0.attn")
    ('h.0', 'attn')
    >>> cluster_of([("L['self'].h.0", "Block"), ("L['self'].h.0.attn", "Attention")])
    ('h.0', 'attn')
    """
    if isinstance(module_path, str):
        return _joined(module_path)
    if not isinstance(module_path, Iterable):
        return ()
    boxes: list[str] = []
    before: tuple[str, ...] = ()
    for entry in module_path:
        path = str(entry if isinstance(entry, str) else next(iter(entry), ""))
        whole = _joined(path)
        inner = whole[len(before) :] if whole[: len(before)] == before else whole
        boxes += inner
        before = whole if len(whole) > len(before) else (*before, *inner)
    return tuple(boxes)


def _joined(path: str) -> tuple[str, ...]:
    """The parts of a dotted path; the number of an entry of a container stays with the container's name."""
    path = re.sub(r"^L\[['\"]?self['\"]?\]\.?", "", path)
    path = re.sub(r"\[['\"]?([^\]'\"]+)['\"]?\]", r".\1", path)
    parts: list[str] = []
    for part in filter(None, path.split(".")):
        if part.isdigit() and parts:
            parts[-1] += "." + part
        elif part not in ("_modules", "self"):
            parts.append(part)
    return tuple(parts)
