"""Which mutants are left out (those of text that never runs, and no others), and which tests a mutant is shown to."""

from __future__ import annotations

import pytest

from tests.mutation.quiet import quiet_places

TEXT = '''\
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LIMIT = 1 | 2
__slots__ = ("a" "b",)
def f(x: int | None = 1 | 2) -> int | str:
    y: int | str = x | 4
    return y
'''


def position(line: int, part: str, nth: int = 0) -> tuple[int, int]:
    text, column = TEXT.split("\n")[line - 1], -1
    for _ in range(nth + 1):
        column = text.index(part, column + 1)
    return line, column


def test_annotations_and_types_alone_are_quiet() -> None:
    quiet = quiet_places(TEXT)
    assert position(3, "|") in quiet and position(4, '"b"') in quiet
    assert position(5, "|") in quiet and position(5, "|", 2) in quiet and position(6, "|") in quiet


def test_what_runs_is_loud() -> None:
    quiet = quiet_places(TEXT)
    assert position(5, "|", 1) not in quiet  # the default
    assert position(6, "|", 1) not in quiet and position(7, "y") not in quiet


def test_changed_lines_are_those_of_the_text_before() -> None:
    chosen = pytest.importorskip("tests.mutation.chosen", reason="coverage comes with the extra `mutants`")
    assert chosen.changed_lines("a\nb\nc\n", "a\nx\nc\n") == {2}
    assert chosen.changed_lines("a\nb\nc\n", "a\nc\n") == {2}
    assert chosen.changed_lines("a\nb\n", "a\nb\n") == set()


def test_the_rooms_own_tests_come_first_and_those_that_run_least_of_a_file() -> None:
    chosen = pytest.importorskip("tests.mutation.chosen", reason="coverage comes with the extra `mutants`")

    class Data:
        def contexts_by_lineno(self, name: str) -> dict[int, list[str]]:
            return {1: [""], 2: ["own/broad", "own/narrow", "all/narrow", *(f"all/{n}" for n in range(100))], 3: ["own/broad"]}

    found = chosen.tests_of(Data(), "file", {2}, ("own", "all"))
    assert found[:2] == ["own/narrow", "own/broad"] and len(found) == 2 + 60 and set(found[2:]) < {"all/narrow", *(f"all/{n}" for n in range(100))}
    assert chosen.tests_of(Data(), "file", {1}, ("own", "all")) == []
