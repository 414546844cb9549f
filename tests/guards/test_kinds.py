"""Each kind of guard on one value, both ways, in C++ and in Python."""

from __future__ import annotations

import collections
import enum
import functools
import types
import weakref
from typing import Any

import numpy
import pytest
import torch

from tests.guards.support import calls, hostile_variants, local, lowered, seen, verdict
from tracer.guards import KINDS, Guard
from tracer.guards.held import Ref
from tracer.guards.kinds import range_state
from tracer.iterated import position

x = local("x")


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Number(int):
    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = int.__hash__


class Point:
    __slots__ = ("a", "b")


class Plain:
    shared = 1

    @property
    def asked(self) -> int:
        raise AssertionError


class Mapping(dict):
    def __len__(self) -> int:
        raise AssertionError

    __iter__ = __contains__ = __getitem__ = __missing__ = keys = __len__  # type: ignore[assignment]


class Listing(list):
    def __len__(self) -> int:
        raise AssertionError


Pair = collections.namedtuple("Pair", "a b")
nan = float("nan")


def f(a: int = 1) -> int:
    return a


def g(a: int = 1) -> int:
    return a


def made_inside() -> Any:
    return lambda value: len(value)


made = made_inside()


def after(iterator: Any, steps: int) -> Any:
    for _ in range(steps):
        next(iterator)
    return iterator


def with_slot(**values: Any) -> Point:
    point = Point()
    for name, value in values.items():
        setattr(point, name, value)
    return point


def with_dict(**values: Any) -> Plain:
    plain = Plain()
    plain.__dict__.update(values)
    return plain


one_object, other_object = Plain(), Plain()
noted = functools.partial(len)
noted.note = 1  # type: ignore[attr-defined]
alive, dead = weakref.ref(one_object), weakref.ref(Plain())

#: kind, expected, values that match, values that don't
CASES = [
    ("TYPE_MATCH", dict, [{}, {1: 2}], [collections.OrderedDict(), [], None, dict]),
    ("TYPE_MATCH", Plain, [Plain()], [Plain, None, Point()]),
    ("ID_MATCH", one_object, [one_object], [other_object, None, Plain]),
    ("ID_MATCH", None, [None], [0, False]),
    ("ID_MATCH", len, [len], [max]),
    ("NONE_MATCH", None, [None], [0, "", one_object]),
    ("NOT_NONE_MATCH", 3, [3, one_object, False], [None]),
    ("EQUALS_MATCH", 1, [1], [True, 1.0, 2, Number(1), None, "1", torch.ones(())]),
    ("EQUALS_MATCH", True, [True], [1, False, None]),
    ("EQUALS_MATCH", 1.0, [1.0], [1, True, 1.5, 1 + 0j]),
    ("EQUALS_MATCH", 10**30, [10**30], [10**30 + 1, 1e30]),
    ("EQUALS_MATCH", 0.0, [0.0], [-0.0, 0, False, nan]),
    ("EQUALS_MATCH", -0.0, [-0.0], [0.0, 0]),
    ("EQUALS_MATCH", nan, [nan, float("nan"), -nan], [1.0, 0.0, None, "nan"]),
    ("EQUALS_MATCH", 1 + 0j, [1 + 0j], [complex(1, -0.0), 1.0, 1, complex(1, nan)]),
    ("EQUALS_MATCH", complex(0, nan), [complex(0, nan)], [complex(nan, 0), 0j]),
    ("EQUALS_MATCH", "abc", ["abc", "".join("abc")], [b"abc", "abd", None]),
    ("EQUALS_MATCH", b"abc", [bytes([97, 98, 99])], ["abc", b"abd", bytearray(b"abc")]),
    ("EQUALS_MATCH", None, [None], [0, ...]),
    ("EQUALS_MATCH", ..., [...], [None]),
    ("EQUALS_MATCH", (1, 2), [tuple([1, 2])], [(True, 2), (1.0, 2), [1, 2], (1,), (1, 2, 3), Pair(1, 2), torch.Size([1, 2])]),
    ("EQUALS_MATCH", ((1, "a"), (0.0, None)), [((1, "a"), (0.0, None))], [((1, "a"), (-0.0, None)), ((1, "a"), 0.0)]),
    ("EQUALS_MATCH", (), [()], [[], (None,)]),
    ("EQUALS_MATCH", Pair(1, 2), [Pair(1, 2)], [(1, 2), Pair(2, 1), Pair(True, 2)]),
    ("EQUALS_MATCH", frozenset({1, "a"}), [frozenset(["a", 1])], [frozenset({True, "a"}), {1, "a"}, frozenset({1})]),
    ("EQUALS_MATCH", range(0, 4, 2), [range(0, 4, 2)], [range(0, 3, 2), [0, 2], range(0)]),
    ("EQUALS_MATCH", slice(0, None), [slice(0, None)], [slice(False, None), slice(0, 1), None]),
    ("EQUALS_MATCH", torch.float32, [torch.float], [torch.float64, "torch.float32"]),
    ("EQUALS_MATCH", torch.device("cpu"), [torch.device("cpu")], [torch.device("meta"), torch.device("cpu", 0), "cpu"]),
    ("EQUALS_MATCH", torch.Size([2, 3]), [torch.Size([2, 3])], [(2, 3), torch.Size([2, 4])]),
    ("EQUALS_MATCH", torch.strided, [torch.strided], [torch.sparse_coo, None]),
    ("EQUALS_MATCH", torch.channels_last, [torch.channels_last], [torch.contiguous_format]),
    ("EQUALS_MATCH", Color.RED, [Color.RED, Color(1)], [Color.BLUE, 1]),
    ("EQUALS_MATCH", Number(3), [Number(3)], [3, Number(4)]),
    ("EQUALS_MATCH", numpy.float32(1.5), [numpy.float32(1.5)], [numpy.float64(1.5), 1.5, numpy.float32(2)]),
    ("EQUALS_MATCH", (int, "a"), [(int, "a")], [(float, "a")]),
    ("EQUALS_MATCH", one_object, [one_object], [other_object]),
    ("EQUALS_MATCH", (one_object,), [], [(one_object,)]),
    ("CONSTANT_MATCH", True, [True], [False, 1, None]),
    ("CONSTANT_MATCH", NotImplemented, [NotImplemented], [None]),
    ("SET_MATCH", frozenset({1, "a"}), [{1, "a"}, frozenset({"a", 1})], [{1}, {True, "a"}, [1, "a"], {1, "a", 2}]),
    ("SET_MATCH", {one_object, 1}, [{1, one_object}], [{1, other_object}, {True, one_object}, {one_object}]),
    ("ITERATOR", (type(iter([])), position(after(iter([1, 2]), 1))), [after(iter([1, 2]), 1)], [iter([1, 2]), iter((1, 2)), None]),
    ("SET_MATCH", frozenset(), [set()], [{1}, (), None]),
    ("LENGTH", 2, [[1, 2]], [[1], (1, 2), "ab", 2, None, Listing([1, 2])]),
    ("LENGTH", 0, [()], [(1,), [], {}]),
    ("LENGTH", 1, [{1: 2}], [{}, [1], collections.OrderedDict(a=1)]),
    ("LENGTH", 2, [Listing([1, 2])], [Listing(), [1, 2]]),
    ("LENGTH", 1, [Mapping(a=1)], [Mapping(), {"a": 1}]),
    ("LENGTH", 1, [collections.deque([5])], [collections.deque(), [5]]),
    ("LENGTH", 1, [{5}], [set(), frozenset({5})]),
    ("DICT_LENGTH", 1, [{1: 2}, Mapping(a=1), collections.OrderedDict(a=1)], [{}, [1], None]),
    ("EMPTY_DICT", None, [{}, collections.OrderedDict(), Mapping()], [{1: 1}, [], None]),
    ("DICT_CONTAINS", "a", [{"a": 1}, Mapping(a=1)], [{}, {"b": 1}, ["a"], "a", None]),
    ("DICT_ABSENT", "a", [{}, {"b": 1}], [{"a": 1}, [], None, Mapping()]),
    ("DICT_ABSENT", "a", [Mapping()], [Mapping(a=1), {}]),
    ("DICT_KEYS", ("a", 1), [{"a": 0, 1: 0}], [{1: 0, "a": 0}, {"a": 0}, {"a": 0, True: 0}, {}, ["a", 1]]),
    ("DICT_KEYS", ("a",), [Mapping(a=1)], [Mapping(b=1), Mapping(), {"a": 1}]),
    ("DICT_KEYS", (), [{}], [{"a": 1}, [], None]),
    ("HASATTR", "asked", [Plain()], [Point(), None, 3]),
    ("HASATTR", "own", [with_dict(own=1)], [Plain(), None]),
    ("HASATTR", "a", [with_slot(a=1)], [Point(), Plain()]),
    ("NOHASATTR", "a", [Point(), Plain(), 3], [with_slot(a=1), with_dict(a=1)]),
    ("NOHASATTR", "shared", [Point(), None], [Plain(), Plain]),
    ("PARTIAL_DICT", False, [functools.partial(len)], [noted, len, None]),
    ("PARTIAL_DICT", True, [noted], [functools.partial(len), len]),
    ("PARTIAL_ABSENT", "note", [functools.partial(len)], [noted, None]),
    ("CODE_MATCH", f.__code__, [f, types.FunctionType(f.__code__, {})], [g, len, None, Plain]),
    # what a module makes once is itself; what is made again and again has the same code and the same globals
    ("CODE_MATCH", f, [f], [types.FunctionType(f.__code__, f.__globals__), g, len, None, Plain]),
    ("CODE_MATCH", made, [made, made_inside()], [types.FunctionType(made.__code__, {}), f, len, None]),
    ("WEAKREF_ALIVE", None, [alive, weakref.ref(Plain)], [dead, None, one_object]),
    ("TUPLE_ITERATOR_LENGTH", 1, [after(iter((1, 2)), 1), iter((5,))], [iter((1, 2)), iter([1]), (1,), None]),
    ("LIST_ITERATOR", 1, [after(iter([1, 2]), 1)], [iter([1, 2]), iter((1, 2)), [1], after(iter([]), 0)]),
    ("RANGE_ITERATOR", (3, 9, 3), [after(iter(range(0, 9, 3)), 1), iter(range(3, 9, 3))], [iter(range(0, 9, 3)), iter([3]), range(3, 9, 3)]),
    ("USER", lambda value: value == 3, [3, 3.0], [4, None]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{KINDS[c[0]].text('x', c[1])}"[:60])
def test_both_evaluators_accept_what_matches_and_nothing_else(case: Any) -> None:
    kind, expected, matching, failing = case
    example = matching[0] if matching else failing[0]
    entry = lowered(Guard(x, kind, expected), x=example)
    assert verdict(entry, x=example) == bool(matching)
    for value in matching:
        assert verdict(entry, x=value)
    for value in failing:
        assert not verdict(entry, x=value)
    for value in matching:
        assert verdict(entry, x=value)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{KINDS[c[0]].text('x', c[1])}"[:60])
def test_no_guard_runs_code_of_the_value_it_meets(case: Any) -> None:
    kind, expected, matching, failing = case
    if kind == "USER":
        pytest.skip("user conditions are the program's own code")
    entry = lowered(Guard(x, kind, expected), x=matching[0] if matching else failing[0])
    calls.clear()
    for value in hostile_variants():
        verdict(entry, x=value)
    assert not calls


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{KINDS[c[0]].text('x', c[1])}"[:60])
def test_a_missing_value_fails_every_kind(case: Any) -> None:
    kind, expected, matching, failing = case
    entry = lowered(Guard(x, kind, expected), x=matching[0] if matching else failing[0])
    assert not verdict(entry)
    assert all(failure.seen == "missing" for failure in entry.failures(_nothing()))


def _nothing() -> Any:
    from tracer.sources import Roots

    return Roots({})


def test_the_order_of_an_ordered_dict_is_its_own() -> None:
    moved = collections.OrderedDict(a=1, b=2)
    entry = lowered(Guard(x, "DICT_KEYS", ("a", "b")), x=collections.OrderedDict(a=1, b=2))
    assert verdict(entry, x=moved)
    moved.move_to_end("a")
    assert not verdict(entry, x=moved)


def test_range_state_says_what_is_left() -> None:
    assert range_state(after(iter(range(0, 9, 3)), 2)) == (6, 9, 3)


def test_texts_read_like_python() -> None:
    entry = lowered(
        Guard(x, "TYPE_MATCH", dict),
        Guard(x.item("k"), "EQUALS_MATCH", "v"),
        Guard(x.item("n"), "LENGTH", 2),
        Guard(x, "DICT_ABSENT", "z"),
        x={"k": "v", "n": [1, 2]},
    )
    assert [guard.expression for guard in entry.guards] == [
        "type(x) is dict", "x['k'] == 'v'", "len(x['n']) == 2", "'z' not in x", "type(x['n']) is list",
    ]  # fmt: skip
    assert seen(entry, x={"k": "w", "n": (1,), "z": 0}) == [
        "x['k'] == 'v' <- 'w'", "len(x['n']) == 2 <- tuple of 1", "'z' not in x <- there, with 0", "type(x['n']) is list <- tuple of 1",
    ]  # fmt: skip


def test_texts_call_objects_by_their_names_and_constants_by_what_they_are() -> None:
    held = Ref(dict, None)
    assert KINDS["SET_ORDER"].text("s", ((1, "a", held), 0, ())) == "s is iterated as 1, 'a', dict"
    assert KINDS["NOT_REGISTERED"].text("Queue", (held, None)) == KINDS["NOT_REGISTERED"].text("Queue", held) == "not issubclass(Queue, dict)"


def test_an_unknown_kind_is_refused_at_once() -> None:
    with pytest.raises(KeyError):
        Guard(x, "NO_SUCH_KIND")
