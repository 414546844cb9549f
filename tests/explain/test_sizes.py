"""Why a size can't be any other: the line that fixed it, and the range that mark_dynamic gave."""

from __future__ import annotations

import contextlib

import torch

import tracer


def test_a_size_that_a_line_fixes_is_told_with_that_line() -> None:
    def labelled(x):
        y = x * 2
        return y, f"{x.shape[0]:d} rows"

    session = tracer.Session(dynamic=True)
    for rows in (4, 5):
        session.run(labelled, torch.ones(rows, 3))
    line = labelled.__code__.co_firstlineno + 2
    fixed = [(guard.expression, guard.location.line) for guard in session.guards if "==" in guard.expression and guard.kind == "SHAPES"]
    assert ("x.shape[0] == 4", line) in fixed and ("x.shape[0] == 5", line) in fixed
    text = session.explain()
    assert "labelled · x.shape[0]: 4 → 5\n" in text and f"made a plain number at tests/explain/test_sizes.py:{line}" in text
    assert "mark_dynamic" not in text, "a mark can't help where a line needs the number"


def test_a_size_outside_of_its_range_is_not_told_as_a_line_that_fixes_it() -> None:
    def doubled(x):
        return x * 2

    session = tracer.Session()
    for rows in (4, 20):
        x = torch.ones(rows)
        torch._dynamo.mark_dynamic(x, 0, min=2, max=8)
        with contextlib.suppress(tracer.TracerError):
            session.run(doubled, x)
    text = " ".join(session.explain().split())
    assert "1 call refused: a size isn't what mark_dynamic says of it" in text and "20 not in range [2, 8]" in text
    assert "call it with one inside" in text
