"""What torch's optimizers are made of."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

import torch

from .marks import is_disabled, original_callable

__all__ = ["group_by_device_and_dtype", "is_optimizer_code", "is_set_aside"]

_FOLDER = os.path.dirname(torch.optim.__file__) + os.sep

#: What torch wraps around a function that it disables when it is first called.
_LAZILY_DISABLED = torch._disable_dynamo(lambda: None).__code__ if hasattr(torch, "_disable_dynamo") else object()


def is_optimizer_code(code: types.CodeType) -> bool:
    """Whether code is of `torch.optim`."""
    return code.co_filename.startswith(_FOLDER)


def is_set_aside(function: Any) -> bool:
    """Whether this is a function of `torch.optim` that torch itself has marked as disabled in its place, when it was defined or when
    torch.compile was first used: a hint of torch's to its own compiler. (What a program disables it holds itself.)"""
    original = function
    while is_disabled(original):
        original = original_callable(original)
    if getattr(original, "__code__", None) is _LAZILY_DISABLED:
        original = original.__wrapped__
    code = getattr(original, "__code__", None)
    if original is function or code is None or not is_optimizer_code(code):
        return False
    holders = [sys.modules.get(original.__module__), *(cls for cls in vars(torch.optim).values() if isinstance(cls, type))]
    return any(holder is not None and vars(holder).get(original.__name__) is function for holder in holders)


def group_by_device_and_dtype() -> tuple[Any, ...]:
    """The function of C++ by which lists of tensors are grouped, where there is one."""
    found = getattr(torch._C, "_group_tensors_by_device_and_dtype", None)
    return () if found is None else (found,)
