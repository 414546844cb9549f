"""Arguments as shapes, for sessions that keep no data: what a tensor was, and random ones that stand in for it."""

from __future__ import annotations

from typing import Any

import torch

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


def described(value: Any) -> Any:
    """The same containers with tensors described; anything else, modules and parameters among it, as it is."""
    seen: dict[int, Any] = {}
    storages: dict[int, int] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
            if id(value) not in seen:
                key = value.untyped_storage()._cdata if value.layout is torch.strided else -id(value)
                seen[id(value)] = Described(value, storages.setdefault(key, len(storages)))
            return seen[id(value)]
        kind = type(value)
        if kind is tuple or kind is list:
            return kind(walk(member) for member in value)
        if kind is dict:
            return {key: walk(member) for key, member in value.items()}
        return value

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
        kind = type(value)
        if kind is tuple or kind is list:
            return kind(walk(member) for member in value)
        if kind is dict:
            return {key: walk(member) for key, member in value.items()}
        return value

    return walk(value)
