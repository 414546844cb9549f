"""docs/versions.md, from the results that are kept: one file for each pair, `results/py3.13-torch2.15.0.json`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tracer.compat.versions import TORCHES, pythons

from .pairs import PAIRS

__all__ = ["RESULTS", "kept", "markdown", "page"]

RESULTS = Path(__file__).resolve().parent / "results"

HEAD = f"""# Versions

Made by `make docs` from `tests/matrix/results`, one file for each pair. `make matrix` runs all pairs and writes these files; so does
`python -m tests.matrix --report` with the report of a suite that was run elsewhere. Notes, and what became of a failure, are written by hand in these files.

Tracer is for CPython {pythons()} (not a free-threaded build) and {TORCHES}; another pair is refused in one
sentence, and a newer torch is tried. `python -m tracer doctor` says what a machine has and what is missing costs.

Cell: the first cell of a user, from the project's wheel. Demo: `make demo`. Suite: the tests that are not slow, need no GPU and no browser, in one run.
Tests in a browser are run once, with Python 3.11 and torch 2.13.
The bytecode of CPython 3.15 is read (`tracer/isa/v315.py`: the whole standard library of 3.15.2 without a fault); programs aren't traced under it,
as no torch has been made for it yet.
"""
#: Above this many kinds of skipped tests, only the most frequent are listed.
_KINDS = 12


def kept(folder: Path = RESULTS) -> dict[str, Any]:
    """What was found under each pair, by the pair's name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def markdown() -> str:
    return page(kept())


def page(results: dict[str, Any]) -> str:
    """The page's text: a table of all pairs, and a section for each of which more is known."""
    lines = [HEAD, "| Python | torch | cell | demo | suite | failed |", "|---|---|---|---|---|---|"]
    lines += [_row(results.get(str(pair)), pair.python, pair.torch) for pair in PAIRS]
    for pair in PAIRS:
        result = results.get(str(pair), {})
        if said := _section(result):
            lines += ["", f"## Python {' with torch '.join(result['versions'][0].split())}", "", *said]
    return "\n".join(lines) + "\n"


def _row(result: dict[str, Any] | None, python: str, torch: str) -> str:
    if result is None:
        return f"| {python} | {torch} | – | – | not run |  |"
    if "missing" in result:
        return f"| {python} | {torch} | – | – | not run: {result['missing']} | |"
    suite = result.get("suite")
    failed = ""
    if suite is None:
        said = "a part: see below" if result.get("parts") else "not run"
    elif "broken" in suite:
        said = suite["broken"]
    else:
        said = counted(suite["counts"]) + ("; cut off: see below" if suite.get("cut") else "")
        count = suite["counts"].get("failed", 0)
        failed = f"{count}{_pass_since(len(result.get('since', {})), count)}"
    return f"| {python} | {torch} | {result['cell']} | {result['demo']} | {said} | {failed} |"


def _pass_since(gone: int, failed: int) -> str:
    if not gone:
        return ""
    return ", passes since" if gone == failed == 1 else ", pass since" if gone == failed else f", {gone} pass since"


def _section(result: dict[str, Any]) -> list[str]:
    suite, lines = result.get("suite", {}), []
    if "counts" in suite:
        at = f" at {suite['commit']}" if "commit" in suite else ""
        lines += [f"The suite{at}: {counted(suite['counts'])}.{' ' + suite['cut'] if 'cut' in suite else ''}", ""]
    if "browser" in result:
        lines += [f"In a browser: {counted(result['browser']['counts'])}.", ""]
    since = result.get("since", {})
    lines += [f"- failed: `{name}`{'; passes since: ' + since[name] if name in since else ''}" for name in suite.get("failed", [])]
    lines += _skipped(suite.get("skipped", {}))
    for part in result.get("parts", []):
        at = f" at {part['commit']}" if "commit" in part else ""
        lines.append(f"- a part{at}: {part['tests']}: {counted(part['counts'])}")
    notes = [line for note in result.get("notes", []) for line in ("", note)]
    while notes and not lines and not notes[0]:
        notes.pop(0)
    return _trimmed([line for line, before in zip([*lines, *notes], [None, *lines, *notes]) if line or before])


def _skipped(reasons: dict[str, int]) -> list[str]:
    found: Counter[str] = Counter()
    for why, count in reasons.items():
        found[why.removeprefix("Skipped: ")] += count
    listed = found.most_common(_KINDS)
    rest = sum(found.values()) - sum(count for _, count in listed)
    return [f"- {count:,} skipped: {why}" for why, count in listed] + ([f"- {rest:,} skipped for other reasons"] if rest else [])


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines


def counted(counts: dict[str, int]) -> str:
    """What there is of each outcome, in words."""
    order = ("passed", "failed", "skipped", "xfailed")
    return ", ".join(f"{counts[name]:,} {name}" for name in order if counts.get(name))
