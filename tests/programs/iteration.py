"""Generators, iterators, zip, enumerate, map, filter, sorted, reversed, itertools."""

import collections
import itertools

import torch
from torch import randn

from tests.programs import program, scenario


def countdown(n):
    while n:
        yield n
        n -= 1


def with_return(n):
    got = yield n
    while got:
        got = yield got * 2
    return "done"


@program(lambda: (randn(3), 3))
def generator_in_a_for(x, n):
    for i in countdown(n):
        x = x + i
    return x, list(countdown(2)), sum(countdown(4))


@program(lambda: randn(3))
def generator_next_and_default(x):
    g = countdown(2)
    return x * next(g), next(g), next(g, None), next(g, "again")


@program(lambda: randn(3))
def generator_send_and_return_value(x):
    g = with_return(1)
    first = next(g)
    second = g.send(3)
    try:
        g.send(None)
    except StopIteration as stop:
        return x * first, second, stop.value  # a tensor sent would be asked for its truth, which raises


@program(lambda: randn(3))
def yield_from(x):
    def outer():
        result = yield from with_return(5)
        yield result

    g = outer()
    return x + next(g), g.send(3), next(g)


@program(lambda: randn(3))
def generator_throw_and_close(x):
    log = []

    def careful():
        try:
            while True:
                try:
                    yield 1
                except ValueError as error:
                    log.append(str(error))
                    yield "caught"
        finally:
            log.append("closed")

    g = careful()
    next(g)
    out = g.throw(ValueError("thrown"))
    g.close()
    return x + 1, out, log


@program(lambda: randn(3))
def generator_expressions(x):
    parts = (x * i for i in range(4) if i % 2)
    return sum(parts), all(i < 3 for i in range(3)), max((i, -i) for i in range(3)), ",".join(str(i) for i in range(3))


@program(lambda: randn(3))
def generator_with_effects_interleaved(x):
    log = []

    def produce():
        for i in range(3):
            log.append(("made", i))
            yield x + i

    for i, value in enumerate(produce()):
        log.append(("used", i))
        if i == 1:
            break
    return value, log


@program(lambda: randn(3), breaks=None, graphs=None)
def generator_escapes(x):
    g = countdown(3)
    first = next(g)
    return x * first, g


@scenario(breaks=None, graphs=None, recompiles=None)
def escaped_generator_goes_on(run):
    def produce(x):
        for i in range(4):
            yield x * i

    def half(x):
        g = produce(x)
        next(g)
        return g

    f = run(half)
    run.watch([list(f(randn(3))), list(f(randn(3)))])


@scenario(breaks=None, graphs=None, recompiles=None)
def generator_argument_half_consumed(run):
    f = run(lambda x, g: (x * next(g), g))
    for _ in range(2):
        g = countdown(4)
        next(g)
        out = f(randn(3), g)
        run.watch(list(out[1]))


@scenario(breaks=None, graphs=None, recompiles=None)
def iterator_argument_handed_back(run):
    f = run(lambda x, it: (x * next(it), it))
    for _ in range(2):
        it = iter([1, 2, 3, 4])
        next(it)
        run.watch(list(f(randn(3), it)[1]))


@program(lambda: (randn(3), [1, 2, 3], "abc"))
def zip_and_enumerate(x, numbers, letters):
    pairs = list(zip(numbers, letters))
    for i, (n, letter) in enumerate(zip(numbers, letters), start=5):
        x = x + i * n
    return x, pairs, dict(zip(letters, numbers)), list(zip(*pairs)), list(enumerate("ab"))


@program(lambda: randn(3))
def zip_strict_and_uneven(x):
    try:
        list(zip([1, 2], [1], strict=True))
    except ValueError as error:
        message = str(error)
    return x + 1, list(zip([1, 2, 3], [4])), message


@program(lambda: (randn(3), [3, 1, 2]))
def map_filter_sorted_reversed(x, values):
    return (
        x * sum(map(lambda v: v + 1, values)),
        list(map(lambda a, b: a - b, values, [1, 1])),
        list(filter(None, [0, 1, "", "a"])),
        list(filter(lambda v: v > 1, values)),
        sorted(values, key=lambda v: -v),
        sorted(["b", "A", "c"], key=str.lower, reverse=True),
        list(reversed(values)),
        sorted({"b": 1, "a": 2}),
    )


@program(lambda: ([3, 1, 2], randn(3)))
def sort_key_that_raises(values, x):
    calls = []

    def key(v):
        calls.append(v)
        if v == 2:
            raise ValueError("key")
        return v

    try:
        values.sort(key=key)
    except ValueError:
        return x + 1, values, calls


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


class Sequence:
    """Iterated through `__getitem__` until IndexError."""

    def __init__(self, *items):
        self.items = items

    def __getitem__(self, i):
        return self.items[i]


class Fresh:
    def __iter__(self):
        yield from (1, 2)

    def __len__(self):
        return 2

    def __reversed__(self):
        return iter([2, 1])


@program(lambda: (Countdown(3), randn(3)))
def user_iterator(c, x):
    for n in c:
        x = x + n
    return x, c.n, list(c), list(Countdown(2)), [*Fresh()], list(reversed(Fresh()))


@program(lambda: (Sequence(1, 2, 3), randn(3)), breaks=None, graphs=None)
def iteration_by_getitem(s, x):
    for n in s:
        x = x * n
    return x, 2 in s, list(s)


@program(lambda: randn(3))
def itertools_functions(x):
    return (
        x + sum(itertools.chain([1], [2, 3])),
        list(itertools.product([1, 2], "ab")),
        list(itertools.islice(itertools.count(3, 2), 3)),
        list(itertools.accumulate([1, 2, 3])),
        list(itertools.permutations([1, 2])),
        list(itertools.combinations("abc", 2)),
        list(itertools.repeat(7, 2)),
        list(itertools.zip_longest([1], [2, 3], fillvalue=0)),
        list(itertools.chain.from_iterable([[1], [2]])),
    )


@program(lambda: randn(3))
def more_itertools(x):
    return (
        x + 1,
        list(itertools.takewhile(lambda v: v < 3, range(9))),
        list(itertools.dropwhile(lambda v: v < 3, range(5))),
        [(k, list(g)) for k, g in itertools.groupby("aab")],
        list(itertools.starmap(pow, [(2, 3)])),
        list(itertools.compress("abc", [1, 0, 1])),
        list(itertools.pairwise([1, 2, 3])),
        list(itertools.islice(itertools.cycle([1, 2]), 5)),
        [list(t) for t in itertools.tee([1, 2])],
    )


@program(lambda: (randn(3), iter([1, 2, 3])), graphs=None, breaks=None)
def lazy_iterator_returned(x, it):
    return x + next(it), it


@program(lambda: randn(3), graphs=None, breaks=None)
def lazy_zip_and_map_escape(x):
    z = zip([1, 2, 3], "abc")
    next(z)
    e = enumerate([5, 6])
    next(e)
    return x + 1, z, e, map(str, [1]), iter([7, 8]), range(3)


@program(lambda: randn(3))
def iter_with_sentinel(x):
    values = collections.deque([1, 2, 0, 5])
    return x + 1, list(iter(values.popleft, 0)), values


@program(lambda: (torch.arange(6.0).view(2, 3),))
def tensor_unpacking(x):
    a, b = x
    first, *rest = a
    (c, d, e), f = x.unbind()
    return a * b, first, rest, c + e, f


@program(lambda: randn(3))
def unpacking_errors_caught(x):
    seen = []
    for values in ([1], [1, 2, 3]):
        try:
            a, b = values
        except ValueError as error:
            seen.append(str(error))
    try:
        a, *b, c = [1]
    except ValueError as error:
        seen.append(str(error))
    return x + 1, seen


def recursive_generator(tree):
    for node in tree:
        if isinstance(node, list):
            yield from recursive_generator(node)
        else:
            yield node


@program(lambda: (randn(3), [1, [2, [3, [4]]]]))
def recursive_generators(x, tree):
    for n in recursive_generator(tree):
        x = x + n
    return x, list(recursive_generator(tree))
