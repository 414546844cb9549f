"""The pairs of Python and torch, and what is run under each.

In: a folder for environments. Out: a `Result` for each pair, plain data. An environment is made once, from the project's wheel, as a user
installs it; the suite and the demo run from the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["PAIRS", "ROOT", "Pair", "environment", "interpreter", "run", "wheel"]

ROOT = Path(__file__).resolve().parents[2]


class Pair(NamedTuple):
    python: str
    torch: str

    def __str__(self) -> str:
        return f"py{self.python}-torch{self.torch}"


PAIRS = tuple(
    Pair(*text.split())
    for text in (
        "3.11 2.11.0", "3.11 2.12.1", "3.11 2.13.0", "3.12 2.13.0", "3.13 2.13.0", "3.11 2.14.1", "3.13 2.15.0", "3.14 2.14.1", "3.14 2.15.0",
    )
)  # fmt: skip

#: What a user runs first, away from the checkout.
CELL = """
import torch, tracer
def soften(x):
    if x.sum() > 0:
        x = x * 2
    return torch.tanh(x)
session = tracer.trace(soften, torch.ones(3))
assert torch.equal(session.result, soften(torch.ones(3))), session.result
assert [b.reason for b in session.graph_breaks] == ["data-dependent-branch"], session.graph_breaks
fast = tracer.compile(soften)
assert torch.equal(fast(-torch.ones(3)), soften(-torch.ones(3)))
print(torch.__version__)
"""


def interpreter(version: str) -> str | None:
    """A CPython of that version on this machine: on the path, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")))]
    for path in filter(None, found):
        asked = subprocess.run([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False)
        if asked.stdout.strip() == version:
            return path
    return None


def wheel(folder: Path) -> Path:
    """The project's wheel, built once."""
    made = sorted(folder.glob("tracer-*.whl"))
    if not made:
        _must([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
        made = sorted(folder.glob("tracer-*.whl"))
    return made[-1]


def environment(pair: Pair, folder: Path, index: str = "") -> Path | None:
    """The Python of an environment with that torch, the wheel and what the tests need; made if there is none. None without such a Python."""
    place = folder / str(pair)
    python = place / "bin" / "python"
    if (place / "ready").exists():
        return python
    base = interpreter(pair.python)
    if base is None:
        return None
    if subprocess.run([base, "-m", "venv", str(place)], check=False).returncode:
        _must([base, "-m", "venv", "--clear", "--without-pip", str(place)])
        _must([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "pip"])
    limits = place / "constraints.txt"
    tested = (ROOT / "constraints.txt").read_text().splitlines()
    limits.write_text("\n".join([*(line for line in tested if not line.startswith("torch==")), f"torch=={pair.torch}"]))
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(limits)]
    _must([*install, f"torch=={pair.torch}", *(["--index-url", index] if index else [])])
    _must([*install, f"tracer[test] @ {wheel(folder).as_uri()}"])
    (place / "ready").touch()
    return python


def _must(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(f"exit status {done.returncode}: {' '.join(command)}")


# ---- what is run


def run(pair: Pair, python: Path, folder: Path, *, jobs: int, browser: bool, tests: Sequence[str] = ()) -> dict[str, Any]:
    """The wheel's first cell, the demo, the suite, and the tests in a browser where `browser`."""
    place = folder / str(pair)
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"python": pair.python, "torch": pair.torch}
    versions = "import platform, torch; print(platform.python_version(), torch.__version__)"
    found["versions"] = _ran([str(python), "-c", versions], place)[1].strip().splitlines()[-1:]
    found["cell"] = _verdict([str(python), "-c", CELL], place)
    found["demo"] = _verdict([str(python), "-m", "examples.run_quickstart", "--report", str(place / "report")], ROOT)
    found["suite"] = suite(python, place, "not slow and not gpu and not browser", jobs, tests)
    if browser:
        found["browser"] = suite(python, place, "browser", 1, ())
    return found


def _ran(command: Sequence[str], where: Path, **more: str) -> tuple[int, str]:
    done = subprocess.run(command, cwd=where, env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def _verdict(command: Sequence[str], where: Path) -> str:
    """"ok", or the last line that was said."""
    status, said = _ran(command, where)
    return "ok" if status == 0 else (said.strip().splitlines() or [f"exit status {status}"])[-1][:300]


def suite(python: Path, place: Path, marks: str, jobs: int, tests: Sequence[str]) -> dict[str, Any]:
    """Counts by outcome, the names of what failed, and reasons of what was skipped."""
    report = place / "report.xml"
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(jobs), "-m", marks, f"--junitxml={report}", *tests]
    status, said = _ran(command, ROOT, TRACER_STRICT="1")
    (place / "suite.log").write_text(said)
    if not report.exists():
        return {"broken": (said.strip().splitlines() or [f"exit status {status}"])[-1][:300]}
    return read(report)


def read(report: Path) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    failed, skipped = [], Counter[str]()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        verdicts = {child.tag: child for child in case}
        bad = [tag for tag in ("failure", "error") if tag in verdicts]
        skip = verdicts.get("skipped")
        if bad:
            counts["failed"] += 1
            failed.append(f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}")
        elif skip is not None and skip.get("type") == "pytest.xfail":
            counts["xfailed"] += 1
        elif skip is not None:
            counts["skipped"] += 1
            skipped[skip.get("message") or ""] += 1
        else:
            counts["passed"] += 1
    return {"counts": dict(counts), "failed": sorted(failed), "skipped": dict(skipped)}
