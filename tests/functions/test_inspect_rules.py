"""`inspect.getattr_static`: what is held, as it is held, on instances of every kind."""

import inspect

import pytest
from torch import randn

import tracer
from tests.functions.test_lists import errors, trace


class Plain:
    level = 1

    def method(self): ...

    @property
    def shown(self):
        raise AssertionError("run")

    @staticmethod
    def static(): ...

    def __getattr__(self, name):
        raise AssertionError("asked")


class Slotted:
    __slots__ = ("spot",)


class Below(Plain):
    level = 2


class Numbers(list):
    size = 3


def test_instances():
    def program(x, plain, slotted, below, numbers):
        plain.level, plain.own = 7, [1]
        plain.__dict__["shown"] = 4
        held = Plain.__dict__
        found = [inspect.getattr_static(o, "level", None) for o in (plain, slotted, below, numbers)]
        same = [inspect.getattr_static(below, n) is held[n] for n in ("method", "shown", "static")], inspect.getattr_static(plain, "shown") is held["shown"]
        spot = inspect.getattr_static(slotted, "spot") is Slotted.spot
        absent = errors(lambda: inspect.getattr_static(plain, "absent"), lambda: inspect.getattr_static(slotted, "absent"))
        return x + 1, found, same, spot, inspect.getattr_static(plain, "own"), inspect.getattr_static(numbers, "size"), absent

    trace(program, lambda: (randn(3), Plain(), Slotted(), Below(), Numbers([1])))


@pytest.mark.parametrize("where", ["instance", "class"])
def test_what_was_absent_is_looked_for_again(where):
    class Local:
        pass

    def program(x, o):
        return x * inspect.getattr_static(o, "factor", 2)

    fast, x, o = tracer.compile(program, backend="eager"), randn(3), Local()
    assert fast(x, o).equal(x * 2)
    setattr(o if where == "instance" else Local, "factor", 5)
    assert fast(x, o).equal(x * 5)
    delattr(o if where == "instance" else Local, "factor")
    assert fast(x, o).equal(x * 2)
