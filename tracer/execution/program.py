"""A graph made ready to run node by node, and run under whoever watches.

In: a graph and its inputs. Out: its results, and calls of the watcher: one for each operator, also of those inside the bodies of higher-order
operators, which run through here too wherever torch runs them on plain tensors. The graph is one of its own: constants are copies, and devices
that its nodes name can be others. What a node gave is dropped behind its last reader, as in the program.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from ..compat.execution import is_wrapped
from ..records import Place
from ..records import place as place_of
from ..rerun.copies import Copier

__all__ = ["Program", "Step", "Watch", "own_graph"]

_TORCH = os.path.dirname(torch.__file__) + os.sep


class Step:
    """One operator. `name`: with the names of the bodies around it; `number`: among all operators of the whole graph; `nested`: it has bodies."""

    __slots__ = ("arguments", "body", "drops", "function", "index", "inputs", "name", "nested", "node", "number")

    def __init__(self, node: fx.Node, name: str, body: str, index: int, function: Callable[..., Any]):
        self.node, self.name, self.body, self.index, self.function = node, name, body, index, function
        self.number = -1
        self.drops: tuple[int, ...] = ()
        self.arguments: Callable[[list[Any]], tuple[Any, dict[str, Any]]] = lambda env: ((), {})
        self.inputs: tuple[str, ...] = ()
        self.nested = False

    @property
    def location(self) -> Place | None:
        """The program's line."""
        return place_of(self.node.meta.get("location") or ()) or _from_trace(self.node.meta.get("stack_trace"))


def _from_trace(text: str | None) -> Place | None:
    """The innermost place outside of torch in a stack that torch.compile wrote down."""
    for line in reversed((text or "").splitlines()):
        parts = line.strip().split('", line ')
        if len(parts) == 2 and parts[0].startswith('File "') and not parts[0][6:].startswith(_TORCH):
            return Place(parts[0][6:], int(parts[1].partition(",")[0]))
    return None


class Watch:
    """Who is told of each operator. `bodies`: whether those inside bodies are told too, where torch runs them as they are."""

    bodies = True

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return step.function(*args, **kwargs)

    def after(self, step: Step) -> None:
        """It has run, and what nobody reads any more is gone."""

    def within(self, run: Callable[..., Any], args: Sequence[Any]) -> Any:
        """A body runs."""
        return run(self, args)

    ends = False  # whether `after` is called


class Program:
    """`steps`: of the graph and of its bodies, by number."""

    def __init__(self, gm: fx.GraphModule, *, prefix: str = "", steps: list[Step] | None = None):
        self.gm, self.prefix = gm, prefix
        self.steps: list[Step] = [] if steps is None else steps
        self.own: list[Step] = []
        self.placeholders: list[tuple[int, str]] = []
        self.constants: list[tuple[int, Any]] = []
        self.watch: Watch | None = None
        self.bodies: dict[str, Program] = {}
        self._size = 0
        self._read()

    def _read(self) -> None:
        index: dict[fx.Node, int] = {}
        bodies: dict[fx.Node, str] = {}
        for node in self.gm.graph.nodes:
            index[node] = self._size
            self._size += 1
            if node.op == "placeholder":
                self.placeholders.append((index[node], self.prefix + node.name))
            elif node.op == "get_attr":
                value = _attribute(self.gm, node.target)
                if isinstance(value, fx.GraphModule):
                    bodies[node] = node.target
                    value = self._body(node.target, value)
                self.constants.append((index[node], value))
            elif node.op == "output":
                self.output = node.args[0]
                self._index = index
            else:
                step = Step(node, self.prefix + node.name, self.prefix.rstrip("."), index[node], self._function(node))
                step.arguments = _fetch(node, index)
                step.inputs = tuple(self.prefix + one.name for one in node.all_input_nodes if one not in bodies)
                step.nested = any(one in bodies for one in node.all_input_nodes)
                step.number = len(self.steps)
                self.steps.append(step)
                self.own.append(step)
        self._drop(index)
        self._results = _fetch_any(self.output, index)

    def _drop(self, index: dict[fx.Node, int]) -> None:
        last: dict[int, Step] = {}
        kept = {index[one] for one in _nodes_in(self.output)} | {place for place, _ in self.placeholders} | {place for place, _ in self.constants}
        for step in self.own:
            last[step.index] = step
            for one in step.node.all_input_nodes:
                last[index[one]] = step
        drops: dict[int, list[int]] = {}
        for place, step in last.items():
            if place not in kept:
                drops.setdefault(step.number, []).append(place)
        for step in self.own:
            step.drops = tuple(drops.get(step.number, ()))

    def _function(self, node: fx.Node) -> Callable[..., Any]:
        if node.op == "call_method":
            name = node.target

            def method(owner: Any, *args: Any, **kwargs: Any) -> Any:
                return getattr(owner, name)(*args, **kwargs)

            return method
        found: Callable[..., Any] = self.gm.get_submodule(node.target) if node.op == "call_module" else node.target
        return found

    def _body(self, name: str, body: fx.GraphModule) -> fx.GraphModule:
        """The same body, whose operators run through here. One that stands in the graph twice is one."""
        program = self.bodies.get(name)
        if program is None:
            program = self.bodies[name] = Program(body, prefix=f"{self.prefix}{name}.", steps=self.steps)
            made = _through(_Entered(program, body), body)
            program.module = made
        return program.module

    module: Any = None  # of a body: what stands in its place

    def run(self, watch: Watch, inputs: Sequence[Any]) -> Any:
        """The results, as the graph's output node has them."""
        self._listen(watch)
        try:
            return self._run(watch, inputs)
        finally:
            self._listen(None)

    def _listen(self, watch: Watch | None) -> None:
        self.watch = watch
        for body in self.bodies.values():
            body._listen(watch)

    def _run(self, watch: Watch, inputs: Sequence[Any]) -> Any:
        env: list[Any] = [None] * self._size
        for (place, _), value in zip(self.placeholders, inputs, strict=True):
            env[place] = value
        for place, value in self.constants:
            env[place] = value
        call, ends = watch.call, watch.ends
        for step in self.own:
            args, kwargs = step.arguments(env)
            env[step.index] = call(step, args, kwargs)
            for place in step.drops:
                env[place] = None
            if ends:
                del args, kwargs
                watch.after(step)
        return self._results(env)


def _through(entered: _Entered, body: fx.GraphModule) -> fx.GraphModule:
    """A graph that is one call of `entered`: operators run a body's graph by themselves, or call its module."""
    graph = fx.Graph()
    given = [graph.placeholder(node.name) for node in body.graph.nodes if node.op == "placeholder"]
    graph.output(graph.call_function(entered, tuple(given)))
    return fx.GraphModule(body, graph, class_name=type(body).__name__)


class _Entered:
    """What runs a body."""

    __name__ = "entered"

    def __init__(self, program: Program, body: fx.GraphModule):
        self._program, self._body = program, body

    def __call__(self, *args: Any) -> Any:
        watch = self._program.watch
        if watch is None or not watch.bodies or any(isinstance(value, torch.Tensor) and is_wrapped(value) for value in args):
            return self._body(*args)
        return watch.within(self._program._run, args)


# ---- arguments
def _fetch(node: fx.Node, index: dict[fx.Node, int]) -> Callable[[list[Any]], tuple[Any, dict[str, Any]]]:
    """What reads the arguments of a node from what the nodes gave."""
    kwargs = node.kwargs
    keyed = _fetch_any(dict(kwargs), index) if any(_nodes_in(value) for value in kwargs.values()) else None
    plain = dict(kwargs)
    if all(isinstance(value, fx.Node) or not _nodes_in(value) for value in node.args):
        places = [(index[value], None) if isinstance(value, fx.Node) else (-1, _settled(value)) for value in node.args]

        def flat(env: list[Any]) -> tuple[Any, dict[str, Any]]:
            return [env[place] if place >= 0 else value for place, value in places], plain if keyed is None else keyed(env)

        return flat
    args = _fetch_any(tuple(node.args), index)
    return lambda env: (args(env), plain if keyed is None else keyed(env))


def _fetch_any(value: Any, index: dict[fx.Node, int]) -> Callable[[list[Any]], Any]:
    return lambda env: fx.node.map_arg(value, lambda node: env[index[node]])


def _settled(value: Any) -> Any:
    """A constant as the operator gets it: fx keeps lists that can't be changed."""
    return fx.node.map_arg(value, lambda node: node)


def _nodes_in(value: Any) -> list[fx.Node]:
    found: list[fx.Node] = []

    def meet(node: fx.Node) -> fx.Node:
        found.append(node)
        return node

    fx.node.map_arg(value, meet)
    return found


def _attribute(gm: Any, target: str) -> Any:
    for part in target.split("."):
        gm = getattr(gm, part)
    return gm


# ---- a graph of one's own
def own_graph(gm: fx.GraphModule, copier: Copier, device: Callable[[Any], Any] | None = None) -> fx.GraphModule:
    """The same graph over copies of its constants, bodies included; `device` says what stands for a device (or its name) among the arguments."""
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in gm.graph.nodes:
        known[node] = graph.node_copy(node, known.__getitem__)
        known[node].name = node.name
        if device is not None and node.op.startswith("call"):
            known[node].args, known[node].kwargs = _moved(known[node], device)
    made = fx.GraphModule(gm, graph, class_name=type(gm).__name__)
    for node in graph.nodes:
        if node.op == "get_attr":
            value = _attribute(gm, node.target)
            fresh = own_graph(value, copier, device) if isinstance(value, fx.GraphModule) else copier.copy(value)
            _put(made, node.target, fresh)
        elif node.op == "call_module":
            _put(made, node.target, copier.copy(gm.get_submodule(node.target)))
    return made


def _put(owner: Any, target: str, value: Any) -> None:
    *path, name = target.split(".")
    for part in path:
        owner = getattr(owner, part)
    for held in (owner._parameters, owner._buffers, owner._modules):
        held.pop(name, None)
    owner.__dict__.pop(name, None)
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
        owner.register_buffer(name, value)
    else:
        setattr(owner, name, value)


def _moved(node: fx.Node, device: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Arguments in which devices are others: objects anywhere, names where a device is expected."""

    def walk(value: Any) -> Any:
        if isinstance(value, torch.device):
            return device(value)
        if isinstance(value, list | tuple):
            return type(value)(walk(part) for part in value) if not hasattr(value, "_fields") else value
        return value

    args = tuple(walk(value) for value in node.args)
    kwargs = {name: device(value) if name in ("device", "device_type") and isinstance(value, str) else walk(value) for name, value in node.kwargs.items()}
    if args and isinstance(args[0], str) and node.target is torch.amp.autocast_mode._enter_autocast:
        args = (device(args[0]), *args[1:])
    if node.target == "to" and len(args) > 1 and isinstance(args[1], str):
        args = (args[0], device(args[1]), *args[2:])
    return args, kwargs
