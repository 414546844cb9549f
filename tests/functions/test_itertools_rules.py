"""itertools: results, laziness (what is read when), half-consumed iterators that leave, errors."""

import itertools
import operator

import torch
from torch import randn

from tests.differential import Expect, check
from tests.functions.test_lists import errors, trace


def logged(log, values):
    """An iterable whose reading is visible."""
    for value in values:
        log.append(value)
        yield value


def test_results():
    def program(x, words):
        return (
            x + 1, list(itertools.chain([1], "ab", (x,))), list(itertools.chain.from_iterable([[1], [2, 3]])), list(itertools.islice(range(10), 1, 9, 3)),
            list(itertools.islice("abc", 2)), list(itertools.islice(range(5), 3, None)), list(itertools.product("ab", [1, 2])),
            list(itertools.product([0, 1], repeat=2)), list(itertools.permutations("abc", 2)), list(itertools.permutations([1, 2])),
            list(itertools.combinations(range(4), 2)), list(itertools.combinations_with_replacement("ab", 2)), list(itertools.repeat(x, 2)),
            list(zip(itertools.count(2, 3), "ab")), [v for _, v in zip(range(5), itertools.cycle([1, 2]))],
            list(itertools.accumulate([1, 2, 3])), list(itertools.accumulate([1, 2, 3], operator.mul, initial=10)), list(itertools.accumulate([x, x])),
            list(itertools.zip_longest([1, 2, 3], "a", fillvalue=0)), list(itertools.starmap(pow, [(2, 3), (3, 2)])),
            list(itertools.takewhile(lambda v: v < 3, [1, 2, 3, 1])), list(itertools.dropwhile(lambda v: v < 3, [1, 2, 3, 1])),
            list(itertools.filterfalse(lambda v: v % 2, range(5))), list(itertools.filterfalse(None, [0, 1])), list(itertools.compress("abcd", [1, 0, 1])),
            list(itertools.pairwise([1, 2, 3])), [(k, list(g)) for k, g in itertools.groupby(words, key=len)], [list(t) for t in itertools.tee(words, 2)],
            [k for k, g in itertools.groupby("aabba")], list(itertools.product()), list(itertools.pairwise([1])),
        )  # fmt: skip

    trace(program, lambda: (randn(3), ["a", "b", "cc", "d"]))


def test_laziness():
    def program(x):
        log = []
        steps = []
        for it in (
            itertools.chain(logged(log, "ab"), logged(log, "c")), itertools.islice(logged(log, range(9)), 1, 3), itertools.product(logged(log, "x"), [1]),
            itertools.takewhile(bool, logged(log, [1, 0, 2])), itertools.zip_longest(logged(log, "p"), logged(log, "qr")), itertools.pairwise(logged(log, [7, 8, 9])),
            itertools.accumulate(logged(log, [1, 2])), itertools.cycle(logged(log, [5])), itertools.compress(logged(log, "mn"), [0, 1]),
        ):  # fmt: skip
            log.append("made")
            steps.append((next(it), list(log)))
        return x + 1, steps, log

    trace(program)


def test_groups_share_their_source():
    def program(x):
        groups = itertools.groupby([1, 1, 2, 2, 3], key=lambda v: v)
        first_key, first = next(groups)
        early = next(first)
        second_key, second = next(groups)
        return x + 1, first_key, early, list(first), second_key, list(second), [k for k, _ in groups]

    trace(program)


def test_tee():
    def program(x):
        log = []
        a, b = itertools.tee(logged(log, [1, 2, 3]))
        return x + 1, next(a), next(a), list(log), next(b), list(b), list(a), log

    trace(program)


def test_iterators_that_leave():
    def program(x):
        chain = itertools.chain([1, 2], [x, 3])
        next(chain)
        part = itertools.islice([1, 2, 3, 4], 1, None, 2)
        next(part)
        pairs = itertools.product("ab", [1, 2])
        next(pairs)
        turning = itertools.cycle([1, 2])
        [next(turning) for _ in range(3)]
        pairwise = itertools.pairwise([1, 2, 3])
        next(pairwise)
        return chain, part, pairs, pairwise, itertools.repeat(x, 2), itertools.zip_longest("a", [1, 2]), itertools.starmap(pow, [(2, 2)]), turning

    def scenario(run):
        *made, turning = run.compile(program)(torch.ones(3))
        run.watch([(type(i), list(i)) for i in made])
        run.watch((type(turning), [next(turning) for _ in range(3)]))

    check(scenario, expect=Expect(recompiles=0, breaks=0))


def test_errors():
    def program(x):
        return x + 1, errors(
            lambda: itertools.islice([1], -1), lambda: itertools.islice([1], "a"), lambda: itertools.islice([1], 0, 1, 0), lambda: itertools.combinations([1], -1),
            lambda: list(itertools.chain([1], 2)), lambda: itertools.repeat(1, "a"), lambda: list(itertools.starmap(pow, [1])), lambda: itertools.chain.from_iterable(3),
            lambda: next(itertools.chain()),
        )  # fmt: skip

    trace(program)
