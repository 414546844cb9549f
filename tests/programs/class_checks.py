"""isinstance and issubclass: what the object says its class is, metaclasses that answer, unions, abstract classes, protocols."""

import abc
import collections.abc
import types
import typing

from torch import randn

from tests.programs import program


class Base:
    pass


class Proxy:
    @property
    def __class__(self):
        return Base


class Named:
    __class__ = int


class Liar:
    def __getattribute__(self, name):
        return Base if name == "__class__" else object.__getattribute__(self, name)


class Refuses:
    @property
    def __class__(self):
        raise AttributeError("no class")


class ListProxy:
    @property
    def __class__(self):
        return list


@program(lambda: (randn(3), Proxy(), Liar()))
def the_class_that_an_object_says(x, proxy, liar):
    new, named, refuses = Proxy(), Named(), Refuses()
    return x + 1, [
        (isinstance(o, Base), isinstance(o, type(o)), isinstance(o, (str, Base)), isinstance(o, str | Base), isinstance(o, str), type(o) is Base)
        for o in (proxy, liar, new, named, refuses)
    ], proxy.__class__ is Base, liar.__class__ is Base, named.__class__ is int, isinstance(named, int), isinstance(ListProxy(), collections.abc.Sequence)


@program(lambda: (randn(3), Proxy(), 3))
def a_base_of_the_said_class(x, proxy, n):
    return x + 1, [isinstance(proxy, cls) for cls in (object, Base, Proxy, int)], isinstance(ListProxy(), (int, list)), isinstance(n, ListProxy)


class Answers(type):
    def __instancecheck__(cls, o):
        return getattr(o, "duck", False)

    def __subclasscheck__(cls, c):
        return c is int


class Duck(metaclass=Answers):
    pass


class Quacks:
    duck = True


class Raises(type):
    def __instancecheck__(cls, o):
        raise ValueError("asked")


class Asked(metaclass=Raises):
    pass


def attempt(run):
    try:
        return run()
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


@program(lambda: (randn(3),))
def a_metaclass_answers(x):
    return x + 1, isinstance(Quacks(), Duck), isinstance(3, Duck), isinstance(Duck(), Duck), issubclass(int, Duck), issubclass(str, Duck), [
        attempt(run) for run in (
            lambda: isinstance(Quacks(), (int, Duck)), lambda: isinstance(Quacks(), int | Duck), lambda: isinstance(1, str | Asked),
            lambda: isinstance(1, int | Asked), lambda: isinstance(1, (str, Asked)), lambda: issubclass(int, str | Duck), lambda: issubclass(3, Duck),
        )
    ]  # fmt: skip


class HasQuack(abc.ABC):
    @classmethod
    def __subclasshook__(cls, c):
        return hasattr(c, "duck") or NotImplemented


@program(lambda: (randn(3), [1], Proxy()))
def abstract_classes(x, values, proxy):
    return x + 1, isinstance(Quacks(), HasQuack), isinstance(3, HasQuack), issubclass(Quacks, HasQuack), isinstance(values, collections.abc.Sized), isinstance(
        proxy, collections.abc.Sized
    ), isinstance(x, collections.abc.Iterable), isinstance(3, HasQuack | int)


@typing.runtime_checkable
class HasName(typing.Protocol):
    name: str


@typing.runtime_checkable
class Runs(typing.Protocol):
    def run(self): ...


class NotChecked(typing.Protocol):
    name: str


class Layer:
    name = "layer"


class Task:
    def __init__(self):
        self.name = None

    def run(self):
        pass


class Stopped(Task):
    run = None


@program(lambda: (randn(3), Layer(), Task(), Base()))
def protocols(x, layer, task, base):
    return x + 1, [(isinstance(o, HasName), isinstance(o, Runs), isinstance(o, (str, HasName))) for o in (layer, task, base, Task(), Stopped(), Base())]


@program(lambda: (randn(3), Layer()), breaks=None, graphs=None)
def checks_that_are_refused(x, layer):
    return x + 1, [
        attempt(run) for run in (
            lambda: isinstance(1, typing.Any), lambda: isinstance(1, list[int]), lambda: isinstance(1, typing.List[int]), lambda: isinstance(1, "int"),
            lambda: isinstance(1, (str, 3)), lambda: isinstance(1, (int, 3)), lambda: issubclass(3, int), lambda: issubclass(int, 3), lambda: issubclass(Layer, HasName),
            lambda: isinstance(layer, None), lambda: isinstance(1, typing.Union[int, str]), lambda: issubclass(3, ()), lambda: isinstance(1, [int]),
        )
    ]  # fmt: skip


@program(lambda: (randn(3), Layer()), breaks=None, graphs=None)
def a_protocol_that_is_not_for_checks(x, layer):
    return x + 1, attempt(lambda: isinstance(layer, NotChecked))


class Parent:
    value = 3


class Child(Parent):
    def deleted(self):
        del self
        return super().value

    def nothing():
        return super().value

    def other(self):
        return super(Child, 5).value

    def no_class(self):
        return super(5, self).value

    def packed(*args):
        return super().value

    def replaced(self):
        self = 3
        return super().value

    def missing(self):
        return super().absent

    def found(self):
        return super().value

    @classmethod
    def of_class(cls):
        return super().value


def outside(self):
    return super().value


@program(lambda: (randn(3), Child()))
def super_in_odd_places(x, child):
    found = []
    for run in (child.deleted, Child.nothing, child.other, child.no_class, child.packed, child.replaced, child.missing, child.found, Child.of_class, lambda: outside(3)):
        try:
            found.append(run())
        except (RuntimeError, TypeError, AttributeError, UnboundLocalError) as error:
            found.append((type(error).__name__, str(error)))
    return x + 1, found


class Records(type):
    calls = []

    def __new__(meta, *args):
        Records.calls.append("new")
        return super().__new__(meta, *args)

    @classmethod
    def __prepare__(meta, name, bases):
        Records.calls.append("prepare")
        return {"value": 3}


@program(lambda: (randn(3),), breaks=None, graphs=None, recompiles=None)
def a_class_made_by_types_new_class(x):
    Records.calls.clear()
    made = types.new_class("Made", (), {"metaclass": Records})
    return x + made.value, list(Records.calls), made.__name__
