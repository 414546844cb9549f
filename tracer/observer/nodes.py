"""Nodes of torch.compile's graphs in words, as our own compiler words them, so that both can be compared."""

from __future__ import annotations

from typing import Any

__all__ = ["arguments_text", "target_text"]


def target_text(target: Any) -> str:
    """`torch.nn.functional.linear`, `add`, `aten.relu.default`."""
    if type(target) is str:
        return target
    name, module = getattr(target, "__name__", None), getattr(target, "__module__", None) or ""
    if not isinstance(name, str):
        return str(target)
    if module.startswith("_operator"):
        return name
    return f"{module.replace('torch._C._nn', 'torch.nn.functional')}.{name}" if module.startswith("torch") else name


def arguments_text(node: Any) -> str:
    return ", ".join(
        [_short(value) for value in node.args] + [f"{key}={_short(value)}" for key, value in node.kwargs.items()]
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
