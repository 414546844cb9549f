"""Whether the other compiler breaks at the same places."""

from __future__ import annotations

import pytest
import torch

import tracer
from tests.observer.test_pausing import fresh  # noqa: F401  (a fixture)


def branches(x):
    if x.sum() > 0:
        return x + 1
    return x - 1


def guarded(x):
    try:
        y = torch.histc(x, bins=4)
    except RuntimeError:
        y = x
    return y * 2


def mapped(x):
    return torch.vmap(lambda row: row.sin())(x).sum().item() + 1


def outer(x):
    return branches(x * 2) + 1


def told(session) -> list[tuple[str, str]]:
    return [(found.reason, found.elsewhere) for found in session.compare_breaks()]


def test_both_break_at_a_branch() -> None:
    session = tracer.trace(branches, torch.ones(3))
    ((reason, text),) = told(session)
    assert reason == "data-dependent-branch" and text == "torch.compile breaks here too: Data-dependent branching (GB0170)."
    assert text in session.explain()


def test_both_break_in_a_call() -> None:
    ((_, text),) = told(tracer.trace(outer, torch.ones(3)))
    assert text.startswith("torch.compile breaks here too: ")


def test_the_other_one_captures_the_line() -> None:
    session = tracer.trace(guarded, torch.arange(4.0))
    if not session.graph_breaks:
        pytest.skip("no break of ours here any more")
    assert [text for _, text in told(session)] == ["torch.compile captures this line."]


def test_another_expression_on_the_line_is_not_the_break() -> None:
    """torch.compile takes vmap, and breaks at the number that is made of its result."""
    session = tracer.trace(mapped, torch.ones(3, 2))
    texts = {reason: text for reason, text in told(session)}
    assert "torch.compile breaks here too" in texts["tensor-to-number"] if "tensor-to-number" in texts else texts
    for reason, text in texts.items():
        if reason == "higher-order-unsupported":
            assert text.startswith("torch.compile captures this, and breaks elsewhere on the line: ")


def test_torch_compiles_breaks_are_held_against_ours() -> None:
    session = tracer.Session(engine="dynamo")
    session.run(branches, torch.ones(3))
    ((_, text),) = told(session)
    assert text == "Tracer's own engine breaks here too: Python `if` on a tensor's value."


def test_what_was_asked_is_kept_and_not_asked_again(tmp_path, monkeypatch) -> None:
    session = tracer.trace(branches, torch.ones(3))
    (found,) = session.graph_breaks
    (asked,) = session.compare_breaks(found)
    assert asked.elsewhere
    session.save(tmp_path / "run.jsonl")
    assert [one.elsewhere for one in tracer.load(tmp_path / "run.jsonl").records.graph_breaks] == [asked.elsewhere]
    monkeypatch.setattr(type(session), "recompile", lambda *_args, **_more: pytest.fail("asked twice"))
    assert session.compare_breaks() == [asked]


def test_a_call_that_was_not_kept_says_so() -> None:
    session = tracer.Session(keep_inputs=False)
    session.run(branches, torch.ones(3))
    ((_, text),) = told(session)
    assert text.startswith("torch.compile couldn't be asked: ") and text.endswith(".") and ".." not in text


def test_the_session_is_as_it_was() -> None:
    session = tracer.trace(branches, torch.ones(3))
    stats = {name: value for name, value in session.stats.items() if name != "events"}
    session.compare_breaks()
    assert {name: value for name, value in session.stats.items() if name != "events"} == stats
