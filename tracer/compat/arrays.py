"""NumPy where it is installed: its arrays as tensors, and torch's own layer that computes its functions on tensors (`torch._numpy`).

Everything private of torch's layer is named here. `numpy` is None where NumPy isn't installed; then no value is one of its.
"""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

import torch

from .memo import without_dispatch

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

__all__ = [
    "ARRAY", "DTYPE", "FACTS", "LIMITS", "NUMBER", "array_of", "dtype_of", "errors_raise", "is_callable", "layer", "layer_of", "numpy", "tensor_of",
]  # fmt: skip

#: The classes of arrays, of their numbers (booleans too) and of their dtypes; () where there is no NumPy.
ARRAY: Any = () if numpy is None else numpy.ndarray
NUMBER: Any = () if numpy is None else (numpy.number, numpy.bool_)
DTYPE: Any = () if numpy is None else numpy.dtype
#: The classes of a dtype's limits, and of all objects that only say something of a dtype.
LIMITS: Any = () if numpy is None else (numpy.finfo, numpy.iinfo)
FACTS: Any = () if numpy is None else (DTYPE, *LIMITS)
_SCALAR: Any = () if numpy is None else numpy.generic
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType)


def tensor_of(array: Any) -> torch.Tensor | None:
    """The tensor in the memory of `array`; None where torch has none: a subclass, no numbers, another byte order, strides that
    torch can't have, or memory that may not be written to."""
    if type(array) is not ARRAY or not array.flags.writeable:
        return None
    try:
        with without_dispatch():
            return torch.from_numpy(array)
    except (TypeError, ValueError, RuntimeError):
        return None


def array_of(tensor: torch.Tensor, scalar: bool, writeable: bool = True) -> Any:
    """The array in the memory of `tensor`, or the number in it."""
    array = tensor.detach().resolve_conj().resolve_neg().numpy()
    if not writeable:
        array.flags.writeable = False
    return array[()] if scalar else array


def errors_raise() -> bool:
    """Whether NumPy does more than warn where arithmetic overflows or divides by zero: raise, or call something."""
    return not {"warn", "ignore"}.issuperset(numpy.geterr().values())


@functools.cache
def dtype_of(dtype: torch.dtype) -> Any:
    """NumPy's dtype for torch's; None where it has none."""
    name = str(dtype).removeprefix("torch.")
    found = None if numpy is None or name not in numpy.sctypeDict else numpy.dtype(name)
    return found if found is not None and found.name == name else None


@functools.cache
def layer() -> Any:
    """torch's layer, which takes and gives arrays of its own around tensors: `ndarray(tensor)`, `.tensor`."""
    return importlib.import_module("torch._numpy")


#: Where functions of NumPy's namespaces are in torch's layer.
_NAMESPACES = ("", ".linalg", ".fft")


@functools.cache
def _functions() -> dict[int, tuple[Any, Callable[..., Any]]]:
    """id of a function of NumPy → (itself, the layer's)."""
    found: dict[int, tuple[Any, Callable[..., Any]]] = {}
    for namespace in _NAMESPACES:
        theirs, ours = (importlib.import_module(name + namespace) for name in ("numpy", "torch._numpy"))
        for name, function in vars(ours).items():
            target = getattr(theirs, name, None)
            if callable(target) and callable(function) and not isinstance(target, type) and not name.startswith("_"):
                found[id(target)] = target, function
    return found


def is_callable(value: Any) -> bool:
    """Whether a call of `value` is NumPy's business: a function of its, or a method of its arrays or numbers."""
    kind = type(value)  # nothing is asked of objects of the program's classes
    if numpy is None:
        return False
    if kind in _DESCRIPTORS:
        return issubclass(value.__objclass__, (ARRAY, _SCALAR))
    if issubclass(kind, type):
        bases = type.__dict__["__mro__"].__get__(value)
        return _SCALAR in bases or DTYPE in bases or value is ARRAY or any(value is cls for cls in LIMITS)
    if kind not in (types.FunctionType, types.BuiltinFunctionType) and kind.__module__.partition(".")[0] != "numpy":
        return False
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "numpy" and callable(value)


def layer_of(target: Any) -> Callable[..., Any] | None:
    """What computes `target` in torch's layer: a function or a method; None where it has none."""
    if isinstance(target, _DESCRIPTORS):
        method: Any = getattr(layer().ndarray, target.__name__, None)
        return method if isinstance(method, types.FunctionType) else None
    known = _functions().get(id(target))
    return None if known is None else known[1]
