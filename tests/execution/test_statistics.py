"""Statistics of a tensor against NumPy's, of every dtype, with whatever may be in one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tracer.execution.statistics import joined, statistics

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def sample(name: str, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(400, generator=generator, dtype=torch.float64)
    made = {
        "normal": x, "shifted": x * 1e-2 + 50, "far": x * 1e-3 + 200, "constant": torch.full((400,), 3.0), "half zeros": x.clamp_min(0), "zeros": torch.zeros(400),
        "signed zero": torch.tensor([0.0, -0.0, 1.0]), "one": torch.tensor([2.5]), "nan": torch.where(x > 1, math.nan, x),
        "inf": torch.where(x > 1, math.inf, torch.where(x < -1, -math.inf, x)), "all nan": torch.full((3,), math.nan), "large": x * (torch.finfo(dtype).max / 8),
    }[name]  # fmt: skip
    return made.to(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["normal", "shifted", "far", "constant", "half zeros", "zeros", "signed zero", "one", "nan", "inf", "all nan", "large"])
def test_as_numpy(name, dtype):
    x = sample(name, dtype)
    found, wanted = statistics(x), x.double().numpy()
    finite = wanted[np.isfinite(wanted)]
    assert (found.count, found.nan, found.inf) == (wanted.size, np.isnan(wanted).sum(), np.isinf(wanted).sum())
    assert (found.negative_inf, found.zeros, found.subnormals) == (np.isneginf(wanted).sum(), (wanted == 0).sum(), 0)
    assert found.finite == np.isfinite(wanted).all()
    if not finite.size:
        assert math.isnan(found.min) and math.isnan(found.std)
        return
    with np.errstate(over="ignore"):
        scale = np.abs(finite).max() or 1.0
        mean, std = (finite / scale).mean() * scale, (finite / scale).std() * scale
    assert (found.min, found.max, found.largest) == (finite.min(), finite.max(), np.abs(finite).max())
    assert found.mean == pytest.approx(mean, rel=1e-4, abs=1e-6 * scale)
    assert found.std == pytest.approx(std, rel=1e-3, abs=1e-12 * scale)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_subnormals(dtype):
    info = torch.finfo(dtype)
    x = torch.tensor([0.0, info.tiny, -info.tiny, info.smallest_normal, info.tiny / 2, -info.tiny / 4, 1.0], dtype=torch.float64).to(dtype)
    found = statistics(x)
    assert (found.zeros, found.subnormals) == (1, 2)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int8, torch.bool])
def test_whole_numbers(dtype):
    x = torch.tensor([0, 1, 1, 0, 1]).to(dtype)
    found = statistics(x)
    assert (found.count, found.zeros, found.min, found.max, found.mean) == (5, 2, 0, 1, 0.6)
    assert found.std == pytest.approx(np.array([0, 1, 1, 0, 1]).std())


def test_others():
    assert statistics(torch.empty(0)).count == 0
    assert statistics(torch.tensor([3 + 4j, 0j])).count == 4, "parts of complex numbers are counted one by one"
    assert statistics(torch.ones(3).to_sparse()) is None and statistics(torch.empty(3, device="meta")) is None
    assert statistics(torch.ones(4).to(torch.float8_e4m3fn)).mean == 1.0
    assert statistics(torch.ones(3, 4).T[1:, ::2]).count == 6


def test_several_together():
    parts = [torch.tensor([1.0, 2.0, math.nan]), torch.tensor([-3.0, math.inf, 0.0])]
    found, whole = joined(map(statistics, parts)), statistics(torch.cat(parts))
    for name in ("count", "nan", "inf", "negative_inf", "zeros", "subnormals", "min", "max", "largest"):
        assert getattr(found, name) == getattr(whole, name)
    assert found.mean == pytest.approx(whole.mean) and found.std == pytest.approx(whole.std)
    assert joined([None, None]) is None
