"""What an entry keeps alive, and what happens when something it knows by identity dies."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from tests.guards.support import local, lowered, pinned, verdict
from tracer.guards import Guard, Lowered

x = local("x")


class Thing:
    pass


def fresh_class() -> type:
    def method(self: Any) -> Any:
        return super(cls, self)

    cls = type("Fresh", (), {"method": method, "asked": 3})
    return cls


@pytest.mark.parametrize("kind", ["ID_MATCH", "TYPE_MATCH", "TENSOR_MATCH", "CODE_MATCH", "CLASS_ATTRIBUTE", "EQUALS_MATCH", "pinned"])
def test_what_was_seen_dies_with_its_owner(kind: str) -> None:
    def make() -> tuple[Lowered, weakref.ref[Any]]:
        thing: Any = Thing()
        if kind == "ID_MATCH" or kind == "EQUALS_MATCH":
            return lowered(Guard(x, kind, thing), x=thing), weakref.ref(thing)
        if kind == "TYPE_MATCH":
            cls = fresh_class()
            return lowered(Guard(x, kind, cls), x=cls()), weakref.ref(cls)
        if kind == "TENSOR_MATCH":
            tensor = torch.ones(2)
            return lowered(Guard(x, kind, tensor), x=tensor), weakref.ref(tensor)
        if kind == "CODE_MATCH":
            space: dict[str, Any] = {}
            exec("def f(): return 1", space)
            return lowered(Guard(x, kind, space["f"].__code__), x=space["f"]), weakref.ref(space["f"].__code__)
        if kind == "CLASS_ATTRIBUTE":
            cls = fresh_class()
            return lowered(Guard(pinned(cls), kind, ("method", cls, cls.__dict__["method"]))), weakref.ref(cls)
        thing.__dict__["a"] = Thing()
        return lowered(Guard(pinned(thing).dict().item("a"), "TYPE_MATCH", Thing)), weakref.ref(thing)

    entry, ref = make()
    gc.collect()
    assert ref() is None
    assert entry.kept == []
    if kind == "TENSOR_MATCH":
        assert not entry.dead and verdict(entry, x=torch.ones(2))
    else:
        assert entry.dead and not entry.check({"x": Thing()})


def test_an_entry_dies_with_its_objects_and_says_so_once() -> None:
    told = []
    first, second = Thing(), Thing()
    entry = lowered(Guard(x, "ID_MATCH", first), Guard(x.type(), "ID_MATCH", Thing), Guard(pinned(second), "NOT_NONE_MATCH"), x=first)
    entry.on_death(lambda: told.append(1))
    assert verdict(entry, x=first) and not entry.dead
    del second
    assert entry.dead and told == [1]
    assert not entry.check({"x": first}) and entry.failures(_roots(x=first))
    del first
    assert told == [1]


def test_a_new_object_at_an_old_address_is_another_object() -> None:
    thing = Thing()
    entry = lowered(Guard(x, "ID_MATCH", thing), x=thing)
    address = id(thing)
    del thing
    kept = []
    for _ in range(1000):
        other = Thing()
        assert not verdict(entry, x=other)
        if id(other) == address:
            return
        kept.append(other)
    pytest.skip("the allocator didn't reuse the address")


def test_constants_and_containers_are_kept_and_listed() -> None:
    items, space = [1], {"g": 1}
    entry = lowered(Guard(pinned(items), "LENGTH", 1), Guard(x, "EQUALS_MATCH", (1, 2)), x=(1, 2))
    assert entry.kept == [items]
    assert space


def test_the_entry_itself_is_freed_without_the_collector() -> None:
    gc.disable()
    try:
        node, module = Thing(), torch.nn.Linear(2, 2)
        entry = lowered(
            Guard(pinned(node), "ID_MATCH", node),
            Guard(x, "TYPE_MATCH", torch.nn.Linear),
            Guard(x.dict().item("_parameters").item("weight"), "TENSOR_MATCH", module.weight),
            Guard(pinned(torch.nn.Linear), "CLASS_ATTRIBUTE", ("forward", torch.nn.Linear, torch.nn.Linear.__dict__["forward"])),
            x=module,
        )
        keeper = weakref.ref(entry._keeper)
        assert verdict(entry, x=module)
        del entry
        assert keeper() is None
    finally:
        gc.enable()


def test_lowering_leaves_no_trace_in_the_values() -> None:
    import sys

    module, tensor, thing = torch.nn.Linear(2, 2), torch.ones(2), Thing()
    before = [sys.getrefcount(value) for value in (module, tensor, thing)]
    entry = lowered(
        Guard(x.item(0), "TYPE_MATCH", torch.nn.Linear), Guard(x.item(1), "TENSOR_MATCH", tensor), Guard(x.item(2), "ID_MATCH", thing),
        x=(module, tensor, thing),
    )  # fmt: skip
    for _ in range(3):
        assert verdict(entry, x=(module, tensor, thing))
    assert [sys.getrefcount(value) for value in (module, tensor, thing)] == before


def _roots(**locals: Any) -> Any:
    from tracer.sources import Roots

    return Roots(locals)
