"""Conditions of a torch.export program: what its module checks of its arguments before it runs.

torch writes those that it found itself as Python over `L['parameter']…` into the program, saves them with it, and makes a function of
them when the module is made. Ours join them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["require"]


def require(program: Any, conditions: list[str]) -> None:
    """Have the modules of `program` check them. AttributeError on a torch that keeps no such list."""
    program._guards_code.extend(conditions)
