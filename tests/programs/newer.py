"""What CPython takes, answers or says otherwise since some version: as untraced under each."""

import functools
import warnings

import torch
from torch import randn

from tests.programs import program

EITHER = {"breaks": None, "graphs": None, "recompiles": None}
#: What stands for an argument that is given later; a plain object before 3.14.
LATER = getattr(functools, "Placeholder", object())


def of_three(a, b, c=0):
    return a * 100 + b * 10 + c


def attempt(call):
    try:
        return call()
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


# ---- sums of floats are rounded once, since 3.12
@program(lambda: randn(3))
def sums_of_floats(x):
    mixed = sum([0.1, 1, 0.2, True, 0.3, 2**60, 0.7]), sum((0.1 for _ in range(10)), 0.3), sum([1e16, 1.0, 1.0], 0.5)
    return x + sum([0.1] * 10), mixed, sum([0.1j] * 10), sum([0.1] * 10, 1j), sum([]), sum([], 0.1)


@program(lambda: randn(()))
def a_tensor_ends_the_floats(x):
    return sum([0.1] * 10 + [x] + [0.1] * 10), sum([0.1] * 10, x)


@program(lambda: (randn(3), 0.1, 0.7), config={"dynamic": True}, **EITHER)
def sums_of_floats_that_vary(x, a, b):
    return x + sum([a] * 10), sum([a, b, a, b, 0.3]), sum([a, b])


@program(lambda: randn(3), **EITHER)
def sums_of_numbers_that_the_graph_gives(x):
    parts = [part.item() for part in x / 7]
    return x + 1, sum(parts), sum(parts * 9, 0.1)


# ---- maps that are strict, since 3.14
@program(lambda: randn(3), **EITHER)
def maps_that_are_strict(x):
    made = attempt(lambda: map(of_three, [1, 2], [3], strict=True))
    ends = [attempt(lambda: list(map(of_three, *parts, strict=True))) for parts in ([[1, 2], [3, 4]], [[1, 2], [3]], [[1], [2, 3]], [[], [1], [2]])]
    return x + 1, ends, made if isinstance(made, tuple) else attempt(lambda: list(made))


@program(lambda: (randn(3), attempt(lambda: map(of_three, [1, 2], [3], strict=True)), attempt(lambda: map(of_three, [1], [2], strict=False))), **EITHER)
def maps_of_before_the_call(x, strict, loose):
    return x + 1, attempt(lambda: list(strict)), attempt(lambda: list(loose))


@program(lambda: randn(3), **EITHER)
def a_map_that_is_given_back(x):
    made = attempt(lambda: map(of_three, iter([1, 2, 3]), iter([4, 5]), strict=True))
    first = next(made) if isinstance(made, map) else None
    return x + 1, first, made


# ---- partials with placeholders, since 3.14
HELD = attempt(lambda: functools.partial(of_three, LATER, 7))


@program(lambda: randn(3), **EITHER)
def arguments_that_are_given_later(x):
    def calls():
        one = functools.partial(of_three, LATER, 2)
        two = functools.partial(one, 5)
        some = functools.partial(of_three, LATER, LATER, 4)
        return one(1), one(1, 3), two(), two.args, functools.partial(some, 6)(7), functools.partial(some, LATER, 8).args[0] is LATER, one.args[0] is LATER

    return x + 1, attempt(calls), attempt(lambda: functools.partial(of_three, LATER, 2)()), attempt(lambda: HELD(3)), attempt(HELD)


@program(lambda: randn(3), **EITHER)
def arguments_that_have_no_place(x):
    return x + 1, attempt(lambda: functools.partial(of_three, 1, LATER)(2)), attempt(lambda: functools.partial(of_three, 1, b=LATER)())


@program(lambda: randn(3), **EITHER)
def a_tensor_is_given_later(x):
    return attempt(lambda: functools.partial(torch.sub, LATER, 2)(x))


# ---- NotImplemented has no truth, since 3.14
def _has_truth():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(NotImplemented)
        except TypeError:
            return False


if not _has_truth():

    @program(lambda: randn(3))
    def the_truth_of_not_implemented(x):
        return x + 1, attempt(lambda: bool(NotImplemented)), attempt(lambda: 1 if NotImplemented else 2), attempt(lambda: not NotImplemented)


# ---- attributes of instances without a dict: the words differ between versions, and by what the class has
class Slotted:
    __slots__ = ("own",)
    shown = 1

    def method(self):
        return 1


@program(lambda: randn(3))
def attributes_that_cannot_be_set(x):
    one = Slotted()

    def tried(act, *names):
        found = []
        for name in names:
            try:
                act(one, name)
            except AttributeError as error:
                found.append(str(error))
        return found

    names = "shown", "method", "other", "__class_getitem__", "__doc__"
    return x + 1, tried(lambda o, n: setattr(o, n, 1), *names), tried(delattr, *names, "own"), one.shown
