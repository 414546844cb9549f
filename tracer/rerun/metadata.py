"""Arguments as shapes, for sessions that keep no data: what a tensor was, and random ones that stand in for it.

Nothing that was passed lives longer for it: objects, modules, parameters and functions are held weakly, so a call can be run again for as long
as the program has them.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

import torch

from ..errors import TracerError

__all__ = ["Described", "described", "stood_in"]


class Described:
    """A tensor without its data. Two that shared a storage have the same `storage` number."""

    __slots__ = (
        "attributes",
        "device",
        "dtype",
        "leaf",
        "nbytes",
        "offset",
        "requires_grad",
        "shape",
        "storage",
        "strides",
    )

    def __init__(self, tensor: torch.Tensor, storage: int):
        self.shape, self.dtype, self.device = tuple(tensor.shape), tensor.dtype, tensor.device
        self.requires_grad, self.leaf, self.storage = tensor.requires_grad, tensor.is_leaf, storage
        plain = tensor.layout is torch.strided
        self.strides = tuple(tensor.stride()) if plain else ()
        self.offset = tensor.storage_offset() if plain else 0
        self.nbytes = tensor.untyped_storage().nbytes() if plain else 0
        self.attributes = {name: value for name, value in tensor.__dict__.items() if name.startswith("_dynamo")}

    def __repr__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}{list(self.shape)} on {self.device}"


class Weakly:
    """Something that a call was given, and that isn't kept alive for it."""

    __slots__ = ("_reference", "name")

    def __init__(self, value: Any):
        self.name = type(value).__qualname__
        try:
            self._reference: Any = weakref.WeakMethod(value) if type(value) is types.MethodType else weakref.ref(value)
        except TypeError:  # its class doesn't allow it
            self._reference = type(None)

    def read(self) -> Any:
        """The object; TracerError where there is none any more."""
        found = self._reference()
        if found is None:
            raise TracerError(
                f"the call can't be run again: this session keeps shapes of arguments only, and a {self.name} that it was given is gone.",
                next="keep the object, or make the session with keep_inputs=True, which keeps a copy",
            )
        return found

    def __repr__(self) -> str:
        return f"a {self.name}"


#: Values without parts.
_PLAIN = frozenset((
    type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), slice, range, object, types.BuiltinFunctionType,
    types.ModuleType, torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format,
))  # fmt: skip


def described(value: Any) -> Any:
    """The same containers with tensors described and everything else held weakly, modules and parameters among it."""
    seen: dict[int, Any] = {}
    storages: dict[int, int] = {}

    def walk(value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if issubclass(kind, torch.Tensor) and not isinstance(value, torch.nn.Parameter):  # of `__class__` the program would hear
            if id(value) not in seen:
                key = value.untyped_storage()._cdata if value.layout is torch.strided else -id(value)
                seen[id(value)] = Described(value, storages.setdefault(key, len(storages)))
            return seen[id(value)]
        if kind is tuple or kind is list:
            return kind(walk(member) for member in value)
        if kind is dict and all(type(key) in _PLAIN for key in value):
            return {key: walk(member) for key, member in value.items()}
        if (kind is set or kind is frozenset) and all(type(member) in _PLAIN for member in value):
            return kind(value)
        return Weakly(value)

    return walk(value)


def stood_in(value: Any) -> Any:
    """Random tensors where tensors were described: normal, integers 0 or 1; the same each time, and no generator that the
    program draws from moves."""
    generator = torch.Generator().manual_seed(0)
    made: dict[int, torch.Tensor] = {}
    storages: dict[int, torch.UntypedStorage] = {}

    def storage(one: Described) -> torch.UntypedStorage:
        if one.storage not in storages:
            count = one.nbytes // max(one.dtype.itemsize, 1)
            if one.dtype.is_floating_point or one.dtype.is_complex:
                wide = torch.randn(
                    count, generator=generator, dtype=torch.complex64 if one.dtype.is_complex else torch.float32
                )
            else:
                wide = torch.randint(0, 2, (count,), generator=generator)
            storages[one.storage] = wide.to(device=one.device, dtype=one.dtype).untyped_storage()
        return storages[one.storage]

    def tensor(one: Described) -> torch.Tensor:
        if id(one) not in made:
            if one.strides or not one.shape:
                new = torch.empty(0, dtype=one.dtype, device=one.device).set_(
                    storage(one), one.offset, one.shape, one.strides
                )
            else:
                new = torch.randn(one.shape, generator=generator).to(device=one.device, dtype=one.dtype)
            new.requires_grad_(one.requires_grad)
            new.__dict__.update(one.attributes)
            made[id(one)] = new
        return made[id(one)]

    def walk(value: Any) -> Any:
        if isinstance(value, Described):
            return tensor(value)
        if isinstance(value, Weakly):
            return value.read()
        kind = type(value)
        if kind is tuple or kind is list:
            return kind(walk(member) for member in value)
        if kind is dict:
            return {key: walk(member) for key, member in value.items()}
        return value

    return walk(value)
