"""Fake tensors made directly from metadata, for the session-wide memo of operator results."""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

__all__ = ["FakeTensor", "fake_alike", "fake_view", "without_dispatch"]

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
