"""`make bench`: measures, and writes what it measured into docs/benchmarks.md.

    python -m benchmarks [PART…] [--models MODEL…] [--repeat N] [--out docs/benchmarks.md]

A part is a section of the page; the sections that were not asked for stay as they are.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import against, breaks, journal, models, observer, page, running, speculations

OUT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEAD = "# Benchmarks\n\nWritten by `make bench`; a report, not a test.\n"

#: Part → (its section's title, what measures it).
PARTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "models": ("Tracing", lambda options: models.table(options.models, options.repeat)),
    "speculations": ("Speculations", lambda options: speculations.table(options.repeat)),
    "breaks": ("Graph breaks of models", lambda _: breaks.table()),
    "recordings": ("Recordings and time travel", lambda _: journal.table()),
    "observer": ("Watching torch.compile", lambda options: observer.table(options.repeat)),
    "running": ("Running graphs", lambda options: running.table(options.repeat)),
    "page": ("The page", lambda _: page.table()),
    "against": ("Against an earlier build", lambda options: against.table(options.commit, options.models, options.repeat)),
}
#: Measured only where it is asked for: it needs the project's history.
ASKED = frozenset({"against"})


def sections(text: str) -> dict[str, str]:
    """Title → text of every section of a page."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all but {', '.join(sorted(ASKED))})")
    parser.add_argument(
        "--models", nargs="+", default=[], metavar="MODEL", help=f"of {', '.join(models.MODELS)} (default: all)"
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds of which the median is taken")
    parser.add_argument("--commit", default="9669282", help="what `against` compares with (default: before guards held all that was read)")
    parser.add_argument("--out", type=Path, default=OUT, help="the page that is brought up to date; '-' for none")
    options = parser.parse_args(arguments)
    for kind, given, known in (("part", options.parts, PARTS), ("model", options.models, models.MODELS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"no {kind} {', '.join(unknown)}; there are: {', '.join(known)}")
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"torch {torch.__version__}, Python {platform.python_version()}, {cores} cores, torch on {torch.get_num_threads()} thread."
    found = sections(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    for part in options.parts or [part for part in PARTS if part not in ASKED]:
        title, measure = PARTS[part]
        found[title] = f"\n{measure(options)}\n\nOn {machine}\n"
        print(f"\n## {title}\n{found[title]}", flush=True)
        if str(options.out) != "-":
            order = [*(title for title, _ in PARTS.values()), *found]
            body = "\n".join(
                f"## {title}\n{found[title].rstrip()}\n" for title in dict.fromkeys(order) if title in found
            )
            options.out.write_text(f"{HEAD}\n{body}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
