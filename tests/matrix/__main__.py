"""`make matrix`: makes each environment, runs what it has to run, and keeps what was found. Hours, and several GB for each torch.

    python -m tests.matrix [PAIR ...] [--folder .matrix] [--jobs 2] [--tests PATH ...] [--write]
    python -m tests.matrix PAIR --report REPORT.xml [--versions "3.13.0 2.15.0+cpu"] [--commit COMMIT] [--write]

PAIR is py3.13-torch2.15.0; without any, all. Results are kept pair by pair in FOLDER/results, so a run may be cut in pieces; `--write` keeps them
in tests/matrix/results instead, of which docs/versions.md is made. `--report` takes the JUnit report of a suite that was run by itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from .page import RESULTS, kept, markdown
from .pairs import PAIRS, ROOT, Pair, environment, read, run


def main() -> int:
    options = _options()
    options.folder = options.folder.resolve()
    results = RESULTS if options.write else options.folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    known, found = kept(results), []
    for pair in options.wanted:
        new, commit = (_of_report(pair, options), options.commit) if options.report else (_one(pair, options), _commit())
        result = _merged(known.get(str(pair), {}), new, options.tests, commit)
        (results / f"{pair}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(pair, json.dumps({key: value for key, value in result.items() if key != "skipped"})[:2000], flush=True)
        found.append(result)
    if options.write:
        (ROOT / "docs" / "versions.md").write_text(markdown(), encoding="utf-8")
    return int(any(_bad(result) for result in found))


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("pairs", nargs="*", metavar="PAIR")
    parser.add_argument("--folder", type=Path, default=ROOT / ".matrix")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--index", default="", help="another index for torch: the usual package is a CUDA build")
    parser.add_argument("--tests", nargs="*", default=[], help="only these: kept as a part, beside what is known of the whole")
    parser.add_argument("--report", type=Path, help="a JUnit report, of the whole suite or of --tests")
    parser.add_argument("--versions", default="", help="of the interpreter and of torch, as the report's run had them")
    parser.add_argument("--commit", default="", help="which the report's run had checked out")
    parser.add_argument("--write", action="store_true", help="keep the results in the repository and write docs/versions.md")
    options = parser.parse_args()
    options.wanted = [pair for pair in PAIRS if not options.pairs or str(pair) in options.pairs]
    unknown = set(options.pairs) - {str(pair) for pair in PAIRS}
    if unknown:
        parser.error(f"no such pair: {', '.join(sorted(unknown))}; there are {', '.join(map(str, PAIRS))}")
    if options.report and len(options.wanted) != 1:
        parser.error("a report is of one pair: say which")
    return options


def _of_report(pair: Pair, options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"python": pair.python, "torch": pair.torch, "suite": read(options.report)}
    return {**found, "versions": [options.versions]} if options.versions else found


def _merged(known: dict[str, Any], new: dict[str, Any], tests: list[str], commit: str) -> dict[str, Any]:
    """What is known of a pair, with what was found now: a part of the suite stands beside the whole, a new whole in the place of the old one."""
    merged = {"versions": [f"{new['python']} {new['torch']}"], "cell": "–", "demo": "–", **known, **{key: new[key] for key in new if key != "suite"}}
    if "counts" not in new.get("suite", {}):
        return {**merged, **({"suite": new["suite"]} if "suite" in new else {})}
    suite = {**new["suite"], **({"commit": commit} if commit else {})}
    if tests:
        return {**merged, "parts": [*known.get("parts", []), {"tests": ", ".join(tests), **suite}]}
    return {**merged, "suite": suite, "since": {}}


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


#: Under which the tests in a browser are run: what a browser shows doesn't depend on either version.
_WITH_BROWSER = Pair("3.11", "2.13.0")


def _one(pair: Pair, options: Any) -> dict[str, Any]:
    options.folder.mkdir(exist_ok=True)
    python = environment(pair, options.folder, options.index)
    if python is None:
        return {"python": pair.python, "torch": pair.torch, "missing": f"no CPython {pair.python} on the machine"}
    return run(pair, python, options.folder, jobs=options.jobs, browser=pair == _WITH_BROWSER and not options.tests, tests=options.tests)


def _bad(result: dict[str, Any]) -> bool:
    suite = result.get("suite", {})
    return "missing" in result or any(result[what] not in ("ok", "–") for what in ("cell", "demo")) or bool(suite.get("failed") or suite.get("broken"))


if __name__ == "__main__":
    raise SystemExit(main())
