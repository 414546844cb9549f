"""Torch's private names for copying: bits of a tensor that no public setter has, and dispatch without anybody's modes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["plain_dispatch", "set_bits"]


@contextlib.contextmanager
def plain_dispatch() -> Iterator[None]:
    """Torch's own functions, unseen by the modes and the tensor subclasses of the program."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        yield


def set_bits(tensor: torch.Tensor, other: torch.Tensor) -> None:
    """Conjugate, negative, and written to as often as `other` is."""
    torch._C._set_conj(tensor, other.is_conj())
    torch._C._set_neg(tensor, other.is_neg())
    if not other.is_inference() and not tensor.is_inference():
        torch._C._autograd._unsafe_set_version_counter((tensor,), (other._version,))
