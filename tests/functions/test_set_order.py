"""Sets are iterated in the order that Python has: by hash, table size and history. Random histories, inside and from outside."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests.differential import Expect, check

MEMBERS = st.one_of(st.sampled_from("abcdefghij"), st.integers(0, 40), st.sampled_from([2.5, None, True, b"x"]))
BATCH = st.lists(MEMBERS, max_size=9)
OPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "add",
                "discard",
                "update",
                "or",
                "and",
                "sub",
                "xor",
                "ior",
                "isub",
                "union",
                "copy",
                "from",
                "clear",
                "comp",
            ]
        ),
        BATCH,
    ),
    max_size=7,
)


def history(x, start, ops):
    made = set(start)
    seen = []
    for op, batch in ops:
        if op == "add":
            for member in batch:
                made.add(member)
        elif op == "discard":
            for member in batch:
                made.discard(member)
        elif op == "update":
            made.update(batch)
        elif op == "or":
            made = made | set(batch)
        elif op == "and":
            made = made & set(batch)
        elif op == "sub":
            made = made - frozenset(batch)
        elif op == "xor":
            made = made ^ set(batch)
        elif op == "ior":
            made |= set(batch)
        elif op == "isub":
            made -= set(batch)
        elif op == "union":
            made = made.union(batch, {"z", 7})
        elif op == "copy":
            made = made.copy()
        elif op == "from":
            made = frozenset(made) | made
            made = set(made)
        elif op == "comp":
            made = {member for member in made}
        elif op == "clear":
            made.clear()
        seen.append(list(made))
    return x + len(made), seen, next(iter(made), None)


@settings(max_examples=25, deadline=None)
@given(BATCH, OPS)
def test_random_histories(start, ops):
    with torch.no_grad():
        expected = history(torch.ones(1), start, ops)
        session = tracer.Session(backend="eager")
        got = session.run(history, torch.ones(1), start, ops)
    assert repr(got) == repr(expected)
    assert not session.graph_breaks
    session.close()


@settings(max_examples=15, deadline=None)
@given(BATCH, BATCH, BATCH)
def test_sets_from_outside_keep_their_own_order(one, other, removed):
    """The same members with another history are iterated otherwise: that is another call, and compiled anew."""

    def program(x, s):
        return x + 1, list(s), list(s | {"new"}), sorted(map(str, s - {"a"}))

    first = set(one)
    second = set(reversed([*one, *other]))
    second.difference_update(set(other) - set(one))
    session = tracer.Session(backend="eager")
    for s in (first, second, first):
        assert repr(session.run(program, torch.ones(1), s)) == repr(program(torch.ones(1), s))
    session.close()


def test_an_order_that_is_not_known_breaks():
    def program(x, s):
        s.add("new")
        return x + 1, list(s)

    check(program, lambda: (torch.ones(2), {"a", "b", "c", "d"}), expect=Expect(breaks="some"))


def test_what_needs_no_order_does_not_break():
    def program(x, s):
        s.add("new")
        return x + len(s), sorted(s), "a" in s, min(s), max(s)

    check(program, lambda: (torch.ones(2), {"a", "b", "c", "d"}), expect=Expect(graphs=1, breaks=0))
