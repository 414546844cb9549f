"""Installs the projects beside ours, runs each in a process of its own, and writes `docs/projects.md`.

    python -m benchmarks.projects [NAME ...]     # with names: only those, and nothing is written
"""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = ROOT / ".venv-projects"
PAGE = ROOT / "docs" / "projects.md"
LIMIT = 900
HELPERS = {"__init__", "__main__", "measure", "training"}


def projects() -> dict[str, dict[str, Any]]:
    """Their constants by name, read without importing what isn't installed yet."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem not in HELPERS:
            assigned = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Assign)]
            found[file.stem] = {node.targets[0].id: ast.literal_eval(node.value) for node in assigned if isinstance(node.targets[0], ast.Name)}
    return found


def install(packages: list[str]) -> Path:
    """An environment that has ours in its path, so that torch and what we were tested with are used as they are."""
    python = HERE / "bin" / "python"
    if not python.exists():
        venv.create(HERE)
    (place,) = HERE.glob("lib/python*/site-packages")
    (place / "ours.pth").write_text("\n".join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))]))
    held = sorted(f"{d.name}=={d.version.partition('+')[0]}" for d in metadata.distributions() if d.name.lower() != "tracer")
    (HERE / "constraints.txt").write_text("\n".join(held))
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--constraint", HERE / "constraints.txt", *packages], check=True)
    return python


def measured(python: Path, name: str) -> list[dict[str, Any]]:
    """What the process said until it ended, or was ended."""
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    command = [python, "-m", "benchmarks.projects.measure", name]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **quiet}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=LIMIT)
        ended = f"exit code {process.returncode}: {err.strip().splitlines()[-1:]}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        ended = f"not done after {LIMIT} s"
    rows = [json.loads(line.removeprefix("RESULT ")) for line in out.splitlines() if line.startswith("RESULT ")]
    if ended:
        print(f"{name}: {ended}", file=sys.stderr)
    return rows


def verdict(row: dict[str, Any] | None, plain: dict[str, Any] | None) -> str:
    if row is None or plain is None:
        return "did not end"
    if row["error"]:
        return f"raises {row['error'].partition(':')[0]}"
    if row["values"] == plain["values"]:
        return "equal"
    differing = sum(a != b for a, b in zip(row["values"], plain["values"], strict=False))
    return f"{differing} of {len(plain['values'])} differ"


def table(found: dict[str, list[dict[str, Any]]], known: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| project | what is compiled | Tracer | graphs | breaks | torch.compile | graphs | breaks |", "|---|---|---|---|---|---|---|---|"]
    for name, rows in found.items():
        for part, words in (("model", "the model"), ("step", "whole steps")):
            of = {row["compiler"]: row for row in rows if row["part"] == part}
            cells = [known[name]["TITLE"] if part == "model" else "", words]
            for who in ("tracer", "torch.compile"):
                row = of.get(who)
                cells += [verdict(row, of.get("plain")), str(row["graphs"]) if row else "", str(row["breaks"]) if row else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def page(found: dict[str, list[dict[str, Any]]], known: dict[str, dict[str, Any]], versions: str) -> str:
    return "\n".join([
        "# Real projects",
        "",
        "`make projects` writes this page: packages as they are in the registry, a tiny model with random weights each, two to eight steps. *Equal* means that",
        "losses, parameters, buffers and random states after the run are plain Python's to the bit; both compilers run with `backend=\"eager\"`.",
        "*Graphs* are compiled graphs, *breaks* are places where a graph ended (torch.compile's own counter). Internal faults of ours, after which",
        "a frame runs as Python, are told below the table. *Differ*: some value is another one, by however little; a difference of rounding is one.",
        "Why torch.compile's steps differ wasn't looked into. *Did not end*: a project has 15 minutes for all of its runs.",
        "",
        *table(found, known),
        "",
        *[f"- {known[n]['TITLE']}: {'; '.join(r['told'])}" for n, rows in found.items() for r in rows if r["told"]],
        "",
        f"Measured with {versions}.",
        "",
    ])  # fmt: skip


def main(names: list[str]) -> None:
    known = {name: project for name, project in projects().items() if not names or name in names}
    packages = sorted({package for project in known.values() for package in project["PACKAGES"]})
    python = install(packages)
    found = {}
    for name, project in known.items():
        found[name] = measured(python, name)
        print("\n".join(table({name: found[name]}, {name: project})[2:]), flush=True)
    ask = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    versions = subprocess.run([python, "-c", ask, "torch", *packages], check=True, capture_output=True, text=True).stdout.strip()
    if not names:
        PAGE.write_text(page(found, known, f"Python {platform.python_version()}, {versions}"))


if __name__ == "__main__":
    main(sys.argv[1:])
