"""Python code of ours that is traced in place of C code of the standard library. It uses no globals of this module that change."""

from __future__ import annotations

from typing import Any

__all__ = ["ComparedKey", "call_dispatched", "dispatch"]


class ComparedKey:
    """What `functools.cmp_to_key` makes of an object."""

    __slots__ = ("compare", "obj")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, compare: Any, obj: Any):
        self.compare, self.obj = compare, obj

    def __lt__(self, other: Any) -> Any:
        return self.compare(self.obj, other.obj) < 0

    def __gt__(self, other: Any) -> Any:
        return self.compare(self.obj, other.obj) > 0

    def __eq__(self, other: Any) -> Any:
        return self.compare(self.obj, other.obj) == 0

    def __le__(self, other: Any) -> Any:
        return self.compare(self.obj, other.obj) <= 0

    def __ge__(self, other: Any) -> Any:
        return self.compare(self.obj, other.obj) >= 0


def dispatch(descriptor: Any, first: Any) -> Any:
    """Replaced by a rule while tracing."""
    return descriptor.dispatcher.dispatch(type(first))


def call_dispatched(descriptor: Any, instance: Any, owner: Any, *args: Any, **kwargs: Any) -> Any:
    """A call of a `singledispatchmethod` that was read on `instance`."""
    return dispatch(descriptor, args[0]).__get__(instance, owner)(*args, **kwargs)
