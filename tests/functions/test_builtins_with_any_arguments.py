"""Builtin functions and types called with all sorts of arguments, fitting or not: results, and errors with their words, are those of plain Python.

Each traced function makes a dozen calls, each caught; what they gave or raised is compared with the untraced function's.
"""

import builtins
import collections
import itertools
import random
import re
import warnings
from collections.abc import Iterator

import pytest
import torch

import tracer

PRELUDE = """
import bisect, builtins, collections, copy, functools, heapq, itertools, math, operator, types

class Plain: pass
class Index:
    def __index__(self): return 2
class Real:
    def __float__(self): return 2.5
class Wrong:
    def __len__(self): return -1
    def __bool__(self): return 1
    def __index__(self): return "a"
    def __int__(self): return "a"
    def __float__(self): return 1
    def __str__(self): return 3
    __repr__ = __str__
    def __hash__(self): return "h"
    def __iter__(self): return 5
    def __format__(self, spec): return 3
    def __getitem__(self, i): raise IndexError("no more")
    def __round__(self, digits=None): return "r"
class Level(int):
    def __int__(self): return 42
    def __index__(self): return 43
    def __float__(self): return 4.5
    def __floor__(self): return 7
    def __bool__(self): return False
class Meter(float):
    def __float__(self): return 3.5
    def __ceil__(self): return 8
    def __str__(self): return "meter"
class Text(str):
    def __str__(self): return "text"
    def __len__(self): return 9
Pair = collections.namedtuple("Pair", "h w")
def called(*args, **kwargs): return args, kwargs

def attempt(run):
    try: return run()
    except Exception as error: return type(error).__name__, str(error)

def f(t):
    found = [{calls}]
    return t + 1, found
"""
ARGUMENTS = (
    "None", "3", "-1", "1.5", "'ab'", "b'ab'", "[3, 1, 2]", "[]", "(1, 'a')", "{'a': 1}", "{1}", "Plain()", "called", "Plain", "[1, 'a']", "iter([1, 2])",
    "range(3)", "Wrong()", "Index()", "Real()", "Level(5)", "Meter(2.5)", "Text('x')", "Pair(1, 2)", "collections.OrderedDict(a=1)", "(i for i in (1, 2))",
    "10**20", "1j", "slice(1, 2)", "[(1, 2), ('a', 4)]", "''", "True", "math", "collections.deque([1, 2])", "frozenset({1})", "ValueError('v')",
    "collections.defaultdict(list)", "[[1], [2]]", "['b', 'a']", "{'a': 1}.keys()", "...",
)  # fmt: skip
KEYWORDS = ("x=1", "key=None", "key=3", "reverse='a'", "default=3", "start=2", "strict=True", "iterable=[1]", "value=[1]", "maxlen=-1", "**{'a': 1}")
BUILTINS = (
    "abs all any ascii bin bool callable chr complex dict divmod enumerate filter float format frozenset getattr hasattr hex int isinstance issubclass iter len "
    "list map max min next oct ord pow range repr reversed round set setattr slice sorted str sum tuple zip"
).split()
MODULES = (
    "math.floor math.ceil math.sqrt math.gcd math.isclose math.pow math.fsum math.prod math.comb math.log operator.index operator.add operator.mul operator.lt "
    "operator.eq operator.contains operator.getitem operator.concat operator.truth operator.neg operator.mod operator.and_ itertools.chain itertools.count "
    "itertools.repeat itertools.islice itertools.product itertools.zip_longest itertools.pairwise functools.partial functools.reduce collections.deque "
    "collections.OrderedDict collections.defaultdict heapq.heappush heapq.heapify bisect.bisect types.SimpleNamespace"
).split()
#: What depends on the identity or the address of an object made on the way.
UNCOMPARED = ("Plain()", "called", "iter(", "(i for", "ValueError(")


def calls_of(draw: random.Random, name: str, count: int) -> Iterator[str]:
    yield ""
    for _ in range(count):
        arguments = draw.sample(ARGUMENTS, draw.choice((1, 1, 2, 2, 3)))
        if draw.random() < 0.2:
            arguments.append(draw.choice(KEYWORDS))
        yield ", ".join(arguments)


def shown(value: object, depth: int = 0) -> object:
    """A value by its type and parts, without the methods of its class and without addresses."""
    cls = type(value)
    if depth < 4 and hasattr(cls, "__next__") and cls.__module__ in ("builtins", "itertools"):
        try:
            return cls.__name__, [shown(v, depth + 1) for v in itertools.islice(value, 6)]
        except Exception as error:
            return cls.__name__, type(error).__name__, str(error)
    for base in (list, tuple, collections.deque):
        if issubclass(cls, base):
            return cls.__name__, [shown(v, depth + 1) for v in base.__iter__(value)]
    if issubclass(cls, dict):
        return cls.__name__, [(shown(k, depth + 1), shown(v, depth + 1)) for k, v in dict.items(value)]
    if issubclass(cls, set | frozenset):
        return cls.__name__, sorted(str(shown(v, depth + 1)) for v in value)
    if issubclass(cls, int | float | str | bytes | complex):
        return cls.__name__, re.sub(r" at 0x[0-9a-f]+", "", next(b for b in cls.__mro__ if b.__module__ == "builtins").__repr__(value))
    return cls.__name__, value.__name__ if isinstance(value, type) else ""


def differences(names: list[str], seed: int, count: int) -> list[tuple[str, object, object]]:
    found = []
    for name in names:
        draw = random.Random(f"{name} {seed}")
        calls = [f"{name}({arguments})" for arguments in calls_of(draw, name, count)]
        if name in ("hash", "repr", "ascii", "str", "format"):
            calls = [call for call in calls if not any(part in call for part in UNCOMPARED)]
        for start in range(0, len(calls), 12):
            part = calls[start : start + 12]
            namespace: dict[str, object] = {"__name__": "swept"}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(PRELUDE.replace("{calls}", ", ".join(f"attempt(lambda: {call})" for call in part)), namespace)
                f = namespace["f"]
                compiled = tracer.compile(f, backend="eager")
                expected, got = f(torch.ones(1))[1], compiled(torch.ones(1))[1]
                compiled.session.close()
            found += [(call, a, b) for call, a, b in zip(part, map(shown, expected), map(shown, got), strict=True) if a != b]
    return found


def test_builtin_functions_and_types():
    assert all(hasattr(builtins, name) for name in BUILTINS)
    assert differences(BUILTINS, 0, 11) == []


def test_functions_of_modules():
    assert differences(MODULES, 0, 11) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", BUILTINS + MODULES)
def test_many_calls(name):
    assert differences([name], 1, 240) == []
