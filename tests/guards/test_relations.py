"""Guards between sources: aliases stay aliases, different tensors stay different, memory overlaps as it did."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.guards.support import local, lowered, seen, verdict
from tracer.guards import Guard, memory_layout

x, y, z = local("x"), local("y"), local("z")


@pytest.mark.parametrize("make", [list, object, lambda: torch.ones(2), lambda: "".join(["a", "b"]), lambda: int("9" * 20)])
def test_two_ways_to_one_object(make: Any) -> None:
    one = make()
    entry = lowered(Guard(x, "SAME_OBJECT", y), x=one, y=one)
    for _ in range(3):
        other = make()
        assert verdict(entry, x=one, y=one) and verdict(entry, x=other, y=other)
        assert not verdict(entry, x=one, y=other) and not verdict(entry, x=other, y=one)
        assert not verdict(entry, x=one)
        assert verdict(entry, x=one, y=one)


def test_an_alias_deep_in_unchanged_dicts_is_still_compared() -> None:
    shared = (1, 2)
    first, second = {"k": shared}, {"k": shared}
    entry = lowered(
        Guard(x, "TYPE_MATCH", dict),
        Guard(y, "TYPE_MATCH", dict),
        Guard(x.item("k"), "EQUALS_MATCH", shared),
        Guard(x.item("k"), "SAME_OBJECT", y.item("k")),
        x=first,
        y=second,
    )
    for _ in range(3):
        assert verdict(entry, x=first, y=second)
    second["k"] = tuple([1, 2])
    for _ in range(3):
        assert not verdict(entry, x=first, y=second)
    assert seen(entry, x=first, y=second) == ["x['k'] is y['k'] <- tuple of 2, and another tuple of 2"]


def test_a_source_is_the_same_object_as_itself() -> None:
    entry = lowered(Guard(x, "SAME_OBJECT", x), x=[])
    assert verdict(entry, x=[])


def test_different_tensors() -> None:
    a, b, c = torch.ones(1), torch.ones(1), torch.ones(1)
    entry = lowered(Guard(None, "NO_TENSOR_ALIASING", [x, y.item(0), z, x]), x=a, y=[b], z=c)
    for _ in range(2):
        assert verdict(entry, x=a, y=[b], z=c) and verdict(entry, x=c, y=[a], z=b)
        assert not verdict(entry, x=a, y=[a], z=c) and not verdict(entry, x=a, y=[b], z=a)
        assert not verdict(entry, x=a, y=[], z=c)
    assert seen(entry, x=a, y=[b], z=a) == ["x, y[0], z are different tensors <- z repeated"]


def test_overlapping_memory() -> None:
    whole = torch.ones(10)
    entry = lowered(Guard(None, "STORAGE_OVERLAP", ([x, y], [z], None)), x=whole[:6], y=whole[4:], z=torch.ones(3))
    assert verdict(entry, x=whole[:6], y=whole[4:], z=torch.ones(3))
    assert verdict(entry, x=whole[:5], y=whole[3:], z=torch.ones(3))
    assert not verdict(entry, x=whole[:3], y=whole[4:], z=torch.ones(3))
    assert not verdict(entry, x=whole[:6], y=whole[4:], z=whole[:2])
    assert not verdict(entry, x=torch.ones(3), y=torch.ones(3), z=torch.ones(3))
    assert not verdict(entry, x=whole[:6], y=whole[4:], z=None)
    assert verdict(entry, x=whole[:6], y=whole[4:], z=torch.ones(3))


def test_overlapping_memory_that_lies_as_it_did() -> None:
    whole = torch.ones(10)
    layout = memory_layout([whole[:6], whole[4:], whole[6:]], {0, 1, 2})
    entry = lowered(Guard(None, "STORAGE_OVERLAP", ([x, y, z], [], ([x, y, z], layout))), x=whole[:6], y=whole[4:], z=whole[6:])
    assert verdict(entry, x=whole[:6], y=whole[4:], z=whole[6:])
    assert verdict(entry, x=(other := torch.ones(12))[:6], y=other[4:8], z=other[6:])
    assert not verdict(entry, x=whole[:6], y=whole[3:], z=whole[6:])
    assert not verdict(entry, x=whole[1:7], y=whole[5:], z=whole[7:])
    assert not verdict(entry, x=whole[:6], y=whole[4:], z=torch.ones(4))
    assert "as it did" in entry.guards[0].expression
