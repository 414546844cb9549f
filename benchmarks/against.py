"""Today's sources against those of an earlier commit: does what was right cost more since?

Each round measures a model in two processes, one for each of the two trees, in turn, so that a slow minute of the machine falls on both. Seconds are the
thread's own on the processor. Calls of functions made while tracing are counted as well: no other work on the machine disturbs them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MODELS", "measure", "table"]

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("gpt2", "bert", "llama", "mistral", "t5", "vit", "whisper", "gpt2_12")

#: What one process measures → the title of its column.
COLUMNS = {"trace": "trace ms", "calls": "calls of functions", "guards": "guards µs", "steady": "call ms"}
#: In one process: the first compiles import and cache things, and aren't counted.
_WARM, _COUNTED = 1, 3


def measure(name: str) -> dict[str, float]:
    """What tracing, checking and calling this model takes with the packages `tracer`, `tests` and `benchmarks` that this process imports."""
    import torch

    from benchmarks import models
    from tests.models.zoo import build

    torch.set_num_threads(1)
    models.seconds = _seconds  # type: ignore[assignment]
    model = build(name)
    given = model.inputs(model.sizes[0])
    found: dict[str, list[float]] = defaultdict(list)
    with torch.set_grad_enabled(name.endswith("_train")):
        for round in range(_WARM + _COUNTED):
            models.clean()
            traced = models.Tracer(model, "nothing")
            first, steady = models.first_and_steady(lambda traced=traced: traced.call(given))
            guards = models.guard_microseconds(lambda traced=traced: traced.untraced(given))
            traced.close()
            if round >= _WARM:
                found["trace"].append(first * 1e3)
                found["steady"].append(steady * 1e3)
                found["guards"] += [guards] if guards is not None else []
        models.clean()
        traced = models.Tracer(model, "nothing")
        found["calls"].append(_calls(lambda: traced.call(given)))
        traced.close()
    return {key: min(values) for key, values in found.items() if values}


def _seconds(call: Any) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def _calls(call: Any) -> int:
    made = 0

    def notice(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(notice)
    try:
        call()
    finally:
        sys.setprofile(before)
    return made


@contextmanager
def _tree(commit: str) -> Iterator[Path]:
    """The sources of a commit, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
        yield Path(folder)


def _in_process(tree: Path, name: str) -> dict[str, float]:
    """A file that is run finds its own folder first on the path: the tree is given by name."""
    command = [sys.executable, str(Path(__file__).resolve()), "--tree", str(tree), name]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def table(commit: str, names: Iterable[str], repeat: int) -> str:
    """Ratios of today's figures to those of `commit`, as Markdown. Raises CalledProcessError for a commit that isn't there."""
    lines = [
        f"Ratios, today's sources over commit {commit}, `backend=\"eager\"`, nothing recorded. Both of a round run in turn, each in a process of its own;",
        f"medians of {repeat} rounds, and in brackets the ratio of the fastest of each. Seconds of the processor; calls of functions are counted.",
        "",
        "| model | " + " | ".join(COLUMNS.values()) + " |",
        "|---|" + "--:|" * len(COLUMNS),
    ]
    with _tree(commit) as before:
        for name in names or MODELS:
            found: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for _ in range(repeat):
                old, new = _in_process(before, name), _in_process(ROOT, name)
                for key in COLUMNS.keys() & old.keys() & new.keys():
                    found[key].append((new[key], old[key]))
            cells = [_ratio(found[key]) for key in COLUMNS]
            print(name, *cells, sep="  ", flush=True)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(pairs: list[tuple[float, float]]) -> str:
    if not pairs:
        return "–"
    of_fastest = min(new for new, _ in pairs) / min(old for _, old in pairs)
    return f"{statistics.median(new / old for new, old in pairs):.2f} ({of_fastest:.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", required=True)
    parser.add_argument("model")
    asked = parser.parse_args()
    sys.path[0] = asked.tree
    print(json.dumps(measure(asked.model)))
