"""copy.copy and copy.deepcopy of objects that say something about it themselves, and memos; bisect on what is no sequence."""

import bisect
import collections
import copy
import copyreg
import types

from torch import randn

from tests.programs import program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Unreadable:
    def __getattribute__(self, name):
        if name.startswith("__reduce"):
            raise AttributeError(name)
        return object.__getattribute__(self, name)


class Refusing:
    __reduce_ex__ = __reduce__ = None


@program(lambda: randn(3), **UNKNOWN)
def objects_that_cannot_be_reduced(x):
    out = []
    for cls in (Unreadable, Refusing):
        for c in (copy.copy, copy.deepcopy):
            try:
                c(cls())
            except copy.Error as e:
                out.append(str(e))
    return x + 1, out


class Registered:
    def __init__(self, a):
        self.a = a


copyreg.pickle(Registered, lambda c: (Registered, (c.a + 1,)))


@program(lambda: randn(3), **UNKNOWN)
def a_class_whose_copies_are_registered(x):
    return x + 1, copy.copy(Registered(1)).a, copy.deepcopy(Registered(1)).a


class Counting:
    def __init__(self):
        self.a = [1]

    def __deepcopy__(self, memo):
        n = Counting()
        memo["seen"] = memo.get("seen", 0) + 1
        n.a = copy.deepcopy(self.a, memo)
        return n


@program(lambda: randn(3), **UNKNOWN)
def a_memo_of_the_program(x):
    memo, c = {}, Counting()
    parts = [c, c, [1, 2]]
    made = copy.deepcopy(parts, memo)
    again = copy.deepcopy(parts, memo)
    return x + 1, made[0] is made[1], memo.get("seen"), memo[id(parts)] is made, len(memo), again is made


class Round:
    def __init__(self):
        self.me = self
        self.x = [1]

    def __deepcopy__(self, memo):
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for k, v in self.__dict__.items():
            setattr(new, k, copy.deepcopy(v, memo))
        return new


@program(lambda: (randn(3), Round()), **UNKNOWN)
def objects_that_enter_themselves_into_the_memo(x, given):
    made = copy.deepcopy([Round(), given, given])
    return x + 1, made[0].me is made[0], made[1] is made[2], made[1].me is made[1], made[0].x


class Keeping:
    kept = []

    def __deepcopy__(self, memo):
        Keeping.kept.append(memo)
        return Keeping()


@program(lambda: randn(3), **UNKNOWN)
def a_memo_that_is_kept(x):
    Keeping.kept.clear()
    copy.deepcopy([Keeping(), 1])
    count = len(Keeping.kept[0])
    Keeping.kept.clear()  # addresses, which no two calls share
    return x + 1, count


@program(lambda: randn(3))
def bisect_on_what_has_no_order(x):
    out = []
    for value in ({}, collections.OrderedDict(), types.MappingProxyType({}), 3, {1}, {1: 2}.keys()):
        for c in (bisect.bisect, bisect.bisect_left, bisect.insort):
            try:
                out.append(c(value, 1))
            except TypeError as e:
                out.append(str(e))
    return x + 1, out, bisect.bisect(collections.deque([1, 2, 3]), 2), bisect.bisect("abc", "b")
