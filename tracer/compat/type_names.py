"""How CPython's errors name a class: by its name, and a class made in C by what C calls it (`collections.deque`)."""

from __future__ import annotations

__all__ = ["type_name"]


def type_name(cls: type) -> str:
    """`tp_name`. C tells it where a class is refused by another's `__new__`; nothing is made."""
    other = list if issubclass(cls, int) else int
    try:
        other.__new__(cls)
    except TypeError as error:
        return str(error).partition("(")[2].partition(")")[0]
    raise AssertionError(f"{other} made an object of {cls}")
