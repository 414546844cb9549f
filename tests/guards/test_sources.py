"""Each step of a source, read by C++ and by Python; what happens when what is there has changed or is hostile."""

from __future__ import annotations

import collections
import threading
import types
import weakref
from typing import Any, Generic, TypeVar

import pytest
import torch

import tracer
from tests.guards.support import calls, frame, hostile_variants, local, lowered, pinned, verdict
from tracer.guards import Guard, GuardError, lower
from tracer.sources import Roots, Source

x = local("x")


class Node:
    def __init__(self, **values: Any):
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Any):
        self.value = value


class Missing(dict):
    def __missing__(self, key: Any) -> Any:
        raise AssertionError

    __getitem__ = __missing__


class Listing(list):
    def __getitem__(self, index: Any) -> Any:
        raise AssertionError


def closing(value: Any) -> Any:
    return lambda: value


def unbound() -> Any:
    if calls is None:
        value = 1
    return lambda: value


class Holder:
    pass


target, other = Holder(), Holder()
Pair = collections.namedtuple("Pair", "a b")
parameter = torch.nn.Parameter(torch.ones(2))
with_grad = torch.ones(2, requires_grad=True)
with_grad.grad = torch.zeros(2)

#: source, guard on it, example, other values that match, values that fail
CASES = [
    (x.dict().item("a"), 1, Node(a=1), [Node(a=1, b=2)], [Node(a=2), Node(), Slotted(1), None, 3, {"a": 1}]),
    (x.dict().item("a").dict().item("b"), 1, Node(a=Node(b=1)), [], [Node(a=Node()), Node(a=1), Node(a=None), Node()]),
    (x.item("a"), 1, {"a": 1}, [Missing(a=1), collections.OrderedDict(a=1)], [{}, {"a": 2}, Missing(), [1], "a", None]),
    (x.item("a"), 1, Missing(a=1), [{"a": 1}], [Missing(), Missing(a=2)]),
    (x.item("a"), 1, collections.defaultdict(None, a=1), [{"a": 1}], [collections.defaultdict(list)]),
    (x.item((1, "k")), 1, {(1, "k"): 1}, [], [{(1,): 1}]),
    (x.item(1), 5, [4, 5], [[0, 5, 6], Listing([4, 5])], [[5], (4, 5), {1: 5}, [4, 6], Listing([5])]),
    (x.item(-1), 5, [4, 5], [[5], Listing([5])], [[5, 4], (4, 5, 6), []]),
    (x.item(-1), 5, Listing([4, 5]), [Listing([5])], [Listing([5, 4])]),
    (x.item(1), 5, (4, 5), [Pair(4, 5), torch.Size([4, 5])], [(5,), [4, 5], Pair(5, 4), ()]),
    (x.item(1), 5, Listing([4, 5]), [Listing([4, 5, 6])], [Listing()]),
    (x.item(1), 5, collections.deque([4, 5]), [collections.deque([1, 5])], [collections.deque([5]), [4, 6], None]),
    (x.item("a"), 5, types.MappingProxyType({"a": 5}), [], [types.MappingProxyType({}), None]),
    (x.item(1), "b", "abc", [], ["a", "acb"]),
    (x.nth_key(1), "b", {"a": 1, "b": 2}, [{"c": 1, "b": 2, "d": 3}], [{"b": 1, "a": 2}, {"b": 1}, [0, "b"], None]),
    (x.type().dict().item("name"), 1, type("A", (), {"name": 1})(), [type("B", (), {"name": 1})()], [3, None, Node()]),
    (x.dict().item("name"), 1, type("A", (), {"name": 1}), [type("B", (), {"name": 1})], [int, type("C", (), {})]),
    (x.attr("value"), 1, Slotted(1), [], [Slotted(2), Slotted.__new__(Slotted), Node(value=1), None]),
    (x.attr("start"), 1, range(1, 3), [range(1, 9)], [range(3), slice(1, 3), None]),
    (x.attr("__func__").attr("__name__"), "f", Node.__init__.__get__(Node()), [], []),
    (x.closure(0).contents(), 1, closing(1), [closing(1)], [closing(2), closing, unbound(), None, Node()]),
    (x.contents(), 1, types.CellType(1), [], [types.CellType(2), types.CellType(), 1, Node(cell_contents=1)]),
    (x.closure(0).contents().item(0), 1, closing([1]), [], [closing([]), closing((1,)), closing(1)]),
    (x.deref().dict().item("a"), 1, weakref.ref(target), [], [weakref.ref(other), target, None, lambda: target]),
    (x.attr("grad").attr("requires_grad"), False, with_grad, [], [torch.ones(2), parameter, None]),
    (x.dict().item("a"), 1, torch.nn.Linear(1, 1), [], [torch.nn.Linear(1, 1), torch.nn.ReLU()]),
]  # fmt: skip
target.__dict__["a"] = 1
other.__dict__["a"] = 2
CASES[-1][2].__dict__["a"] = 1  # type: ignore[union-attr]
CASES[19] = (x.attr("__func__").attr("__name__"), "__init__", CASES[19][2], [], [Node.__init__, None, [].append])


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].text} of {type(c[2]).__name__}")
def test_a_step_reads_the_same_in_c_and_in_python(case: Any) -> None:
    source, expected, example, matching, failing = case
    entry = lowered(Guard(source, "EQUALS_MATCH", expected), x=example)
    for value in (example, *matching):
        # a type that decides how to read may be guarded, so another type may fail; but both say the same
        same_type = type(value) is type(example)
        assert verdict(entry, x=value) or not same_type
    for value in failing:
        assert not verdict(entry, x=value)
    assert not verdict(entry)
    assert verdict(entry, x=example)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].text} of {type(c[2]).__name__}")
def test_a_step_never_runs_code_of_a_hostile_value(case: Any) -> None:
    source, expected, example, *_ = case
    for kind, what in (("EQUALS_MATCH", expected), ("TYPE_MATCH", type(expected)), ("NOT_NONE_MATCH", None)):
        entry = lowered(Guard(source, kind, what), x=example)
        calls.clear()
        for value in hostile_variants():
            verdict(entry, x=value)
        assert not calls


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].text} of {type(c[2]).__name__}")
def test_a_hostile_value_at_the_end_is_never_asked(case: Any) -> None:
    source, expected, example, *_ = case
    entry = lowered(Guard(source, "EQUALS_MATCH", expected), x=example)
    calls.clear()
    for value in hostile_variants():
        for planted in (Node(a=value), {"a": value, "b": value}, [value, value], (value, value), closing(value)):
            verdict(entry, x=planted)
        try:
            verdict(entry, x=Slotted(value))
        except TypeError:
            pass
    assert not calls


def test_reading_a_defaultdict_adds_nothing() -> None:
    entry = lowered(Guard(x.item("a"), "EQUALS_MATCH", 1), x=collections.defaultdict(list, a=1))
    empty: Any = collections.defaultdict(list)
    assert not verdict(entry, x=empty)
    assert not empty


def test_globals_are_read_from_the_namespace_itself() -> None:
    space: dict[str, Any] = {"n": 1, "m": [1]}
    source = Source(None, "namespace", space, "globals of test")
    entry = lowered(Guard(source.item("n"), "EQUALS_MATCH", 1), Guard(source, "DICT_ABSENT", "len"), Guard(source.item("m"), "LENGTH", 1))
    assert verdict(entry)
    space["other"] = 1
    assert verdict(entry)
    space["m"].append(2)
    assert not verdict(entry)
    space["m"].pop()
    space["len"] = 1
    assert not verdict(entry)
    del space["len"]
    space["n"] = True
    assert not verdict(entry)
    del space["n"]
    assert not verdict(entry)
    space["n"] = 1
    assert verdict(entry)


def test_two_namespaces_that_are_equal_stay_apart() -> None:
    spaces: list[dict[str, Any]] = [{"n": 1}, {"n": 1}]
    sources = [Source(None, "namespace", space, "g") for space in spaces]
    entry = lowered(*(Guard(source.item("n"), "EQUALS_MATCH", 1) for source in sources))
    assert verdict(entry)
    spaces[1]["n"] = 2
    assert not verdict(entry)


def test_pinned_objects_are_read_wherever_they_are() -> None:
    node, items = Node(a=1), [1, 2]
    entry = lowered(
        Guard(pinned(node).dict().item("a"), "EQUALS_MATCH", 1),
        Guard(pinned(items).item(1), "EQUALS_MATCH", 2),
        Guard(pinned(items), "LENGTH", 2),
        Guard(pinned(torch), "NOHASATTR", "no_such_thing"),
    )
    assert verdict(entry)
    node.__dict__["a"] = 2
    assert not verdict(entry)
    node.__dict__["a"] = 1
    items.append(3)
    assert not verdict(entry)


@pytest.mark.parametrize("change", ["a", "b", "c"])
def test_unchanged_dicts_hide_no_change_below_them(change: str) -> None:
    """C++ skips children of a dict whose version stayed: only where nothing behind the reference can change."""
    node = Node(a=[1], b=Node(c=1), c=collections.OrderedDict(), d=parameter, e=1)
    inside = x.dict()
    entry = lowered(
        Guard(x, "TYPE_MATCH", Node),
        Guard(inside.item("a"), "LENGTH", 1),
        Guard(inside.item("b").dict().item("c"), "EQUALS_MATCH", 1),
        Guard(inside.item("c"), "EMPTY_DICT"),
        Guard(inside.item("d"), "TENSOR_MATCH", parameter),
        Guard(inside.item("e"), "EQUALS_MATCH", 1),
        x=node,
    )
    for _ in range(3):
        assert verdict(entry, x=node)
    if change == "a":
        node.a.append(1)
    elif change == "b":
        node.b.c = 2
    else:
        node.c["k"] = 1
    assert not verdict(entry, x=node)


def test_a_parameter_changed_in_place_is_seen_behind_an_unchanged_dict() -> None:
    module = torch.nn.Linear(2, 2)
    weight = x.dict().item("_parameters").item("weight")
    entry = lowered(Guard(x, "TYPE_MATCH", torch.nn.Linear), Guard(weight, "TENSOR_MATCH", module.weight), x=module)
    assert verdict(entry, x=module)
    module.weight.requires_grad_(False)
    assert not verdict(entry, x=module)
    module.weight.requires_grad_(True)
    assert verdict(entry, x=module)
    module.weight.data = torch.ones(2, 3)
    assert not verdict(entry, x=module)


def test_what_cannot_be_read_is_refused_with_its_name() -> None:
    with pytest.raises(GuardError, match=r"x\['z'\]"):
        lowered(Guard(x.item("z").item("y"), "EQUALS_MATCH", 1), x={})
    with pytest.raises(GuardError, match="no local named 'q'"):
        lower([Guard(local("q"), "NONE_MATCH")], code=frame.__code__, roots=Roots({"q": None}))
    with pytest.raises(GuardError, match="UserList"):
        lowered(Guard(x.item(0), "EQUALS_MATCH", 1), x=collections.UserList([1]))


def test_stores_by_specialised_bytecode_are_seen() -> None:
    """CPython writes attributes past the dict's own functions; its version must change all the same."""

    def store(node: Any, value: Any) -> None:
        node.a = value

    node = Node(a=0, b=0)
    entry = lowered(Guard(x, "TYPE_MATCH", Node), Guard(x.dict().item("a"), "EQUALS_MATCH", 0), x=node)
    for turn in range(200):
        store(node, turn % 2)
        assert entry.check({"x": node}) == (turn % 2 == 0)
    space = Source(None, "namespace", globals(), "globals of test")
    entry = lowered(Guard(space.item("_counter"), "EQUALS_MATCH", 0))
    for turn in range(200):
        _count(turn % 2)
        assert entry.check({}) == (turn % 2 == 0)
    _count(0)


_counter = 0


def _count(value: int) -> None:
    global _counter
    _counter = value


def test_attributes_of_a_thread_local_are_those_of_this_thread():
    """They are in no dict of the object's own: its class's C slot reads them."""
    held = threading.local()
    held.number, held.items = 1, [1]
    session = tracer.Session("trace", strict=True)

    def function(x):
        return x * held.number + len(held.items), held.number

    for _ in range(3):
        assert session.run(function, torch.ones(2))[1] == 1
    assert not session.recompiles

    def elsewhere() -> None:
        held.number, held.items = 3, []
        answers.append(session.run(function, torch.ones(2)))

    answers: list[Any] = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert answers[0][1] == 3 and answers[0][0].tolist() == [3.0, 3.0]
    assert session.run(function, torch.ones(2))[0].tolist() == [2.0, 2.0] and len(session.recompiles) == 1


Kept = TypeVar("Kept")


class Held(Generic[Kept]):
    mark = 3


ALIAS = Held[int]


def test_attributes_of_an_alias_are_its_classs(monkeypatch):
    session = tracer.Session("trace", strict=True)
    for number in (3, 3, 5, 5, 3):
        monkeypatch.setattr(Held, "mark", number)
        assert session.run(lambda x: (x * ALIAS.mark, ALIAS.mark, hasattr(ALIAS, "other")), torch.ones(2))[1:] == (number, False)
        assert session.run(lambda x: (x + 1, ALIAS.mark), torch.ones(2))[1] == number
    session.close()
    assert len(session.recompiles) == 2
