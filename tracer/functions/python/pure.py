"""Builtins that only compute: called with known values they can run while tracing, and nobody can tell."""

from __future__ import annotations

import builtins
import posixpath
import time
import types
from typing import Any

import torch

__all__ = ["is_pure", "reason"]

_MODULES = frozenset(
    {"math", "cmath", "operator", "_operator", "_bisect", "_statistics", "unicodedata", "_struct", "zlib", "binascii"}
)
_BUILTINS = frozenset(
    getattr(builtins, name)
    for name in (
        "abs",
        "ascii",
        "bin",
        "chr",
        "divmod",
        "format",
        "hash",
        "hex",
        "len",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "repr",
        "round",
        "sum",
        "callable",
        "any",
        "all",
    )
)
_BUILTINS |= {str.maketrans}
#: Paths as texts, in C since 3.12: the file system isn't asked.
_BUILTINS |= {getattr(posixpath, name) for name in ("normpath", "splitroot") if isinstance(getattr(posixpath, name, None), types.BuiltinFunctionType)}
_TORCH_QUERIES = frozenset(
    f
    for f in (
        torch.promote_types, torch.result_type, torch.can_cast, torch.get_default_dtype, torch.is_grad_enabled, torch.is_inference_mode_enabled,
        torch.is_autocast_enabled, torch.get_autocast_dtype, torch.is_autocast_cache_enabled, torch._C._get_cudnn_enabled, torch.get_num_threads,
        torch._C._is_torch_function_enabled, torch.are_deterministic_algorithms_enabled, torch._C._get_deterministic_algorithms,
    )
)  # fmt: skip


def is_pure(value: Any) -> bool:
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        if isinstance(owner, types.ModuleType):
            return owner.__name__ in _MODULES or value in _BUILTINS
        return value in _BUILTINS
    try:
        return value in _TORCH_QUERIES
    except TypeError:
        return False


_CLOCKS = frozenset({"time", "_random", "_datetime", "_uuid", "_secrets"})
_FILES = frozenset({"_io", "io", "posix", "nt", "_socket", "select", "fcntl", "_posixsubprocess", "mmap"})
_ENVIRONMENT = frozenset({"putenv", "unsetenv"})
_FRAMES = frozenset({"exec", "eval", "compile", "globals", "vars", "dir", "_getframe", "settrace", "setprofile"})


def reason(value: Any) -> str:
    """The catalogue id for a builtin that can't be called while tracing."""
    owner = getattr(value, "__self__", None)
    module = owner.__name__ if isinstance(owner, types.ModuleType) else getattr(value, "__module__", None) or ""
    if value is time.sleep:
        return "waiting-inside"
    if module in _CLOCKS:
        return "time-or-random"
    if getattr(value, "__name__", "") in _ENVIRONMENT and module in _FILES:
        return "outside-state-write"
    if module in _FILES or value is builtins.open or value is builtins.input:
        return "file-or-socket"
    if getattr(value, "__name__", "") in _FRAMES:
        return "exec-or-eval"
    name = getattr(value, "__name__", "")
    if module.startswith("torch") and (name.startswith(("set_", "_set_")) or name.endswith("_enabled")):
        return "context-unsupported"
    if module in ("_thread", "_asyncio"):
        return "thread-or-process"
    if module.startswith("torch") or module in (
        "builtins",
        "_collections",
        "_functools",
        "itertools",
        "_abc",
        "_weakref",
        "gc",
        "sys",
    ):
        return "unsupported-builtin"
    return "opaque-call"
