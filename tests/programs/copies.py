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


class Answering:
    """A class that looks attributes up by itself, and keeps what it is asked for."""

    def __init__(self):
        self.asked = []
        self.part = [1, {2: "two"}]

    def __getattribute__(self, name):
        held = object.__getattribute__(self, "__dict__").get("asked")
        if held is not None and name in ("__deepcopy__", "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__"):
            held.append(name)
        return super().__getattribute__(name)


class Falling:
    def __init__(self):
        self.part = [1]

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Setting(Falling):
    def __getattr__(self, name):
        return self.__dict__.update if name == "__setstate__" else super().__getattr__(name)


class Vague:
    """It has an answer to everything."""

    def __init__(self):
        self.part = [1]

    def __getattr__(self, name):
        return lambda *args: name


class Hiding(Answering):
    def __getattribute__(self, name):
        return {} if name == "__dict__" else super().__getattribute__(name)


@program(lambda: (randn(3), [Answering(), Falling()]))
def classes_that_look_attributes_up(x, objects):
    out = []
    for one in objects:
        for c in (copy.copy, copy.deepcopy):
            made = c(one)
            made.more = made.part
            out.append((made, vars(made), made.part is one.part, made.other if type(one) is Falling else ""))
    return x + 1, out


@program(lambda: (randn(3), [Setting(), Hiding()]), **UNKNOWN)
def classes_that_answer_what_copying_asks(x, objects):
    return x + 1, [c(one) for one in objects for c in (copy.copy, copy.deepcopy)]


@program(lambda: (randn(3), Vague()), **UNKNOWN)
def a_class_that_answers_everything(x, one):
    return x + 1, copy.deepcopy(one)


@program(lambda: (randn(3), Answering()))
def a_copy_that_is_changed_like_its_original(x, one):
    made = copy.deepcopy(one)
    made.part.append(x.shape[0])
    setattr(made, "own", x * 2)
    del made.asked
    return made.part, made.own + 1, one.part
