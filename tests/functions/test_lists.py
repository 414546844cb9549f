"""Methods of lists and deques, traced as untraced: results, errors, what inputs hold afterwards."""

import collections

import pytest
import torch
from torch import randn

from tests.differential import Expect, check

NO_BREAK = Expect(breaks=0, recompiles=0)


def trace(fn, make_args=lambda: randn(3), expect=NO_BREAK):
    check(fn, make_args, expect=expect)


def errors(*attempts):
    """The type and text of what each attempt raises."""
    found = []
    for attempt in attempts:
        try:
            found.append(attempt())
        except Exception as error:
            found.append((type(error), str(error)))
    return found


def test_methods_of_an_argument():
    def program(x, values):
        values.append(x + 1)
        values.extend([1, 2])
        values.extend(i * 2 for i in range(2))
        values.insert(1, "second")
        values.insert(-100, "first")
        popped = values.pop(), values.pop(0), values.pop(-2)
        values.remove(1)
        values.reverse()
        copied = values.copy()
        copied.clear()
        return popped, values.index("second"), values.count(2), copied, values, x * 2

    trace(program, lambda: (randn(3), [5, 1, 2]))


def test_errors():
    def program(x, values):
        return x + 1, errors(
            lambda: values.pop(9),
            lambda: [].pop(),
            lambda: values.pop("a"),
            lambda: values.index(77),
            lambda: values.index(1, 2.5),
            lambda: values.remove(77),
            lambda: values.insert("a", 1),
            lambda: values.extend(3),
            lambda: (1, 2).index(3),
            lambda: values.sort(reverse="a"),
            lambda: [3, "a"].sort(),
        )

    trace(program, lambda: (randn(3), [1, 2]))


def test_an_error_in_the_middle_of_extend_keeps_what_was_read():
    def broken():
        yield 1
        yield 2
        raise ValueError("stop")

    def program(x, values):
        try:
            values.extend(broken())
        except ValueError as error:
            return x + 1, str(error), values

    trace(program, lambda: (randn(3), [0]))


def test_items_compare_by_identity_first():
    class Never:
        def __eq__(self, other):
            return False

        __hash__ = None

    def program(x, never):
        values = [1, never, 2]
        return x + 1, values.index(never), values.count(never), never in values

    trace(program, lambda: (randn(3), Never()))


def test_sort_by_the_programs_order():
    class Card:
        def __init__(self, rank, suit):
            self.rank, self.suit = rank, suit

        def __lt__(self, other):
            return self.rank < other.rank

    def program(x, cards):
        cards.sort()
        first = [c.suit for c in cards]
        cards.sort(key=lambda c: (-c.rank, c.suit))
        cards.sort(key=lambda c: c.suit, reverse=True)
        return x + 1, first, [c.suit for c in cards], sorted(cards)[0].suit

    trace(program, lambda: (randn(3), [Card(2, "a"), Card(1, "b"), Card(2, "c"), Card(1, "d")]))


def test_a_key_that_raises_leaves_the_list():
    def program(x, values):
        try:
            values.sort(key=lambda v: 1 // v)
        except ZeroDivisionError:
            return x + 1, values

    trace(program, lambda: (randn(3), [3, 0, 1]))


def test_slices():
    def program(x, values):
        values[1:3] = (x, x + 1, x + 2)
        del values[::2]
        values[:0] = values
        values += [7]
        values *= 2
        return values, values[::-1], values[-2:], x + 1

    trace(program, lambda: (randn(3), [1, 2, 3, 4]))


def test_deques():
    def program(x, d):
        d.append(x * 2)
        d.appendleft(0)
        d.extend([4, 5])
        d.extendleft("ab")
        d.rotate(2)
        d.rotate(-1)
        made = collections.deque([x, 1], 3)
        made += [2, 3]
        return d, d.maxlen, d[0], d.pop(), d.popleft(), len(d), d.count(4), made, made.copy(), list(reversed(made)), made.index(2)

    trace(program, lambda: (randn(3), collections.deque([1, 2, 3], maxlen=4)))
    trace(program, lambda: (randn(3), collections.deque([1, 2, 3])))


Pair = collections.namedtuple("Pair", "a b")


class Below(list):
    pass


class Behind(collections.deque):
    pass


def test_what_is_absent_in_instances_of_subclasses():
    def program(x, pair, size, below, behind):
        return x + 1, errors(*[lambda o=o: o.index(99) for o in (pair, size, below, behind)], lambda: below.remove(99), lambda: behind.remove(99))

    trace(program, lambda: (randn(3), Pair(1, 2), torch.Size([1, 2]), Below([1]), Behind([1])))


def test_errors_of_deques():
    def program(x):
        d = collections.deque([1], 1)
        empty = collections.deque()
        return x + 1, errors(
            empty.pop, empty.popleft, lambda: d.insert(0, 1), lambda: d.remove(5), lambda: d.index(5), lambda: d[3], lambda: d.rotate("a")
        )  # fmt: skip

    trace(program)


def test_subclasses():
    class Stack(list):
        def append(self, value):
            super().append((value, len(self)))

    class Recent(collections.deque):
        pass

    def program(x, stack, recent):
        stack.append(x + 1)
        stack.extend([1])
        alias = stack
        alias += [2]
        recent.append(3)
        return stack, alias is stack, stack.copy(), type(stack.copy()), stack.pop(), recent, type(recent.copy()), recent.copy()

    trace(program, lambda: (randn(3), Stack([0]), Recent([1, 2], 2)))


def test_subclass_made_inside():
    class Names(list):
        def __init__(self, *names):
            super().__init__(names)

    def program(x):
        names = Names("a", "b")
        names.append("c")
        return x + 1, names, len(names)

    trace(program)


@pytest.mark.parametrize("alias", [True, False])
def test_aliases(alias):
    def program(x, a, b):
        a.append(x + 1)
        b.append(2)
        return a is b, len(a), a

    def make():
        one = [1]
        return (randn(3), one, one if alias else [1])

    trace(program, make)


def test_list_of_tensors_found_by_identity_or_value():
    def program(x, y):
        values = [x, y]
        return values.index(x), x + y

    trace(program, lambda: (torch.ones(()), torch.zeros(())))
