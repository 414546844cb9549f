"""math over known numbers, sizes and tensors."""

import math

from torch import randn

from tests.differential import Expect
from tests.functions.test_lists import errors, trace


class Half:
    def __float__(self):
        return 0.5

    def __floor__(self):
        return "floor"


def test_known_numbers():
    def program(x, n):
        return (
            x * math.sqrt(n), math.floor(2.7), math.ceil(n / 3), math.prod([1, 2, 3]), math.prod(x.shape), math.fsum([0.1] * 3), math.gcd(12, 18),
            math.isclose(1.0, 1.0 + 1e-12), math.log(8, 2), math.isinf(math.inf), math.hypot(3, 4), math.pi, math.factorial(4), math.copysign(1, -0.0),
            math.sin(Half()), math.floor(Half()), math.prod(i for i in range(1, 4)), math.dist([0, 0], [3, 4]), math.comb(4, 2), math.isqrt(10),
        )  # fmt: skip

    trace(program, lambda: (randn(3), 4))


def test_errors():
    def program(x):
        return x + 1, errors(
            lambda: math.sqrt(-1), lambda: math.log(0), lambda: math.sqrt("a"), lambda: math.factorial(-1), lambda: math.floor([]), lambda: math.exp(10000)
        )  # fmt: skip

    trace(program)


def test_sizes():
    def program(x):
        n = x.shape[0]
        return x * math.sqrt(n), math.ceil(n / 2), math.prod(x.shape), math.floor(n * 0.5) + x

    trace(program, lambda: randn(5, 2), expect=Expect(breaks=0))


def test_a_tensor_is_read():
    def program(x):
        return math.sqrt(x.abs().sum()) + x

    trace(program, expect=Expect())
