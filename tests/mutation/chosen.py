"""The tests of one mutant: those that run the line that was changed, those of its own room first, and of these the most particular.

    python -m tests.mutation.chosen PRISTINE COVERING TESTS...    in the copy that holds the mutant

PRISTINE is the folder as it was, COVERING what `covering.py` wrote. A line that runs while a module is imported is everybody's: all TESTS.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import coverage

__all__ = ["changed_lines", "tests_of"]

#: Tests of one line that are tried, of the room's own and of each further place: what everything runs is noticed by many.
MOST = (300, 60)


def changed_lines(before: str, after: str) -> set[int]:
    """Lines of `before` that are others in `after`, or beside which something was put."""
    found: set[int] = set()
    for tag, first, last, _, _ in difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes():
        if tag != "equal":
            found.update(range(first + 1, max(last, first + 1) + 1))
    return found


def tests_of(data: coverage.CoverageData, name: str, lines: set[int], places: tuple[str, ...]) -> list[str]:
    """Tests that run one of `lines` of the file `name`, place by place; in each those that run least of it come first."""
    contexts = data.contexts_by_lineno(name)
    weight: dict[str, int] = {}
    for tests in contexts.values():
        for test in tests:
            weight[test] = weight.get(test, 0) + 1
    found = {test for line in lines for test in contexts.get(line, ()) if test}
    chosen: list[str] = []
    for index, place in enumerate(places):
        there = sorted((test for test in found if test.startswith(place)), key=lambda test: (weight[test], test))
        chosen += there[: MOST[min(index, 1)]]
    return chosen


def main(pristine: str, covering: str, *tests: str) -> int:
    data = coverage.CoverageData(covering)
    data.read()
    measured = {Path(name).relative_to(pristine).as_posix(): name for name in data.measured_files()}
    chosen: list[str] = []
    for path in sorted(Path("tracer").rglob("*.py")):
        before, after = (Path(pristine) / path).read_text(), path.read_text()
        if before != after and path.as_posix() in measured:
            chosen += tests_of(data, measured[path.as_posix()], changed_lines(before, after), tests)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow and not gpu and not browser"]
    return subprocess.run([*command, *(chosen or tests)]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
