"""Does a test fail when a line is changed? Mutants of the rooms that decide what is right, by cosmic-ray.

    python -m tests.mutation [--rooms guards graph ...] [--sample 200] [--seed 0] [--jobs 2]

Works on a copy of the checkout. For each room: every mutant that cosmic-ray knows, less those that can't change what runs
(`quiet.py`), a fixed random sample of them, each tried against the tests of that room that run its line (`covering.py`, `chosen.py`).
Prints a table; what survived goes to report/mutants.txt as diffs, to be read: each becomes a test, or the line goes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

from .quiet import quiet_places

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 600  # for the tests of one mutant; one that hangs has been noticed

UNMARKED = "not slow and not gpu and not browser"
PROGRAMS = "tests/programs/test_programs.py"
#: room → (what is mutated, the tests that should notice, those that notice most first)
ROOMS: dict[str, tuple[list[str], list[str]]] = {
    "guards": (["tracer/guards"], ["tests/guards", PROGRAMS]),
    "higher_order": (["tracer/higher_order"], [PROGRAMS, "tests/golden"]),
    "graph": (["tracer/graph"], ["tests/graph", PROGRAMS, "tests/runtime"]),
    "codegen": (["tracer/codegen"], ["tests/codegen", PROGRAMS]),
    "context": (["tracer/context.py"], [PROGRAMS, "tests/golden", "tests/functions"]),
    "functions": (sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tracer/functions/torch").glob("*.py")), [PROGRAMS, "tests/functions", "tests/runtime"]),
}  # fmt: skip


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    options.add_argument("--rooms", nargs="*", choices=sorted(ROOMS), default=sorted(ROOMS))
    options.add_argument("--sample", type=int, default=200, help="mutants of each room (0: all)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=2)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.jobs) as pool:
        rooms = [Room(name, Path(folder) / name) for name in chosen.rooms]
        for room, outcomes in zip(rooms, pool.map(lambda room: room.run(chosen.sample, chosen.seed), rooms), strict=True):
            room.outcomes = outcomes
        print(table(rooms))
        survivors = [text for room in rooms for text in room.survivors]
    place = ROOT / "report" / "mutants.txt"
    place.parent.mkdir(exist_ok=True)
    place.write_text("\n\n".join(survivors))
    print(f"{len(survivors)} survived: {place.relative_to(ROOT)}")
    return 0


class Room:
    """One room in a copy of its own, since mutants are written into the files."""

    def __init__(self, name: str, folder: Path):
        self.name, self.folder = name, folder
        self.paths, self.tests = ROOMS[name]
        self.all = 0
        self.outcomes: list[WorkResult] = []

    def run(self, sample: int, seed: int) -> list[WorkResult]:
        pristine, covering = self.folder.with_name(f"{self.name}-pristine"), self.folder.with_name(f"{self.name}.coverage")
        for place in (self.folder, pristine):
            copy_checkout(place)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.covering", "-m", UNMARKED, *self.tests]
        subprocess.run(command, cwd=pristine, check=True, env={**os.environ, "TRACER_COVERING": str(covering)})
        listed = ", ".join(f'"{p}"' for p in self.paths)
        chosen = f"{sys.executable} -m tests.mutation.chosen {pristine} {covering} {' '.join(self.tests)}"
        (self.folder / "mutants.toml").write_text(
            f'[cosmic-ray]\nmodule-path = [{listed}]\ntimeout = {SECONDS}.0\nexcluded-modules = []\n'
            f'test-command = "{chosen}"\n'
            '[cosmic-ray.distributor]\nname = "local"\n'
        )
        self._call("init", "mutants.toml", "mutants.sqlite")
        database = WorkDB(str(self.folder / "mutants.sqlite"), WorkDB.Mode.open)
        self._choose(database, sample, seed)
        self._call("exec", "mutants.toml", "mutants.sqlite")
        return [result for _, result in database.results if result.worker_outcome != WorkerOutcome.SKIPPED]

    def _call(self, *command: str) -> None:
        subprocess.run([sys.executable, "-m", "cosmic_ray.cli", *command], cwd=self.folder, check=True)

    def _choose(self, database: WorkDB, sample: int, seed: int) -> None:
        """All but the sample are marked as skipped, as cosmic-ray's own filters do."""
        quiet = {path: quiet_places((self.folder / path).read_text()) for path in self._files()}
        items = sorted(database.pending_work_items, key=lambda i: (str(i.mutations[0].module_path), i.mutations[0].operator_name, i.mutations[0].occurrence))
        loud = [i for i in items if i.mutations[0].start_pos not in quiet[str(i.mutations[0].module_path)]]
        self.all = len(loud)
        kept = loud if not sample or sample >= len(loud) else random.Random(seed).sample(loud, sample)
        left = {i.job_id for i in items} - {i.job_id for i in kept}
        database.set_multiple_results(left, WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output="not in the sample"))

    def _files(self) -> list[str]:
        found = []
        for path in self.paths:
            whole = self.folder / path
            found += [whole] if whole.is_file() else sorted(whole.rglob("*.py"))
        return [str(p.relative_to(self.folder)) for p in found]

    @property
    def survivors(self) -> list[str]:
        return [str(r.diff) for r in self.outcomes if r.test_outcome == TestOutcome.SURVIVED]


def copy_checkout(folder: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def table(rooms: list[Room]) -> str:
    rows = ["| room | mutants | tried | died | |", "|---|---|---|---|---|"]
    for room in rooms:
        tried = [r for r in room.outcomes if r.test_outcome in (TestOutcome.SURVIVED, TestOutcome.KILLED)]
        died = len(tried) - len(room.survivors)
        share = f"{100 * died / len(tried):.0f} %" if tried else ""
        rows.append(f"| `{room.name}` | {room.all} | {len(tried)} | {died} | {share} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
