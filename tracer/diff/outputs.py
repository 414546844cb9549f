"""How far two results are from each other: every tensor and number in them, by its path."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tracer.diff.model import OutputDiff

__all__ = ["compare"]

#: So deep is looked into results; what lies deeper is compared by its type only.
DEEPEST = 20


def compare(left: Any, right: Any) -> tuple[OutputDiff, ...]:
    """One entry for each tensor and number, and for each place where the results have another shape or type."""
    return tuple(_compare("out", left, right, 0))


def _compare(path: str, left: Any, right: Any, depth: int) -> Iterator[OutputDiff]:
    import torch

    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        yield _tensors(path, left, right)
    elif _is_number(left) and _is_number(right):
        yield _tensors(path, torch.as_tensor(left), torch.as_tensor(right))
    elif depth < DEEPEST and (parts := _parts(left)) is not None and (others := _parts(right)) is not None:
        for key in [*parts, *(key for key in others if key not in parts)]:
            inner = f"{path}{key}"
            if key not in parts or key not in others:
                yield OutputDiff(inner, note="only in the first run" if key in parts else "only in the second run")
            else:
                yield from _compare(inner, parts[key], others[key], depth + 1)
    elif type(left) is not type(right):
        yield OutputDiff(path, note=f"{type(left).__name__} became {type(right).__name__}")
    elif isinstance(left, str | bytes) and left != right:
        yield OutputDiff(path, note=f"{left!r:.40} became {right!r:.40}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and type(value) in (int, float, complex, bool)


def _parts(value: Any) -> dict[str, Any] | None:
    """What a container holds, by how one gets at it; None where it is none."""
    if isinstance(value, Mapping):
        return {f"[{key!r}]": part for key, part in value.items()}
    if isinstance(value, list | tuple):
        names = getattr(value, "_fields", None)
        return (
            {f".{name}": part for name, part in zip(names, value)}
            if names
            else {f"[{i}]": part for i, part in enumerate(value)}
        )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f".{f.name}": getattr(value, f.name) for f in dataclasses.fields(value)}
    return None


def _tensors(path: str, left: Any, right: Any) -> OutputDiff:
    import torch

    if left.shape != right.shape:
        return OutputDiff(path, note=f"shape {tuple(left.shape)} became {tuple(right.shape)}")
    notes = [f"{a} became {b}" for a, b in ((left.dtype, right.dtype), (left.device, right.device)) if a != b]
    wide = torch.complex128 if left.dtype.is_complex or right.dtype.is_complex else torch.float64
    a, b = (
        t.detach().to_dense().to("cpu", wide) if t.layout != torch.strided else t.detach().to("cpu", wide)
        for t in (left, right)
    )
    if not a.numel():
        return OutputDiff(path, 0.0, 0.0, ", ".join(notes))
    equal = (a == b) | (a.isnan() & b.isnan())
    if not bool((a.isnan() == b.isnan()).all()):
        notes.append("NaN in one run only")
    gap = torch.where(equal, 0.0, (a - b).abs())
    largest = float(gap.nan_to_num(nan=math.inf, posinf=math.inf).max())
    relative = torch.where(equal, 0.0, gap / b.abs().clamp_min(torch.finfo(torch.float64).tiny))
    return OutputDiff(path, largest, float(relative.nan_to_num(nan=math.inf, posinf=math.inf).max()), ", ".join(notes))
