"""What torch.compile's `dynamic_shapes=` says (since torch 2.14), as facts about where a value was found.

In: the forms that torch takes, made one by torch itself. Out: for a source of a frame, None (nothing is said: it is static), a number that it must be,
or bounds. What is said of several sizes at once (one variable in two places, an expression, assumptions) isn't: each size is a symbol of its own.
"""

from __future__ import annotations

import importlib
import inspect
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..errors import TracerError

if TYPE_CHECKING:
    from ..sources import Source

__all__ = ["Bounds", "SpecViolated", "attached", "coerced", "leaf", "sizes"]

_specs: Any = None
if "dynamic_shapes" in inspect.signature(torch.compile).parameters:  # 2.13 has the module, without what is asked of it here
    _specs = importlib.import_module("torch.fx.experimental.dynamic_spec")


class Bounds(NamedTuple):
    """Of a symbolic number; None where open."""

    least: int | None
    most: int | None


class SpecViolated(TracerError, ValueError):
    """A size or number isn't what `dynamic_shapes` said."""


def coerced(value: Any) -> Any:
    """The `ShapesSpec` of what was given. Raises TypeError, ValueError as torch does, NotImplementedError before torch 2.14."""
    if value is None:
        return None
    if _specs is None:
        raise NotImplementedError("torch has dynamic_shapes since 2.14")
    return _specs._coerce_to_shapes_spec(value)


def attached(function: Any) -> Any:
    """What `@dynamic_spec(…)` put on a function or on a module's `forward`, or None."""
    return None if _specs is None else getattr(getattr(function, "forward", function), _specs._DYNAMIC_SPEC_ATTR, None)


def leaf(spec: Any, code: types.CodeType, source: Source) -> Any:
    """What is said of the integer at `source`: None, a number, or `Bounds`."""
    found = _walk(spec, code, source)
    return None if isinstance(found, _specs.TensorSpec) else _facts(found)


def sizes(spec: Any, code: types.CodeType, source: Source) -> list[Any] | None:
    """What is said of each dimension of the tensor at `source`; None where nothing is."""
    found = _walk(spec, code, source)
    return [_facts(dim) for dim in found] if isinstance(found, _specs.TensorSpec) else None


def _facts(found: Any) -> Any:
    if isinstance(found, _specs.IntVar):
        return Bounds(found.min, found.max)
    if type(found) is int:
        return found
    return None if found is None or isinstance(found, _CONTAINERS) else Bounds(None, None)


def _walk(spec: Any, code: types.CodeType, source: Source) -> Any:
    steps: list[tuple[str, Any]] = []
    node: Source | None = source
    while node is not None and node.base is not None:
        steps.append((node.kind, node.key))
        node = node.base
    params = spec._params
    if node is None or node.kind != "local" or params is None:
        return None
    found, place = params._named_args.get(node.key), code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & 0x04:  # CO_VARARGS
        if node.key == code.co_varnames[place]:
            found = _specs.SeqSpec(params._varargs or [])
        place += 1
    if code.co_flags & 0x08 and node.key == code.co_varnames[place]:  # CO_VARKEYWORDS
        found = _specs.DictSpec(params._varkw)
    for kind, key in reversed(steps):
        if kind in ("contents", "dict"):
            continue
        found = _below(found, kind, key)
    return found


def _below(found: Any, kind: str, key: Any) -> Any:
    if isinstance(found, _specs.SeqSpec):
        return found._entries[key] if kind == "item" and type(key) is int and 0 <= key < len(found) else None
    if isinstance(found, _specs.DictSpec):
        return found._entries.get(key) if kind == "item" else None
    if isinstance(found, _specs.ObjectSpec):
        return found._fields.get(key) if kind in ("attr", "item") else None
    return None


_CONTAINERS = () if _specs is None else (_specs.SeqSpec, _specs.DictSpec, _specs.ObjectSpec, _specs.TensorSpec)
