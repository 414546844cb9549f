"""Short texts for values and classes that call nothing of the user's: no repr, no property, no metaclass."""

from __future__ import annotations

import enum
import types
from typing import Any

import torch

__all__ = ["constant_text", "ids_of", "summarise", "type_name"]



def ids_of(*classes: type) -> frozenset[int]:
    """For `id(type(x)) in …`: membership of the classes themselves would ask a metaclass for hash and equality."""
    return frozenset(map(id, classes))


_LIMIT = 80
_QUALNAME = type.__dict__["__qualname__"]
_BUILTIN_NAME = types.BuiltinFunctionType.__dict__["__name__"]
_PLAIN = ids_of(
    int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range,
    torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip
_SIZED = (list, tuple, dict, set, frozenset)


def type_name(cls: type) -> str:
    """`Linear`, `Outer.Inner`: the qualified name without its module and the functions around it."""
    try:
        name = _QUALNAME.__get__(cls)
    except Exception:
        return "?"
    return name.rpartition("<locals>.")[2] if type(name) is str else "?"


def constant_text(value: Any) -> str:
    """A constant as Python, cut to a readable length; anything else as `summarise` gives it."""
    text = _constant(value)
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def _constant(value: Any) -> str:
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value[: _LIMIT * 2])
    if kind is int and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    if id(kind) in _PLAIN:
        return repr(value)
    if issubclass(kind, enum.Enum):
        name = object.__getattribute__(value, "__dict__").get("_name_")
        return f"{type_name(kind)}.{name}"
    if kind is tuple or kind is torch.Size:
        parts = [constant_text(part) for part in tuple.__iter__(value)]
        return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    if kind is frozenset or kind is set:
        return "{" + ", ".join(sorted(constant_text(part) for part in value)) + "}" if value else "set()"
    if kind is slice:
        return f"slice({constant_text(value.start)}, {constant_text(value.stop)}, {constant_text(value.step)})"
    return summarise(value)


def summarise(value: Any) -> str:
    """What a person needs to recognise a value: `Tensor float32 [2, 3] cpu`, `dict of 4`, `function f`, `3`."""
    kind = type(value)
    if id(kind) in _PLAIN:
        return constant_text(value)
    if issubclass(kind, torch.Tensor):
        return _tensor(value)
    if issubclass(kind, type):
        return f"class {type_name(value)}"
    if kind is types.FunctionType:
        return f"function {value.__qualname__}"
    if kind is types.BuiltinFunctionType:
        return f"builtin {_BUILTIN_NAME.__get__(value)}"
    if kind is types.CodeType:
        return f"code of {value.co_qualname} at line {value.co_firstlineno}"
    if kind is types.ModuleType:
        name = types.ModuleType.__getattribute__(value, "__dict__").get("__name__")
        return f"module {name if type(name) is str else '?'}"
    if issubclass(kind, enum.Enum):
        return constant_text(value)
    for base in _SIZED:
        if issubclass(kind, base):
            return f"{type_name(kind)} of {base.__len__(value)}"
    return f"{type_name(kind)} object"


def _tensor(value: torch.Tensor) -> str:
    base = torch.Tensor
    try:
        with torch._C.DisableTorchFunction():
            dtype = str(base.dtype.__get__(value)).removeprefix("torch.")
            shape = list(base.shape.__get__(value))
            device = base.device.__get__(value)
            grad = base.requires_grad.__get__(value)
    except Exception:
        return f"{type_name(type(value))} object"
    return f"{type_name(type(value))} {dtype} {shape} {device}{' requires_grad' if grad else ''}"
