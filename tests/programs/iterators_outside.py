"""Iterators that come from outside, or cross a break: they go on where they were, and see their lists and dicts live."""

import torch
from torch import randn

from tests.programs import program
from tests.programs.breaks import ANY

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Own(list):
    pass


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def enumerate_across_breaks(x, xs):
    out = []
    for i, v in enumerate(xs):
        y = x + v
        torch._dynamo.graph_break()
        out.append(y * i)
    return out


@program(lambda: (randn(2), {"a": 1, "b": 2, "c": 3}), **ANY)
def dict_items_across_breaks(x, d):
    out = []
    for k, v in d.items():
        y = x + v
        torch._dynamo.graph_break()
        out.append(y)
        d[k] = v + 1
    return out, d


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def list_grows_while_iterated(x, xs):
    out = []
    for v in xs:
        if len(xs) < 6:
            xs.append(v)
        torch._dynamo.graph_break()
        out.append(x + v)
    return out, xs


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def reversed_list_shrinks_while_iterated(x, xs):
    out = []
    for v in reversed(xs):
        torch._dynamo.graph_break()
        out.append(x + v)
        if v == 2:
            xs.pop()
    return out, xs


@program(lambda: (iter([1, 2, 3]), randn(2)))
def two_steps_of_an_iterator(it, x):
    a = next(it)
    b = next(it)
    return x + a * b


@program(lambda: (iter([1, 2, 3]), randn(2)))
def rest_of_an_iterator(it, x):
    return [x + v for v in it]


@program(lambda: (iter((1, 2, 3)), randn(2)))
def rest_of_a_tuple_iterator(it, x):
    return [x + v for v in it]


@program(lambda: (map(int, ["1", "2"]), randn(2)))
def rest_of_a_map(it, x):
    return [x + v for v in it]


@program(lambda: (iter({1: 2, 3: 4}.values()), randn(2)))
def rest_of_a_dict_iterator(it, x):
    return [x + v for v in it]


@program(lambda: (reversed([1, 2]), randn(2)))
def rest_of_a_reversed_list(it, x):
    return [x + v for v in it]


@program(lambda: (iter(range(3)), randn(2)))
def rest_of_a_range_iterator(it, x):
    return [x + v for v in it]


@program(lambda: (filter(None, [0, 1]), randn(2)))
def rest_of_a_filter(it, x):
    return [x + v for v in it]


@program(lambda: (iter(Own([1, 2])), randn(2)))
def rest_of_an_iterator_of_a_subclass(it, x):
    return [x + v for v in it]


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def zip_half_consumed_across_breaks(x, xs):
    z = zip(xs, enumerate(xs), "abcdef")
    a = next(z)
    torch._dynamo.graph_break()
    b = next(z)
    torch._dynamo.graph_break()
    return x + a[0] + b[0], list(z), next(z, None)


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def map_and_filter_across_a_break(x, xs):
    m = map(lambda v: v + 1, xs)
    f = filter(None, [0, 1, 2, 0, 3])
    a = next(m) + next(f)
    torch._dynamo.graph_break()
    return x + a + next(m) + next(f), list(m), list(f)


@program(lambda: (enumerate([1, 2, 3]), randn(2)))
def two_steps_of_an_enumeration(e, x):
    i, v = next(e)
    j, w = next(e)
    return x + i * v + j * w


@program(lambda: (enumerate(range(3, 9)), randn(2)))
def two_steps_of_an_enumerated_range(e, x):
    i, v = next(e)
    j, w = next(e)
    return x + i * v + j * w


@program(lambda: (enumerate({1: 2, 3: 4}), randn(2)))
def two_steps_of_an_enumerated_dict(e, x):
    i, v = next(e)
    j, w = next(e)
    return x + i * v + j * w


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def list_grows_behind_its_iterator(x, xs):
    it = iter(xs)
    next(it)
    xs.append(9)
    xs.append(10)
    l = [it]
    torch._dynamo.graph_break()
    return x + next(it), list(l[0]), xs


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def exhausted_iterator_stays_so(x, xs):
    it = iter(xs)
    list(it)
    xs.append(5)
    torch._dynamo.graph_break()
    return x + len(list(it)), xs


@program(lambda: (randn(2), [1, 2, 3]), **UNKNOWN)
def iterator_beyond_its_shrunk_list(x, xs):
    it = iter(xs)
    next(it)
    next(it)
    next(it)
    del xs[1:]
    torch._dynamo.graph_break()
    xs.extend([1, 2, 3, 4])
    return x, list(it)


@program(lambda: (randn(2), {"a": 1, "b": 2, "c": 3}), **UNKNOWN)
def dict_changes_size_behind_its_iterator(x, d):
    it = iter(d)
    next(it)
    torch._dynamo.graph_break()
    d["new"] = 1
    try:
        next(it)
    except RuntimeError as e:
        return x + 1, str(e)


@program(lambda: (randn(2), {"a": 1, "b": 2, "c": 3}), **UNKNOWN)
def dict_loses_a_key_in_a_loop(x, d):
    for k in d:
        torch._dynamo.graph_break()
        d.pop("a", None)
    return x


@program(lambda: (randn(2), [1, 2, 3]), **ANY)
def nested_loops_with_a_break(x, xs):
    out = []
    for a in xs:
        for b in (1, 2):
            for c in "xy":
                torch._dynamo.graph_break()
                out.append(x + a + b)
    return out


@program(lambda: (iter([1, 2, 3]), randn(2)))
def iterator_shared_with_zip(e, x):
    e = iter(e)
    r = [x + v for _, v in zip(range(2), e)]
    return r, list(e)
