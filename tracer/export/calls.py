"""A call as a module: takes what the program's own function took, gives what it gave.

Possible where the call was one graph and nothing beside it: no break, no change of Python objects, arguments that can be found in
what was passed, a result of tensors and plain values in tuples, lists and dicts. `why` says what is in the way, where something is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch

from tracer.compat.trees import accessor, leaves_with_path
from tracer.export.capture import Captured, CapturedGraph, Input
from tracer.export.modules import GraphClass, constant
from tracer.export.tensors import Layout, plain

__all__ = ["Program", "program"]


class _No(Exception):
    """Why there is no such module."""


class Program:
    """`body`: the lines of `forward`, or `why` there is none. `arguments`: those of the recorded call."""

    def __init__(
        self, found: Captured, graph: GraphClass | None, lines: list[str], why: str, constants: dict[str, torch.Tensor]
    ):
        self.captured, self.graph, self.lines, self.why = found, graph, lines, why
        self.constants = constants
        self.tensors = {f"Program.{name}": value for name, value in constants.items()}

    def text(self, layout: Layout) -> str:
        """The class; where there is none, a comment that says why."""
        if self.why or self.graph is None:
            return f"# There is no class Program that takes the arguments of the call itself: {_comment(self.why)}."
        lines = [
            "class Program(torch.nn.Module):",
            '    """The call as the program made it: its arguments, its result."""',
            "",
        ]
        lines += ["    def __init__(self, held=None):", "        super().__init__()"]
        lines += ["        held = load() if held is None else held", f"        self.captured = {self.graph.name}(held)"]
        for name in self.constants:
            lines.append(f"        self.register_buffer({name!r}, {layout.texts[f'Program.{name}']})")
        return "\n".join([*lines, "", *(f"    {line}" for line in self.lines)])


def program(found: Captured, classes: list[GraphClass]) -> Program:
    """The module of a call, or why there can't be one."""
    constants: dict[str, torch.Tensor] = {}
    try:
        lines = _lines(found, classes, constants)
    except _No as no:
        return Program(found, None, [], str(no), {})
    return Program(found, classes[0], lines, "", constants)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _lines(found: Captured, classes: list[GraphClass], constants: dict[str, torch.Tensor]) -> list[str]:
    _one_graph(found)
    graph = found.graphs[0]
    texts = _texts(found)
    names = {id(value): name for name, value in texts.items()}
    checks = [
        f"    same({text!r}, {text}, {constant(leaf)})" for text, leaf in texts.items() if _fixed(graph, text, leaf)
    ]
    given = [_given(found, one, texts, constants) for one in classes[0].inputs]
    result = _result(found.result, graph, names)
    return [_header(found), *checks, f"    out = self.captured({', '.join(given)})", f"    return {result}"]


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


def _texts(found: Captured) -> dict[str, Any]:
    """How `forward` reads each leaf of its arguments: text → leaf."""
    made = {}
    for path, leaf in leaves_with_path(found.arguments):
        name = path[0].key
        try:
            made[f"{name}{accessor(path[1:])}"] = leaf
        except TypeError as error:
            raise _No(f"an argument lies in a container with {error}") from None
    return made


def _fixed(graph: CapturedGraph, text: str, leaf: Any) -> bool:
    """Whether the graph was made for this very value: plain ones, but numbers that it takes as inputs."""
    return plain(leaf) and not any(
        not isinstance(one.value, torch.Tensor) and _spelled(one.source, text) for one in graph.inputs
    )


def _spelled(source: str, text: str) -> bool:
    """Whether a source is this reading; a module's arguments are those of its caller: `args[0]`, `kwargs['k']`."""
    return source == text or re.sub(r"^kwargs\['(\w+)'\]", r"\1", source) == text


def _given(found: Captured, one: Input, texts: dict[str, Any], constants: dict[str, torch.Tensor]) -> str:
    """What `forward` passes for one input of the graph."""
    if one.path is not None:
        return f"{one.path[0].key}{accessor(one.path[1:])}"
    root = re.match(r"\w*", one.source)
    first = root.group() if root else ""
    if not isinstance(one.value, torch.Tensor):
        for text, leaf in texts.items():
            positional = re.match(r"args\[(\d+)\]", one.source)
            here = positional and list(found.arguments)[int(positional[1])] + one.source[positional.end() :] == text
            if _spelled(one.source, text) or here:
                return text if leaf is not None else constant(leaf)
    if first in found.arguments or first in ("args", "kwargs"):
        raise _No(f"the graph reads {one.source}, which lies in an object that only the program knows")
    if not isinstance(one.value, torch.Tensor):
        return constant(one.value)
    name = re.sub(r"\W", "_", one.source).strip("_") or "value"
    name = name if name not in constants and not hasattr(torch.nn.Module, name) else f"{name}_{len(constants)}"
    constants[name] = one.value
    return f"self.{name}"


def _header(found: Captured) -> str:
    """`def forward(self, …)` with the names and kinds of the program's own parameters, as far as they were given."""
    kinds = found.signature.parameters if found.signature is not None else {}
    parts, starred = ["self"], False
    for name in found.arguments:
        kind = kinds[name].kind if name in kinds else inspect.Parameter.POSITIONAL_OR_KEYWORD
        if kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        if kind is inspect.Parameter.VAR_POSITIONAL:
            parts.append(f"*{name}")
            starred = True
        else:
            parts.append(f"**{name}" if kind is inspect.Parameter.VAR_KEYWORD else name)
    return f"def forward({', '.join(parts)}):"


# --- result -----------------------------------------------------------------------------------------------------------


def _result(value: Any, graph: CapturedGraph, names: dict[int, str]) -> str:
    """The call's result, made of the graph's outputs."""
    if isinstance(value, torch.Tensor):
        for index, output in enumerate(graph.originals[1]):
            if output is value:
                return f"out[{index}]"
        for one, original in zip(graph.inputs, graph.originals[0], strict=True):
            if original is value and id(value) in names:
                return names[id(value)]
            if original is value:
                raise _No(f"it returns {one.source} itself, which isn't one of its arguments")
        if id(value) in names:
            return names[id(value)]
        raise _No("it returns a tensor that the graph doesn't make")
    if type(value) in (int, float) and _symbolic(graph):
        raise _No("it returns a number that may depend on sizes")
    if plain(value):
        return constant(value)
    if isinstance(value, Mapping):
        if not all(map(plain, value)):
            raise _No("it returns a dict whose keys can't be written down")
        return "{" + ", ".join(f"{constant(k)}: {_result(v, graph, names)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        inner = ", ".join(_result(part, graph, names) for part in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    raise _No(f"it returns a {type(value).__name__}")


def _symbolic(graph: CapturedGraph) -> bool:
    """Whether a size or a number among the inputs stands for any."""
    for node in graph.gm.graph.nodes:
        value = node.meta.get("example_value")
        if node.op == "placeholder" and not isinstance(value, torch.Tensor):
            return True
        if node.op == "placeholder" and any(type(size) is not int for size in value.shape):
            return True
    return False
