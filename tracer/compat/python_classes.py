"""Whether a class was made by a class statement, or in C: asked where CPython would run the class's Python code, or would not.

In: classes. Out: yes or no. A class of Python is a heap type, and so are many classes made in C (more with every version: partial and
re.Pattern in 3.11, deque and Future in 3.12, Decimal in 3.13). Those can't be changed, which a class of Python always can.
"""

from __future__ import annotations

import ctypes

__all__ = ["is_python_class", "reads_like_object"]

_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def is_python_class(cls: type) -> bool:
    """Whether a class statement made it, or it can be changed like one that did (pybind11 makes such classes)."""
    return cls.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP


def reads_like_object(cls: type) -> bool:
    """Whether attributes of its instances are what `object` finds: an entry of a class, or of the instance's dict."""
    return _slot(cls, _GETATTRO) == _slot(object, _GETATTRO)


_GETATTRO = 58  # Py_tp_getattro, a number of the stable ABI
_slot = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(("PyType_GetSlot", ctypes.pythonapi))
