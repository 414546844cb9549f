"""docs/versions.md, from the results."""

from __future__ import annotations

from typing import Any

from tracer.compat.versions import TORCHES, pythons

from .pairs import PAIRS

__all__ = ["page"]

HEAD = f"""# Versions

Written by `make matrix`. Tracer is for CPython {pythons()} (not a free-threaded build) and {TORCHES}; another pair is refused in one
sentence, and a newer torch is tried. `python -m tracer doctor` says what a machine has and what is missing costs.

Cell: the first cell of a user, from the project's wheel. Demo: `make demo`. Suite: the tests that are not slow, need no GPU and no browser.
Tests in a browser are run once, with Python 3.11 and torch 2.13.
The bytecode of CPython 3.15 is read (`tracer/isa/v315.py`: the whole standard library of 3.15.2 without a fault); programs aren't traced under it,
as no torch has been made for it yet.
"""


def page(results: dict[str, Any]) -> str:
    lines = [HEAD, "| Python | torch | cell | demo | suite | failed |", "|---|---|---|---|---|---|"]
    for pair in PAIRS:
        lines.append(_row(results.get(str(pair)), pair.python, pair.torch))
    for pair in PAIRS:
        result = results.get(str(pair), {})
        suite = result.get("suite", {})
        if not suite or "broken" in suite:
            continue
        lines += ["", f"## Python {' with torch '.join(result['versions'][0].split())}", ""]
        if result.get("tests"):
            lines += [f"Of the suite only {', '.join(f'`{one}`' for one in result['tests'])}.", ""]
        if result.get("browser"):
            lines += [f"In a browser: {_counts(result['browser'])}.", ""]
        lines += [f"- failed: `{name}`" for name in suite["failed"]]
        lines += [f"- {count} skipped: {why}" for why, count in sorted(suite["skipped"].items())]
    return "\n".join(lines) + "\n"


def _row(result: dict[str, Any] | None, python: str, torch: str) -> str:
    if result is None:
        return f"| {python} | {torch} | – | – | not run | |"
    if "missing" in result:
        return f"| {python} | {torch} | – | – | not run: {result['missing']} | |"
    suite = result["suite"]
    said = suite["broken"] if "broken" in suite else _counts(suite)
    part = " (a part)" if result.get("tests") else ""
    return f"| {python} | {torch} | {result['cell']} | {result['demo']} | {said}{part} | {len(suite.get('failed', []))} |"


def _counts(suite: dict[str, Any]) -> str:
    order = ("passed", "failed", "skipped", "xfailed")
    return ", ".join(f"{suite['counts'][name]:,} {name}" for name in order if suite["counts"].get(name))
