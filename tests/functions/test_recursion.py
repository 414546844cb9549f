"""The recursion limit: what goes deep runs as Python, and raises as Python does."""

import sys
import time

from torch import ones, randn

import tracer
from tests.differential import Expect, check


def test_deeper_than_the_limit():
    def nested(n):
        return 0 if n == 0 else 1 + nested(n - 1)

    def program(x, n):
        try:
            return x + 1, nested(n)
        except RecursionError as error:
            return x + 1, str(error)

    check(program, lambda: (randn(3), sys.getrecursionlimit() + 500), expect=Expect(graphs=0))
    check(program, lambda: (randn(3), 100), expect=Expect(graphs=1, breaks=0))


def test_recursion_that_never_ends_ends_soon_and_about_as_deep_as_in_python():
    count = [0]

    def endless():
        count[0] += 1
        endless()

    def program(x):
        count[0] = 0
        try:
            endless()
        except RecursionError:
            return x + 1, count[0]

    began = time.perf_counter()
    with tracer.compile(program, backend="eager").session:
        deep = tracer.compile(program, backend="eager")(ones(2))[1]
    assert time.perf_counter() - began < 20
    assert 0 <= program(ones(2))[1] - deep < 30  # the frames of what calls the compiled function count too


def test_generators_that_delegate_for_ever():
    def delegating(n):
        yield n
        yield from delegating(n + 1)

    def program(x):
        try:
            for _ in delegating(0):
                pass
        except RecursionError as error:
            return x + 1, type(error)

    check(program, lambda: randn(3), expect=Expect())


def test_closures_of_super_behind_many_breaks():
    import torch

    class Base(torch.nn.Module):
        def forward(self, t):
            return t + 1

    class Net(Base):
        scale = 2.0

        def forward(self, t):
            t = super().forward(t)
            print(end="")
            print(end="")
            print(end="")
            return [t * self.scale for _ in range(2)], __class__ is Net

    net = Net()
    check(lambda t: net(t), lambda: randn(3), expect=Expect())
