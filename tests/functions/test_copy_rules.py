"""copy and deepcopy of what the trace models."""

import collections
import copy
import copyreg

import torch
from torch import randn

from tests.differential import check
from tests.functions.test_lists import errors, trace


class Node:
    kind = "node"

    def __init__(self, value, next=None):
        self.value, self.next = value, next


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Careful:
    def __init__(self, n):
        self.n = n

    def __copy__(self):
        return Careful(self.n + 1)

    def __deepcopy__(self, memo):
        return Careful(copy.deepcopy([self.n], memo)[0] + 100)


Point = collections.namedtuple("Point", "x y")


def test_shallow():
    def program(x, nested, d, node):
        first, second, third = copy.copy(nested), copy.copy(d), copy.copy(node)
        first.append(x)
        second["n"] = 1
        third.value = 9
        return nested, first, first[0] is nested[0], d, second, node.value, third, third.next is node.next, copy.copy(Careful(1)).n, copy.copy(3), copy.copy(Point(1, 2))

    trace(program, lambda: (randn(3), [[1], 2], {"a": [1]}, Node(1, Node(2))))


def test_deep():
    def program(x, nested, node):
        a, b = copy.deepcopy(nested), copy.deepcopy(node)
        a[0].append(x)
        both = copy.deepcopy([nested, nested])
        return nested, a, b, b.next is b, both[0] is both[1], copy.deepcopy({"t": x})["t"] + 1, copy.deepcopy(Careful(1)).n, copy.deepcopy((1, (2,))), x + 1

    def make():
        node = Node(1)
        node.next = node
        return randn(3), [[1], (2, [3])], node

    trace(program, make)


def test_slots_and_subclasses():
    class Names(list):
        pass

    def program(x, slotted, names):
        names.note = "n"
        a, b = copy.copy(slotted), copy.deepcopy(names)
        b.append(2)
        return a, b, b.note, names, copy.copy(collections.OrderedDict(a=1)), copy.deepcopy(collections.deque([[1]], 3)), x + 1

    trace(program, lambda: (randn(3), Slotted(1), Names([1])))


class Metaclass(type):
    def __copy__(cls, *given):
        return "metaclass", cls.__name__, len(given)


class Copied(metaclass=Metaclass):
    __deepcopy__ = None


class Static:
    @staticmethod
    def __copy__(x):
        return "static", type(x).__name__

    @property
    def __deepcopy__(self):
        return lambda memo: ("property", type(memo).__name__)


def test_copy_is_looked_up_in_the_class_and_deepcopy_in_the_object():
    """As CPython's `copy` does: a metaclass's `__copy__` counts, an object's own doesn't; an object's own `__deepcopy__` does."""

    def program(x, plain):
        with_none = Copied()
        with_none.v = [1]
        deep = copy.deepcopy(with_none.v), errors(lambda: copy.copy(with_none))
        return x + 1, copy.copy(Static()), copy.deepcopy(Static()), deep, copy.copy(plain).value, copy.deepcopy(plain), "__slotnames__" in vars(Node)

    def make():
        plain = Node(1)
        plain.__copy__ = lambda: 7
        plain.__deepcopy__ = lambda memo: 8
        return randn(3), plain

    check(program, make)


def test_what_a_class_or_an_object_says_of_its_copies():
    log = []

    class Listing(list):
        def append(self, v):
            log.append(("append", v))
            super().append(v * 2)

        def __iter__(self):
            log.append("iter")
            return super().__iter__()

    class Mapping(dict):
        def __setitem__(self, k, v):
            log.append(("set", k))
            super().__setitem__(k, (v,))

        def items(self):
            log.append("items")
            return super().items()

    class Made(int):
        def __new__(cls, v=3):
            log.append(("new", v))
            return super().__new__(cls, v)

    class Written:
        __slots__ = ("v",)

        def __setattr__(self, name, value):
            log.append(("attribute", name))
            super().__setattr__(name, value)

    def program(x, *things):
        x = x + 1
        return x, [(copy.copy(thing), copy.deepcopy(thing)) for thing in things], list(log)

    def make():
        log.clear()
        written, own = Written(), Node(1)
        written.v = [1]
        own.__reduce_ex__ = lambda protocol: (Node, (9,))
        return randn(3), Listing([1, 2]), Mapping(a=1), Made(4), written, own

    check(program, make)


def test_copyreg_that_is_told_later():
    class Plain:
        def __init__(self, v):
            self.v = v

    held = Plain(1)

    def program(x):
        return x + 1, copy.copy(held).v

    def scenario(run):
        compiled = run(program)
        compiled(torch.ones(2))
        copyreg.pickle(Plain, lambda plain: (Plain, (5,)))
        try:
            compiled(torch.ones(2))
        finally:
            del copyreg.dispatch_table[Plain]
        compiled(torch.ones(2))

    check(scenario)


def test_copies_of_tensors_share_memory_and_lie_as_the_originals():
    def program(x, y):
        whole, row = copy.deepcopy([x, x[1]])
        row.mul_(2)
        column = copy.deepcopy(x[:, 1])
        first, second = copy.deepcopy((y, y))
        return whole + 1, column.stride(), column.storage_offset(), column + 0, first is second, first + 1

    check(program, lambda: (randn(3, 2), randn(3)))
