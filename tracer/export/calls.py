"""A call as a module: takes what the program's own function took, gives what it gave.

Possible where the call was one graph and nothing beside it: no break, no change of Python objects, arguments that can be found in
what was passed, guards on them that a file can check, a result of tensors and plain values in tuples, lists and dicts. `why` says
what is in the way, where something is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from tracer.compat.trees import leaves_with_path
from tracer.export.capture import Captured, CapturedGraph, Input
from tracer.export.checks import Check
from tracer.export.constants import constant, plain
from tracer.export.modules import GraphClass
from tracer.export.places import Place, Unreadable
from tracer.export.tensors import Layout

__all__ = ["Program", "program"]


class _No(Exception):
    """Why there is no such module."""


class Program:
    """`given`: what `call` passes to the graph, `result`: what it makes of the graph's outputs; or `why` there is none."""

    def __init__(self, found: Captured, classes: list[GraphClass]):
        self.captured = found
        self.why = self.result = self.graph = ""
        self.constants: dict[str, torch.Tensor] = {}
        self.given: list[str] = []
        self.checks: list[Check] = []
        try:
            self._make(found, classes)
        except (_No, Unreadable) as no:
            self.why = str(no)
        self.tensors = {f"Program.{name}": value for name, value in self.constants.items()}

    def _make(self, found: Captured, classes: list[GraphClass]) -> None:
        _one_graph(found)
        if isinstance(found.checks, str):
            raise _No(found.checks)
        graph, places = found.graphs[0], _places(found)
        self.graph, self.checks = classes[0].name, list(found.checks)
        _weights(found, classes[0])
        self.given = [_given(found, one, places, self.constants) for one in classes[0].inputs]
        self.result = _Result(found, graph, places).spelled(found.result)

    def text(self, layout: Layout) -> str:
        """The class; where there is none, a comment that says why."""
        if self.why:
            return f"# There is no class Program that takes the arguments of the call itself: {' '.join(self.why.split())}."
        arguments = self.captured.arguments
        passed, safe = ", ".join(arguments.given), "".join(f", {name}" for name in arguments.safe.values())
        me = arguments.me
        lines = ["class Program(torch.nn.Module):", '    """The call as the program made it: its arguments, its result."""', ""]
        lines += ["    def __init__(self, held=None):", "        super().__init__()"]
        lines += ["        held = load() if held is None else held", f"        self.captured = {self.graph}(held)"]
        for name in self.constants:
            lines.append(f"        self.register_buffer({name!r}, {layout.texts[f'Program.{name}']}, persistent=False)")
        lines += ["", f"    {arguments.header()}", f"        {me}.check({passed})", f"        return {me}.call({passed})"]
        lines += ["", f"    def check(self{safe}):", '        """ValueError unless the arguments are as the captured call relied on."""']
        lines += [f"        {check.line}" for check in self.checks]
        lines += ["", f"    def call(self{safe}):", f"        out = self.captured({', '.join(self.given)})", f"        return {self.result}"]
        return "\n".join(lines)


def program(found: Captured, classes: list[GraphClass]) -> Program:
    """The module of a call, or why there can't be one."""
    return Program(found, classes)


def _one_graph(found: Captured) -> None:
    if found.breaks:
        first = found.breaks[0]
        place = f" at line {first.location.line}" if first.location is not None else ""
        raise _No(f"the graph breaks{place} ({first.title or first.reason})")
    if len(found.graphs) != 1 or found.runs != 1:
        raise _No(f"it ran {found.runs} graphs" if len(found.graphs) > 1 else f"it ran its graph {found.runs} times")
    if found.effects:
        raise _No(f"it also changes Python objects ({', '.join(found.effects[:3])})")


# --- arguments --------------------------------------------------------------------------------------------------------
Places = list[tuple[Place, Any]]


def _places(found: Captured) -> Places:
    """Where each leaf of the arguments is read."""
    places = [(found.arguments.leaf(path), leaf) for path, leaf in leaves_with_path(found.arguments.given)]
    for place, leaf in places:
        if isinstance(leaf, torch.nn.Module):
            raise _No(f"{place.what} is a module, and only modules that are arguments themselves become part of a file")
    return places


def _weights(found: Captured, graph: GraphClass) -> None:
    """A weight that an argument holds would be another one with another argument."""
    for one in found.graphs[0].inputs:
        if one.name in graph.weights and (one.source in found.reads or _first(one) in found.arguments.given):
            raise _No(f"the graph reads {one.source}, which lies in an object that only the program knows")


#: A size as torch.compile's graphs take one beside its tensor.
_SIZE = re.compile(r"(.+)\.(shape\[\d+\]|stride\(\)\[\d+\]|storage_offset\(\))")


def _read(found: Captured, source: str, places: Places) -> str:
    """How `call` reads a number from the arguments, "" where it is none of theirs."""
    if source in found.reads:
        return found.reads[source].read
    read = next((place.read for place, _ in places if place.what == source), "")
    size = _SIZE.fullmatch(source)
    if read or size is None:
        return read
    owner = _read(found, size[1], places)
    return owner and f"{owner}.{size[2]}"


def _first(one: Input) -> str:
    """The variable that an input is read from."""
    found = re.match(r"\w*", one.source)
    return found.group() if found else ""


def _given(found: Captured, one: Input, places: Places, constants: dict[str, torch.Tensor]) -> str:
    """What `call` passes for one input of the graph."""
    arguments = found.arguments
    if one.path is not None:
        return arguments.leaf(one.path).read
    if not isinstance(one.value, torch.Tensor):
        read = _read(found, one.source, places)
        if read:
            return read
    if _first(one) in (*arguments.given, "args", "kwargs"):
        raise _No(f"the graph reads {one.source}, which lies in an object that only the program knows")
    if not isinstance(one.value, torch.Tensor):
        return constant(one.value)
    name = re.sub(r"\W", "_", one.source).strip("_") or "value"
    name = name if name not in constants and not hasattr(torch.nn.Module, name) else f"{name}_{len(constants)}"
    constants[name] = one.value
    return f"self.{name}"


# --- result -----------------------------------------------------------------------------------------------------------


class _Result:
    """The call's result, made of the graph's outputs and of arguments."""

    def __init__(self, found: Captured, graph: CapturedGraph, places: Places):
        self._found, self._graph, self._places = found, graph, places

    def spelled(self, value: Any, path: tuple[Any, ...] = ()) -> str:
        """As Python writes it; `path` leads to it from the whole result."""
        graph = self._graph
        if isinstance(value, torch.Tensor):
            return _tensor(value, graph, self._places)
        passed = self._passed(path)
        if passed:
            return passed
        if type(value) in (int, float) and _symbolic(graph):
            raise _No("it returns a number that may depend on sizes")
        if isinstance(value, Mapping):
            if not all(map(plain, value)):
                raise _No("it returns a dict whose keys can't be written down")
            return "{" + ", ".join(f"{constant(k)}: {self.spelled(v, (*path, k))}" for k, v in value.items()) + "}"
        if isinstance(value, list | tuple) and (not isinstance(value, torch.Size) or _symbolic(graph)):
            inner = ", ".join(self.spelled(part, (*path, index)) for index, part in enumerate(value))
            return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
        if plain(value):
            return constant(value)
        raise _No(f"it returns a {type(value).__name__}")

    def _passed(self, path: tuple[Any, ...]) -> str:
        """How the argument that the call gives back there is read, "" where it isn't one: it needn't be what it was."""
        source = self._found.back.get(path)
        place = None if source is None else self._found.arguments.place(source)
        return "" if place is None else place.read


def _tensor(value: torch.Tensor, graph: CapturedGraph, places: Places) -> str:
    for index, output in enumerate(graph.originals[1]):
        if output is value:
            return f"out[{index}]"
    for place, leaf in places:
        if leaf is value:
            return place.read
    for one, original in zip(graph.inputs, graph.originals[0], strict=True):
        if original is value:
            raise _No(f"it returns {one.source} itself, which isn't one of its arguments")
    raise _No("it returns a tensor that the graph doesn't make")


def _symbolic(graph: CapturedGraph) -> bool:
    """Whether a size or a number among the inputs stands for any."""
    for node in graph.gm.graph.nodes:
        value = node.meta.get("example_value")
        if node.op == "placeholder" and not isinstance(value, torch.Tensor):
            return True
        if node.op == "placeholder" and any(type(size) is not int for size in value.shape):
            return True
    return False
