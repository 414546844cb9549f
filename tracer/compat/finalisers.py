"""Does the end of an instance run code of its class? In which order does a frame let go of what it holds?"""

from __future__ import annotations

import weakref

__all__ = ["LAST_LOCAL_FIRST", "has_finaliser"]

_MRO = type.__dict__["__mro__"].__get__
_DICT = type.__dict__["__dict__"].__get__


def has_finaliser(cls: type) -> bool:
    """Whether a class statement on the way to `object` defines `__del__`, which the type's slot then calls."""
    return any("__del__" in _DICT(base) for base in _MRO(cls))


class _Local:
    pass


def _order() -> tuple[int, ...]:
    order: list[int] = []

    def frame() -> None:
        first, second = _Local(), _Local()
        watching.extend((weakref.ref(first, lambda _: order.append(1)), weakref.ref(second, lambda _: order.append(2))))

    watching: list[weakref.ref[_Local]] = []
    frame()
    return tuple(order)


#: Whether a frame that is left drops its locals from the last to the first, as CPython does since 3.14.
LAST_LOCAL_FIRST = _order() == (2, 1)
