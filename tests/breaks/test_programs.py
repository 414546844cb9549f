"""Every reproducer and every fix runs as plain Python today, and a fix gives what the reproducer gives."""

from __future__ import annotations

import pytest

from tests.breaks.harness import FIXES, WITH_PROGRAM, name_of, problems_of, run, same
from tracer.breaks import Entry, Fix, entry, program_of


@pytest.mark.parametrize("found", WITH_PROGRAM, ids=name_of)
def test_reproducers_run_untraced_and_repeat(found: Entry) -> None:
    first, second = run(found), run(found)
    assert (first.error is not None) == (found.kind == "error")
    assert first.error is not None or same(first.result, second.result)


@pytest.mark.parametrize(("found", "fix"), FIXES, ids=name_of)
def test_fixes_give_the_same_results(found: Entry, fix: Fix) -> None:
    assert problems_of(found, fix) == ""


def test_a_fix_replaces_what_it_defines_again() -> None:
    found = entry("outside-state-write")
    text = program_of(found, found.fix("caller"))
    assert text.count("def f(x)") == 1
    assert text.startswith("def tally(): ...\ntally.calls = torch.zeros(())\n")


def test_a_fix_keeps_the_imports() -> None:
    found = entry("opaque-call")
    assert program_of(found, found.fix("custom-op")).startswith("import zlib\n@torch.library.custom_op")
