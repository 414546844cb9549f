"""CPython's own tests, each that passes untraced called once more from a traced frame: how many pass, and why the others don't.

    python -m tests.cpython [MODULE ...] [--jobs N] [--write] [--results FILE]

Every module runs in processes of its own; a test that ends one, or says nothing for three minutes, is told as such, and the next process goes on
behind it. `--write` puts the table into docs/cpython_tests.md, from the results kept in FILE where modules were left out.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import pathlib
import platform
import sys

import tracer  # noqa: F401  # once, before the processes part

from . import child
from .child import ESCAPES, FAILS, FAULT, PASS, UNTRACED
from .modules import MODULES

CRASHES, HANGS = "crashes", "hangs"
SECONDS = 180.0
FORK = multiprocessing.get_context("fork")
ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cpython_tests.md"
WORDS = {
    FAULT: "internal fault", ESCAPES: "an exception leaves the trace", FAILS: "fails", CRASHES: "ends the process", HANGS: "doesn't end",
}  # fmt: skip
Outcomes = dict[str, tuple[str, str]]


def run_module(module: str) -> Outcomes:
    found: Outcomes = {}
    after = ""
    while True:
        running = _one_process(module, after, found)
        if not running:
            return found
        after = running


def _one_process(module: str, after: str, found: Outcomes) -> str:
    """Runs what comes behind `after`; the test that ended the process, "" where all have run."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=child.run_module, args=(module, after, theirs.send))
    process.start()
    theirs.close()
    running = ""
    while ours.poll(SECONDS):
        try:
            ident, *ended = ours.recv()
        except EOFError:
            process.join()
            if running or process.exitcode:
                found[running or module] = CRASHES, f"exit status {process.exitcode}{'' if running else ', outside of its tests'}"
            return running
        running = ident if not ended else ""
        if ended:
            found[ident] = ended[0], ended[1]
    process.kill()
    process.join()
    found[running or module] = HANGS, f"nothing for {SECONDS:.0f} seconds"
    return running


def markdown(results: dict[str, Outcomes]) -> str:
    total: collections.Counter[str] = collections.Counter()
    rows, listed = [], []
    for module, outcomes in sorted(results.items()):
        counts = collections.Counter(outcome for outcome, _ in outcomes.values())
        total += counts
        rows.append(_row(module, counts))
        bad = [(ident, *ended) for ident, ended in outcomes.items() if ended[0] in WORDS]
        if bad:
            listed.append(f"\n### {module}\n\n" + "\n".join(f"- `{ident}` {WORDS[outcome]}: {_code(why)}" for ident, outcome, why in bad))
    ran = sum(total.values()) - total[UNTRACED]
    return "\n".join((
        "# CPython's own tests under the compiler\n",
        "Written by `make cpython-tests`. Each test method that passes untraced, twice, is called from a traced frame (backend eager). An internal fault and",
        "an exception that leaves the trace without the test raising it cost the capture, not the result; what fails is wrong.\n",
        f"Python {platform.python_version()}: {ran} tests in {len(results)} modules, {total[PASS]} pass ({100 * total[PASS] / max(ran, 1):.1f} %).\n",
        "| module | tests | pass | internal fault | exception leaves | fails | ends or hangs |\n|---|--:|--:|--:|--:|--:|--:|",
        *rows, _row("**all**", total), *_left_out(results), "\n## What doesn't pass", *listed,
    )) + "\n"  # fmt: skip


def _left_out(results: dict[str, Outcomes]) -> list[str]:
    missing = [f"`{module}`" for module in MODULES if module not in results]
    return [f"\nNot run: {', '.join(missing)}."] if missing else []


def _row(name: str, counts: collections.Counter[str]) -> str:
    ran = sum(counts.values()) - counts[UNTRACED]
    cells = [ran, counts[PASS], counts[FAULT], counts[ESCAPES], counts[FAILS], counts[CRASHES] + counts[HANGS]]
    return f"| {name} | " + " | ".join(str(c or "") for c in cells) + " |"


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cpython")
    parser.add_argument("modules", nargs="*", default=MODULES)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    results: dict[str, Outcomes] = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for module, outcomes in zip(options.modules, pool.map(run_module, options.modules), strict=True):
            results[module] = outcomes
            print(module, dict(collections.Counter(outcome for outcome, _ in outcomes.values())), flush=True)
            for ident, (outcome, why) in outcomes.items():
                if outcome in WORDS:
                    print(f"  {ident}: {WORDS[outcome]}: {why}", flush=True)
            if options.results:
                options.results.write_text(json.dumps(results, indent=1))
    if options.write:
        PAGE.write_text(markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
