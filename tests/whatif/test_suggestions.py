"""What is suggested against a break takes it away: every row of the table is run on its entry's reproducer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tracer
from tests.breaks.harness import CONFIG, run, same
from tracer.breaks import CATALOGUE, REMEDIES, Change, suggestions
from tracer.config import FIELDS, TraceConfig
from tracer.overrides import Override, Where

#: Their break can't be shown by a program alone (see `tests/breaks/test_table.py`).
WITHOUT_PROGRAM = {id for id in REMEDIES if not CATALOGUE[id].reproducer}
ROWS = [(id, number) for id, row in REMEDIES.items() if id not in WITHOUT_PROGRAM for number in range(len(row))]


def traced(id: str, **changes: Any) -> tuple[Any, Any]:
    entry = CATALOGUE[id]
    config = {"backend": "eager", **CONFIG.get(id, {}), **changes}
    outcome = run(entry, None, lambda f: tracer.compile(f, **config))
    return outcome, outcome.compiled.session


def found_in(session: Any, id: str) -> list[Any]:
    return [found for found in (*session.graph_breaks, *session.frames) if id in found.reason]


@pytest.mark.parametrize(("id", "number"), ROWS)
def test_it_takes_the_break_away(id: str, number: int) -> None:
    outcome, session = traced(id)
    (first, *_) = found_in(session, id)
    wanted = suggestions(first)[number]
    changes = {"overrides": [wanted]} if isinstance(wanted, Override) else {wanted.setting: wanted.value}
    if id == "too-long" and wanted.setting == "max_trace_seconds":
        changes["max_instructions"] = None  # the reproducer is stopped by the other limit
    again, changed = traced(id, **changes)
    assert not found_in(changed, id)
    assert len(changed.graph_breaks) <= len(session.graph_breaks)
    assert same(again.result, run(CATALOGUE[id]).result) and again.printed == outcome.printed


def test_rows_are_entries_settings_and_actions() -> None:
    for id, row in REMEDIES.items():
        assert id in CATALOGUE and row
        for remedy in row:
            if isinstance(remedy, Change):
                assert remedy.setting in FIELDS
                TraceConfig(**{remedy.setting: remedy.value})
            else:
                Override(remedy, Where(line=1, file="m.py"))


def test_most_breaks_need_an_edit() -> None:
    _, session = traced("data-dependent-branch")
    assert suggestions(session.graph_breaks[0]) == []


@pytest.mark.parametrize("program, helps", [
    (lambda i: (int(i[1]), i + 1), True),
    (lambda i: (i[1].item(), i + 1), True),
    (lambda i: ([10, 20, 30][i[1]], i + 1), False),  # the number itself chooses
    (lambda i: (range(5)[i[1]], i + 1), False),
    (lambda i: (len(range(i[1])), i + 1), False),
    (lambda i: ("ab" * i[1], i + 1), False),
], ids=["int", "item", "list", "range", "range of", "repeated"])  # fmt: skip
def test_a_setting_is_advised_where_it_takes_the_break_away(program, helps):
    setting = Change("capture_scalar_outputs", True)
    given = torch.arange(4)
    broken = tracer.compile(program, backend="eager")
    assert same(broken(given), program(given))
    (found,) = broken.session.graph_breaks
    assert found.reason == "tensor-to-python-number"
    assert suggestions(found) == ([setting] if helps else [])
    assert any("capture_scalar_outputs" in hint for hint in found.hints) == helps
    kept = tracer.compile(program, backend="eager", capture_scalar_outputs=True)
    assert same(kept(given), program(given))
    assert bool(kept.session.graph_breaks) != helps


def test_recompiles_are_answered_by_what_changed() -> None:
    def f(x: Any, n: Any) -> Any:
        return x + n

    calls = [(torch.ones(3), 2), (torch.ones(3), 3), (torch.ones(4), 4), (torch.ones(5), 5)]

    def graphs(*overrides: Any) -> Any:
        session = tracer.Session(overrides=overrides, automatic_dynamic_shapes=False)
        for args in calls:
            assert torch.equal(session.run(f, *args), f(*args))
        return session

    session = graphs()
    assert len(session.graphs) == 4
    answers = {answer for recompile in session.recompiles for answer in suggestions(recompile)}
    wanted = {answer for answer in answers if isinstance(answer, Override)}
    assert wanted == {Override("symbolic", Where("n")), Override("dynamic", Where("x"), 0)} and answers - wanted == {Change("dynamic", True)}
    assert len(graphs(*wanted).graphs) == 1


def test_a_recompile_for_another_reason_has_none() -> None:
    session = tracer.Session()
    for x in (torch.ones(3), torch.ones(3).double()):
        session.run(_plus, x)
    assert session.recompiles and [suggestions(found) for found in session.recompiles] == [[]]


def _plus(x: Any) -> Any:
    return x + 1
