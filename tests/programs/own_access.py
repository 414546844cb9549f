"""Classes that say themselves what their items and attributes are: compiled code reads and writes what C reads and writes."""

import array
import collections
import typing

import torch
from torch import ones, randn

from tests.programs import program, scenario


class Pair(typing.NamedTuple):
    left: torch.Tensor
    right: int

    def __getitem__(self, i):
        return 100


class Twin(typing.NamedTuple):
    left: torch.Tensor
    right: int

    def __getitem__(self, i):
        return Twin(self.left, self.right)[i]


@program(lambda: (Pair(randn(2), 3), Twin(randn(2), 4)))
def fields_of_named_tuples(pair, twin):
    return pair.left + pair.right, twin.left * twin.right


class Items(list):
    def __getitem__(self, i):
        return 100


class Table(dict):
    def __getitem__(self, key):
        return 100

    def __iter__(self):
        return iter(["q"])

    def keys(self):
        return ["z"]


class Ordered(collections.OrderedDict):
    def __getitem__(self, key):
        return 100

    def __iter__(self):
        return iter(["q"])


@program(lambda: (randn(2), Items((1, ones(2))), Table(a=ones(2)), Ordered(a=ones(2))))
def items_as_c_reads_them(x, items, table, ordered):
    return x + list.__getitem__(items, 0) * list.__getitem__(items, 1), dict.__getitem__(table, "a") * x, dict.__getitem__(ordered, "a") - x


LOG = []


class Watched:
    def __init__(self):
        object.__setattr__(self, "kept", ones(2))
        object.__setattr__(self, "n", 0)

    def __getattribute__(self, name):
        if name == "__dict__":
            return {"kept": torch.full((2,), 9.0)}
        if name == "kept":
            LOG.append(name)
            return torch.zeros(2)
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        LOG.append(("set", name))
        object.__setattr__(self, name, value)


class Slotted:
    __slots__ = ("kept",)

    def __init__(self):
        object.__setattr__(self, "kept", ones(2))

    def __getattribute__(self, name):
        return 100


@program(lambda: (randn(2), Watched(), Slotted()), graphs=None, recompiles=None)
def attributes_behind_getattribute(x, watched, slotted):
    LOG.clear()
    y = x + object.__getattribute__(watched, "kept") + watched.kept
    object.__setattr__(watched, "n", 5)
    return y, object.__getattribute__(slotted, "kept") * x, object.__getattribute__(watched, "n"), list(LOG)


class Failure(Exception):
    made = []

    def __new__(cls, *args):
        cls.made.append("new")
        return super().__new__(cls, *args)

    def __setattr__(self, name, value):
        self.made.append(name)
        super().__setattr__(name, value)


@program(lambda: (randn(2),))
def an_exception_is_made_once(x):
    Failure.made.clear()
    error = Failure("a")
    error.code = 3
    return x + 1, error, list(Failure.made)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.seen = 0

    def __getattribute__(self, name):
        if name == "hidden":
            return 7
        return super().__getattribute__(name)

    def forward(self, x):
        self.seen += 1
        return self.linear(x) * self.hidden


def layer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Layer()


@program(lambda: (randn(2), layer()))
def a_module_with_getattribute(x, module):
    return module(x), module.hidden, module.seen, [name for name, _ in module.named_parameters()]


FIRST, SECOND = array.array("i", [1]), array.array("i", [1])


@scenario(breaks=None, recompiles=None)
def objects_of_c_that_compare_what_they_hold(run):
    def f(x):
        return x + 1 if FIRST == SECOND else x - 1

    compiled = run(f)
    for item in (1, 2, 1):
        SECOND[0] = item
        compiled(ones(2))
