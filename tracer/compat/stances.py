"""torch.compiler.set_stance: what it has said, and the one function of torch's through which it says it.

Nothing here imports `torch._dynamo`: while it isn't loaded nobody can have set a stance.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["DEFAULT", "Stance", "current", "setter", "setting_code"]


class Stance(NamedTuple):
    """`name` as torch.compiler.set_stance takes it, and the backend that it forces."""

    name: str = "default"
    backend: Any = None


DEFAULT = Stance()


def current() -> Stance:
    """What is in force now, in the whole process."""
    held = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_stance", None)
    if held is None or (held.stance == "default" and getattr(held, "backend", None) is None):
        return DEFAULT
    return Stance(held.stance, getattr(held, "backend", None))


def setter() -> Callable[[Any], Any] | None:
    """What every way to set a stance calls."""
    return getattr(sys.modules.get("torch._dynamo.eval_frame"), "_set_stance", None)


def setting_code() -> types.CodeType | None:
    return getattr(setter(), "__code__", None)
