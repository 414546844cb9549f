"""Random object graphs, random guards on them, random changes: C++ and Python always agree, and neither calls anything."""

from __future__ import annotations

import collections
import copy
import types
import weakref
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.guards.support import calls, hostile_variants, local, lowered, verdict
from tracer.guards import Guard
from tracer.sources import Source


class Node:
    pass


class Keyed(dict):
    pass


SCALARS: list[Any] = [0, 1, True, False, 1.0, 0.0, -0.0, float("nan"), "a", "b", b"a", None, ..., (1, 2), (True, 2), torch.float32, 10**20]
scalars = st.sampled_from(SCALARS)


def node(values: dict[str, Any]) -> Node:
    made = Node()
    made.__dict__.update(values)
    return made


def tensor(shape: list[int]) -> torch.Tensor:
    return torch.ones(shape)


def closing(value: Any) -> Any:
    return lambda: value


names = st.sampled_from("abc")
values = st.recursive(
    scalars | st.lists(st.integers(1, 3), max_size=2).map(tensor),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(names | st.integers(0, 2), inner, max_size=3),
        st.dictionaries(names, inner, max_size=2).map(Keyed),
        st.dictionaries(names, inner, max_size=2).map(collections.OrderedDict),
        st.dictionaries(names, inner, max_size=3).map(node),
        inner.map(closing),
    ),
    max_leaves=12,
)


def walk(value: Any, source: Source, found: list[tuple[Source, Any]]) -> None:
    """Every source below, with its value."""
    found.append((source, value))
    if isinstance(value, dict):
        for key, inner in value.items():
            walk(inner, source.item(key), found)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            walk(inner, source.item(index), found)
    elif isinstance(value, Node):
        for name, inner in value.__dict__.items():
            walk(inner, source.dict().item(name), found)
    elif isinstance(value, types.FunctionType):
        walk(value.__closure__[0].cell_contents, source.closure(0).contents(), found)  # type: ignore[index]


def guards_for(draw: Any, source: Source, value: Any) -> Guard:
    """A guard that holds."""
    kinds = ["TYPE_MATCH"]
    if isinstance(value, torch.Tensor):
        kinds += ["TENSOR_MATCH"] * 2 + ["ID_MATCH"]
    elif isinstance(value, Node):
        kinds += ["ID_MATCH", "NOHASATTR"]
    elif isinstance(value, dict):
        kinds += ["DICT_KEYS", "DICT_ABSENT", "LENGTH", "DICT_LENGTH", *(["DICT_CONTAINS"] if value else [])]
    elif isinstance(value, list):
        kinds += ["LENGTH"]
    elif isinstance(value, tuple):
        kinds += ["LENGTH"]
    elif isinstance(value, types.FunctionType):
        kinds += ["CODE_MATCH", "ID_MATCH"]
    else:
        kinds += ["EQUALS_MATCH"] * 3
    if value is not None:
        kinds.append("NOT_NONE_MATCH")
    kind = draw(st.sampled_from(kinds))
    expected: Any = {
        "TYPE_MATCH": lambda: type(value),
        "TENSOR_MATCH": lambda: value,
        "ID_MATCH": lambda: value,
        "EQUALS_MATCH": lambda: value,
        "LENGTH": lambda: len(value),
        "DICT_LENGTH": lambda: len(value),
        "DICT_KEYS": lambda: tuple(value),
        "DICT_ABSENT": lambda: "zz",
        "NOHASATTR": lambda: "zz",
        "DICT_CONTAINS": lambda: next(iter(value)),
        "CODE_MATCH": lambda: value.__code__,
        "NOT_NONE_MATCH": lambda: None,
    }[kind]()
    return Guard(source, kind, expected)


def holders(value: Any, found: list[tuple[Any, Any]]) -> None:
    """Every place that can be changed in place: (container, key)."""
    if any(value is hostile for hostile in HOSTILE):
        return
    if isinstance(value, dict):
        found.extend((value, key) for key in value)
        found.append((value, "zz"))
        for inner in value.values():
            holders(inner, found)
    elif isinstance(value, list):
        found.extend((value, index) for index in range(len(value)))
        for inner in value:
            holders(inner, found)
    elif isinstance(value, tuple):
        for inner in value:
            holders(inner, found)
    elif isinstance(value, Node):
        holders(value.__dict__, found)
    elif isinstance(value, types.FunctionType):
        holders(value.__closure__[0].cell_contents, found)  # type: ignore[index]


HOSTILE = hostile_variants()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_evaluators_agree_on_every_change(data: Any) -> None:
    root = {"x": data.draw(values), "y": data.draw(values)}
    found: list[tuple[Source, Any]] = []
    for name, value in root.items():
        walk(value, local(name), found)
    chosen = data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=8))
    guards = [guards_for(data.draw, source, value) for source, value in chosen]
    entry = lowered(*guards, **root)
    assert verdict(entry, **root)
    calls.clear()
    for _ in range(4):
        places: list[tuple[Any, Any]] = []
        holders(root, places)
        container, key = data.draw(st.sampled_from(places))
        other = data.draw(values) if data.draw(st.booleans()) else HOSTILE[data.draw(st.integers(0, len(HOSTILE) - 1))]
        before = copy.copy(container)
        if isinstance(container, dict) and key in container and data.draw(st.booleans()):
            container.pop(key)
        else:
            container[key] = other
        root.setdefault("x", None)
        root.setdefault("y", None)
        verdict(entry, **root)
        if data.draw(st.booleans()):
            container.clear()
            container.extend(before) if isinstance(container, list) else container.update(before)
            verdict(entry, **root)
    assert not calls


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_replacing_a_whole_local_agrees(data: Any) -> None:
    value = data.draw(values)
    found: list[tuple[Source, Any]] = []
    walk(value, local("x"), found)
    entry = lowered(*(guards_for(data.draw, source, inner) for source, inner in found[:10]), x=value)
    assert verdict(entry, x=value)
    calls.clear()
    for other in [data.draw(values), data.draw(values), *HOSTILE, weakref.ref(Node), [value], {"x": value}]:
        verdict(entry, x=other)
    assert verdict(entry, x=value)
    assert not calls
