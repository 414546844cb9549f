"""What special methods answer, checked and converted as CPython's slots do; conversions of subclasses; texts of containers; what calls refuse."""

import collections
import functools
import itertools
import math
import operator
import types
import typing

from torch import randn

from tests.programs import program

ANY = dict(breaks=None, graphs=None, recompiles=None)


def attempts(runs):
    found = []
    for run in runs:
        try:
            found.append(run())
        except (TypeError, ValueError, OverflowError, AttributeError, RuntimeError) as error:
            found.append((type(error).__name__, str(error)))
    return found


class Wrong:
    def __len__(self):
        return -1

    def __str__(self):
        return 3

    __repr__ = __str__

    def __format__(self, spec):
        return 3

    def __int__(self):
        return "a"

    def __float__(self):
        return 3

    def __complex__(self):
        return 3

    def __index__(self):
        return 2.5

    def __hash__(self):
        return "a"

    def __iter__(self):
        return 3

    def __reversed__(self):
        return 7


class Odd:
    def __bool__(self):
        return 3

    def __init__(self, size=0):
        self.size = size

    def __len__(self):
        return self.size

    def __hash__(self):
        return self.size

    def __index__(self):
        return 3


class Started:
    def __init__(self):
        return 1


@program(lambda: (randn(3), Wrong()))
def answers_of_another_type(x, wrong):
    return x + 1, attempts((
        lambda: len(wrong), lambda: bool(wrong), lambda: str(wrong), lambda: repr(wrong), lambda: int(wrong), lambda: float(wrong), lambda: complex(wrong),
        lambda: operator.index(wrong), lambda: hash(wrong), lambda: {wrong: 1}, lambda: f"{wrong}", lambda: f"{wrong!r}", lambda: f"{wrong!s}",
        lambda: format(wrong), lambda: "{}".format(wrong), lambda: "%s" % wrong, lambda: [wrong].__repr__(), lambda: str([wrong]), lambda: list(wrong),
        lambda: [1][wrong], lambda: [1] * wrong, lambda: "a" * wrong, lambda: range(wrong), lambda: math.sqrt(wrong), lambda: math.floor(wrong),
        lambda: chr(wrong), lambda: reversed(wrong), lambda: not wrong, lambda: 1 if wrong else 2, Started,
    ))  # fmt: skip


@program(lambda: (randn(3), 3))
def answers_that_are_converted(x, n):
    return x + 1, attempts((
        lambda: len(Odd(True)), lambda: len(Odd(n)), lambda: len(Odd("a")), lambda: len(Odd(10**30)), lambda: len(Odd(Odd(1))), lambda: bool(Odd(1)),
        lambda: hash(Odd(2**70)), lambda: hash(Odd(True)), lambda: hash(Odd(-1)), lambda: hash(Odd(1.5)),
        lambda: [10, 20, 30, 40][Odd()], lambda: int(Odd()), lambda: float(Odd()), lambda: range(Odd()), lambda: "ab" * Odd(), lambda: bin(Odd()),
    ))  # fmt: skip


class Level(int):
    def __int__(self):
        return 42

    def __float__(self):
        return 4.5

    def __complex__(self):
        return 3j

    def __index__(self):
        return 17


class Meter(float):
    def __floor__(self):
        return 7

    def __ceil__(self):
        return 8

    def __trunc__(self):
        return 9

    def __round__(self, digits=None):
        return 10

    def __int__(self):
        return 5

    def __float__(self):
        return 6.5


class Text(str):
    def __int__(self):
        return 13

    def __float__(self):
        return 1.25


@program(lambda: (randn(3), 7), breaks=None, graphs=None)
def numbers_of_subclasses(x, n):
    level, meter = Level(n), Meter(0.5)
    return x + 1, attempts((
        lambda: int(level), lambda: float(level), lambda: complex(level), lambda: operator.index(level), lambda: math.floor(meter), lambda: math.ceil(meter),
        lambda: math.trunc(meter), lambda: round(meter), lambda: int(meter), lambda: float(meter), lambda: int(Text("3")), lambda: float(Text("x")),
        lambda: math.sqrt(level), lambda: math.sqrt(meter), lambda: math.pow(level, 2), lambda: math.gcd(level, 14), lambda: math.factorial(level),
        lambda: list(range(20))[level], lambda: [0] * Level(2), lambda: "%d %s" % (level, meter), lambda: f"{level} {level:d} {meter:.1f}", lambda: range(level),
        lambda: math.floor(level), lambda: math.hypot(meter, 4), lambda: math.copysign(1, Meter(-2.0)), lambda: sum([level, level]), lambda: type(range(True, 3).start),
    ))  # fmt: skip


# ---- texts
class Shape(collections.namedtuple("Shape", "h w")):
    pass


class Named(typing.NamedTuple):
    a: int = 1
    b: str = "x"


class Own(collections.namedtuple("Own", "a")):
    def __repr__(self):
        return "own"


class Ordered(collections.OrderedDict):
    pass


class Defaults(collections.defaultdict):
    pass


class Members(set):
    pass


class Queue(collections.deque):
    pass


@program(
    lambda: (randn(3), collections.OrderedDict(a=1), Shape(1, 2), Named(), Ordered(b=[2]), collections.deque([1], 4), collections.defaultdict(int, a=3)),
    breaks=None, graphs=None,
)  # fmt: skip
def texts_of_containers(x, *given):
    values = [
        *given, collections.OrderedDict(), Ordered(), Own(3), Members({1}), Members(), set(), frozenset(), frozenset({2}), collections.deque(), Queue([1], 2),
        Defaults(list, a=1), Defaults(), {}.keys(), {1: 2}.items(), collections.OrderedDict(a=1).keys(), types.SimpleNamespace(a=[1]), types.SimpleNamespace(),
        types.MappingProxyType({1: 2}), slice(1, None), ((1,), [Shape(1, "é")]), {"k": Named()},
    ]  # fmt: skip
    return x + 1, [(str(v), repr(v), f"{v}", f"{v!r}", "%s" % (v,), "{!r:>40}".format(v), ascii(v)) for v in values]


@program(lambda: (randn(3),), breaks=None, graphs=None)
def texts_of_errors_with_containers(x):
    return x + 1, str(ValueError(Ordered(a=1))), repr(KeyError(Shape(1, 2))), str(KeyError([Named()])), repr(ValueError()), repr(ValueError(1, 2))


# ---- what is refused
def unordered():
    values = [2, 1]
    values.sort(key=functools.cmp_to_key(lambda a, b: (values.append(3), values.pop(), a - b)[2]))


def seen_while_sorted():
    values, seen = [2, 1], []
    values.sort(key=lambda v: (seen.append(list(values)), v)[1])
    return values, seen


class Fails:
    def __init__(self, n):
        self.n = n

    def __lt__(self, other):
        if self.n + other.n == 6:
            raise ValueError(self.n)
        return self.n < other.n


def left_by_a_failed_sort():
    values = [Fails(n) for n in (5, 3, 9, 1, 8)]
    try:
        values.sort()
    except ValueError as error:
        return [v.n for v in values], error.args


class Number:
    __match_args__ = (3,)


class Twice:
    __match_args__ = ("x", "x")
    x = 1


class Absent:
    __match_args__ = ("y", "y")


def number_pattern():
    match Number():
        case Number(1):
            return 1


def twice_pattern():
    match Twice():
        case Twice(1, 1):
            return 1


def absent_pattern():
    match Absent():
        case Absent(1, 1):
            return 1


def no_class_pattern():
    match 3:
        case types.__name__():
            return 1


def set_on(name, value):
    setattr(ValueError(), name, value)


def deleted(name):
    delattr(ValueError(), name)


def from_number():
    raise ValueError from 5


class MadeOtherwise(Exception):
    def __new__(cls):
        return 3


def other_made():
    raise MadeOtherwise


@program(lambda: (randn(3),), breaks=None, graphs=None)
def exceptions_sorts_and_patterns(x):
    return x + 1, attempts((
        unordered, seen_while_sorted, left_by_a_failed_sort, number_pattern, twice_pattern, absent_pattern, no_class_pattern, from_number, other_made,
        *[functools.partial(set_on, n, 5) for n in ("__cause__", "__context__", "__traceback__", "__suppress_context__", "args")],
        *[functools.partial(deleted, n) for n in ("__cause__", "__context__", "__traceback__", "args", "other")],
    ))  # fmt: skip


class Items(list):
    pass


class Pair(tuple):
    pass


class Both:
    def __new__(cls, *args):
        return object.__new__(cls, *args)

    def __init__(self, *args):
        super().__init__(*args)


class OnlyInit:
    def __init__(self, *args):
        object.__init__(self, *args)


class OnlyNew:
    def __new__(cls, *args):
        return super().__new__(cls, *args)


class Plain:
    pass


def ordered_grows():
    d = collections.OrderedDict(a=1, b=2)
    for key in d:
        d[key + "x"] = 1


def limit_set():
    collections.deque().maxlen = 3


@program(lambda: (randn(3),), breaks=None, graphs=None)
def calls_of_builtins_that_do_not_fit(x):
    return x + 1, attempts((
        lambda: dict((), ()), lambda: collections.deque("abc", -1), lambda: collections.deque("a", 1, 2), lambda: collections.deque("a", "x"),
        lambda: collections.defaultdict(1), lambda: map(abs), lambda: itertools.count("a"), lambda: functools.partial(), lambda: {} < {}, lambda: {} >= {1: 2},
        lambda: Items(1, 2), lambda: Pair(a=1), lambda: Pair([1], [2]), lambda: Both(1), lambda: OnlyInit(1), lambda: OnlyNew(1), lambda: Plain(1),
        lambda: object.__new__(int), lambda: object.__new__(3), lambda: int.__new__(str), lambda: list.__new__(dict), lambda: slice(), lambda: min(),
        lambda: min(1, 2, default=3), lambda: max([]), lambda: sum(["a"], ""), lambda: hash([]), lambda: hasattr(3, 3), lambda: setattr(3, 3, 3),
        lambda: getattr(3, [1]), lambda: range(1.5), lambda: range("a"), lambda: enumerate([], "a"), lambda: all(iterable=[1]), lambda: len(value=[1]),
        lambda: iter(3, 4), lambda: abs([]), lambda: abs(collections.deque()), lambda: -Plain(), lambda: collections.deque() + 3, lambda: operator.getitem([1, 2], "a"),
        lambda: operator.getitem(collections.deque([1]), "a"), lambda: operator.getitem((1,), 1.5), lambda: operator.getitem([1], slice(None, None, "a")), limit_set, ordered_grows,
    )), type(reversed(collections.deque())), type(reversed((1,))), type(reversed(range(3))), list(reversed(range(3)))  # fmt: skip
