"""Torch's thread-local switches that a program can flip: each is read at the start, changed for real while tracing (so that
fake results carry it), written into the graph as a node, and left as the program left it after the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["MODES", "Mode"]


class Mode:
    """`read()` gives the value, `write(value)` sets it; `node` is the function that a graph calls to set it, or None."""

    __slots__ = ("name", "node", "read", "write")

    def __init__(
        self, name: str, read: Callable[[], Any], write: Callable[[Any], Any], node: Callable[..., Any] | None
    ):
        self.name, self.read, self.write, self.node = name, read, write, node


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch._C._set_deterministic_algorithms(value[0], warn_only=value[1])


def _deterministic() -> tuple[bool, bool]:
    return torch._C._get_deterministic_algorithms(), torch._C._get_deterministic_algorithms_warn_only()


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("grad", torch.is_grad_enabled, torch._C._set_grad_enabled, torch._C._set_grad_enabled),
        Mode("deterministic", _deterministic, _set_deterministic, None),
        Mode("default_dtype", torch.get_default_dtype, torch.set_default_dtype, None),
        Mode("torch_function", torch._C._is_torch_function_enabled, lambda on: None, None),
    )
}
