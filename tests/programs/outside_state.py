"""State of the surroundings that one call meets otherwise than another; many more are drawn by `tests/second_inputs`."""

import torch
from torch import ones, randn

from tests.programs import scenario

LOG: list[int] = []
NUMBER, SAME = 5, 5


@scenario(recompiles=None, graphs=None)
def an_argument_is_the_global_list_later(run):
    def append(x, values):
        values.append(1)
        return x * len(LOG)

    LOG.clear()
    f = run(append)
    for values in ([], LOG, [], LOG):
        f(ones(2), values)


@scenario(recompiles=1, graphs=2)
def two_arguments_are_one_object_later(run):
    class Count:
        n = 0

    def count(x, a, b):
        a.n += 1
        return x * b.n

    f, one, two = run(count), Count(), Count()
    f(ones(2), one, two)
    one.n = two.n = 0
    f(ones(2), one, one)


@scenario(recompiles=None, graphs=None)
def a_symbolic_number_compared_is_a_bool(run):
    f = run(lambda x, n: x + 1 if (n > 1) is True else x - 1 if (n > 1) is False else x)
    for n in (5, 7, 0, 9, 1):
        f(ones(2), n)


@scenario(recompiles=None, graphs=None)
def a_symbolic_number_is_the_small_integer_that_it_equals(run):
    global NUMBER
    f = run(lambda x: x + 1 if NUMBER is SAME else x - 1)
    for number in (5, 7, 5, 300):
        NUMBER = number
        f(ones(2))


@scenario(recompiles=None, graphs=None)
def a_symbolic_number_is_not_none(run):
    f = run(lambda x, n: x if n is None else x * n)
    for n in (2, 3, None, 4):
        f(ones(2), n)


@scenario(recompiles=None, graphs=None, breaks=None)
def a_leaf_and_a_result(run):
    f = run(lambda x: x * 2 if x.grad_fn is None else x * 3)
    leaf = ones(2, requires_grad=True)
    f(leaf)
    f(leaf * 1)
    f(leaf)


@scenario(recompiles=1, graphs=2)
def a_parameter_gets_an_attribute(run):
    f = run(lambda p: p * getattr(p, "scale", 3))
    one, two = torch.nn.Parameter(ones(2)), torch.nn.Parameter(ones(2))
    two.scale = 5
    f(one)
    f(two)
    f(one)


@scenario(recompiles=1, graphs=2)
def two_functions_of_one_code_and_two_modules(run):
    import types

    one, other = {"n": 2}, {"n": 3}
    exec("def scaled(x): return x * n", one)
    f = run(lambda x, g: g(x))
    f(randn(2), one["scaled"])
    f(randn(2), types.FunctionType(one["scaled"].__code__, other))
