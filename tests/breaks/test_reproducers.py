"""Under our own tracer: every reproducer breaks as its entry says, every fix does not, results stay the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.breaks.harness import CONFIG, FIXES, WITH_PROGRAM, Outcome, name_of, run, same
from tracer.breaks import Entry, Fix


def _compile() -> Any:
    try:
        import tracer

        return tracer.compile
    except (AttributeError, ImportError):
        return None


pytestmark = pytest.mark.skipif(_compile() is None, reason="tracer.compile does not exist yet")

#: Fixes that keep the break on purpose: they trade it for something else.
KEEP_A_BREAK = {("cond-branches-differ", "python-if")}

def traced(entry: Entry, fix: Fix | None = None) -> tuple[Outcome, Any]:
    """The outcome under the tracer, and the session that saw it."""
    config = {"backend": "eager", **CONFIG.get(entry.id, {})}
    outcome = run(entry, fix, lambda f: _compile()(f, **config))
    return outcome, outcome.compiled.session


def reasons(session: Any) -> list[str]:
    """Why graphs ended, then why frames were not traced at all."""
    return [found.reason for found in session.graph_breaks] + [
        str(getattr(event, "why", "")) for event in session.events if type(event).__name__ in ("FrameSkipped", "InternalFault")
    ]


def as_untraced(entry: Entry, fix: Fix | None, outcome: Outcome) -> None:
    """Results, exceptions and printed text are those of the untraced program."""
    plain = run(entry, fix)
    assert type(outcome.error) is type(plain.error), outcome.error
    assert same(outcome.result, plain.result)
    assert outcome.printed == plain.printed or (fix is not None and fix.silent)


@pytest.mark.parametrize("found", WITH_PROGRAM, ids=name_of)
def test_reproducers_show_their_entry(found: Entry) -> None:
    outcome, session = traced(found)
    try:
        if found.kind == "error":
            assert outcome.error is not None
            return
        as_untraced(found, None, outcome)
        if found.kind == "recompile":
            assert session.recompiles, "compiled once, for all values"
            assert len(session.graphs) <= session.config.recompile_limit
        elif found.id != "exception-escapes":  # nothing to complain about: the call raises as it should
            ids = reasons(session)
            assert any(found.id in id for id in ids), f"expected {found.id}, got {ids or 'no break at all'}"
    finally:
        session.close()


@pytest.mark.parametrize(("found", "fix"), FIXES, ids=name_of)
def test_fixes_take_the_entry_away(found: Entry, fix: Fix) -> None:
    outcome, session = traced(found, fix)
    try:
        as_untraced(found, fix, outcome)
        assert found.id not in reasons(session)
        if (found.id, fix.name) not in KEEP_A_BREAK:
            assert not session.graph_breaks, reasons(session)
            assert len(session.graphs) == 1
    finally:
        session.close()


@pytest.mark.parametrize("found", [e for e in WITH_PROGRAM if e.kind == "break"], ids=name_of)
def test_breaks_carry_readable_words(found: Entry) -> None:
    """Whatever break the program takes: it has a title, whole sentences, a way out, and a line of the program."""
    _outcome, session = traced(found)
    try:
        for record in session.graph_breaks:
            assert record.title and record.explanation and record.hints
            for shown in (record.title, record.explanation, *record.hints):
                text = re.sub(r"`[^`]*`", "", shown)  # what the program itself says may hold braces
                assert "{" not in text and "[[" not in text and "<unknown" not in text and "Variable" not in text
    finally:
        session.close()
