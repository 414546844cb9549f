"""A recorded call run again to see its graphs with the tensors that went in and came out.

In: a session. Out: a `Captured`. The call runs on copies, as `session.recompile` does, with a backend that keeps a graph's first
run: copies of its inputs as they were before, its outputs, the random state and the modes that it began with.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.fx import GraphModule

from tracer.compat.trees import leaves, leaves_with_path
from tracer.config import FIELDS
from tracer.errors import TracerError
from tracer.records import Frame, GraphBreak, GraphInput
from tracer.rerun.running import find, run_again

__all__ = ["Captured", "CapturedGraph", "Input", "capture"]


class Input(NamedTuple):
    """One input of a graph. `parameter`: what its `forward` calls it. `shape`: None for sizes that stand for any. `path`: where in
    the call's arguments it is, None elsewhere. `owned`: a module's own tensor. `value` as it went in (a tensor: a copy); `after`:
    what an operator of the graph made of it, None where it is unchanged."""

    name: str
    parameter: str
    source: str
    shape: tuple[int | None, ...]
    value: Any
    path: tuple[Any, ...] | None
    owned: bool
    after: torch.Tensor | None


class CapturedGraph(NamedTuple):
    """One graph and its first run. `results`: for each output, the copy, and the object itself (to find it in the result)."""

    name: str
    gm: GraphModule
    inputs: tuple[Input, ...]
    outputs: tuple[Any, ...]
    originals: tuple[tuple[Any, ...], tuple[Any, ...]]  # inputs and outputs themselves
    rng: torch.Tensor
    grad: bool
    autocast: torch.dtype | None
    frame: Frame | None


class Captured(NamedTuple):
    """A call: what was called, with what, what it gave, and its graphs in the order of their first runs."""

    name: str
    arguments: dict[str, Any]  # by parameter, in order; *args and **kwargs as a tuple and a dict under their names
    keywords: frozenset[str]  # those that were given by name
    signature: inspect.Signature | None
    result: Any
    graphs: list[CapturedGraph]
    breaks: list[GraphBreak]
    effects: tuple[str, ...]  # what the call did beside returning, in words
    runs: int  # of graphs, all counted


class _Keeping:
    """The backend: runs graphs as they are."""

    def __init__(self) -> None:
        self.copied = _Copier()
        self.given: tuple[Any, ...] = (None, (), {}, [])
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.runs = 0

    def hear(self, *given: Any) -> None:
        self.given = given

    def __call__(self, gm: GraphModule, _: list[Any]) -> Any:
        def run(*inputs: Any) -> Any:
            self.runs += 1
            if id(gm) in self.seen:
                return gm(*inputs)
            before = tuple(map(self.copied, inputs))
            rng, grad = torch.get_rng_state(), torch.is_grad_enabled()
            kind = next((v.device.type for v in inputs if isinstance(v, torch.Tensor)), "cpu")
            cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
            outputs = gm(*inputs)
            after = tuple(self.changed(value, copy) for value, copy in zip(inputs, before, strict=True))
            self.seen[id(gm)] = gm, inputs, before, after, outputs, tuple(map(self.copied, outputs)), rng, grad, cast
            return outputs

        return run

    def changed(self, value: Any, before: Any) -> torch.Tensor | None:
        """A copy of an input that the graph wrote to."""
        if not isinstance(value, torch.Tensor):
            return None
        with torch.no_grad():
            if value.shape == before.shape and torch.allclose(value, before, rtol=0, atol=0, equal_nan=True):
                return None
            copy: torch.Tensor = self.copied(value)
            return copy


class _Copier:
    """Copies of tensors; those that share memory share it again. What did not change since it was copied isn't copied again."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        with torch.no_grad():
            if value.layout is not torch.strided or value.is_conj() or value.is_neg() or value.is_quantized:
                return value.detach().clone().requires_grad_(value.requires_grad)
            storage = value.untyped_storage()
            version, copy = value._version if not value.is_inference() else -1, None
            known = self._held.get(storage.data_ptr())
            if known is not None and known[0] == version >= 0 and known[1].nbytes() == storage.nbytes():
                copy = known[2]
            if copy is None:
                copy = storage.clone()
                self._held[storage.data_ptr()] = version, storage, copy
            made = torch.empty(0, dtype=value.dtype, device=value.device)
            made.set_(copy, value.storage_offset(), value.shape, value.stride())  # type: ignore[call-overload]
            return made.requires_grad_(value.requires_grad)


def capture(session: Any, call: int | None = None) -> Captured:
    """The graphs of a kept call (the newest unless `call` says which), seen as it runs again. TracerError where no call is kept,
    where only descriptions of its inputs are, where it raises, or where it has no graph."""
    kept = find(session, call)
    if kept.metadata:
        raise TracerError(
            "this session keeps descriptions of inputs only, so there are no tensors to export.",
            next="make it with keep_inputs=True",
        )
    keeping = _Keeping()
    settings = {name: getattr(session.config, name) for name in FIELDS}
    settings |= {"backend": keeping, "mode": None, "options": None, "record": "decisions", "keep_inputs": False}
    new = run_again(session, kept, overrides=session.overrides, settings=settings, given=keeping.hear)
    try:
        if new.error is not None:
            raise TracerError(
                f"the call raised {type(new.error).__name__}: {new.error}", next="export a call that returns"
            )
        if not keeping.seen:
            raise TracerError("this call has no graph: nothing of it was captured.", next="read session.explain()")
        return _captured(new, keeping)
    finally:
        new.close()


def _captured(new: Any, keeping: _Keeping) -> Captured:
    fn, args, kwargs, values = keeping.given
    signature, arguments = _arguments(fn, args, kwargs)
    paths = {id(leaf): path for path, leaf in leaves_with_path(arguments) if isinstance(leaf, torch.Tensor)}
    owned = {id(tensor) for module in _modules(fn, args, kwargs, values) for tensor in _own(module)}
    compiled = {id(record.gm): record for record in new.compiled if record.gm is not None}
    records = {graph.name: graph for graph in new.graphs}
    frames = {frame.id: frame for frame in new.frames if frame.id}
    graphs = []
    for number, seen in keeping.seen.items():
        gm, inputs, before, after, outputs, copies, rng, grad, cast = seen
        record = compiled[number]
        lifted = {one.name: one for one in records[record.graph].inputs}
        nodes = [node for node in gm.graph.nodes if node.op == "placeholder"]
        made = tuple(
            Input(
                node.name,
                str(node.target),
                *_where(node.name, lifted),
                copy,
                paths.get(id(value)),
                id(value) in owned,
                changed,
            )
            for node, value, copy, changed in zip(nodes, inputs, before, after, strict=True)
        )
        frame = frames.get(record.frame)
        graphs.append(CapturedGraph(record.graph, gm, made, copies, (inputs, tuple(outputs)), rng, grad, cast, frame))
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    effects = tuple(dict.fromkeys(text for one in new.compiled for text in one.changes))
    return Captured(
        name, arguments, frozenset(kwargs), signature, new.result, graphs, list(new.graph_breaks), effects, keeping.runs
    )


def _where(name: str, lifted: dict[str, GraphInput]) -> tuple[str, tuple[int | None, ...]]:
    """Source and shape of an input, as it was lifted: an operator of the graph may have changed its shape since."""
    one = lifted.get(name)
    if one is None:
        return name, ()
    return one.source, tuple(size if type(size) is int else None for size in one.shape or ())


def _arguments(
    fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[inspect.Signature | None, dict[str, Any]]:
    try:
        signature = inspect.signature(fn.forward if isinstance(fn, torch.nn.Module) else fn)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):  # a callable that doesn't say what it takes
        return None, {"args": args, "kwargs": kwargs}
    return signature, dict(bound.arguments)


def _modules(fn: Any, args: Any, kwargs: Any, values: list[Any]) -> Iterator[torch.nn.Module]:
    """The modules that a call can reach at once: itself, its arguments, globals and cells that it names."""
    cells = [cell.cell_contents for cell in getattr(fn, "__closure__", None) or () if _filled(cell)]
    for value in (fn, getattr(fn, "__self__", None), *leaves((args, kwargs)), *values, *cells):
        if isinstance(value, torch.nn.Module):
            yield value
        elif isinstance(value, list | tuple | dict):
            yield from (leaf for leaf in leaves(value) if isinstance(leaf, torch.nn.Module))


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _own(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
