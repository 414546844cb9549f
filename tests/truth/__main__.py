"""`make truth`: checks everything, and writes what was found into docs/truth.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from tests.truth.corpora import CORPORA
from tests.truth.page import page
from tests.truth.run import Found, look

PAGE = Path(__file__).parents[2] / "docs" / "truth.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", help=f"of {', '.join(CORPORA)} (default: all, and the page is written)")
    parser.add_argument("-k", default="", help="only programs whose name has this in it; no page is written")
    parser.add_argument("--no-advice", action="store_true", help="advice isn't tried")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Found] = {}
    for name in options.corpora or list(CORPORA):
        began = time.perf_counter()
        found[name] = look((s for s in CORPORA[name]() if options.k in s.name), advice=not options.no_advice, loud=True)
        print(f"{name}: {found[name].summary()}, {time.perf_counter() - began:.0f} s", flush=True)
    if not options.corpora and not options.k and not options.no_advice:
        PAGE.write_text(page(found), encoding="utf-8")
    return int(any(one.wrong for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
