"""What a look-up in a class found is guarded once per class and name, also when it found nothing."""

from __future__ import annotations

import abc
from typing import Any

import pytest
import torch

from tests.guards.support import HostileMeta, calls, lowered, pinned, seen, verdict
from tracer.guards import Guard


def look_up(cls: type, name: str) -> Guard:
    for base in cls.__mro__:
        if name in base.__dict__:
            return Guard(pinned(cls), "CLASS_ATTRIBUTE", (name, base, base.__dict__[name]))
    return Guard(pinned(cls), "CLASS_ATTRIBUTE", (name, None, None))


@pytest.fixture
def family() -> tuple[type, type, type]:
    class A:
        number = 1

        def method(self) -> int:
            return 1

        @property
        def asked(self) -> int:
            return 1

        @staticmethod
        def static() -> int:
            return 1

    class B(A):
        def own(self) -> int:
            return 2

    class C(B):
        pass

    return A, B, C


NAMES = ("number", "method", "asked", "static", "own", "nothing", "__init__", "__len__", "__dict__")


def test_an_untouched_class_passes_also_when_others_change(family: Any) -> None:
    A, B, C = family
    entry = lowered(*(look_up(cls, name) for cls in family for name in NAMES))
    assert verdict(entry)
    A.unrelated = B.unrelated = 1
    assert verdict(entry)
    C().instance = 3
    assert verdict(entry)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "__dict__"])
@pytest.mark.parametrize("where", [0, 1, 2])
@pytest.mark.parametrize("watched", [0, 1, 2])
def test_a_patch_is_seen_where_it_changes_what_is_found(family: Any, name: str, where: int, watched: int) -> None:
    entry = lowered(look_up(family[watched], name), look_up(family[watched], "method"))
    assert verdict(entry)
    before = dict(family[where].__dict__)
    owner = next((i for i in range(watched, -1, -1) if name in family[i].__dict__), -1)
    hidden = where < owner  # a nearer class answers first
    setattr(family[where], name, lambda self: 9)
    assert verdict(entry) == (where > watched or hidden)
    if name in before:
        setattr(family[where], name, before[name])
    else:
        delattr(family[where], name)
    assert verdict(entry)


def test_a_deleted_attribute_is_seen(family: Any) -> None:
    entry = lowered(look_up(family[2], "own"))
    own = family[1].own
    del family[1].own
    assert not verdict(entry)
    assert seen(entry) == ["C.own is B.own <- no own"]
    family[1].own = own
    assert verdict(entry)


def test_other_bases_are_seen(family: Any) -> None:
    class Other:
        def method(self) -> int:
            return 3

    entry = lowered(look_up(family[2], "method"))
    assert verdict(entry)
    family[2].__bases__ = (Other, family[1])
    assert not verdict(entry)


def test_bases_that_come_and_go_are_seen_although_their_tuples_take_each_others_place(family: Any) -> None:
    entry = lowered(look_up(family[2], "method"))
    for _ in range(50):
        other = type("Other", (family[1],), {})
        family[2].__bases__ = (other,)
        assert not verdict(entry)
    family[2].__bases__ = (family[1],)
    assert verdict(entry)


def test_what_super_finds_is_seen_where_it_changes(family: Any) -> None:
    A, B, C = family
    entry = lowered(Guard(pinned(C), "CLASS_ATTRIBUTE", ("method", A, A.__dict__["method"], C)))
    assert verdict(entry)
    C.method = lambda self: 9  # before the place where the look-up begins
    assert verdict(entry)
    B.method = lambda self: 9
    assert not verdict(entry)
    assert seen(entry) == ["super(C, C).method is A.method <- function of B"] or "in B" in seen(entry)[0]
    del B.method
    assert verdict(entry)


def test_the_classes_that_a_class_inherits_from(family: Any) -> None:
    A, B, C = family
    entry = lowered(Guard(pinned(C), "MRO", C.__mro__))
    C.own = B.own = None
    assert verdict(entry)
    C.__bases__ = (A,)
    assert not verdict(entry)
    assert seen(entry) == ["C inherits from B, A <- it inherits from A"]
    C.__bases__ = (B,)
    assert verdict(entry)


def test_a_class_that_is_registered_later() -> None:
    class Interface(abc.ABC):
        pass

    class Other(abc.ABC):
        pass

    class K:
        pass

    entry = lowered(Guard(pinned(K), "NOT_REGISTERED", Interface), Guard(pinned(list), "NOT_REGISTERED", Interface))
    assert verdict(entry)
    Other.register(K)  # registering elsewhere changes nothing
    assert verdict(entry)
    Interface.register(K)
    assert not verdict(entry)


def test_a_subclass_hook_of_the_program_is_not_asked_by_guards() -> None:
    asked: list[type] = []

    class Interface(abc.ABC):
        @classmethod
        def __subclasshook__(cls, other: type) -> Any:
            asked.append(other)
            return NotImplemented

    class K:
        pass

    assert not issubclass(K, Interface)
    entry = lowered(Guard(pinned(K), "NOT_REGISTERED", Interface))
    assert verdict(entry)
    Interface.register(list)
    asked.clear()
    assert not entry.check({})
    assert not asked


def test_builtin_owners_cost_nothing_and_shared_dicts_are_checked_once() -> None:
    class D(dict):
        pass

    entry = lowered(look_up(D, "get"), look_up(D, "get"), look_up(dict, "get"), look_up(D, "update"))
    assert verdict(entry)
    D.get = None  # type: ignore[assignment]
    assert not verdict(entry)


def test_a_metaclass_is_never_asked() -> None:
    cls = type.__call__(HostileMeta, "Odd", (), {"method": lambda self: 1})
    calls.clear()
    source = pinned(None).__class__(None, "pinned", cls, "Odd")
    entry = lowered(
        Guard(source, "CLASS_ATTRIBUTE", ("method", cls, type.__dict__["__dict__"].__get__(cls)["method"])),
        Guard(source, "CLASS_ATTRIBUTE", ("other", None, None)),
    )
    assert verdict(entry)
    type.__setattr__(cls, "other", 1)
    assert not verdict(entry)
    assert not calls


def test_a_module_class_patched_between_calls() -> None:
    class Net(torch.nn.Linear):
        pass

    entry = lowered(look_up(Net, "forward"), look_up(Net, "_call_impl"), look_up(Net, "weight"))
    assert verdict(entry)
    Net.forward = lambda self, x: x  # type: ignore[method-assign]
    assert not verdict(entry)
    del Net.forward
    assert verdict(entry)
    Net.weight = property(lambda self: None)
    assert not verdict(entry)


def test_many_absences_of_one_class_are_seen_one_by_one_and_again_after_other_changes(family: Any) -> None:
    A, B, C = family
    names = [f"name{number}" for number in range(20)]
    entry = lowered(*(look_up(cls, name) for cls in family for name in names))
    for cls in family:
        for name in names[::7]:
            assert verdict(entry)
            setattr(cls, name, 1)
            assert not verdict(entry)
            setattr(cls, "unrelated", name)
            assert not verdict(entry)
            delattr(cls, name)
            cls.__doc__ = "another text"
            assert verdict(entry)
