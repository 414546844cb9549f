"""Torch's thread-local switches that a program can flip: each is read at the start, changed for real while tracing (so that
fake results carry it), written into the graph as a node, and left as the program left it after the graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ..compat.guards import SDPA_KERNELS
from ..compat.overriding import put_back_overriding
from ..compat.stacks import aside
from .operators import Effect

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["MODES", "AutocastState", "Mode", "PutBack", "enter_autocast", "inference", "leave_autocasts", "put_modes", "restoring"]


class Mode:
    """`read()` gives the value, `write(value)` sets it; `node(value)` is the call by which a graph sets it, (function,
    arguments): None where a graph can't. `title` is how the program calls it. `refused()`: what keeps it from being switched in a
    graph now, or ""; `asked`: the states that decide that, which are guarded then."""

    __slots__ = ("asked", "name", "node", "read", "refused", "title", "write")

    def __init__(
        self, name: str, title: str, read: Callable[[], Any], write: Callable[[Any], Any], node: Callable[[Any], tuple[Any, tuple[Any, ...]]] | None,
        refused: Callable[[], str] = str, asked: tuple[str, ...] = (),
    ):  # fmt: skip
        self.name, self.title, self.read, self.write, self.node = name, title, read, write, node
        self.refused, self.asked = refused, asked


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch._C._set_deterministic_algorithms(value[0], warn_only=value[1])


def _deterministic() -> tuple[bool, bool]:
    return torch._C._get_deterministic_algorithms(), torch._C._get_deterministic_algorithms_warn_only()


def _called(function: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, tuple[Any, ...]]]:
    return lambda value: (function, (value,))


def _saved_hooks_call(message: str | None) -> tuple[Any, tuple[Any, ...]]:
    if message is None:
        return torch._C._autograd._saved_tensors_hooks_enable, ()
    return torch._C._autograd._saved_tensors_hooks_disable, (message,)


def _write_saved_hooks(message: str | None) -> None:
    function, args = _saved_hooks_call(message)
    function(*args)


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("grad", "torch.set_grad_enabled", torch.is_grad_enabled, torch._C._set_grad_enabled, _called(torch._C._set_grad_enabled)),
        Mode(
            "forward_grad", "torch.autograd.forward_ad._set_fwd_grad_enabled", torch._C._is_fwd_grad_enabled, torch._C._set_fwd_grad_enabled,
            _called(torch._C._set_fwd_grad_enabled),
        ),
        Mode("deterministic", "torch.use_deterministic_algorithms", _deterministic, _set_deterministic, None),
        Mode("default_dtype", "torch.set_default_dtype", torch.get_default_dtype, torch.set_default_dtype, None),
        Mode(
            "saved_tensor_hooks", "torch.autograd.graph.disable_saved_tensors_hooks",
            torch._C._autograd._saved_tensors_hooks_get_disabled_error_message, _write_saved_hooks, _saved_hooks_call,
            lambda: "switch that hooks on saved tensors, which are on, refuse" if aside.hooks else "", ("SAVED_TENSOR_HOOKS",),
        ),
        *(Mode(name, "torch.nn.attention.sdpa_kernel", get, put, _called(put)) for name, (get, put) in SDPA_KERNELS.items()),
    )
}


# ---- graphs that flip modes
_DEVICES = ("cpu", "cuda")


class AutocastState:
    """What autocast is set to now, to be set again."""

    __slots__ = ("cache", "casts", "nesting")

    def __init__(self) -> None:
        self.cache, self.nesting = torch.is_autocast_cache_enabled(), _nesting()
        self.casts = [(device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in _DEVICES]

    def changed(self) -> bool:
        """Whether it is set to anything else by now."""
        now = AutocastState()
        return (now.cache, now.nesting, now.casts) != (self.cache, self.nesting, self.casts)

    def restore(self) -> None:
        for device, enabled, dtype in self.casts:
            torch.set_autocast_enabled(device, enabled)
            torch.set_autocast_dtype(device, dtype)
        torch.set_autocast_cache_enabled(self.cache)
        while _nesting() < self.nesting:
            torch.autocast_increment_nesting()
        while _nesting() > self.nesting:
            if torch.autocast_decrement_nesting() == 0:
                torch.clear_autocast_cache()


def _nesting() -> int:
    nesting = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return int(nesting)


enter_autocast = torch.amp.autocast_mode._enter_autocast


def leave_autocasts(ctx: Context) -> list[tuple[Any, ...]]:
    """Let the graph leave what autocast it entered and didn't leave, and say what is to be entered behind it: a backend that traces the
    graph anew runs these calls once, while it traces."""
    for _, _, node in reversed(ctx.autocasts):
        ctx.create_node("call_function", torch.amp.autocast_mode._exit_autocast, (node,), {}, None).meta["effect"] = Effect()
    return [node.args for _, _, node in ctx.autocasts]


def put_modes(values: dict[str, Any], autocast: AutocastState | None) -> None:
    """Set the switches that aren't so by now."""
    for name, value in values.items():
        if MODES[name].read() != value:
            MODES[name].write(value)
    if autocast is not None and autocast.changed():
        autocast.restore()


def restoring(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which flips modes on its way: where it raises, they are as they were before. In the program a `with` would
    have seen to that."""

    def call(*args: Any) -> Any:
        before, autocast = {name: mode.read() for name, mode in MODES.items()}, AutocastState()
        try:
            return function(*args)
        except BaseException:
            put_modes(before, autocast)
            raise

    return call


class PutBack:
    """What a body that leaves switches otherwise than it found them calls with what is raised behind its graph: the `with` of the program that
    would put them back isn't entered yet."""

    __slots__ = ("autocast", "modes", "overriding")

    def __init__(self, modes: dict[str, Any], autocast: AutocastState | None, overriding: tuple[int, Any] | None = None):
        self.modes, self.autocast, self.overriding = modes, autocast, overriding

    def __call__(self, error: BaseException) -> NoReturn:
        if self.overriding is not None:
            put_back_overriding(*self.overriding)
        put_modes(self.modes, self.autocast)
        raise error


def inference(wanted: bool) -> Any:
    """A context with inference mode on or off. C++'s own: no interrupt comes between its being entered and left."""
    return contextlib.nullcontext() if torch.is_inference_mode_enabled() == wanted else torch._C._InferenceMode(wanted)
