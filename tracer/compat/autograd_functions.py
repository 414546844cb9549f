"""What torch knows of a class of `torch.autograd.Function`: which of its parts are the program's, and what C keeps of a call of it.

In goes a class or a function; out come facts that don't depend on the call.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

__all__ = [
    "APPLIES", "DIFFERENTIATED_FORWARD", "FIELDS", "KEPT_BY_C", "STANDARD", "TRANSFORMS_ACTIVE", "UNWRAP", "apply_of", "context_class",
    "inner_of_once", "is_differentiable",
]  # fmt: skip

_found = vars(Function)["apply"]


def apply_of(cls: type) -> Callable[..., Any]:
    """torch's own `apply` of a class, whatever the class has under that name."""
    found: Callable[..., Any] = _found.__get__(None, cls)
    return found


#: What `apply` is: torch's function, where it has one, and the class method in C that this calls with all defaults given.
APPLIES = tuple(dict.fromkeys((getattr(_found, "__func__", _found), vars(torch._C._FunctionBase)["apply"])))
#: What torch's function asks and does on its way there.
TRANSFORMS_ACTIVE, UNWRAP = torch._C._are_functorch_transforms_active, torch._functorch.utils.unwrap_dead_wrappers
#: What `ctx` keeps in C, by its name there: what forward said of its tensors and of gradients that are missing.
KEPT_BY_C = {
    name: vars(torch._C._FunctionBase)[name]
    for name in ("to_save", "dirty_tensors", "non_differentiable", "materialize_grads", "saved_for_forward")
    if name in vars(torch._C._FunctionBase)
}
#: All that C keeps of it.
FIELDS = frozenset(name for name, held in vars(torch._C._FunctionBase).items() if type(held) is types.GetSetDescriptorType)
#: What a class has beside forward and backward, and what it is where the program says nothing of it.
STANDARD = {
    name: getattr(Function, name)
    for name in ("setup_context", "vjp", "jvp", "vmap", "boxed_grads_call", "clear_saved_tensors_on_access")
    if hasattr(Function, name)
}
#: The code of what a class has for a jvp where the program gives none: it raises.
DIFFERENTIATED_FORWARD = Function.jvp.__code__


def context_class(cls: type) -> type:
    """The class of `ctx`."""
    return cls._backward_cls  # type: ignore[attr-defined,no-any-return]


_ONCE = once_differentiable(lambda ctx: None).__code__


def inner_of_once(function: types.FunctionType) -> int | None:
    """For what `once_differentiable` gives: which cell of its closure holds the function that it was given. None for other functions."""
    return _ONCE.co_freevars.index("fn") if function.__code__ is _ONCE else None


def is_differentiable(tensor: torch.Tensor) -> bool:
    """Whether autograd gives a gradient to a tensor of this dtype."""
    return tensor.is_floating_point() or tensor.is_complex()
