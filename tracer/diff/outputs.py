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

#: Types whose `==` says all: no code of the program runs in it, and nothing inside has another notion of equal.
PLAIN = (str, bytes, range, slice, int, float, complex, bool, type(None))


def compare(left: Any, right: Any) -> tuple[OutputDiff, ...]:
    """One entry for each tensor and number, and for each place where the results have another shape or type."""
    return tuple(_compare("out", left, right, {}))


def _compare(path: str, left: Any, right: Any, above: dict[tuple[int, int], None]) -> Iterator[OutputDiff]:
    import torch

    pair = id(left), id(right)
    arrays = _array(left), _array(right)
    if arrays[0] is not None and arrays[1] is not None:
        found = _tensors(path, *arrays)
        yield found if type(left) is type(right) else dataclasses.replace(found, note=_became(left, right))
    elif isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        yield _tensors(path, left, right)
    elif _is_number(left) and _is_number(right):
        yield _numbers(path, left, right)
    elif pair in above:  # it holds itself
        return
    elif len(above) < DEEPEST and (parts := _parts(left)) is not None and (others := _parts(right)) is not None:
        if type(left) is not type(right):
            yield OutputDiff(path, note=_became(left, right))
        for key in [*parts, *(key for key in others if key not in parts)]:
            inner = f"{path}{key}"
            if key not in parts or key not in others:
                yield OutputDiff(inner, note="only in the first run" if key in parts else "only in the second run")
            else:
                yield from _compare(inner, parts[key], others[key], {**above, pair: None})
    elif type(left) is not type(right):
        yield OutputDiff(path, note=_became(left, right))
    elif _is_plain(left) and _is_plain(right):
        if left != right:
            yield OutputDiff(path, note=f"{left!r:.40} became {right!r:.40}")
    elif left is not right and left is not None:
        yield OutputDiff(path, note=f"{type(left).__name__} is not compared", compared=False)


def _became(left: Any, right: Any) -> str:
    return f"{type(left).__name__} became {type(right).__name__}"


def _array(value: Any) -> Any:
    """A tensor of what an array or a number of NumPy's holds; None of anything else, or where torch has no such dtype."""
    import torch

    if type(value).__module__.partition(".")[0] != "numpy" or not hasattr(value, "dtype"):
        return None
    try:
        return torch.from_numpy(value.copy() if value.ndim else value.reshape(1))
    except TypeError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and type(value) in (int, float, complex, bool)


def _is_plain(value: Any) -> bool:
    import torch

    if type(value) in (set, frozenset):
        return all(type(member) in PLAIN for member in value)
    return type(value) in PLAIN or isinstance(value, torch.dtype | torch.device | torch.layout)


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
    held = getattr(value, "__dict__", None)
    if type(held) is dict and not callable(value):
        return {f".{name}": part for name, part in held.items()}
    return None


def _numbers(path: str, left: Any, right: Any) -> OutputDiff:
    """Whole numbers exactly, however large; the rest as tensors of one item."""
    import torch

    if isinstance(left, int) and isinstance(right, int):
        gap = abs(left - right)
        try:
            errors = float(gap), gap / abs(right) if right else math.inf if gap else 0.0
        except OverflowError:
            errors = math.inf, math.inf
        return OutputDiff(path, *errors, "" if type(left) is type(right) else _became(left, right))
    try:
        sides = [torch.as_tensor(complex(one) if isinstance(one, complex) else float(one)) for one in (left, right)]
    except OverflowError:
        return OutputDiff(path, math.inf, math.inf)
    found = _tensors(path, *(one.to(torch.complex128 if one.is_complex() else torch.float64) for one in sides))
    return found if type(left) is type(right) else dataclasses.replace(found, note=_became(left, right))


def _tensors(path: str, left: Any, right: Any) -> OutputDiff:
    """Any two tensors; those without values to look at (meta, a layout that can't be read) say so."""
    try:
        return _values(path, left, right)
    except (NotImplementedError, RuntimeError, TypeError) as error:
        return OutputDiff(
            path,
            note=f"can't be compared: {str(error).splitlines()[0] if str(error) else type(error).__name__:.80}",
            compared=False,
        )


def _dense(tensor: Any) -> Any:
    import torch

    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def _values(path: str, left: Any, right: Any) -> OutputDiff:
    import torch

    if left.shape != right.shape:
        return OutputDiff(path, note=f"shape {tuple(left.shape)} became {tuple(right.shape)}")
    notes = [f"{a} became {b}" for a, b in ((left.dtype, right.dtype), (left.device, right.device)) if a != b]
    wide = torch.complex128 if left.dtype.is_complex or right.dtype.is_complex else torch.float64
    a, b = (_dense(t.detach()).to("cpu", wide) for t in (left, right))
    if not a.numel():
        return OutputDiff(path, 0.0, 0.0, ", ".join(notes))
    exact = left.dtype == right.dtype and left.layout == right.layout == torch.strided and not left.is_quantized
    equal = (left == right).detach().cpu() if exact and left.device == right.device else a == b
    equal = equal | (a.isnan() & b.isnan())
    if not bool((a.isnan() == b.isnan()).all()):
        notes.append("NaN in one run only")
    gap = torch.where(equal, 0.0, (a - b).abs())
    gap = torch.where(~equal & (gap == 0), 1.0, gap)  # whole numbers that float64 rounds to the same one
    largest = float(gap.nan_to_num(nan=math.inf, posinf=math.inf).max())
    relative = torch.where(equal, 0.0, gap / b.abs())
    return OutputDiff(path, largest, float(relative.nan_to_num(nan=math.inf, posinf=math.inf).max()), ", ".join(notes))
