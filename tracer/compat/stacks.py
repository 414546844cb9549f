"""The stacks that torch keeps for each thread: dispatch modes, torch-function modes, hooks on saved tensors, transforms of
torch.func, dispatch keys, contexts of a compile.

In: the calling thread. Out: all of them, read whole (`Stacks()`) and put back whole (`Stacks.put_back`), whatever was pushed or popped
since, in whatever order, and left there. Each step of putting back may be cut by an interrupt and done again.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch._guards import _TLS
from torch.utils import _python_dispatch
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

__all__ = ["Stacks", "aside", "difference", "empty", "keys", "other_tracer", "pop_tensor_hooks", "push_dispatch_mode", "push_tensor_hooks", "tensor_hooks"]

_c = torch._C
_hooks = torch._C._autograd
_functorch = torch._C._functorch
_PROXY = _c._TorchDispatchModeKey.PROXY


def push_dispatch_mode(mode: Any) -> None:
    if getattr(mode, "_mode_key", None) is None:
        _c._push_on_torch_dispatch_stack(mode)
    else:  # fake, proxy and functional modes have slots of their own
        _c._set_dispatch_mode(mode)


def tensor_hooks() -> list[tuple[Any, Any]]:
    """The hooks on saved tensors, innermost last: only the top of their stack can be read, so each is taken off and put back."""
    if _hooks._top_saved_tensors_default_hooks(True) is None:
        return []
    found = pop_tensor_hooks()
    push_tensor_hooks(found)
    return found


def pop_tensor_hooks() -> list[tuple[Any, Any]]:
    """Take all hooks on saved tensors off; they, innermost last."""
    found: list[tuple[Any, Any]] = []
    while (top := _hooks._top_saved_tensors_default_hooks(True)) is not None:
        found.insert(0, top)
        _hooks._pop_saved_tensors_default_hooks()
    return found


def push_tensor_hooks(hooks: list[tuple[Any, Any]]) -> None:
    for pack, unpack in hooks:
        _hooks._push_saved_tensors_default_hooks(pack, unpack)


class _Aside(threading.local):
    """The program's hooks on saved tensors that a trace in this thread has set aside, innermost last."""

    hooks: list[tuple[Any, Any]] = []


aside = _Aside()


def keys() -> tuple[int, int]:
    """The dispatch keys that this thread includes and excludes, as raw bits."""
    return _c._dispatch_tls_local_include_set().raw_repr(), _c._dispatch_tls_local_exclude_set().raw_repr()


def difference(wanted: tuple[int, int], got: tuple[int, int]) -> str:
    """Two answers of `keys()` in words."""
    return "; ".join(
        f"{name} {_c.DispatchKeySet.from_raw_repr(a)} here, {_c.DispatchKeySet.from_raw_repr(b)} in a thread of its own"
        for name, a, b in zip(("included", "excluded"), wanted, got, strict=True)
        if a != b
    )


def _function_modes() -> list[Any]:
    return [_c._get_function_stack_at(i) for i in range(_c._len_torch_function_stack())]


def empty() -> None:
    """No modes: neither torch-function modes nor dispatch modes."""
    while _c._len_torch_function_stack():
        _c._pop_torch_function_stack()
    while _c._len_torch_dispatch_stack():
        _c._pop_torch_dispatch_stack(None)


class Stacks:
    """What the calling thread's stacks hold now. The hooks on saved tensors can't be read without being taken off: `set_aside`."""

    __slots__ = ("_aside", "compile", "dispatch", "forward_level", "function", "hooks", "keys", "levels", "lift", "tracing")

    def __init__(self) -> None:
        self.dispatch = _get_current_dispatch_mode_stack() if _c._len_torch_dispatch_stack() else []
        self.function = _function_modes()
        self.hooks: list[tuple[Any, Any]] = []
        self._aside = False
        self.keys = keys()
        self.levels = _levels()
        self.forward_level = torch.autograd.forward_ad._current_level
        self.lift = _c._only_lift_cpu_tensors()
        self.tracing, self.compile = getattr(_TLS, "tracing_context", None), getattr(_TLS, "compile_context", None)

    def set_aside(self) -> None:
        """No hooks on saved tensors until `put_back`."""
        while (top := _hooks._top_saved_tensors_default_hooks(True)) is not None:
            self.hooks.insert(0, top)
            _hooks._pop_saved_tensors_default_hooks()
        self._aside, aside.hooks = True, self.hooks

    def put_back(self) -> bool:
        """Make them so again; whether anything was otherwise."""
        changed = False
        if _functorch.get_dynamic_layer_stack_depth() > len(self.levels):
            _functorch.pop_dynamic_layer_stack_and_undo_to_depth(len(self.levels))
            changed = True
        while (depth := _functorch.get_dynamic_layer_stack_depth()) < len(self.levels):  # the program's own were set aside
            _functorch.push_dynamic_layer_stack(self.levels[depth])
            changed = True
        if not _same(_get_current_dispatch_mode_stack(), self.dispatch) or not _same(_function_modes(), self.function):
            empty()
            for mode in self.function:
                _c._push_on_torch_function_stack(mode)
            for mode in self.dispatch:
                push_dispatch_mode(mode)
            changed = True
        self._put_back_hooks()
        if keys() != self.keys:
            _set_keys(*self.keys)
            changed = True
        torch.autograd.forward_ad._current_level = self.forward_level
        if _c._only_lift_cpu_tensors() != self.lift:
            _c._set_only_lift_cpu_tensors(self.lift)
        _TLS.tracing_context, _TLS.compile_context = self.tracing, self.compile
        if changed:
            _tell_flags(self.dispatch)
        return changed

    def _put_back_hooks(self) -> None:
        if _hooks._top_saved_tensors_default_hooks(True) is None and not self.hooks:
            return
        left = pop_tensor_hooks()
        if not self._aside:  # an interrupt came while they were taken off, maybe between reading one and taking it off
            if left and self.hooks and all(a is b for a, b in zip(left[-1], self.hooks[0])):
                left.pop()
            self.hooks = left + self.hooks
            self._aside = True
        push_tensor_hooks(self.hooks)
        aside.hooks = []


def _levels() -> list[Any]:
    """The transforms of torch.func that are active, outermost first: each is taken off to be seen, and put back."""
    found: list[Any] = []
    try:
        while _functorch.get_dynamic_layer_stack_depth():
            found.insert(0, _functorch.pop_dynamic_layer_stack())
    finally:
        for level in found:
            _functorch.push_dynamic_layer_stack(level)
    return found


def _same(found: list[Any], wanted: list[Any]) -> bool:
    return len(found) == len(wanted) and all(a is b for a, b in zip(found, wanted))


def _set_keys(include: int, exclude: int) -> None:
    for wanted, now, write in (
        (include, _c._dispatch_tls_local_include_set(), _c._dispatch_tls_set_dispatch_key_included),
        (exclude, _c._dispatch_tls_local_exclude_set(), _c._dispatch_tls_set_dispatch_key_excluded),
    ):
        goal = _c.DispatchKeySet.from_raw_repr(wanted)
        for held, on in ((now - goal, False), (goal - now, True)):
            for key in _each(held):
                write(key, on)


def _each(held: Any) -> list[Any]:
    found = []
    while raw := held.raw_repr():
        key = held.highestPriorityTypeId()
        found.append(key)
        held = held.remove(key)
        if held.raw_repr() == raw:  # bits of backends, which no key alone has
            break
    return found


#: Flags of the process by which torch remembers that some mode is on; entering and leaving a mode sets them.
_FLAGS: tuple[tuple[str, Any], ...] = tuple(
    (name, about)
    for name, about in (
        ("_is_in_torch_dispatch_mode", lambda mode: True),
        ("_is_in_non_infra_torch_dispatch_mode", lambda mode: not mode.is_infra_mode()),
        ("_is_in_any_mode_without_ignore_compile_internals", lambda mode: not mode.ignore_compile_internals()),
    )
    if hasattr(_python_dispatch, name)
)


def _tell_flags(dispatch: list[Any]) -> None:
    for name, about in _FLAGS:
        setattr(_python_dispatch, name, any(map(about, dispatch)))
    tell = getattr(_python_dispatch, "set_is_in_mode_without_ignore_compile_internals", None)
    if tell is not None:
        tell(getattr(_python_dispatch, "_is_in_any_mode_without_ignore_compile_internals", False))


# ---- who else traces here
def other_tracer() -> str:
    """Who watches or traces the calls of this thread, so that a frame must run as it is: "" where nobody does. Fake and functional
    modes, and the mode of the default device, are torch's own and stay on while a frame is traced."""
    if _c._is_tracing():
        return "torch.jit.trace runs here"
    if torch.fx._symbolic_trace.is_fx_symbolic_tracing():
        return "torch.fx.symbolic_trace runs here"
    if torch.compiler.is_exporting():
        return "torch.export runs here"
    if _c._len_torch_dispatch_stack():
        for mode in _get_current_dispatch_mode_stack():
            if getattr(mode, "_mode_key", None) is _PROXY:
                return "make_fx traces here"
            if not mode.is_infra_mode():
                return f"a dispatch mode of the program is on: {type(mode).__name__}"
    for mode in _function_modes():
        if not isinstance(mode, DeviceContext):
            return f"a torch-function mode of the program is on: {type(mode).__name__}"
    return ""
