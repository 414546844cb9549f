"""copy and deepcopy of what the trace models."""

import collections
import copy

from torch import randn

from tests.functions.test_lists import trace


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
