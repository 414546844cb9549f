"""`make matrix`: makes each environment, runs what it has to run, and writes docs/versions.md. Hours, and several GB for each torch.

    python -m tests.matrix [PAIR ...] [--folder .matrix] [--jobs 2] [--tests PATH ...] [--write]

PAIR is py3.13-torch2.15.0; without any, all. Results are kept in FOLDER/results.json pair by pair, so a run may be cut in pieces.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .page import page
from .pairs import PAIRS, ROOT, Pair, environment, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("pairs", nargs="*", metavar="PAIR")
    parser.add_argument("--folder", type=Path, default=ROOT / ".matrix")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--index", default="", help="another index for torch: the usual package is a CUDA build")
    parser.add_argument("--tests", nargs="*", default=[], help="only these, for a look; the page then says so")
    parser.add_argument("--write", action="store_true", help="write docs/versions.md")
    options = parser.parse_args()
    wanted = [pair for pair in PAIRS if not options.pairs or str(pair) in options.pairs]
    unknown = set(options.pairs) - {str(pair) for pair in PAIRS}
    if unknown:
        parser.error(f"no such pair: {', '.join(sorted(unknown))}; there are {', '.join(map(str, PAIRS))}")
    folder = options.folder.resolve()
    folder.mkdir(exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for pair in wanted:
        results[str(pair)] = _one(pair, folder, options)
        kept.write_text(json.dumps(results, indent=1))
        print(pair, json.dumps({key: value for key, value in results[str(pair)].items() if key != "skipped"})[:2000], flush=True)
    if options.write:
        (ROOT / "docs" / "versions.md").write_text(page(results), encoding="utf-8")
    return int(any(_bad(result) for result in results.values()))


#: Under which the tests in a browser are run: what a browser shows doesn't depend on either version.
_WITH_BROWSER = Pair("3.11", "2.13.0")


def _one(pair: Pair, folder: Path, options: Any) -> dict[str, Any]:
    python = environment(pair, folder, options.index)
    if python is None:
        return {"python": pair.python, "torch": pair.torch, "missing": f"no CPython {pair.python} on the machine"}
    found = run(pair, python, folder, jobs=options.jobs, browser=pair == _WITH_BROWSER and not options.tests, tests=options.tests)
    return {**found, "tests": options.tests}


def _bad(result: dict[str, Any]) -> bool:
    suite = result.get("suite", {})
    return "missing" in result or result["cell"] != "ok" or result["demo"] != "ok" or bool(suite.get("failed") or suite.get("broken"))


if __name__ == "__main__":
    raise SystemExit(main())
