"""What torch keeps for all objects of one of its classes, beside them: hooks on every module, on every optimizer."""

from __future__ import annotations

import functools
import sys
from typing import Any

__all__ = ["registries"]

_PREFIX = "_global_"


@functools.cache
def registries(cls: type) -> tuple[tuple[dict[str, Any], str], ...]:
    """(globals, name) of what torch's modules that define `cls` and its bases keep for every object of these classes."""
    bases = (base for base in cls.__mro__ if base.__module__.partition(".")[0] == "torch" and base.__module__ in sys.modules)
    namespaces = {base.__module__: vars(sys.modules[base.__module__]) for base in bases}
    return tuple((namespace, name) for namespace in namespaces.values() for name in namespace if name.startswith(_PREFIX))
