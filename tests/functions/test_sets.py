"""Methods of sets and frozensets."""

from torch import randn

from tests.functions.test_lists import errors, trace


def test_methods_of_an_argument():
    def program(x, s):
        s.add(4)
        s.add(1)
        s.discard(2)
        s.discard(99)
        s.update([5], (6,))
        s.remove(1)
        alias = s
        alias |= {7}
        alias -= {5}
        return s, alias is s, 4 in s, len(s), s.copy(), x + 1

    trace(program, lambda: (randn(3), {1, 2, 3}))


def test_operations():
    def program(x, s, f):
        return (
            x + 1, s.union([9], (8,)), s.intersection([1, 2], {2}), s.difference([1]), s.symmetric_difference([1, 7]), s | f, f | s, type(f | s),
            s & f, s - f, s ^ f, s <= f, s < {1, 2, 3, 4}, s == f, s != f, s.issubset(range(9)), s.issuperset([1]), s.isdisjoint([77]), f.union([4]),
            sorted(s), {(1, 2), (3,)} == {(3,), (1, 2)}, frozenset([1]) in {frozenset([1])},
        )  # fmt: skip

    trace(program, lambda: (randn(3), {1, 2, 3}, frozenset({2, 3, 4})))


def test_in_place():
    def program(x, a, b):
        a.intersection_update([1, 2])
        b.difference_update([1], [2])
        b.symmetric_difference_update([3, 9])
        a ^= {1, 5}
        a &= {5, 2}
        return a, b, x + 1

    trace(program, lambda: (randn(3), {1, 2, 3}, {1, 2, 3}))


def test_errors():
    def program(x, s):
        return x + 1, errors(
            lambda: s.remove(77), lambda: set().pop(), lambda: s.add([]), lambda: s | [1], lambda: s < [1], lambda: set(3), lambda: s.union(3), lambda: {{1}}
        )  # fmt: skip

    trace(program, lambda: (randn(3), {1, 2}))


def test_pop_of_one():
    def program(x, s):
        return s.pop(), s, x + 1

    trace(program, lambda: (randn(3), {5}))


class Tags(set):
    def add(self, tag):
        super().add(tag.lower())


def test_subclass():
    def program(x, tags):
        tags.add("NEW")
        made = Tags(["x"])
        made.add("Y")
        return tags, made, type(tags.union(["q"])), "new" in tags, x + 1, len(made)

    trace(program, lambda: (randn(3), Tags(["old"])))
