"""Builtins used as they can't be: what contains itself, sizes and counts that don't fit, steps of zero."""

import collections
import functools
import operator
import reprlib

from torch import ones

from tests.programs import program


def outcomes(*calls):
    seen = []
    for call in calls:
        try:
            seen.append(repr(call()))
        except Exception as error:
            seen.append((type(error).__name__, str(error)))
    return seen


@program(lambda: ones(2))
def text_of_what_contains_itself(x):
    items, table, queue = [1], {}, collections.deque(maxlen=3)
    items.append(items)
    table["t"] = table
    table["l"] = [table, items]
    queue.append(queue)
    return x + 1, repr(items), str(table), f"{queue}", "%s" % (items,), repr((items, 1))


@program(lambda: ones(2))
def comparing_what_contains_itself(x):
    one, two = [], []
    one.append(one)
    two.append(two)
    said = outcomes(lambda: one == two, lambda: {"a": one} == {"a": two}, lambda: one == one)
    # Where C has no room left, how much it had is in the text (3.14).
    return x + 1, [each if each[0] != "RecursionError" else (each[0], each[1].rpartition(" in ")[2]) for each in said]


class Bound:
    def __init__(self, at):
        self.at = at

    def __index__(self):
        return self.at


@program(lambda: ones(2))
def slices_whose_bounds_have_an_index(x):
    one, three = Bound(1), Bound(3)
    return x + 1, "abcd"[one:three], b"abcd"[one:], (1, 2, 3, 4)[one:three], [1, 2, 3, 4][:three], range(9)[one:three], len(range(10**20)[::10**19])


class Tree:
    def __init__(self):
        self.children = [self]

    @reprlib.recursive_repr("<again>")
    def __repr__(self):
        return f"Tree({self.children})"


@program(lambda: ones(2))
def text_under_recursive_repr(x):
    return x + 1, repr(Tree()), repr(collections.ChainMap({"a": 1}))


@program(lambda: ones(2))
def steps_and_indices_that_do_not_fit(x):
    items = [1, 2]
    return x + 1, outcomes(
        lambda: items[::0], lambda: (1, 2)[::0], lambda: "ab"[::0], lambda: range(3)[::0], lambda: items["a"], lambda: items["a":], lambda: slice(),
        lambda: slice(1, 2, 3, 4), lambda: operator.setitem(items, slice(None, None, 0), [1]), lambda: operator.delitem(items, slice(None, None, 0)),
        lambda: operator.setitem(items, slice(None, None, 2), [1, 2, 3]), lambda: range(1, 2, 0), lambda: range(1.0), lambda: range("a"),
    )  # fmt: skip


@program(lambda: ones(2), breaks=None, graphs=None)
def sizes_that_do_not_fit(x):
    return x + 1, outcomes(
        lambda: str(10**5000), lambda: f"{10**5000}", lambda: [10**5000], lambda: [1, 2] * 2**62, lambda: (1, 2) * 2**62, lambda: "ab" * 2**62,
        lambda: [1] * 2**70, lambda: len(range(10**20)), lambda: collections.deque([1, 2]) * 2**62, lambda: collections.deque("a", "x"),
        lambda: collections.deque("a", -1), lambda: collections.deque(1, 2, 3),
    )  # fmt: skip


@program(lambda: ones(2), breaks=None, graphs=None)
def special_methods_with_the_wrong_number_of_arguments(x):
    return x + 1, outcomes(
        lambda: [].__contains__(), lambda: [].__contains__(1, 2), lambda: [].__setitem__(1), lambda: {}.__getitem__(), lambda: (1,).__len__(2),
        lambda: {}.__eq__(), lambda: [].__iter__(1), lambda: {}.__delitem__(), lambda: [].__init__(1, 2), lambda: set().__contains__(),
        lambda: collections.deque().__contains__(), lambda: "a".__add__(),
    )  # fmt: skip


@program(lambda: ones(2), breaks="some", graphs=None, recompiles=None)
def an_address_is_what_it_was(x):
    items, others = [0, 1], [0]
    address = id(items)
    items *= 2
    return x + 1, id(items) == address, id(others) == address, len({id(items), address})


@program(lambda: ones(2), breaks="some", graphs=None, recompiles=None)
def objects_are_made_as_their_classes_make_them(x):
    import array
    import queue
    import struct

    @functools.lru_cache(None)
    def double(n):
        return 2 * n

    waiting = queue.SimpleQueue()
    waiting.put(1)
    return operator.methodcaller("add", x)(x), double(2), array.array("i", [1, 2]).tolist(), struct.Struct("i").size, waiting.get()
