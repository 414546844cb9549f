"""`python -m tests.combined [COUNT] [FIRST]`: draw programs, print those on which traced and plain calls differ, made as small as they go, and a table."""

from __future__ import annotations

import collections
import itertools
import sys
import time

from tests.combined.programs import GROUPS, Program, differences, drawn, simpler


def smallest(made: Program, found: str, tries: int = 60) -> tuple[Program, str]:
    """A simpler one that still differs, as simple as so many tries find."""
    for other in itertools.islice(simpler(made), tries):
        tries -= 1
        still = differences(other)
        if still is not None:
            return smallest(other, still, tries)
    return made, found


def main(count: int, first: int) -> int:
    began, wrong, pieces = time.perf_counter(), 0, collections.Counter()
    for number in range(first, first + count):
        made = drawn(number)
        pieces.update(name for name, _ in made.tree)
        found = differences(made)
        if found is not None:
            wrong += 1
            small, why = smallest(made, found)
            print(f"---- {made}\nas    {small}\n{small.source}\n{why}", flush=True)
    rows = {group: [pieces[name] for name in names] for group, names in GROUPS.items()}
    print("\n| pieces | kinds | drawn first |\n|---|---|---|")
    for group, drawn_ in rows.items():
        print(f"| {group} | {len(drawn_)} | {sum(drawn_)} |")
    print(f"{count} programs, {wrong} differ, {time.perf_counter() - began:.0f} seconds")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000, int(sys.argv[2]) if len(sys.argv) > 2 else 0))
