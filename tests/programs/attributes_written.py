"""What a program writes to an instance is replayed as what it wrote: an entry as an entry, a slot as a slot, a setter's work once."""

import torch
from torch import nn, randn

from tests.programs import program, scenario

LOG: list = []
CUT = {"breaks": None, "graphs": None, "recompiles": None}


class Noted:
    """A property whose every use is written down, over an entry of the same name."""

    @property
    def v(self):
        return self.__dict__.get("v", -1)

    @v.setter
    def v(self, new):
        LOG.append(("set", new))
        self.__dict__["v"] = new

    @v.deleter
    def v(self):
        LOG.append("deleted")
        del self.__dict__["v"]


class Field:
    """A data descriptor that keeps nothing."""

    def __get__(self, owner, cls=None):
        return owner.__dict__.get("v", 0)

    def __set__(self, owner, new):
        LOG.append(("field", new))


class Fielded:
    v = Field()


class Slotted:
    __slots__ = ("a", "__dict__")


class Twice(Slotted):
    __slots__ = ("a",)


class Special(property):
    """A property by another name."""


class Specially:
    def __init__(self):
        self.held = 0

    @Special
    def v(self):
        return self.held

    @v.setter
    def v(self, new):
        LOG.append(("special", new))
        self.held = new

    @v.deleter
    def v(self):
        LOG.append("deleted")


class Shared:
    """Every instance has the same `__dict__`."""

    state: dict = {}

    def __init__(self):
        self.__dict__ = self.state

    @property
    def launched(self):
        return self.__dict__.get("launched", 0)


def noted(**entries):
    made = Noted()
    made.__dict__.update(entries)
    return made


@program(lambda: (noted(v=3), randn(3)))
def entry_of_a_property_s_name_taken_out(box, x):
    box.__dict__.pop("v", None)
    return x + box.v, LOG


@program(lambda: (noted(), randn(3)))
def entry_of_a_property_s_name_written(box, x):
    box.__dict__["v"] = 3
    return x + box.v, LOG


@program(lambda: (Fielded(), randn(3)))
def entry_under_a_data_descriptor(box, x):
    box.__dict__["v"] = 5
    return x + box.v, LOG


@program(lambda: (Fielded(), randn(3)))
def data_descriptor_set(box, x):
    box.v = 5
    return x + box.v, LOG, box


@program(lambda: (noted(), randn(3), 2))
def setter_runs_once(box, x, n):
    box.v = n
    return x * box.v, LOG


@program(lambda: (noted(v=1), randn(3)))
def deleter_runs_once(box, x):
    del box.v
    return x * box.v, LOG


@program(lambda: randn(3))
def setter_of_a_new_object_runs_once(x):
    made = Noted()
    made.v = 4
    return x * made.v, made, LOG


class Wide(nn.Module):
    @property
    def width(self):
        return self.__dict__["width"]

    @width.setter
    def width(self, new):
        LOG.append(new)
        self.__dict__["width"] = new

    def forward(self, x):
        self.width = 3
        return x * self.width


@scenario(graphs=None, recompiles=None)
def setter_of_a_module_runs_once(run):
    net = run.watch(Wide())
    run.watch(LOG)
    compiled = run(net)
    compiled(torch.ones(3))
    compiled(torch.ones(3))


@program(lambda: (Slotted(), randn(3)))
def slot_and_entry_of_one_name(s, x):
    s.__dict__["a"] = 1
    before = hasattr(s, "a")
    s.a = 2
    return x + s.a, s.__dict__["a"], before


@program(lambda: randn(3))
def slot_and_entry_of_one_name_in_a_new_object(x):
    s = Slotted()
    s.__dict__["a"] = 1
    before = hasattr(s, "a")
    s.a = 2
    return x + s.a, s.__dict__["a"], before, s


@scenario(**CUT)
def two_slots_of_one_name(run):
    def f(x, s):
        s.a = 1
        Slotted.a.__set__(s, 2)
        return x + s.a, Slotted.a.__get__(s)

    s = Twice()
    compiled = run(f)
    compiled(torch.ones(2), s)
    run.watch([s.a, Slotted.a.__get__(s)])
    compiled(torch.ones(2), s)


def slotted():
    s = Slotted()
    s.a = 1
    return s


@program(lambda: (slotted(), randn(3)))
def slot_emptied(s, x):
    del s.a
    return x + 1, hasattr(s, "a")


@program(lambda: (noted(p=1, q=2), randn(3)))
def entry_that_comes_again_is_the_last(a, x):
    del a.p
    a.p = 5
    return x + 1, list(a.__dict__), a


@program(lambda: (noted(p=1, q=2), randn(3)))
def entry_that_comes_again_unseen(a, x):
    del a.p
    a.p = 5
    return x + 1


@program(lambda: (Specially(), randn(3)))
def property_of_a_subclass(a, x):
    a.v = 3
    y = x + a.v
    del a.v
    return y, LOG


@scenario(**CUT)
def entries_of_a_shared_dict(run):
    Shared.state.clear()
    run.watch(Shared.state)
    a, b = run.watch([Shared(), Shared()])

    def f(x):
        a.v = 3
        b.w = a.v + 1
        a.__dict__["launched"] = b.w
        return x * b.v, a.w, b.launched, a.__dict__ is b.__dict__, list(Shared.state)

    compiled = run(f)
    compiled(torch.ones(2))
    b.v = 7
    compiled(torch.ones(2))


@scenario(**CUT)
def objects_that_share_a_dict_made_inside(run):
    Shared.state.clear()
    run.watch(Shared.state)

    def f(x):
        made = Shared()
        made.__dict__["launched"] = made.launched + 1
        return x * Shared().launched

    compiled = run(f)
    compiled(torch.ones(2))
    compiled(torch.ones(2))
