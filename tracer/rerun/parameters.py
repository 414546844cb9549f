"""Parameters, which a kept call refers to and never copies: what they were, where they are, and whether they are so still.

In: parameters and modules as a call is kept. Out: what stands in their places today, and how many were written to or exchanged since.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import torch

__all__ = ["Parameters"]

#: So many items of a parameter are looked at; of a larger one those at equal distances.
MOST = 1 << 12


class Parameters:
    """The parameters of one kept call."""

    def __init__(self) -> None:
        self._held: list[tuple[torch.nn.Parameter, tuple[int, int], torch.Tensor | None]] = []
        self._places: list[tuple[weakref.ref[torch.nn.Module], str, torch.nn.Parameter]] = []

    def note(self, parameter: torch.nn.Parameter) -> None:
        self._held.append((parameter, _version(parameter), _print(parameter)))

    def note_module(self, module: torch.nn.Module) -> None:
        here = weakref.ref(module)
        for name, parameter in object.__getattribute__(module, "__dict__").get("_parameters", {}).items():
            if isinstance(parameter, torch.nn.Parameter):
                self._places.append((here, name, parameter))

    def __iter__(self) -> Any:
        return (parameter for parameter, _, _ in self._held)

    def written(self) -> int:
        """How many were written to since, as far as their version or the items that are looked at tell."""
        return sum(_version(parameter) != version or not _same(_print(parameter), seen) for parameter, version, seen in self._held)

    def exchanged(self) -> dict[int, torch.nn.Parameter]:
        """By id of a parameter of then, what is in its place today, where that is another one."""
        found: dict[int, torch.nn.Parameter] = {}
        for here, name, parameter in self._places:
            module = here()
            today = None if module is None else module._parameters.get(name)
            if isinstance(today, torch.nn.Parameter) and today is not parameter:
                found.setdefault(id(parameter), today)
        return found


def _version(tensor: torch.Tensor) -> tuple[int, int]:
    """Changes with every write that is counted, and where the data was exchanged."""
    try:
        return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
    except RuntimeError:  # a subclass without storage of its own
        return 0, tensor._version


def _print(tensor: torch.Tensor) -> torch.Tensor | None:
    """A number that nearly any write changes, also one that no version counts (`.data`). None where there is nothing to read."""
    if type(tensor) is not torch.nn.Parameter or tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        return None
    with torch.no_grad():
        items = torch.view_as_real(tensor) if tensor.is_complex() else tensor.detach()
        step = -(-items.numel() // MOST)
        items = (items.view(-1) if items.is_contiguous() else items.reshape(-1))[:: max(step, 1)]
        whole = items.contiguous().view(_WHOLE[items.dtype.itemsize]).to(torch.int64)
        return (whole * _places(whole.device)[: len(whole)]).sum()


@functools.cache
def _places(device: torch.device) -> torch.Tensor:
    return torch.arange(1, MOST + 1, device=device)


_WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.device == other.device and torch.equal(one, other)
