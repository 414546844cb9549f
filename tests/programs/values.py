"""Literals, arithmetic on Python numbers, comparisons, conversions, unpacking."""

import math

import torch
from torch import randn

from tests.programs import Args, program


@program(lambda: (randn(3), 2, 0.5))
def scale_and_shift(x, n, f):
    return x * n + f


@program(lambda: randn(3))
def returns_many_kinds(x):
    return x + 1, None, True, 3, 2.5, "s", b"b", 1j, ..., (1, 2), [x], {"x": x}


@program(lambda: (randn(3), True, None, "relu"))
def branches_on_literals(x, flag, nothing, name):
    y = getattr(torch, name)(x) if flag else x
    return y if nothing is None else y + nothing


@program(lambda: (randn(2, 3), 7, 3))
def integer_arithmetic(x, a, b):
    return x * (a // b), x + a % b, x - (a**b), x * -a, x + (a << b), x + (a & b | 8 ^ b), ~a, divmod(-a, b)


@program(lambda: (randn(2, 3), 7.5, -2.0))
def float_arithmetic(x, a, b):
    return x * (a // b), x + a % b, x / a, x ** abs(b), x * math.floor(a), round(a), int(b), a == 7.5


@program(lambda: (randn(3), 5))
def chained_comparison(x, n):
    if 1 < n <= 5 != 6:
        return x + n
    return x - n


@program(lambda: (randn(3), 4))
def walrus(x, n):
    if (half := n // 2) > 1:
        return x * half, half
    return x, half


@program(lambda: (randn(3), [1, 2, 3, 4]))
def unpacking(x, values):
    first, *rest, last = values
    (a, b), c = (first, last), rest
    a, b = b, a
    return x * a + b, c, [*rest, *values], {**{"a": a}, "b": b}


@program(lambda: (randn(3), randn(3)))
def conversions(x, y):
    return x.to(torch.float64), y.int(), float(3), int("12"), str(5), bool([]), complex(1, 2), list("ab"), tuple([1])


@program(lambda: (randn(3), 3))
def conditional_expression_chain(x, n):
    return x + (1 if n == 1 else 2 if n == 2 else 3 if n == 3 else 4)


@program(lambda: (randn(3), 0, [], "x"))
def short_circuit(x, zero, empty, text):
    return x * (zero or 3), empty or "default", text and empty, not zero, (zero and 1 / zero)


@program(lambda: (randn(3), float("nan"), float("inf"), -0.0))
def special_floats(x, nan, inf, minus_zero):
    return x, nan, inf, minus_zero, nan != nan, math.isinf(inf), x * minus_zero, math.copysign(1, minus_zero)


@program(lambda: (randn(3), 10**30))
def big_integers(x, big):
    return x + 1, big + 1, big % 7, (big * big).bit_length()


@program(lambda: (randn(4),))
def math_functions(x):
    return x * math.sqrt(2) + math.pi, math.gcd(12, 18), math.ceil(1.2), math.prod([2, 3]), math.log2(8)


@program(lambda: (randn(3), b"abc", "abc"))
def bytes_and_strings(x, raw, text):
    return x + len(raw), raw[0], raw + b"d", text[::-1], text.encode(), raw.decode().upper()


@program(lambda: (randn(4, 5), slice(1, 3)))
def slices(x, part):
    return x[part], x[:, ::2], x[..., -1], x[None, 1], part.start, slice(None, 2).indices(5)


@program(lambda: (randn(3), range(0, 10, 3)))
def ranges(x, steps):
    return [x * i for i in steps], len(steps), 6 in steps, steps[1], steps[1:], list(reversed(steps))


@program(lambda: Args(randn(3), factor=3, name="n"))
def keyword_arguments(x, *, factor, name="other", **rest):
    return x * factor, name, rest


@program(lambda: (randn(3), 1, 2, 3))
def star_arguments(x, *numbers):
    return x * sum(numbers), numbers, len(numbers)


@program(lambda: (randn(3),))
def arguments_of_every_kind(x):
    def f(a, b, /, c, d=4, *e, g, h=8, **k):
        return a, b, c, d, e, g, h, k

    return (
        x * 2,
        f(1, x, 3, g=7),
        f(1, 2, 3, 4, 5, 6, g=x, z=9),
        f(*[1, 2], **{"c": 3, "g": 4}),
        f(1, 2, *(3,), g=1, **{"h": 2}),
    )


@program(lambda: (randn(3), 3))
def number_methods(x, n):
    return x * n.bit_length(), (2.5).is_integer(), n.real, (3.75).as_integer_ratio(), n.__add__(2), (1 + 2j).conjugate()


@program(lambda: (randn(3), 2), graphs=0)
def no_tensor_work(x, n):
    return n * 2, x


@program(lambda: (randn(3),), graphs=0)
def returns_input_only(x):
    return x


@program(lambda: (3, "a", [1]), graphs=0, breaks=None)
def no_tensors_at_all(n, s, values):
    values.append(n)
    return s * n, values


@program(lambda: (randn(3), 1, True))
def ints_and_bools_differ(x, one, flag):
    return x + one, one is flag, one == flag, type(one), isinstance(flag, int), dict([(1, "a"), (True, "b")])


@program(lambda: (randn(3), (1, 2), [3, 4]))
def comparisons_of_containers(x, pair, values):
    return (
        x + 1,
        pair < (1, 3),
        values == [3, 4],
        pair != (1, 2),
        [1, [2]] == [1, [2]],
        {"a": 1} == {"a": 1.0},
        {1} <= {1, 2},
    )


@program(lambda: (randn(3), 5))
def assert_passes(x, n):
    assert n > 0, "must be positive"
    assert x.shape[0] == 3
    return x + n


@program(lambda: (randn(3), -5), graphs=None, breaks=None, recompiles=None)
def assert_fails_to_caller(x, n):
    y = x + 1
    assert n > 0, f"{n} must be positive"
    return y


@program(lambda: (randn(3),))
def deleted_names(x):
    y = x + 1
    del x
    z = [y, y * 2]
    del z[0]
    return z, "x" in locals()


@program(lambda: (randn(3),))
def min_max_sum_abs_any_all(x):
    return (
        x * max(1, 5, 3),
        min([4, 2]),
        sum([1, 2], 10),
        abs(-3),
        any([0, 1]),
        all([]),
        max("ab", "abc", key=len),
        pow(2, 5, 7),
    )


@program(lambda: (randn(3), 0.1))
def float_constants_stay_exact(x, lr):
    return x * lr, lr + 0.2, x * (0.1 + 0.2), 1e308 * 10, 2**0.5
