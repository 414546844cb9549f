"""Whether asking for `__annotations__` runs code of the program: since CPython 3.14 they are made when they are first asked for, and kept.

In: a function, a class or a module. Out: yes or no, "yes" too where it can't be told; and what that code reads. Nothing runs here.
"""

from __future__ import annotations

import gc
import types
from typing import Any

from .python_classes import is_python_class

__all__ = ["annotations_run_code", "names_read"]

#: Under which names a class or a module keeps them.
_KEPT = ("__annotations__", "__annotations_cache__")
_HAS_ANNOTATE = "__annotate__" in types.FunctionType.__dict__


def annotations_run_code(owner: Any) -> bool:
    """Whether nobody has asked `owner` for them yet, and a function says them."""
    if not _HAS_ANNOTATE:
        return False
    if isinstance(owner, types.FunctionType):
        return _annotate(owner) is not None and not _held_by(owner)
    held = type.__dict__["__dict__"].__get__(owner) if isinstance(owner, type) else owner.__dict__
    return _annotate(owner) is not None and not any(name in held for name in _KEPT)


def names_read(owner: Any) -> tuple[dict[str, Any], frozenset[str]] | None:
    """A namespace, and the names in it that the code asks for, where it asks for nothing else but what the class's body had; None where it may
    read anything."""
    annotate = _annotate(owner)
    if not isinstance(annotate, types.FunctionType) or not {"__classdict__"}.issuperset(annotate.__code__.co_freevars):
        return None
    names, known = frozenset(annotate.__code__.co_names), annotate.__globals__
    return (known, names) if all(name in known or name in annotate.__builtins__ for name in names) else None  # type: ignore[attr-defined]


def _annotate(owner: Any) -> Any:
    """Of a class its own, whatever its metaclass has under that name."""
    if isinstance(owner, types.FunctionType):
        return owner.__annotate__  # type: ignore[attr-defined]
    if not isinstance(owner, type):
        return owner.__dict__.get("__annotate__")
    return type.__dict__["__annotate__"].__get__(owner) if is_python_class(owner) else None


def _held_by(function: types.FunctionType) -> bool:
    """Whether a function refers to a dict beside those that are known: its annotations."""
    known = {id(function.__globals__), id(function.__builtins__), id(function.__dict__), id(function.__kwdefaults__)}  # type: ignore[attr-defined]
    return any(type(held) is dict and id(held) not in known for held in gc.get_referents(function))
