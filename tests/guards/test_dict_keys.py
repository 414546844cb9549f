"""The keys of a dict in their order, with guards below: few keys of a plain dict are walked by C++, all else by Python."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from tests.guards.support import Hostile, HostileMeta, calls, local, lowered, verdict
from tracer.guards import Guard

x = local("x")
MANY = tuple(f"key{number}" for number in range(40))


class Text(str):
    """A key that claims to be any other."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        calls.append("Text.__eq__")
        return True


def guarded(value: dict[Any, Any], *more: Guard) -> Any:
    below = [Guard(x.item(key), "EQUALS_MATCH", value[key]) for key in list(value)[::2]]
    return lowered(Guard(x, "DICT_KEYS", tuple(value)), *below, *more, x=value)


@pytest.mark.parametrize("keys", [("a",), ("a", "b"), ("a", "b", "c", "d", "e"), MANY, ("a", 1), (1, None)])
def test_other_keys_another_order_and_other_values_are_seen(keys: tuple[Any, ...]) -> None:
    value = {key: number for number, key in enumerate(keys)}
    first = keys[0]
    for entry in (
        guarded(value),
        guarded(value, Guard(x, "DICT_CONTAINS", first)),
        guarded(value, Guard(x, "LENGTH", len(keys))),
    ):
        assert verdict(entry, x=value) and verdict(entry, x=dict(value))
        assert not verdict(entry, x={**value, "more": 0})
        assert not verdict(entry, x={key: value[key] for key in keys[1:]})
        assert not verdict(entry, x={key if key != first else "other": number for key, number in value.items()})
        assert not verdict(entry, x={**value, first: -1})
        assert not verdict(entry, x={})
        assert not verdict(entry, x=collections.OrderedDict(value))
        if len(keys) > 1:
            assert not verdict(entry, x=dict(reversed(value.items())))


def test_a_dict_that_changes_in_place_is_seen_and_passes_again_once_it_is_undone() -> None:
    value: dict[str, Any] = {"a": 1, "b": 2, "c": 3}
    entry = guarded(value)
    assert verdict(entry, x=value)
    value["d"] = 4
    assert not verdict(entry, x=value)
    del value["d"]
    assert verdict(entry, x=value)
    value["a"] = value.pop("a")
    assert not verdict(entry, x=value)
    for key in ("b", "c"):
        value[key] = value.pop(key)
    assert verdict(entry, x=value)


def test_equal_keys_that_are_other_objects_pass() -> None:
    entry = guarded({"a key": 1, "b key": 2})
    assert verdict(entry, x={" ".join(("a", "key")): 1, " ".join(("b", "key")): 2})


@pytest.mark.parametrize("keys", [("a", "b"), MANY])
def test_keys_of_the_programs_own_types_are_never_asked(keys: tuple[str, ...]) -> None:
    value = {key: number for number, key in enumerate(keys)}
    entry = lowered(Guard(x, "DICT_KEYS", keys), x=value)
    renamed = {Text(key) if key == keys[0] else key: number for key, number in value.items()}
    calls.clear()
    assert not verdict(entry, x=renamed)
    assert not verdict(entry, x=object.__new__(Hostile))
    assert not verdict(entry, x=type.__call__(HostileMeta, "D", (dict,), {})(value))
    assert calls == []


def test_dicts_in_dicts_and_sources_that_are_no_keys() -> None:
    value = {"in": {"a": [1], "b": 2}, "out": 3}
    inner = x.item("in")
    guards = [
        Guard(x, "DICT_KEYS", ("in", "out")), Guard(inner, "DICT_KEYS", ("a", "b")),
        Guard(inner.item("a"), "LENGTH", 1), Guard(inner.item("a").item(0), "EQUALS_MATCH", 1),
        Guard(x.nth_key(1), "EQUALS_MATCH", "out"), Guard(inner.item("b"), "EQUALS_MATCH", 2),
    ]  # fmt: skip
    for chosen in (guards, [g for g in guards if g.source is not x.nth_key(1)], guards[::-1]):
        entry = lowered(*chosen, x=value)
        assert verdict(entry, x={"in": {"a": [1], "b": 2}, "out": 0})
        assert not verdict(entry, x={"in": {"b": 2, "a": [1]}, "out": 0})
        assert not verdict(entry, x={"in": {"a": [2], "b": 2}, "out": 0})
        assert not verdict(entry, x={"in": {"a": [1], "b": 3}, "out": 0})
        assert not verdict(entry, x={"in": 1, "out": 0})


def test_the_same_object_below_and_beside() -> None:
    y, shared = local("y"), [1]
    guards = [
        Guard(x, "DICT_KEYS", ("a", "b")),
        Guard(y, "SAME_OBJECT", x),
        Guard(x.item("b"), "SAME_OBJECT", x.item("a")),
    ]
    value = {"a": shared, "b": shared}
    entry = lowered(*guards, x=value, y=value)
    assert verdict(entry, x=value, y=value)
    assert not verdict(entry, x=value, y=dict(value))
    other = {"a": shared, "b": [1]}
    assert not verdict(entry, x=other, y=other)
