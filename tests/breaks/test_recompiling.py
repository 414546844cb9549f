"""What is advised against recompiles works: every reproducer recompiles for its own cause, no fix does; the calls are those of a plain run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tracer
from tests.breaks.harness import run, same
from tracer.breaks.model import Change, Fix
from tracer.breaks.recompiling import CAUSES, Cause, cause_of, fixes_for

FIXES = [(cause, fix) for cause in CAUSES.values() for fix in cause.fixes]
#: torch.compile of torch 2.13 doesn't compile these anew: it takes the number as an input once it has changed, counts the loop's turns, or
#: relies on hooks not to change.
NOT_TORCH = {"bound", "hooks", "iterator", "there", "fixed-size"}
#: With the line that fixes a size or decides by it gone, the first size is a constant as ever, and there is a second graph for all others.
SIZED = {"bound", "fixed-size"}
SETTINGS = [(cause, change) for cause in CAUSES.values() for change, _ in cause.settings]


def compiled(cause: Any, fix: Fix | None, **config: Any) -> Any:
    torch._dynamo.reset()
    outcome = run(cause, fix, lambda f: tracer.compile(f, backend="eager", **config))
    assert outcome.error is None, outcome.error
    assert same(outcome.result, run(cause, fix).result)
    return outcome.compiled.session


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.id)
def test_a_cause_is_told_as_what_it_is(cause: Cause) -> None:
    session = compiled(cause, None)
    assert session.recompiles
    found = [cause_of(one) for one in session.recompiles]
    assert {one.id for one in found if one is not None} - ({"size"} if cause.id == "bound" else set()) == {cause.id}
    assert cause.why.partition(" is inside")[2] in " ".join(session.explain().split())  # the break in a loop is told with its line


@pytest.mark.parametrize(("cause", "fix"), FIXES, ids=lambda one: getattr(one, "id", "") or one.name)
def test_a_fix_ends_it(cause: Cause, fix: Fix) -> None:
    before = run(cause).result
    session = compiled(cause, fix)
    assert len(session.recompiles) <= (cause.id in SIZED) < len(compiled(cause, None).recompiles)
    assert fix.own_result or same(run(cause, fix).result, before)


@pytest.mark.parametrize(("cause", "change"), SETTINGS, ids=lambda one: getattr(one, "id", "") or one.setting)
def test_a_setting_spares_compiles(cause: Cause, change: Change) -> None:
    for engine in ("tracer", "dynamo"):
        with_it = compiled(cause, None, engine=engine, **{change.setting: change.value})
        assert len(with_it.recompiles) < len(compiled(cause, None, engine=engine).recompiles), engine


@pytest.mark.parametrize("cause", [cause for cause in CAUSES.values() if cause.id not in NOT_TORCH], ids=lambda cause: cause.id)
def test_torch_compile_s_recompiles_are_told_alike(cause: Cause) -> None:
    session = compiled(cause, None, engine="dynamo")
    assert session.recompiles
    assert {one.id for one in map(cause_of, session.recompiles) if one is not None} == {cause.id}
    for fix in cause.fixes:
        assert not compiled(cause, fix, engine="dynamo").recompiles


def test_the_dimension_that_is_to_be_marked_is_the_one_that_changed() -> None:
    def attend(query, mask):
        return query * mask.sum()

    with tracer.Session() as session:
        for width in (3, 5):
            session.run(attend, torch.ones(2, width), torch.ones(2))
    (found,) = session.recompiles
    assert "mark_dynamic(query, 1)" in " ".join(fix.do for fix in fixes_for(found))
    assert "mark_dynamic(query, 1)" in " ".join(session.explain().split())
