"""Does the end of an instance run code of its class?"""

from __future__ import annotations

__all__ = ["has_finaliser"]

_MRO = type.__dict__["__mro__"].__get__
_DICT = type.__dict__["__dict__"].__get__


def has_finaliser(cls: type) -> bool:
    """Whether a class statement on the way to `object` defines `__del__`, which the type's slot then calls."""
    return any("__del__" in _DICT(base) for base in _MRO(cls))
