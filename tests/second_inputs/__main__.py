"""`python -m tests.second_inputs [COUNT] [FIRST]`: draw programs, print those on which traced and plain calls differ, and a table."""

from __future__ import annotations

import collections
import sys
import time

from tests.second_inputs.programs import GROUPS, differing, program


def main(count: int, first: int) -> int:
    began, wrong, drawn = time.perf_counter(), collections.defaultdict(list), collections.Counter()
    for number in range(first, first + count):
        made = program(number)
        drawn[made.group] += 1
        found = differing(made)
        if found is not None:
            wrong[made.group, made.state].append(made)
            print(made, "\n  plain ", found[0], "\n  traced", found[1], flush=True)
    print("\n| state | ways | programs | differ |\n|---|---|---|---|")
    for group, rows in GROUPS.items():
        print(f"| {group} | {len(rows)} | {drawn[group]} | {sum(len(v) for (g, _), v in wrong.items() if g == group)} |")
    print(f"{count} programs, {time.perf_counter() - began:.0f} seconds")
    for (_, state), programs in wrong.items():
        print(len(programs), state, sorted({p.place for p in programs})[:4], sorted({p.use for p in programs})[:4])
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 0))
