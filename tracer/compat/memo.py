"""Fake tensors made directly from metadata, for the session-wide memo of operator results."""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

__all__ = ["FakeTensor", "fake_alike", "fake_view", "is_transformed", "without_cache", "without_dispatch"]

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
    """A fake tensor with this metadata over the storage of `base`."""
    with without_dispatch(), torch.no_grad():
        meta = torch.empty((0,), dtype=dtype, device="meta").set_(base.untyped_storage(), offset, shape, stride)
        if requires_grad:
            meta.requires_grad_(True)
        return FakeTensor(mode, meta, device)


def without_cache(mode: Any) -> None:
    """Turn the mode's own cache of operator results off: for static sizes the session's memo answers before it is asked, and
    building its keys is a third of the cost of a first compile."""
    if hasattr(mode, "cache_enabled"):
        mode.cache_enabled = False


def is_transformed(tensor: torch.Tensor) -> bool:
    """Whether a functorch transform (vmap, grad, jvp) wraps this tensor: it exists only inside the running transform."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)
