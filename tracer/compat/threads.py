"""What torch keeps for each thread, so that a call may go on in another thread as if it were in its caller's.

In: the calling thread's state. Out: the same state in the worker (`ThreadState.applied`), and what the call changed of it
handed back (`hand_back`). What can't be handed over is refused by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from ..errors import TracerError
from . import stacks

__all__ = ["ThreadState"]

_c = torch._C
_hooks = torch._C._autograd

_SMALLEST = 2.0**-1022  # the smallest normal double: half of it is 0 where denormals are flushed


class Switch:
    """One value that torch keeps for each thread. `write` is None where only a guard can set it (see `applied`)."""

    __slots__ = ("name", "read", "write")

    def __init__(self, name: str, read: Callable[[], Any], write: Callable[[Any], Any]):
        self.name, self.read, self.write = name, read, write


def _default_device() -> Any:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _autocast(device: str) -> list[Switch]:
    return [
        Switch(
            f"autocast on {device}",
            lambda: torch.is_autocast_enabled(device),
            lambda on: torch.set_autocast_enabled(device, on),
        ),
        Switch(
            f"autocast dtype on {device}",
            lambda: torch.get_autocast_dtype(device),
            lambda dtype: torch.set_autocast_dtype(device, dtype),
        ),
    ]


def _autocast_depth() -> int:
    depth = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return int(depth)


def _set_autocast_depth(depth: int) -> None:
    while _autocast_depth() < depth:
        torch.autocast_increment_nesting()
    while _autocast_depth() > depth:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()


def _stream() -> Any:
    return torch.cuda.current_stream() if torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _set_stream(stream: Any) -> None:
    if stream is not None:
        torch.cuda.set_stream(stream)  # and its device


#: In the order in which they are set: the default device first, which pushes a mode of its own.
SWITCHES: tuple[Switch, ...] = (
    Switch("default device", _default_device, torch.set_default_device),
    Switch("grad mode", torch.is_grad_enabled, _c._set_grad_enabled),
    Switch("forward-mode AD", _c._is_fwd_grad_enabled, _c._set_fwd_grad_enabled),
    Switch("autograd multithreading", _c._is_multithreading_enabled, _c._set_multithreading_enabled),
    Switch("view replay", _c._is_view_replay_enabled, _c._set_view_replay_enabled),
    Switch("torch-function state", _c._get_torch_function_state, _c._set_torch_function_state),
    *(switch for device in ("cpu", "cuda") for switch in _autocast(device)),
    Switch("autocast cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    Switch("autocast depth", _autocast_depth, _set_autocast_depth),
    Switch("flushing of denormals", lambda: _SMALLEST * 0.5 == 0.0, torch.set_flush_denormal),
    Switch("CUDA stream", _stream, _set_stream),
)


class ThreadState:
    """The calling thread's switches and stacks of modes, as they are when this is made. TracerError, by name, for
    what no other thread can be given: transforms of torch.func."""

    def __init__(self) -> None:
        if _c._functorch.peek_interpreter_stack() is not None:
            raise TracerError(
                "a transform of torch.func is active here, and it belongs to this thread alone.",
                next="step through the transformed function from outside of the transform",
            )
        self.values = [switch.read() for switch in SWITCHES]
        self.inference = torch.is_inference_mode_enabled()
        self.function_modes = list(_get_current_function_mode_stack())
        device = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
        if device is not None:
            self.function_modes = [mode for mode in self.function_modes if mode is not device]
        self.dispatch_modes = list(_get_current_dispatch_mode_stack())
        self.tensor_hooks = stacks.tensor_hooks()
        self.hooks_refused = _hooks._saved_tensors_hooks_get_disabled_error_message()
        self.keys = stacks.keys()

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """In the worker, which lives for one call: this state. TracerError if something of it is not the same after all."""
        with contextlib.ExitStack() as stack:
            if self.inference:
                stack.enter_context(torch.inference_mode())
            stack.callback(_drop_tensor_hooks)
            stacks.push_tensor_hooks(self.tensor_hooks)
            if self.hooks_refused is not None:
                _hooks._saved_tensors_hooks_disable(self.hooks_refused)
            for switch, value in zip(SWITCHES, self.values, strict=True):
                if switch.read() != value:
                    switch.write(value)
            stack.callback(stacks.empty)  # while Python still runs in it; the call may have left others on them
            for mode in self.function_modes:
                _c._push_on_torch_function_stack(mode)
            for mode in self.dispatch_modes:
                stacks.push_dispatch_mode(mode)
            if stacks.keys() != self.keys:
                raise TracerError(
                    f"this thread's dispatch keys can't be handed over: {stacks.difference(self.keys, stacks.keys())}.",
                    next="leave the context that set them before stepping",
                )
            yield

    def hand_back(self, after: list[Any]) -> None:
        """In the caller: what the call changed of its thread's switches; `after` is what `now()` said at its end."""
        for switch, before, value in zip(SWITCHES, self.values, after, strict=True):
            if value != before:
                switch.write(value)

    @staticmethod
    def now() -> list[Any]:
        return [switch.read() for switch in SWITCHES]


def _drop_tensor_hooks() -> None:
    if _hooks._saved_tensors_hooks_get_disabled_error_message() is not None:
        _hooks._saved_tensors_hooks_enable()
    stacks.pop_tensor_hooks()
