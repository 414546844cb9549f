"""Bodies of higher-order operators in a comparison: what became of each, and what each engine tells of them."""

from __future__ import annotations

import torch
from torch._higher_order_ops.scan import scan

import tracer
from tracer.events import GuardSettled
from widgets.models.book import Book
from widgets.models.guards import guards

W, FLAG = torch.ones(3), [True]


def choose(x):
    return torch.cond(x.sum() > 0, lambda y: y + 1 if FLAG[0] else y.sin() + W, lambda y: y - 1, (x,))


def test_bodies_that_became_something_else_are_told_between_runs_and_not_between_engines():
    try:
        before = tracer.trace(choose, torch.ones(3))
        FLAG[0] = False
        now = tracer.trace(choose, torch.ones(3))
        (found,) = before.diff(now).bodies
        assert found.right.body == "cond_true" and found.what == (("inputs", "1", "2"),)
        assert "Bodies of operators · 1 difference" in str(before.diff(now)) and "inputs 1 → 2" in str(before.diff(now))
        assert not now.diff(now).bodies
        theirs = tracer.Session(engine="dynamo")
        theirs.run(choose, torch.ones(3))
        assert not now.diff(theirs).bodies
        assert [one.gives for one in theirs.records.speculations] == ["(add,)", "(sub,)"]
    finally:
        FLAG[0] = True


def test_a_size_that_a_line_fixed_is_told_as_its_number_where_the_tensor_is_told():
    def f(x):
        assert x.shape[0] == 4
        return x * 2

    session = tracer.Session(dynamic=True)
    session.run(f, torch.ones(4, 3))
    (told,) = [guard.expression for guard in session.guards if guard.kind == "TENSOR_MATCH"]
    rest = told.partition("size [4, ")[2].partition("]")[0]
    assert rest.isidentifier() and f"stride [{rest}, 1]" in told
    book = Book(session)
    assert [row[3] for row in guards(book)["list"] if row[2] == "TENSOR_MATCH"] == [told]
    (settled,) = session.journal.of(GuardSettled)
    before, now = (
        [guard.expression for guard in session.journal.state_at(seq).guards if guard.kind == "TENSOR_MATCH"] for seq in (settled.seq - 1, settled.seq)
    )
    assert "size [4" not in before[0] and now == [told]


def test_bodies_are_told_at_the_line_that_calls_their_operator() -> None:
    def carried(x):
        return scan(lambda c, t: (c + t, c * t), x[0], x)

    for engine in ("tracer", "dynamo"):
        for program in (choose, carried):
            session = tracer.Session(engine=engine)
            session.run(program, torch.ones(3, 2)[:, 0] if program is choose else torch.ones(3, 2))
            line = program.__code__.co_firstlineno + 1
            assert {tuple(one.location[:2]) for one in session.records.speculations} == {(__file__, line)}
