"""Operations of the interpreter that other programs don't reach: class bodies, async, imports, odd calls and stores."""

import asyncio

import torch
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


@program(lambda: randn(3))
def extended_arguments(x):
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = 1
    table = {i: i * i for i in range(300)}
    y = x + table[299]
    return y + a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9


@program(lambda: (randn(3), {"k": [1, 2]}))
def store_and_delete_subscripts(x, d):
    d["k"][0], d["new"] = 5, x + 1
    del d["k"][1]
    d["k"] *= 2
    return d


@program(lambda: (randn(4, 4), 1))
def slice_objects_of_every_shape(x, i):
    values = list(range(10))
    values[::2] = [0] * 5
    return x[i:], x[:i], x[i:3], x[::2], x[..., i], x[i, :], values[i:-1:3], values[slice(None, None, -1)], "abc"[i:]


@program(lambda: randn(3))
def set_and_dict_displays(x):
    a = {*[1, 2], 3}
    b = {**{"a": 1}, "b": x + 1, **dict(c=3)}
    c = [*a, *"xy", 1]
    return a, b, c, (*c,), {1, 2, 3}, {"const": 1, "keys": 2}


@program(lambda: randn(3))
def calls_of_every_shape(x):
    def f(*a, **k):
        return len(a), sorted(k)

    args, kwargs = [1, 2], {"p": 1}
    return (
        f(),
        f(1),
        f(1, k=2),
        f(*args),
        f(*args, 3, *args),
        f(**kwargs),
        f(1, *args, q=1, **kwargs),
        f(*args, **kwargs, **{"r": 1}),
        x.add(1),
        x.add(other=2, alpha=3),
        torch.add(*[x, x], **{"alpha": 2}),
    )


@program(lambda: randn(3), **UNKNOWN)
def duplicate_keyword_is_an_error(x):
    def f(**k):
        return k

    try:
        f(a=1, **{"a": 2})
    except TypeError as error:
        return x + 1, str(error)


@program(lambda: randn(3))
def star_imports_and_submodules(x):
    import os.path as path
    from collections import OrderedDict as Ordered

    import torch.nn.functional

    return torch.nn.functional.relu(x), Ordered(a=1), path.basename("a/b")


@program(lambda: randn(3))
def annotations_and_docstrings_inside(x):
    count: int = 3
    label: str  # noqa: F842

    def inner(a: int, b: "torch.Tensor" = x) -> int:
        """Inner."""
        return a

    return x * inner(count), inner.__annotations__ != {}, inner.__doc__


@program(lambda: randn(3), **UNKNOWN)
def class_body_with_closure(x):
    scale = 3

    class Local:
        factor = scale * 2
        table = [i * 2 for i in range(3)]

        def apply(self, t):
            return t * self.factor * scale

        class Inner:
            pass

    return Local().apply(x), Local.table, Local.Inner.__qualname__


async def double(x):
    return x * 2


async def gather(x):
    total = x
    for i in range(2):
        total = total + await double(total)
    return total


@program(lambda: randn(3), **UNKNOWN)
def coroutine_run_inside(x):
    return asyncio.run(gather(x)) + 1


@program(lambda: randn(3), **UNKNOWN)
def coroutine_driven_by_hand(x):
    coroutine = gather(x + 1)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value


async def numbers():
    for i in range(3):
        yield i


@program(lambda: randn(3), **UNKNOWN)
def asynchronous_generators_and_comprehensions(x):
    class Context:
        async def __aenter__(self):
            return 1

        async def __aexit__(self, *error):
            return False

    async def main():
        async with Context() as one:
            return [x * i + one async for i in numbers()]

    return asyncio.run(main())


@program(lambda: randn(3), graphs=0)  # nothing to compute
def long_conditions_and_none_tests(x):
    a, b = None, 1
    return (
        (x if a is None else 1),
        (1 if b is not None else x),
        not (a or b),
        (a and x),
        [v for v in (a, b) if v is not None],
    )


@program(lambda: randn(3))
def in_place_operators(x):
    n, s, values, bits = 10, "a", [1], 0b1100
    n += 1
    n -= 2
    n *= 3
    n //= 2
    n **= 2
    n %= 50
    bits |= 1
    bits &= 0b1101
    bits ^= 0b11
    bits <<= 2
    bits >>= 1
    s += "b"
    s *= 2
    values += (2,)
    values *= 2
    x += n
    x /= 2
    x @= x.outer(x)
    return x, n, bits, s, values


@program(lambda: randn(3))
def swaps_and_rotations(x):
    a, b, c, d = 1, 2, 3, 4
    a, b = b, a
    a, b, c = c, a, b
    a, b, c, d = d, c, b, a
    (a, b), [c, d] = (b, a), (d, c)
    return x * a + b - c * d


@program(lambda: randn(3))
def global_names_and_builtins(x):
    return x + len(__name__), __name__.endswith("bytecode"), abs is not len, print is not None, NotImplemented is None


@program(lambda: randn(3))
def nested_functions_three_deep(x):
    a = 1

    def one():
        b = 2

        def two():
            nonlocal b
            b += a

            def three(t):
                return t * a + b

            return three

        return two()

    return one()(x), one()


@program(lambda: randn(3))
def deleted_cell_and_rebound(x):
    n = 1

    def read():
        return n

    first = read()
    del n
    try:
        read()
    except NameError as error:
        kind = type(error).__name__
    n = 5
    return x * read(), first, kind


@program(lambda: randn(3))
def lambda_defaults_and_keyword_only(x):
    f = lambda a, *r, k=2, **z: (a, r, k, z)
    return x + 1, f(1), f(1, 2, 3, k=4, y=5), (lambda: (yield))().__class__.__name__


@program(lambda: randn(3), **UNKNOWN)
def super_in_every_form(x):
    class A:
        def f(self, t):
            return t + 1

        @classmethod
        def g(cls):
            return cls.__name__

        value = property(lambda self: 5)

    class B(A):
        def f(self, t):
            method = super().f
            return method(t) + super(B, self).f(t) + super().value

        @classmethod
        def g(cls):
            return "B" + super().g()

    return B().f(x), B.g()


@scenario(**UNKNOWN)
def made_by_exec_without_source(run):
    namespace = {"torch": torch, "__name__": "tests.generated_by_exec"}
    exec("def f(x, n):\n    y = x * n\n    print('from exec')\n    return torch.relu(y) + n", namespace)
    f = run(namespace["f"])
    f(randn(3), 2)
    f(randn(3), 2)


@program(lambda: randn(3), **UNKNOWN)
def eval_and_exec_inside(x):
    scope = {"x": x}
    exec("y = x + 1", scope)
    return scope["y"], eval("1 + 2")


@program(lambda: randn(3))
def very_long_expression(x):
    return ((((((((((x + 1) * 2) - 3) / 4) + 5) * 6) - 7) / 8) + 9) * 10) - (x if len([1, 2]) > 1 else (x, x)[0]) ** 2
