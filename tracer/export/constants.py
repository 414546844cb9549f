"""Plain values as Python that gives them back: what an exported file holds beside tensors.

In: a value. Out: an expression over builtins and `torch`, the value again where it is evaluated: in its type, its sign of zero, and at
every depth. What has no such expression isn't plain.
"""

from __future__ import annotations

import builtins
import importlib
import types
from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["PACKAGES", "constant", "importable", "plain"]

#: Whose functions and classes an exported module may import.
PACKAGES = frozenset({"torch", "operator", "_operator", "math", "builtins", "collections", "functools", "itertools"})
#: More digits than Python writes and reads in decimal.
_LONG = 4000 * 3
_OVERLOAD = type(torch.ops.aten.mm.default)


def _float(value: float) -> str:
    return repr(value) if value - value == 0 else f"float({str(value)!r})"


def _int(value: int) -> str:
    return repr(value) if value.bit_length() < _LONG else hex(value)


def _inner(values: Iterable[Any]) -> str:
    return ", ".join(map(constant, values))


def _set(value: Any) -> str:
    members = f"{{{', '.join(sorted(map(constant, value)))}}}" if value else ""
    return f"frozenset({members})" if type(value) is frozenset else members or "set()"


_ATOMS: dict[type, Callable[[Any], str]] = {
    type(None): repr, bool: repr, str: repr, bytes: repr, int: _int, float: _float, type(...): lambda _: "...",
    complex: lambda value: f"complex({_float(value.real)}, {_float(value.imag)})",
    torch.dtype: repr, torch.layout: repr, torch.memory_format: repr,
    torch.device: lambda value: f"torch.device({str(value)!r})",
}  # fmt: skip
_CONTAINERS: dict[type, Callable[[Any], str]] = {
    tuple: lambda value: f"({_inner(value)}{',' if len(value) == 1 else ''})",
    list: lambda value: f"[{_inner(value)}]",
    torch.Size: lambda value: f"torch.Size([{_inner(value)}])",
    slice: lambda value: f"slice({_inner((value.start, value.stop, value.step))})",
    range: lambda value: f"range({_inner((value.start, value.stop, value.step))})",
    dict: lambda value: f"{{{', '.join(f'{constant(k)}: {constant(v)}' for k, v in value.items())}}}",
    set: _set,
    frozenset: _set,
}


def _parts(value: Any) -> Iterable[Any]:
    if type(value) in (slice, range):
        return value.start, value.stop, value.step
    return [part for pair in value.items() for part in pair] if type(value) is dict else value


def plain(value: Any) -> bool:
    """Whether a value is written down in Python as what it is."""
    return type(value) in _ATOMS or type(value) in _CONTAINERS and all(map(plain, _parts(value)))


def constant(value: Any) -> str:
    """A plain value as Python."""
    return (_ATOMS.get(type(value)) or _CONTAINERS[type(value)])(value)


def importable(value: Any) -> str:
    """`torch.nn.functional.relu`: where a function or class of torch's or Python's is found, "" for any other."""
    name = getattr(value, "__qualname__", "") or getattr(value, "__name__", "")
    if isinstance(value, types.ModuleType):
        places = [value.__name__]
    elif type(value) is _OVERLOAD:
        places = [f"torch.ops.{value}"]
    else:
        module = getattr(value, "__module__", None)
        if module is None and isinstance(value, types.BuiltinFunctionType):
            module = getattr(value.__self__, "__module__", None)
        last = name.rpartition(".")[2]
        places = [f"{module}.{name}", f"torch.{last}", f"torch.nn.functional.{last}", f"torch.Tensor.{last}", f"builtins.{last}"]
    return next((place.removeprefix("builtins.") for place in places if _found(place) is value), "")


def _found(place: str) -> Any:
    """What is there, without importing what isn't imported by torch or Python already."""
    parts = place.split(".")
    if parts[0] not in PACKAGES or not all(part.isidentifier() for part in parts):
        return _found
    value: Any = builtins if parts[0] == "builtins" else importlib.import_module(parts[0])
    for part in parts[1:]:
        value = getattr(value, part, _found)
    return value
