"""Graphs become callables here.

In: a GraphModule, its example inputs (fakes of the tracing mode, symbolic integers, or real tensors), a backend. Out:
a callable that takes the inputs and returns a tuple or list. The backend sees a fake mode of its own on the same
ShapeEnv: tracing may have changed its fakes in place, and the backend begins before that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from ..compat import backends, fakes, graphs, stages
from ..errors import BackendError, TracerError
from .hook import disabled

__all__ = ["CompiledGraph", "compile_graph", "list_backends", "resolve"]

list_backends = backends.list_backends


class CompiledGraph:
    """A backend's answer. `function(*inputs)` returns a tuple or list; `seconds` is what the backend took."""

    __slots__ = ("backend", "function", "name", "seconds")

    def __init__(self, function: Callable[..., Any], name: str, backend: str, seconds: float):
        self.function, self.name, self.backend, self.seconds = function, name, backend, seconds

    def __call__(self, *inputs: Any) -> Any:
        return self.function(*inputs)

    def __repr__(self) -> str:
        return f"CompiledGraph({self.name}, {self.backend}, {self.seconds:.3f} s)"


def resolve(
    backend: str | Callable[..., Any],
    *,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    dynamic: bool | None = None,
) -> Callable[..., Any]:
    """The callable that `compile_graph` takes, with mode and options bound as torch.compile binds them. Names and
    options are checked here, so call it once, when the session is made."""
    return backends.wrap_backend(backend, mode=mode, options=options, dynamic=dynamic)


def compile_graph(
    gm: fx.GraphModule,
    example_inputs: Sequence[Any],
    backend: str | Callable[..., Any],
    *,
    fake_mode: Any,
    name: str = "graph",
    number: int = 0,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    dynamic: bool | None = None,
    real_inputs: Sequence[Any] | None = None,
    shown: stages.Stages | None = None,
) -> CompiledGraph:
    """Give `gm` to `backend`.

    example_inputs: one for each placeholder, as they were when the frame began.
    fake_mode:      the mode that traced; its ShapeEnv goes on.
    real_inputs:    when given, the backend gets these instead (as under torch.compile), and finds the fakes of
                    `example_inputs` when it makes them fake.
    number:         of the graph in its session; names inductor's files.
    shown:          gets what the backend shows of its stages: AOTAutograd's graphs, inductor's code.

    Whatever the backend raises, but for interrupts, becomes a BackendError that names graph and backend.
    """
    label = backends.backend_name(backend)
    function = resolve(backend, mode=mode, options=options, dynamic=dynamic)
    inputs = list(example_inputs)
    began = time.perf_counter()
    try:
        with disabled():
            if backends.is_eager(function):
                result = graphs.plain_forward(gm)
            else:
                result = _call(function, gm, inputs, fake_mode, number, real_inputs, shown)
    except TracerError:
        raise
    except Exception as failure:
        raise BackendError(
            f"backend {label!r} failed on {name} ({_size(gm)}): {type(failure).__name__}: {failure}",
            graph=name,
            backend=label,
            next="try backend='aot_eager', which tells a fault of the backend from one of autograd or the graph; "
            "backend='eager' runs the graph as it is",
        ) from failure
    if not callable(result):
        raise BackendError(
            f"backend {label!r} returned a {type(result).__name__} for {name}, which can't be called.",
            graph=name,
            backend=label,
            next="return a callable that takes the graph's inputs, such as gm.forward",
        )
    return CompiledGraph(result, name, label, time.perf_counter() - began)


def _call(
    function: Callable[..., Any],
    gm: fx.GraphModule,
    inputs: list[Any],
    fake_mode: Any,
    number: int,
    real_inputs: Sequence[Any] | None,
    shown: stages.Stages | None,
) -> Any:
    env = fake_mode.shape_env if fake_mode is not None else None
    loops = graphs.has_loops(gm)
    fresh = fakes.fake_mode_of_backends(fakes.ShapeEnv(allow_scalar_outputs=True) if env is None and loops else env, fake_mode)
    given = [fakes.remake(fresh, value) for value in inputs]
    if real_inputs is not None:
        for real, fake in zip(real_inputs, given):
            if isinstance(real, torch.Tensor):
                fresh.fake_tensor_converter.set_tensor_memo(real, fake)
        given = list(real_inputs)
    graphs.force_code(gm)
    with graphs.tracing_context(fresh), graphs.compile_context(number), stages.listen(shown):
        return function(gm, given)


def _size(gm: fx.GraphModule) -> str:
    count = sum(node.op in ("call_function", "call_method", "call_module") for node in gm.graph.nodes)
    return f"{count} operation{'s' * (count != 1)}"
