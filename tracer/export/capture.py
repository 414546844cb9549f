"""A recorded call run again to see its graphs with the tensors that went in and came out, and what the trace relied on.

In: a session. Out: a `Captured`. The call runs on copies, as `session.recompile` does, with a backend that keeps a graph's first
run: copies of its inputs as they were before, its outputs, the random state and the modes that it began with. What the trace relied on
are the guards of the compiled entry; torch.compile's are its own, so of a watched session the call is traced once more by us.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.fx import GraphModule

from tracer.callers import module_of, of_module
from tracer.compat.trees import leaves, leaves_with_path
from tracer.compat.wrappers import original_of, wrapper_of
from tracer.config import FIELDS
from tracer.errors import TracerError
from tracer.export.checks import Check, checks, specialised
from tracer.export.places import Arguments, Place, Unreadable
from tracer.guards import Guard
from tracer.records import Frame, GraphBreak, GraphInput
from tracer.rerun.running import find, run_again
from tracer.sources import Source

__all__ = ["Captured", "CapturedGraph", "Input", "capture"]


class Input(NamedTuple):
    """One input of a graph. `parameter`: what its `forward` calls it. `shape`: None for sizes that stand for any. `path`: where in
    the call's arguments it is, None elsewhere. `owned`: a module's own tensor. `leaf`: of autograd's graph. `value` as it went in (a tensor: a copy); `after`:
    what an operator of the graph made of it, None where it is unchanged."""

    name: str
    parameter: str
    source: str
    shape: tuple[int | None, ...]
    value: Any
    path: tuple[Any, ...] | None
    owned: bool
    leaf: bool
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
    guards: tuple[Guard, ...]  # of the frame that it was compiled for, where they are ours


class Captured(NamedTuple):
    """A call: what was called, with what, what it gave, and its graphs in the order of their first runs."""

    name: str
    arguments: Arguments
    model: torch.nn.Module | None  # what was called, or the one module that the call was given
    result: Any
    graphs: list[CapturedGraph]
    breaks: list[GraphBreak]
    effects: tuple[str, ...]  # what the call did beside returning, in words
    runs: int  # of graphs, all counted
    reads: dict[str, Place]  # where in the arguments the sources of guards lie, by their text
    back: dict[tuple[Any, ...], Source]  # where arguments lie in the result, by keys and indices
    checks: list[Check] | str  # of what the trace of the whole call relied on, as far as it is read from arguments, or why there are none


class _Keeping:
    """The backend: runs graphs as they are."""

    def __init__(self) -> None:
        self.copied = _Copier()
        self.given: tuple[Any, ...] = (None, (), {}, [])
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.runs = 0
        self.arguments: Any = None

    def hear(self, *given: Any) -> None:
        self.given = given

    def __call__(self, gm: GraphModule, _: list[Any]) -> Any:
        def run(*inputs: Any) -> Any:
            self.runs += 1
            if id(gm) in self.seen:
                return gm(*inputs)
            before = tuple(map(self.copied, inputs))
            leaf = tuple(not isinstance(value, torch.Tensor) or value.is_leaf for value in inputs)
            rng, grad = torch.get_rng_state(), torch.is_grad_enabled()
            kind = next((v.device.type for v in inputs if isinstance(v, torch.Tensor)), "cpu")
            cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
            outputs = gm(*inputs)
            after = tuple(self.changed(value, copy) for value, copy in zip(inputs, before, strict=True))
            self.seen[id(gm)] = gm, inputs, before, after, leaf, outputs, tuple(map(self.copied, outputs)), rng, grad, cast
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
    with contextlib.ExitStack() as stack:
        new, keeping, relied = _run(session, kept, session.config.engine)
        stack.callback(new.close)
        ours = new
        if not keeping.seen:
            raise TracerError("this call has no graph: nothing of it was captured.", next="read session.explain()")
        if session.config.engine == "dynamo":
            ours, by_ours, relied = _run(session, kept, "tracer")
            stack.callback(ours.close)
            keeping.arguments.follow(by_ours.arguments)
        back = {} if isinstance(relied, str) else ours.compiled[0].back
        return _captured(new, keeping, keeping.arguments, relied, _model(kept, keeping), back)


def _run(session: Any, kept: Any, engine: str) -> tuple[Any, _Keeping, tuple[Guard, ...] | str]:
    """The call once more under an engine: the session, what went through its graphs, what the trace relied on."""
    keeping = _Keeping()
    settings = {name: getattr(session.config, name) for name in FIELDS}
    settings |= {"backend": keeping, "mode": None, "options": None, "record": "decisions", "keep_inputs": False, "engine": engine}
    new = run_again(session, [kept], overrides=session.overrides, settings=settings, given=keeping.hear)
    if new.error is not None:
        new.close()
        raise TracerError(f"the call raised {type(new.error).__name__}: {new.error}", next="export a call that returns")
    keeping.arguments = Arguments(_called(keeping.given[0]), *keeping.given[1:3], optional=kept.block)
    return new, keeping, _relied(new, keeping)


def _relied(new: Any, keeping: _Keeping) -> tuple[Guard, ...] | str:
    """The guards of the one frame that stands for the call, whose locals `keeping.arguments` then knows."""
    if new.config.engine == "dynamo":
        return "its guards are torch.compile's own"
    if len(new.compiled) != 1:
        return f"{len(new.compiled)} frames were compiled for it"
    (record,) = new.compiled
    frame = next(frame for frame in new.frames if frame.id == record.frame)

    def is_frames(code: types.CodeType) -> bool:
        return (code.co_filename, code.co_firstlineno) == (frame.file, frame.line) and frame.name.endswith(code.co_name)

    called = _called(keeping.given[0])
    target = of_module(called) if isinstance(called, torch.nn.Module) else called
    if not keeping.arguments.enter(target, is_frames):
        return f"only {frame.name} is compiled, which the call comes to"
    return tuple(record.lowered.guards)


def _called(fn: Any) -> Any:
    """The program's own function or module, of what torch.compile made of it."""
    if isinstance(fn, torch.nn.Module):
        return original_of(fn)
    wrapper = wrapper_of(fn)
    return (module_of(fn) or fn) if wrapper is None else wrapper.original


def _captured(
    new: Any, keeping: _Keeping, arguments: Arguments, relied: tuple[Guard, ...] | str, model: torch.nn.Module | None, back: dict[tuple[Any, ...], Source]
) -> Captured:
    fn, args, kwargs, values = keeping.given
    paths = {id(leaf): path for path, leaf in leaves_with_path(arguments.given) if isinstance(leaf, torch.Tensor)}
    owned = {id(tensor) for module in _modules(_called(fn), args, kwargs, values) for tensor in _own(module)}
    compiled = {id(record.gm): record for record in new.compiled if record.gm is not None}
    records = {graph.name: graph for graph in new.graphs}
    frames = {frame.id: frame for frame in new.frames if frame.id}
    graphs = []
    for number, seen in keeping.seen.items():
        gm, inputs, before, after, leaf, outputs, copies, rng, grad, cast = seen
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
                is_leaf,
                changed,
            )
            for node, value, copy, is_leaf, changed in zip(nodes, inputs, before, leaf, after, strict=True)
        )
        frame = frames.get(record.frame)
        guards = tuple(record.lowered.guards) if record.lowered is not None else ()
        graphs.append(CapturedGraph(record.graph, gm, made, copies, (inputs, tuple(outputs)), rng, grad, cast, frame, guards))
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    effects = tuple(dict.fromkeys(text for one in new.compiled for text in one.changes))
    return Captured(
        name, arguments, model, new.result, graphs, list(new.graph_breaks), effects, keeping.runs,
        _reads(relied, arguments), back, _checks(relied, arguments, graphs[0].inputs if new.config.engine == "dynamo" else None),
    )  # fmt: skip


def _reads(relied: tuple[Guard, ...] | str, arguments: Arguments) -> dict[str, Place]:
    found = {}
    for guard in relied if not isinstance(relied, str) else ():
        with contextlib.suppress(Unreadable):
            place = None if guard.source is None else arguments.place(guard.source)
            if place is not None:
                found[guard.source.text] = place  # type: ignore[union-attr]
    return found


def _checks(
    relied: tuple[Guard, ...] | str, arguments: Arguments, inputs: tuple[Input, ...] | None
) -> list[Check] | str:
    """While the copies live: guards hold objects weakly. `inputs`: of torch.compile's graph, where that is what runs."""
    if isinstance(relied, str):
        return f"what the trace relied on can't be checked: {relied}"
    try:
        found = checks(relied, arguments, arguments.leaves())
        return found if inputs is None else list(dict.fromkeys([*found, *specialised(arguments, inputs)]))
    except Unreadable as error:
        return f"a file can't check what the trace relied on: {error}"


def _model(kept: Any, keeping: _Keeping) -> torch.nn.Module | None:
    """Whose names weights have: the module that was called, or the only one that the call was given; the copy that ran."""
    fn, _, _, values = keeping.given
    called, modules = _called(fn), list(keeping.arguments.modules.values())
    owner = called if isinstance(called, torch.nn.Module) else getattr(called, "__self__", None)
    if not isinstance(owner, torch.nn.Module):
        return modules[0] if len(modules) == 1 else None
    copies = (value for place, value in zip(kept.places, values, strict=True) if place.read() is owner)  # of a cell, which is as it was again
    return next(copies, owner)


def _where(name: str, lifted: dict[str, GraphInput]) -> tuple[str, tuple[int | None, ...]]:
    """Source and shape of an input, as it was lifted: an operator of the graph may have changed its shape since."""
    one = lifted.get(name)
    if one is None:
        return name, ()
    return one.source, tuple(size if type(size) is int else None for size in one.shape or ())


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
