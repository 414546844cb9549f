"""`--device`: a whole cell on another device, on copies.

In: the cell and the namespace that it runs in. While it runs, every module, tensor and container of them that its code (and the
functions called there) reaches by a name is replaced by one copy that lives on the device, and tensors that name no device are
made there. Afterwards names that the cell did not assign hold their own values again.
"""

from __future__ import annotations

import contextlib
import gc
import types
from collections.abc import Iterator
from typing import Any

from notebook_ext.cells import Cell

__all__ = ["on_device"]


@contextlib.contextmanager
def on_device(device: Any, cell: Cell, namespace: dict[str, Any]) -> Iterator[None]:
    """For `with`. `device` is a `torch.device` of this machine, or None: then nothing is moved."""
    if device is None:
        yield
        return
    import torch

    from tracer.rerun.copies import Copier
    from tracer.rerun.places import MISSING, places

    copier = Copier(device=device)
    moved = []
    for place in places([types.FunctionType(piece.code, namespace) for piece in cell.pieces]):
        value = place.read()
        if value is not MISSING and _holds_tensors(value):
            moved.append((place, value, copier.copy(value)))
    try:
        for place, _, copy in moved:
            place.write(copy)
        with device if device != torch.get_default_device() else contextlib.nullcontext():
            yield
    finally:
        for place, value, copy in moved:
            if place.holds(copy):  # else the cell has put something of its own there
                place.write(value)


def _holds_tensors(value: Any) -> bool:
    """Whether a tensor can be reached from the value without passing code."""
    import torch

    waiting, seen = [value], {id(value)}
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor | torch.nn.Module):
            return True
        for inner in gc.get_referents(one):
            if id(inner) not in seen and not isinstance(inner, _CODE):
                seen.add(id(inner))
                waiting.append(inner)
    return False


_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)
