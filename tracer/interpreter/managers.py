"""Breaks inside torch's own context managers, told of as what the program's line enters.

In: a break that was located, and the frames at that moment. What such a manager is made of is neither the program's nor mended there: where
it meets what has no rule, the break is told of the manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..variables import CellVariable, PinnedVariable

if TYPE_CHECKING:
    from ..signals import Break
    from .frame import Frame

__all__ = ["told_of_manager"]

#: What says that something has no rule, or can't be known; other reasons are as true of the program's line.
_WITHOUT_RULE = frozenset({
    "unsupported-type", "unsupported-builtin", "unsupported-attribute", "opaque-call", "opaque-context", "descriptor-unsupported", "user-hash-or-eq",
    "weakref-call",
})  # fmt: skip
_METHODS = frozenset({"__new__", "__init__", "__enter__", "__exit__"})


def told_of_manager(stop: Break, called: Frame) -> bool:
    """`called`: what the program's line calls, of a library. Answers whether the break is told of it."""
    if stop.reason not in _WITHOUT_RULE or called.decoded.code.co_name not in _METHODS:
        return False
    cls = _class_of(called)
    if cls is None or not (cls.__module__.startswith("torch.") and hasattr(cls, "__enter__") and hasattr(cls, "__exit__")):
        return False
    stop.reason, stop.context = "context-unsupported", {"name": cls.__name__, "type": cls.__name__, "expr": cls.__name__}
    return True


def _class_of(frame: Frame) -> type | None:
    """The class whose method a frame runs, by its first argument."""
    first: Any = frame.locals[0] if frame.locals else None
    first = first.value if isinstance(first, CellVariable) else first
    value = first.value if isinstance(first, PinnedVariable) else None
    if isinstance(value, type):
        return value
    return first.python_type() if hasattr(first, "python_type") else None
