"""Fake tensors made directly from metadata, for the session-wide memo of operator results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

__all__ = [
    "FakeTensor", "fake_alike", "fake_view", "is_transformed", "known_data", "under_transforms", "with_transforms", "without_cache",
    "without_dispatch", "without_transforms",
]  # fmt: skip

without_dispatch = torch._C._DisableTorchDispatch


def fake_alike(
    mode: Any, shape: Any, stride: Any, dtype: torch.dtype, device: torch.device, requires_grad: bool
) -> Any:
    """A fresh fake tensor with this metadata and a storage of its own."""
    with without_dispatch():
        meta = torch.empty_strided(shape, stride, dtype=dtype, device="meta", requires_grad=requires_grad)
        return FakeTensor(mode, meta, device)


def fake_view(
    mode: Any,
    base: Any,
    shape: Any,
    stride: Any,
    dtype: torch.dtype,
    device: torch.device,
    requires_grad: bool,
    offset: int,
) -> Any:
    """A fake tensor with this metadata over the storage of `base`; None where the storage's size is symbolic, so that to
    know whether it is large enough would take a guard."""
    with without_dispatch(), torch.no_grad():
        storage = base.untyped_storage()
        if type(storage.nbytes()) is not int:
            return None
        meta = torch.empty((0,), dtype=dtype, device="meta").set_(storage, offset, shape, stride)
        if requires_grad:
            meta.requires_grad_(True)
        return FakeTensor(mode, meta, device)


def known_data(value: Any) -> bool:
    """Whether torch keeps the data of a fake tensor, or of one among several: it was made of numbers, and a size can be read from it."""
    if type(value) is FakeTensor:
        return value.constant is not None
    if isinstance(value, list | tuple):
        return any(map(known_data, value))
    return isinstance(value, FakeTensor) and getattr(value, "constant", None) is not None


def without_cache(mode: Any) -> None:
    """Turn the mode's own cache of operator results off: for static sizes the session's memo answers before it is asked, and
    building its keys is a third of the cost of a first compile."""
    if hasattr(mode, "cache_enabled"):
        mode.cache_enabled = False


def is_transformed(tensor: torch.Tensor) -> bool:
    """Whether a functorch transform (vmap, grad, jvp) wraps this tensor: it exists only inside the running transform."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def under_transforms() -> bool:
    """Whether a functorch transform, or a level of forward-mode differentiation, is on."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0


@contextlib.contextmanager
def without_transforms() -> Iterator[list[Any]]:
    """No functorch transform wraps what is made here: fakes of tensors that come from outside of it. Gives those that are
    active, for `with_transforms`."""
    if torch._C._functorch.peek_interpreter_stack() is None:
        yield []
        return
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    with temporarily_clear_interpreter_stack() as active:
        yield active


@contextlib.contextmanager
def with_transforms(active: list[Any]) -> Iterator[None]:
    """Inside `without_transforms`: as it was outside."""
    if not active:
        yield
        return
    from torch._functorch.pyfunctorch import temporarily_restore_interpreter_stack

    with temporarily_restore_interpreter_stack(active):
        yield
