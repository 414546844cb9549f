"""What the page is given for small programs is the JSON on file: what graphs are drawn from, marks, explanations, moments. A changed picture shows as
a changed line; `pytest tests/golden --update-golden` writes the files anew.

Left out: times, and the state at each operation (it tells of bytecode, which is each Python's own; tests/widgets goes into it).
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import tracer
from tests.golden import programs
from tests.golden.files import held
from widgets.models import VIEWS, Book
from widgets.models.compare import compare

FILES = Path(__file__).parent / "views"
PROGRAMS_FILE = str(Path(programs.__file__))
#: Program → the backend it runs with.
SHOWN = {
    "add_one": "eager",
    "breaks_in_a_loop": "eager",
    "cond_is_speculated": "eager",
    "checkpoint_is_speculated": "eager",
    "shape_becomes_dynamic": "eager",
    "calls_a_module": "aot_eager",
}
LEFT_OUT = {"state", "events", "timeline"}


def recorded(name: str, **settings: Any) -> tracer.Session:
    fn, calls = programs.PROGRAMS[name]
    session = tracer.Session("trace", **settings)
    for arguments in calls:
        torch.manual_seed(0)
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            session.run(fn, *arguments())
    return session


def normal(data: Any) -> Any:
    """Without what differs between machines and runs: folders, seconds, versions."""
    if isinstance(data, dict):
        return {key: normal(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [normal(value) for value in data]
    if isinstance(data, float):
        return "seconds"
    if isinstance(data, str):
        if data.count("\n") > 8:
            data = data.split("\n")[0] + "\n…"  # the backend's own text
        text = data.replace(PROGRAMS_FILE, "programs.py").replace(__file__, "test_views.py")
        text = re.sub(r"(/[\w.+-]+)+/(site-packages|lib/python3\.\d+)/", r"\2/", text)
        return re.sub(r"\b\d+(\.\d+)? (s|ms|µs)\b", "… s", re.sub(r"0x[0-9a-f]{6,}", "0x…", text))
    return data


def lines(data: Any, deep: str = "") -> list[str]:
    """JSON with one line for each row that fits on it, so that a difference is read like code."""
    short = json.dumps(data, ensure_ascii=False, sort_keys=True)
    if len(short) <= 140 or not isinstance(data, dict | list):
        return [deep + short]
    within = deep + " "
    if isinstance(data, list):
        parts, ends = [lines(one, within) for one in data], "[]"
    else:
        parts, ends = [lines(data[key], within) for key in sorted(data)], "{}"
        for key, part in zip(sorted(data), parts, strict=True):
            part[0] = f"{within}{json.dumps(key)}: {part[0].lstrip()}"
    for part in parts[:-1]:
        part[-1] += ","
    return [deep + ends[0], *(line for part in parts for line in part), deep + ends[1]]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="columns and numbers of events are kept for CPython 3.11")
@pytest.mark.parametrize("name", SHOWN)
def test_views(name: str, update_golden: bool) -> None:
    session = recorded(name, backend=SHOWN[name])
    book = Book(session)
    data = {view: make(book) for view, make in VIEWS.items() if view not in LEFT_OUT}
    for row in (row for one in data["stages"]["graphs"] for row in one["stages"]):
        row[4] = []  # of the text's lines
    held(FILES / f"{name}.json", lines(normal(data)), update_golden)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="columns and numbers of events are kept for CPython 3.11")
def test_two_runs_on_one_layout(update_golden: bool) -> None:
    session = recorded("shape_becomes_dynamic")
    other = session.recompile(dynamic=True)
    held(FILES / "compared.json", lines(normal(compare(session, other, session.diff(other)))), update_golden)
