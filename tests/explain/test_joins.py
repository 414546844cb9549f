"""Sentences that are put together from parts bear no marks of a bad join, in whatever program they are said."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import tracer
from tests.breaks.harness import CONFIG, WITH_PROGRAM, name_of, run
from tracer.breaks import Entry, suggestions
from tracer.errors import TracerError
from widgets.runs import Runs

#: What a join leaves behind: (name, pattern). Code in backquotes and indented lines are taken away before.
MARKS = [
    ("two full stops", r"(?<!\.)\.\.(?!\.)"),
    ("two ends", r"[.;:,!?] ?[;:,](?=\s|$)|[;:,]\.(?=\s|$)|\. \."),
    ("a sentence behind a semicolon", r"; (?:The|This|It|A|An|There|That|One|Its|What|Not|Only|Outputs)\b"),
    ("a blank before an end", r"\w [,;.](?=\s|$)"),
    ("two blanks in a sentence", r"\w  +[a-z]+ [a-z]+"),
    ("a small letter behind a full stop", r"(?<!e\.g)(?<!i\.e)(?<!vs)(?<=[a-z])\. [a-z]"),
    ("a word twice", r"\b(the|a|an|of|is|in|to|and|was|that which) \1\b"),
    ("a placeholder", r"\{[a-z_]+\}"),
    ("nothing in brackets or quotes", r"(?<!\w)\(\s*\)|''|\"\""),
]


def marks(text: str) -> list[str]:
    prose = re.sub(r"`[^`\n]*`|(?<!\w)'[^'\n]*'|\"[^\"\n]*\"", "CODE", text)
    lines = [line for line in prose.splitlines() if not line.startswith(("    ", "\t")) and "  " not in line.strip()]
    return [f"{name}: …{line[max(0, m.start() - 30) : m.end() + 30]}…" for line in lines for name, pattern in MARKS for m in re.finditer(pattern, line)]


def said(session: Any) -> Iterator[str]:
    """What the session says of itself, and of the same calls under another setting."""
    for found in session.graph_breaks:
        yield found.title
        yield found.explanation
        yield from found.hints
    yield session.explain()
    yield session.why_nothing
    tried = next(((found, number) for found in session.graph_breaks for number, _ in enumerate(suggestions(found))), None)
    try:
        if tried is not None:
            yield from Runs(session).attempt(*tried).values()
        again = session.recompile(dynamic=True)
    except TracerError as error:
        yield str(error)
        return
    diff = session.diff(again)
    yield from (str(diff), repr(diff), again.not_comparable, diff.cache, *again.rerun_notes)


@pytest.mark.parametrize("found", WITH_PROGRAM, ids=name_of)
def test_what_is_said_of_a_break_s_program(found: Entry) -> None:
    outcome = run(found, compiler=lambda f: tracer.compile(f, backend="eager", keep_inputs=True, **CONFIG.get(found.id, {})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad = [mark for text in said(outcome.compiled.session) for mark in marks(text)]
    if outcome.error is not None and isinstance(outcome.error, TracerError):
        bad += marks(str(outcome.error))
    assert bad == []


@pytest.mark.parametrize(
    "text",
    ["The run ended.. It", "gone; The break", "one , two", "a. ; b", "so it is. the next", "the the end", "a {name} here", "is ()"],
)
def test_bad_joins_are_seen(text: str) -> None:
    assert marks(text)
