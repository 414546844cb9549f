"""One captured graph as the text of an nn.Module class.

Weights become attributes at the paths they have in the module they come from; bodies of higher-order operators become classes of
their own. What a graph calls is imported by name; TracerError names what only the program has.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import keyword
import operator
import re
import types
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import fx
from torch.utils import checkpoint

from tracer.compat import promise, set_data
from tracer.compat.graphs import contexts_of
from tracer.errors import TracerError
from tracer.export.capture import CapturedGraph, Input
from tracer.export.constants import PACKAGES, constant, importable, plain
from tracer.export.sizes import size_checks
from tracer.export.tensors import Layout
from tracer.graph import applied, applied_in_levels
from tracer.graph.spelling import Held
from tracer.higher_order.region import invoke_subgraph

__all__ = ["GraphClass"]

KNOWN = {
    "torch": "", "device": "from torch import device", "inf": "from math import inf", "nan": "from math import nan",
    "NoneType": "from types import NoneType",
}  # fmt: skip


class _Attribute(NamedTuple):
    """A tensor of a class: its key in the layout, whether it is a parameter, whether that asks for gradients, whether the model's
    `state_dict` has it."""

    key: str
    parameter: bool
    grad: bool
    kept: bool


def _names(model: torch.nn.Module | None, held: set[str]) -> dict[int, list[str]]:
    """The paths of each tensor of a model, by its id: tied ones have several. What the graph itself holds goes before them."""
    found: dict[int, list[str]] = {}
    for named in (model.named_parameters, model.named_buffers) if model is not None else ():
        for name, value in named(remove_duplicate=False):
            if all(map(_fit, name.split("."))) and not any(f"{other}.".startswith(f"{name}.") for other in held):
                found.setdefault(id(value), []).append(name)
    return found


def _free(one: Input, taken: set[str]) -> str:
    """A path like the place that a weight was read at; the input's own name where something else is there or it is none."""
    path = re.sub(r"\[(\d+)\]", r".\1", one.source.removeprefix("self."))
    free = not any(path.startswith(f"{other}.") or other.startswith(f"{path}.") or other == path for other in taken)
    if not free or not all(map(_fit, path.split("."))):
        path = one.name
    taken.add(path)
    return path


class GraphClass:
    """`forward` takes what isn't a weight, in the graph's order. `tensors`: by name, for the layout. `imports`: lines."""

    def __init__(self, graph: CapturedGraph, name: str, model: torch.nn.Module | None = None):
        self.graph, self.name = graph, name
        self.imports: set[str] = set()
        self.definitions: dict[str, str] = {}  # of operators that torch doesn't have
        paths = {one.name: found for one, found in self._paths(graph, model)}
        self.weights = {name: found[0] for name, found in paths.items()}
        kept = frozenset() if model is None else frozenset(model.state_dict())
        self.inputs = [one for one in graph.inputs if one.name not in self.weights]
        self.attributes: dict[str, _Attribute] = {}  # by path
        self.constants: dict[str, dict[str, str]] = {}  # class → attribute → expression
        self.left_out: list[str] = []  # what the file doesn't hold, in words
        self.tensors: dict[str, torch.Tensor] = {f"{name}.rng": graph.rng}
        self.children: list[tuple[str, str, str]] = []  # (attribute, class, its text)
        for one in graph.inputs:
            if one.name in self.weights:
                parameter = one.value.requires_grad or isinstance(self._original(one), torch.nn.Parameter)
                self._hold(paths[one.name], one.value, parameter, kept)
        self.unused = tuple(sorted(kept - self.attributes.keys()))  # names of the model's state that the graph doesn't use
        self.code = self._code(graph.gm, name, self.weights, root=True)
        for prefix, values in (("input", [one.value for one in self.inputs]), ("output", graph.outputs)):
            self.tensors |= {f"{name}.{prefix}.{i}": v for i, v in enumerate(values) if isinstance(v, torch.Tensor)}
        self.tensors |= {f"{name}.after.{i}": one.after for i, one in enumerate(self.inputs) if one.after is not None}

    def _original(self, one: Input) -> Any:
        return self.graph.originals[0][self.graph.inputs.index(one)]

    def _paths(self, graph: CapturedGraph, model: torch.nn.Module | None) -> list[tuple[Input, list[str]]]:
        """Weights and the attribute paths that they get: all that the model has for them, else one like the place that they were read at."""
        held = {str(node.target) for node in graph.gm.graph.nodes if node.op == "get_attr"}
        names = _names(model, held)
        taken = held.union(*names.values())
        found = []
        for number, one in enumerate(graph.inputs):
            own = one.owned or isinstance(graph.originals[0][number], torch.nn.Parameter)
            if not own or one.path is not None:
                continue
            paths = names.get(id(graph.originals[0][number]), [])
            found.append((one, paths or [_free(one, taken)]))
        return found

    def _hold(self, paths: list[str], value: torch.Tensor, parameter: bool, kept: Iterable[str]) -> None:
        key = f"{self.name}.{paths[0]}"
        self.tensors[key] = value
        for path in paths:
            self.attributes[path] = _Attribute(key, parameter, value.requires_grad, path in kept)

    # --- code
    def _code(self, gm: fx.GraphModule, name: str, weights: dict[str, str], *, root: bool) -> str:
        graph = self._rewritten(gm, name, weights)
        self._children(gm, graph, name, root)
        python = graph.python_code("self")
        text = python.src.strip()
        for label, value in python.globals.items():
            if re.search(rf"\b{re.escape(label)}\b", text):
                self._import(label, value)
        head, _, body = text.partition("\n")
        head = re.sub(r"(?<=[,(] )(\w+)\s*:[^,)]*(?=[,)])", r"\1", re.sub(r"\)\s*->.*:$", "):", head))
        checks = [
            f"    sized({one.source!r}, {one.parameter}, {one.value.dtype}, {one.shape})"
            for one in (self.inputs if root else ())
            if isinstance(one.value, torch.Tensor)
        ]
        checks += [f"    {line}" for line in (size_checks(self.graph) if root else ())]
        return "\n".join([head, *checks, body])

    def _rewritten(self, gm: fx.GraphModule, name: str, weights: dict[str, str]) -> fx.Graph:
        """The graph with weights read from attributes; a checkpointed body is called as any program calls one, so is a nested region's."""
        made, known = fx.Graph(), {}
        for node in gm.graph.nodes:
            if node.op == "placeholder" and node.name in weights:
                known[node] = made.create_node("get_attr", weights[node.name], name=node.name)
                continue
            new = made.node_copy(node, lambda other: known[other])
            new.type = None
            if node.op == "call_function" and node.target is torch.ops.higher_order.tag_activation_checkpoint:
                new.target = checkpoint.checkpoint
                self._policy(gm, name, new)
            elif node.op == "call_function" and node.target is invoke_subgraph:
                body, _, *operands = new.args
                made.erase_node(new)
                new = made.create_node("call_module", body.target, tuple(operands), {}, name=node.name)  # type: ignore[union-attr]
            elif node.op == "call_function" and isinstance(node.target, Held) and plain(node.target.value):
                made.erase_node(new)
                new = self._constant(made, name, constant(node.target.value), node.name)
            elif node.op == "call_function" and node.target is set_data:
                new.target, new.args = setattr, (new.args[0], "data", new.args[1])
            elif node.op == "call_function" and node.target is promise:
                new.target, new.args = torch.ops.aten._assert_scalar.default, (new.args[0], new.args[2])
            known[node] = new
        return made

    def _policy(self, gm: fx.GraphModule, name: str, node: fx.Node) -> None:
        """What a selective checkpoint keeps, before its node: a list of operators can be written down. A function of the program can't; what
        is kept changes no result."""
        body = node.args[0]
        make = contexts_of(_attribute(gm, body.target))  # type: ignore[union-attr, arg-type]
        if make is None:
            return
        operators, allowed = make.args  # type: ignore[attr-defined]
        names = [importable(one) for one in operators] if type(operators) is list else [""]
        if not all(names):
            self.left_out.append(f"what the checkpoint {body.target} keeps is up to a function of the program: here it keeps nothing")  # type: ignore[union-attr]
            return
        self.imports.add("import functools")
        text = f"functools.partial(torch.utils.checkpoint.create_selective_checkpoint_contexts, [{', '.join(names)}], {allowed})"
        with node.graph.inserting_before(node):
            node.kwargs = {**node.kwargs, "context_fn": self._constant(node.graph, name, text)}

    def _constant(self, graph: fx.Graph, name: str, text: str, label: str | None = None) -> fx.Node:
        """A value that has no expression in a graph's code is an attribute of the class."""
        own = self.constants.setdefault(name, {})
        attribute = f"constant_{len(own)}"
        own[attribute] = text
        return graph.create_node("get_attr", attribute, name=label)

    def _children(self, gm: fx.GraphModule, graph: fx.Graph, name: str, root: bool) -> None:
        """Classes for the bodies that the graph calls, and its own tensors among the attributes."""
        for node in graph.nodes:
            if node.op != "get_attr" or node.target in self.constants.get(name, ()) or root and node.target in self.attributes:
                continue
            value = _attribute(gm, node.target)
            if isinstance(value, fx.GraphModule):
                label = _child(name, node.target)
                if not any(known == label for _, known, _ in self.children):
                    self.children.append((node.target, label, self._code(value, label, {}, root=False)))
                continue
            if not isinstance(value, torch.Tensor) or not root:
                raise TracerError(
                    f"the graph holds a {type(value).__name__} ({node.target}) that can't be written down as Python.",
                    next="export to .html",
                )
            self._hold([str(node.target)], value, isinstance(value, torch.nn.Parameter), ())

    def _import(self, label: str, value: Any) -> None:
        home = _APPLIED.get(value) if isinstance(value, types.FunctionType) else None
        if home is not None:
            self.imports |= {"import functools", "from typing import Any", "from torch.autograd.function import once_differentiable"}
            self.definitions[label] = _definition(home) + ("" if label == value.__name__ else f"\n{label} = {value.__name__}\n")
            return
        line = KNOWN.get(label)
        if line is None:
            line = _import_line(label, value)
        if line:
            self.imports.add(line)

    # --- text
    def text(self, layout: Layout) -> str:
        """The classes of the bodies, then the graph's own."""
        frame = self.graph.frame
        where = f" of {frame.name} ({_file(frame.file)}:{frame.line})" if frame is not None else ""
        takes = "\n".join(f"        {one.parameter}: {_doc(one.source)}" for one in self.inputs)
        lines = [
            f"class {self.name}(torch.nn.Module):",
            f'    """{_doc(self.graph.name)}{_doc(where)}.{"" if not takes else " It takes:"}',
        ]
        lines += [
            *(["", takes] if takes else []),
            *(f"\n        Not in this file: {words}." for words in self.left_out),
            '    """',
            "",
            "    def __init__(self, held=None):",
            "        super().__init__()",
        ]
        lines.append("        held = load() if held is None else held")
        lines += [f"        self.{attribute} = {label}()" for attribute, label in self._bodies(self.name)]
        lines += [f"        self.{label} = {text}" for label, text in self.constants.get(self.name, {}).items()]
        put: dict[str, str] = {}
        for path, one in self.attributes.items():
            value = layout.texts[one.key]
            made = f"torch.nn.Parameter({value}, requires_grad={one.grad})" if one.parameter else value
            made = f"self.get_parameter({put[one.key]!r})" if one.parameter and one.key in put else made
            put.setdefault(one.key, path)
            lines.append(f"        put(self, {path!r}, {made}{'' if one.parameter or one.kept else ', persistent=False'})")
        if self.unused:
            lines.append(f"        ignore(self, {list(self.unused)!r})")
        bodies = [
            f"class {label}(torch.nn.Module):\n{self._nested(label)}{_indented(code)}\n"
            for _, label, code in self.children
        ]
        return "\n\n".join([*bodies, "\n".join([*lines, "", _indented(self.code)])]) + "\n"

    def _bodies(self, parent: str) -> list[tuple[str, str]]:
        """(attribute, class) of the bodies that a class calls."""
        return [(attribute, label) for attribute, label, _ in self.children if label == _child(parent, attribute)]

    def _nested(self, label: str) -> str:
        """`__init__` of a body that has bodies or constants itself."""
        own = [f"        self.{attribute} = {other}()" for attribute, other in self._bodies(label)]
        own += [f"        self.{attribute} = {text}" for attribute, text in self.constants.get(label, {}).items()]
        return "\n".join(["    def __init__(self):", "        super().__init__()", *own]) + "\n\n" if own else ""

    def case(self, layout: Layout) -> str:
        """One recorded run."""
        graph = self.graph

        def listed(prefix: str, values: Any) -> str:
            texts = []
            for i, value in enumerate(values):
                key = f"{self.name}.{prefix}.{i}"
                if key in layout.texts:
                    texts.append(layout.texts[key] + (_grad(self.inputs[i]) if prefix == "input" else ""))
                elif plain(value):
                    texts.append(constant(value))
                else:
                    raise TracerError(
                        f"an {prefix} of {graph.name} is a {type(value).__name__}, which can't be written down.",
                        next="export to .html",
                    )
            return f"[{', '.join(texts)}]"

        after = ", ".join(
            f"{i}: {layout.texts[f'{self.name}.after.{i}']}"
            for i, one in enumerate(self.inputs)
            if one.after is not None
        )
        inputs, outputs = listed("input", [one.value for one in self.inputs]), listed("output", graph.outputs)
        rng = layout.texts[f"{self.name}.rng"]
        return f"    yield {self.name}, {inputs}, {outputs}, {{{after}}}, {rng}, {graph.grad}, {graph.autocast}\n"


def _grad(one: Input) -> str:
    """An input as autograd had it: what was made of something else may be written to where gradients are asked for."""
    if not one.value.requires_grad:
        return ""
    return ".requires_grad_()" if one.leaf else ".requires_grad_().clone()"


def _child(parent: str, attribute: str) -> str:
    """The class of a body."""
    return f"{parent}_{re.sub(r'[^0-9a-zA-Z_]', '_', attribute)}"


def _file(file: str) -> str:
    """The last part of a file's name."""
    return re.split(r"[\\/]", file)[-1]


def _doc(text: str) -> str:
    return text.replace("\\", "/").replace('"""', "'''")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else "" for line in text.split("\n"))


def _fit(part: str) -> bool:
    """Whether a part of a path can be an attribute of a plain module."""
    return (
        part.isdigit() or part.isidentifier() and not keyword.iskeyword(part) and not hasattr(torch.nn.Module(), part)
    )


def _attribute(module: Any, path: str) -> Any:
    return operator.attrgetter(path)(module)


#: Operators of custom autograd functions → the module that is nothing but one.
_APPLIED: dict[Any, types.ModuleType] = {applied.autograd_function_apply: applied, applied_in_levels.autograd_function_in_levels: applied_in_levels}


def _definition(module: types.ModuleType) -> str:
    """The code of an operator of custom autograd functions, which torch doesn't have in this form: it uses nothing but torch."""
    text = inspect.getsource(module).partition("__all__ = ")[2].partition("\n")[2]
    return re.sub(r"^\w+\.__module__ = .*\n", "", text, flags=re.MULTILINE)


def _import_line(label: str, value: Any) -> str:
    """`from torch.nn import functional as F`; TracerError for what isn't torch's or Python's."""
    found: Any = value
    if isinstance(value, types.ModuleType):
        name, top = value.__name__, value.__name__.partition(".")[0]
        line = f"import {name}" if label == name else f"import {name} as {label}"
    else:
        module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
        top = module.partition(".")[0]
        line = f"from {module} import {name}" + ("" if label == name else f" as {label}")
        found = (
            getattr(importlib.import_module(module), name, None) if top in PACKAGES and name.isidentifier() else None
        )
    if top not in PACKAGES or found is not value:
        raise TracerError(
            f"the graph calls {getattr(value, '__qualname__', label)}, which only the program has, so it can't run on its own.",
            next="inline that function (tracer.Override), or export to .html",
        )
    return "" if found is getattr(builtins, label, None) else line
