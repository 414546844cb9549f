"""`make databases`: runs them all, and writes what was found into docs/databases.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from tests.databases.cases import DATABASES, cases
from tests.databases.compare import Verdict, captured_by_torch_compile, verdict
from tests.databases.page import page

PAGE = Path(__file__).parents[2] / "docs" / "databases.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.databases", description=__doc__)
    parser.add_argument("databases", nargs="*", metavar="DATABASE", help=f"of {', '.join(DATABASES)} (default: all, and the page is written)")
    parser.add_argument("-k", default="", help="only cases whose name has this in it; no page is written")
    parser.add_argument("--samples", type=int, default=1, help="of one entry")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.databases or list(DATABASES)
    found: dict[str, list[Verdict]] = {}
    behind: list[Verdict] = []
    for name in names:
        began = time.perf_counter()
        found[name] = [verdict(case) for case in cases(name, options.samples) if options.k in case.label]
        counts = Counter(v.kind for v in found[name])
        print(f"{name}: {dict(counts)}, {time.perf_counter() - began:.0f} s", flush=True)
        for one in found[name]:
            if not one.right:
                print(f"  {one.kind}: {one.case.name}\n    " + one.text.replace("\n", "\n    "), flush=True)
        behind += [one for one in found[name] if one.broken and captured_by_torch_compile(one.case)]
    for one in behind:
        print(f"torch.compile has one graph: {one.case.label}", flush=True)
    if not options.databases and not options.k:
        options.out.write_text(page(found, behind))
    return int(any(not v.right and not v.explained for one in found.values() for v in one) or any(not v.why_broken for v in behind))


if __name__ == "__main__":
    sys.exit(main())
