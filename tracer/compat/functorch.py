"""torch.func's machinery by name: what enters and leaves a level, what wraps a tensor for one, what only asks.

A transform (`vmap`, `grad`, `jvp`) is Python of torch's own around these: it enters a level of the thread's stack, wraps its
arguments for it, calls the function, unwraps what comes out, and leaves the level. Names that a torch hasn't got are left out.
"""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch._functorch.apis
import torch._functorch.eager_transforms as _transforms
import torch._functorch.functional_call
import torch._functorch.utils
import torch._functorch.vmap
import torch.autograd.forward_ad
from torch._C import _functorch

try:
    import torch._functorch.predispatch as _wrappers
except ImportError:  # where the transforms call C++ themselves
    _wrappers = types.ModuleType("none")

__all__ = [
    "ASKS", "ENTERS", "LEAVES", "LOADS", "MARKS", "UNFOLLOWED", "WRAPS", "active", "depth", "enters_dual", "inner", "is_batched", "is_transform",
    "leave_dual", "leave_dual_after", "leave_to", "level_of", "lowered", "stack",
]  # fmt: skip

#: Files of torch's whose functions are followed as any Python code.
_FOLLOWED = frozenset(
    module.__file__
    for module in (torch._functorch.apis, _transforms, torch._functorch.functional_call, torch._functorch.utils, torch._functorch.vmap)
)
#: Those in there that trace the function in another way.
_APART = frozenset({"linearize"})


def _named(*names: str) -> tuple[Callable[..., Any], ...]:
    """The Python wrapper and the C++ function of each name, where torch has them."""
    found: dict[int, Any] = {}
    for name in names:
        for home in (_wrappers, _functorch, _transforms, torch._C, torch._VF, torch.autograd.forward_ad):
            value = getattr(home, name, None)
            if value is not None:
                found[id(value)] = value
    return tuple(found.values())


#: Kind of level → (what enters it, what leaves it).
_LEVELS = {
    "vmap": ("_vmap_increment_nesting", "_vmap_decrement_nesting"),
    "grad": ("_grad_increment_nesting", "_grad_decrement_nesting"),
    "jvp": ("_jvp_increment_nesting", "_jvp_decrement_nesting"),
    "dual": ("_enter_dual_level", "_exit_dual_level"),
}
ENTERS: dict[Callable[..., Any], str] = {function: kind for kind, (name, _) in _LEVELS.items() for function in _named(name)}
LEAVES: dict[Callable[..., Any], str] = {function: kind for kind, (_, name) in _LEVELS.items() for function in _named(name)}
#: Set something of the level that is on, or of a tensor, and must be in the graph for it.
MARKS = _named("set_inplace_requires_grad_allowed", "set_single_level_autograd_function_allowed", "_set_tensor_requires_grad")
#: Ask about the levels that are on, or how a tensor is wrapped: known while tracing.
ASKS = _named(
    "get_inplace_requires_grad_allowed", "get_single_level_autograd_function_allowed", "is_batchedtensor", "is_gradtrackingtensor",
    "is_functorch_wrapped_tensor", "is_functionaltensor", "is_legacy_batchedtensor", "is_dead_tensor_wrapper", "maybe_get_level", "maybe_get_bdim",
    "maybe_current_level",
)  # fmt: skip
#: Give a tensor, wrapped or unwrapped.
WRAPS = _named(
    "_add_batch_dim", "_remove_batch_dim", "_wrap_for_grad", "_unwrap_for_grad", "_make_dual", "_unpack_dual", "get_unwrapped", "unwrap_if_dead",
    "_autograd_grad",
)  # fmt: skip
#: Enters a level of a transform that isn't followed → that transform.
UNFOLLOWED = {
    function: transform
    for name, transform in (("_func_increment_nesting", "torch.func.functionalize"), ("_vmapmode_increment_nesting", "torch._vmap_internals.vmap"))
    for function in _named(name)
}
#: Prepare the process once: nothing of the program depends on it.
LOADS = _named("lazy_load_decompositions", "_maybe_load_decompositions")


def is_transform(function: types.FunctionType) -> bool:
    """Whether `function` is part of a transform that is followed as Python code."""
    code = inspect.unwrap(function).__code__
    return code.co_filename in _FOLLOWED and code.co_name not in _APART


def depth() -> int:
    """How many levels are on in this thread."""
    return int(_functorch.get_dynamic_layer_stack_depth())


def stack() -> tuple[tuple[str, int], ...]:
    """The levels that are on in this thread, outermost first: (kind, number)."""
    if _functorch.peek_interpreter_stack() is None:
        return ()
    return tuple((str(layer.key()), layer.level()) for layer in _functorch.get_interpreter_stack())


def active() -> tuple[str, ...]:
    """The same by name: `vmap level 1`."""
    return tuple(f"{kind.rpartition('.')[2].lower()} level {number}" for kind, number in stack())


def leave_to(wanted: int) -> None:
    """Leave the innermost levels until `wanted` are on."""
    if depth() > wanted:
        _functorch.pop_dynamic_layer_stack_and_undo_to_depth(wanted)


@contextlib.contextmanager
def lowered(wanted: int) -> Iterator[None]:
    """Only the outermost `wanted` levels are on."""
    above = []
    try:
        while depth() > wanted:
            above.append(_functorch.pop_dynamic_layer_stack())
        yield
    finally:
        while above:
            _functorch.push_dynamic_layer_stack(above.pop())


def level_of(tensor: torch.Tensor) -> int:
    """The number of the level that has wrapped it last; 0 where none has."""
    return max(0, int(_functorch.maybe_get_level(tensor)))


def is_batched(tensor: torch.Tensor) -> bool:
    """Whether a level of `vmap` has wrapped it, maybe inside other levels."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        if _functorch.is_batchedtensor(tensor):
            return True
        tensor = _functorch.get_unwrapped(tensor)
    return False


def inner(tensor: torch.Tensor) -> torch.Tensor:
    """What all levels of transforms have wrapped; the tensor itself where none has."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def enters_dual(graph: torch.fx.GraphModule) -> bool:
    """Whether a graph, or a body of an operator in it, enters a level of forward differentiation."""
    inner = [module for module in graph.modules() if isinstance(module, torch.fx.GraphModule)]
    return any(ENTERS.get(node.target) == "dual" for module in inner for node in module.graph.nodes if node.op == "call_function")


def leave_dual_after(error: BaseException) -> None:
    """Leave the level of forward differentiation that a graph was in when it raised. torch has one at a time, for the whole process, and no way to ask
    for it; one that Python entered is known, and is somebody else's, as is one for which the graph couldn't enter its own."""
    if torch.autograd.forward_ad._current_level < 0 and "Nested forward mode AD" not in str(error):
        with contextlib.suppress(RuntimeError):  # none was on
            torch._C._exit_dual_level(0)


def leave_dual(levels: Iterable[int]) -> None:
    """Leave these levels of forward differentiation, innermost first."""
    for level in levels:
        torch._C._exit_dual_level(level)
