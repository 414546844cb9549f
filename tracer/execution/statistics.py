"""The numbers of a tensor, in as few passes over it as can be; nothing random, nothing written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from .model import Stats

__all__ = ["joined", "statistics"]


def statistics(tensor: torch.Tensor) -> Stats | None:
    """Of any tensor with numbers that can be read; None of others (meta, sparse, quantized, wrapped)."""
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return None
    values = tensor.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    if not (count := values.numel()):
        return Stats()
    if not values.is_floating_point():
        return _whole(values, count)
    if values.element_size() == 1:  # no kernels for eight bits
        return _floating(values.to(torch.float32), count, torch.finfo(values.dtype).tiny)
    return _floating(values, count, torch.finfo(values.dtype).tiny)


def _whole(values: torch.Tensor, count: int) -> Stats:
    if values.dtype.itemsize == 8 or values.dtype is torch.bool:
        low, high = (values.to(torch.uint8) if values.dtype is torch.bool else values).aminmax()
    else:
        low, high = values.to(torch.int64).aminmax()
    deviation, mean = torch.std_mean(values.to(torch.float64), correction=0)
    a, b = float(low), float(high)
    return Stats(count, zeros=count - int(torch.count_nonzero(values)), min=a, max=b, mean=float(mean), std=float(deviation), largest=max(abs(a), abs(b)))


def _floating(values: torch.Tensor, count: int, tiny: float) -> Stats:
    low, high = (float(end) for end in values.aminmax())
    if math.isfinite(low) and math.isfinite(high):
        return _finite(values, count, tiny, low, high)
    finite = values[values.isfinite()]
    nan, inf = int(values.isnan().sum()), int(values.isinf().sum())
    negative = int(values.isneginf().sum())
    if not finite.numel():
        return Stats(count, nan, inf, negative)
    rest = _finite(finite, finite.numel(), tiny, *(float(end) for end in finite.aminmax()))
    return Stats(count, nan, inf, negative, rest.zeros, rest.subnormals, rest.min, rest.max, rest.mean, rest.std, rest.largest)


def _finite(values: torch.Tensor, count: int, tiny: float, low: float, high: float) -> Stats:
    """By kernels that take no longer than adding two such tensors: comparisons and torch's own deviation take ten to a hundred times as long."""
    wide = values if values.dtype in (torch.float32, torch.float64) else values.to(torch.float32)
    mean, square = float(wide.sum()) / count, float(torch.linalg.vector_norm(wide)) ** 2 / count
    variance = square - mean * mean
    if not math.isfinite(square) or not math.isfinite(mean) or variance < CANCELS * square:
        scale = max(abs(low), abs(high)) or 1.0
        found = torch.std_mean(wide.to(torch.float64) / scale, correction=0)
        deviation, mean = (float(one) * scale for one in found)
    else:
        deviation = math.sqrt(variance)
    zeros = near = 0
    size = wide.abs()
    if float(size.min()) < tiny:
        nonzero = int(torch.count_nonzero(wide))
        below = float(torch.nextafter(torch.tensor(tiny, dtype=wide.dtype), torch.zeros((), dtype=wide.dtype)))
        zeros, near = count - nonzero, nonzero - int(torch.count_nonzero(torch.nn.functional.threshold(size, below, 0.0)))
    return Stats(count, 0, 0, 0, zeros, near, low, high, mean, deviation, max(abs(low), abs(high)))


#: Below this share of the mean square a variance is told from single items, since the difference of two large numbers has no digits left.
CANCELS = 1e-3


def joined(all_of: Iterable[Stats | None]) -> Stats | None:
    """Of several results together; None where none has numbers."""
    some = [one for one in all_of if one is not None]
    if len(some) < 2:
        return some[0] if some else None
    told = [one for one in some if one.min == one.min]
    finite = {one: one.count - one.nan - one.inf for one in told}
    whole = sum(finite.values())
    mean = sum(one.mean * finite[one] for one in told) / whole if whole else math.nan
    square = sum((one.std**2 + one.mean**2) * finite[one] for one in told) / whole if whole else math.nan
    summed: dict[str, Any] = {name: sum(getattr(one, name) for one in some) for name in ("count", "nan", "inf", "negative_inf", "zeros", "subnormals")}
    return Stats(
        **summed, min=min((one.min for one in told), default=math.nan), max=max((one.max for one in told), default=math.nan), mean=mean,
        std=math.sqrt(max(square - mean**2, 0.0)) if whole else math.nan, largest=max((one.largest for one in told), default=math.nan),
    )  # fmt: skip
