"""Graph modules whose Python code is generated when it is asked for, and the contexts a backend expects around it."""

from __future__ import annotations

import builtins
import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx
from torch._guards import CompileContext, CompileId, TracingContext, tracing

from .overriding import ENABLED, state

__all__ = [
    "compile_context", "contexts_of", "current_fake_mode", "force_code", "get_data", "has_loops", "insert_asserts", "is_code_of", "keep_contexts",
    "make_graph_module", "plain_forward", "promise", "set_data", "tracing_context",
]  # fmt: skip

#: What reads `x.data` in a graph: as `detach`, with a version counter of its own.
get_data = torch._C._autograd._get_data_attr

try:
    from torch.fx._lazy_graph_module import _LazyGraphModule as _Lazy
except ImportError:  # renamed or gone: code is generated at once, as fx does by default
    _Lazy = None


def set_data(tensor: torch.Tensor, data: torch.Tensor) -> None:
    """`tensor.data = data`, as a node of a graph. A backend that traces the graph anew sees an operator that it knows to
    replace memory; autograd must not see it, nor the version counter tell of it."""
    if type(tensor) in (torch.Tensor, torch.nn.Parameter) and not torch._is_functional_tensor(tensor):
        tensor.data = data
        return
    version = tensor._version
    with torch.no_grad():
        tensor.set_(data)
    torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))


_ASSERT = torch.ops.aten._assert_scalar.default


def promise(condition: Any, error: str, words: str) -> None:
    """`torch._check` and its kin about what data decides, as a node of a graph: raises the builtin exception called `error`. A
    backend that traces the graph anew sees torch's own check, which knows RuntimeErrors only."""
    if isinstance(condition, torch.SymBool):
        _ASSERT(condition, words)
    elif not condition:
        raise getattr(builtins, error)(words)


def make_graph_module(
    root: torch.nn.Module | dict[str, Any], graph: fx.Graph, name: str = "GraphModule"
) -> fx.GraphModule:
    """A GraphModule of `graph`, with the modules, parameters and buffers that its nodes name taken from `root`.

    Its code is generated when `.code` or `.forward` is first used: a tenth of the time of tracing a small model.
    """
    return (_Lazy or fx.GraphModule)(root, graph, class_name=name)


def force_code(gm: fx.GraphModule) -> None:
    """Generate the code of a lazy graph module now, so that its first call doesn't."""
    if _Lazy is not None:
        _Lazy.force_recompile(gm)


def plain_forward(gm: fx.GraphModule) -> Callable[..., Any]:
    """The graph's own `forward`, its code generated at the first call. What an operator raises leaves as it is: a lazy
    module's first call goes through `__call__`, which prints errors to stderr. Checkpointed regions draw the same random
    numbers again, which torch leaves to its compilers."""
    forward: list[Callable[..., Any]] = []

    def call(*args: Any) -> Any:
        if not forward:
            exact = _with_random_states(gm)
            force_code(exact)
            forward.append(exact.forward)
            if exact is not gm:
                gm.meta[_RUNS_AS] = exact.forward.__code__
        return forward[0](*args)

    return call


_RUNS_AS = "tracer: runs as"


def is_code_of(gm: fx.GraphModule, code: types.CodeType) -> bool:
    """Whether `code` is what runs the nodes of `gm` one by one, with a local for the result of each."""
    forward = type(gm).forward
    return code is gm.meta.get(_RUNS_AS) or code is getattr(forward, "__code__", None)


_CHECKPOINT = torch.ops.higher_order.tag_activation_checkpoint


def _with_random_states(gm: fx.GraphModule) -> fx.GraphModule:
    """`gm`, or a copy of it whose checkpointed regions are `torch.utils.checkpoint`'s own, here and in its bodies."""
    bodies = {name: body for name, body in gm.named_children() if isinstance(body, fx.GraphModule)}
    if not bodies:
        return gm
    copies = {name: _with_random_states(body) for name, body in bodies.items()}
    checkpoints = any(node.target is _CHECKPOINT for node in gm.graph.nodes)
    if not checkpoints and all(copies[name] is body for name, body in bodies.items()):
        return gm
    graph = fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    for node in graph.nodes:
        if node.target is _CHECKPOINT:
            node.target = _checkpoint
    copy = make_graph_module(gm, graph, type(gm).__name__)
    if _CONTEXTS in gm.meta:
        copy.meta[_CONTEXTS] = gm.meta[_CONTEXTS]
    for name, body in copies.items():
        setattr(copy, name, body)
    return copy


def keep_contexts(body: fx.GraphModule, make: Callable[[], Any]) -> None:
    """Remember what makes the contexts of a checkpoint with its body, where torch's operator looks for it."""
    body.meta[_CONTEXTS] = make


def contexts_of(body: fx.GraphModule) -> Callable[[], Any] | None:
    """What makes the contexts of the checkpoint whose body this is, if it has any."""
    return body.meta.get(_CONTEXTS)


_CONTEXTS = "_checkpoint_context_fn"


def _checkpoint(body: fx.GraphModule, *args: Any, **options: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    force_code(body)
    make = contexts_of(body)
    if make is not None:
        options["context_fn"] = make
    return checkpoint(body.forward, *args, **{**options, "use_reentrant": False})


#: Operators whose rules for fakes, or what inductor makes of them, ask for a ShapeEnv that has numbers which only data tells.
_COUNTED = frozenset(getattr(torch.ops.higher_order, name) for name in ("cond", "while_loop", "while_loop_stack_output", "scan", "map_impl"))


def has_loops(gm: fx.GraphModule) -> bool:
    """Whether a graph, or a body in it, holds such operators."""
    modules = (module for module in gm.modules() if isinstance(module, fx.GraphModule))
    return any(not _COUNTED.isdisjoint({node.target for node in module.graph.nodes}) for module in modules)


def insert_asserts(gm: fx.GraphModule, shape_env: Any, name: str) -> list[fx.Node]:
    """Nodes that check, at run time, what was assumed of sizes that data decides: bounds that operators asked for. What the
    program itself promises is checked before them, in its own words; torch has an operator for those that are RuntimeErrors."""
    from torch.fx.passes.runtime_assert import insert_deferred_runtime_asserts

    with state(ENABLED):  # it computes with proxies, which override torch's functions
        insert_deferred_runtime_asserts(gm, shape_env, name)
    promises = [node for node in gm.graph.nodes if node.target is promise]
    promised = {node.args[0] for node in promises}
    inserted = []
    for node in [node for node in reversed(gm.graph.nodes) if node.target is _ASSERT]:
        if node.args[0] in promised:
            gm.graph.erase_node(node)
            continue
        inserted.append(node)
        if promises and node < promises[-1]:
            promises[-1].append(node)
    for node in promises:
        condition, error, words = node.args
        if error == "RuntimeError":
            node.target, node.args = _ASSERT, (condition, words)
    return inserted


@contextlib.contextmanager
def tracing_context(fake_mode: Any) -> Iterator[TracingContext]:
    """torch's TracingContext with `fake_mode`: what AOTAutograd and inductor ask for the ShapeEnv."""
    context = TracingContext(fake_mode)
    with tracing(context):
        yield context


def current_fake_mode() -> Any:
    """The fake mode of the innermost tracing context, or None."""
    context = TracingContext.try_get()
    return None if context is None else context.fake_mode


@contextlib.contextmanager
def compile_context(number: int, again: int = 0) -> Iterator[None]:
    """torch's CompileContext: names what inductor writes and logs after the graph's number."""
    from torch._guards import compile_context as enter

    with enter(CompileContext(CompileId(frame_id=number, frame_compile_id=again))):
        yield
