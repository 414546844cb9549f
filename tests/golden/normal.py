"""An event stream as text that two runs, two machines and two versions of Python agree on.

In: the events of one session. Out: one line for each event that survives, indented by the spans around it:

    FrameStarted  name=relu_twice  @ relu_twice+0
      NodeCreated  graph=g1 name=relu op=call_function …  @ relu_twice+2

Left out or renamed: sequence numbers (nesting shows them), times, threads, versions, addresses, absolute paths, line
numbers outside the programs, long texts that are tested elsewhere. Frames, variables and symbols of sizes are numbered
in order of appearance. Instructions and variable summaries are kept only when asked for, and hold for one version of Python.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["Normal", "line_map"]

HEADER = ("seq", "t", "call", "thread", "frame", "attempt", "depth", "parent", "location", "opens")
DETAIL = ("Instruction", "Summary")
DROPPED = {
    "SessionStarted": {"rank", "world_size", "versions", "config"},
    "GraphCompiled": {"seconds"},
    "GraphBreak": {"explanation", "hints", "user_stack"},
    "CodeGenerated": {"source", "instructions"},
    "ArtifactProduced": {"text"},
    "InternalFault": {"traceback"},
}
VARIABLES = {"variable", "ids"}
SLOTS = {"bound", "stack"}  # of frames: as instructions, only with the details
ADDRESS, LONG_NUMBER = re.compile(r"0x[0-9a-f]+"), re.compile(r"\b\d{9,}\b")
LINE, SYMBOL = re.compile(r"\bat line \d+"), re.compile(r"\b([su])\d+\b")
HERE = Path(__file__).parent


def line_map(path: Path) -> Callable[[int], str]:
    """Line of a file of programs → `function+offset`, so that a new program above moves nothing."""
    spans = [
        (min((d.lineno for d in node.decorator_list), default=node.lineno), node.lineno, node.end_lineno or 0, node.name)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]

    def where(line: int) -> str:
        for above, first, last, name in spans:
            if above <= line <= last:
                return f"{name}+{line - first}" if line > first else name
        return f"line {line}"

    return where


class Normal:
    """Writes the events of one session; numbers are given in order of appearance."""

    def __init__(self, programs: Path, detail: bool = False):
        self.programs, self.where, self.detail = programs, line_map(programs), detail
        self.numbers: dict[tuple[str, Any], int] = {}
        self.depths: dict[int, int] = {-1: -1}

    def lines(self, events: Iterable[Any]) -> list[str]:
        out = []
        for event in events:
            kind = type(event).__name__
            parent = getattr(event, "opens", event.parent)
            self.depths[event.seq] = self.depths.get(event.parent, -1) + 1
            if kind in DETAIL and not self.detail:
                self.depths[event.seq] -= 1
                continue
            depth = self.depths.get(parent, 0) if hasattr(event, "opens") else self.depths[event.seq]
            out.append("  " * max(depth, 0) + self.line(event, kind))
        return out

    def line(self, event: Any, kind: str) -> str:
        names = [n for n in event.__struct_fields__ if n not in HEADER and n not in DROPPED.get(kind, ())]
        names = [n for n in names if self.detail or n not in SLOTS]
        pairs = [(n, self.value(n, getattr(event, n))) for n in names]
        text = " ".join(f"{n}={v}" for n, v in pairs if v not in ("", "()", "None"))
        frame = (
            f" [{self.frame(event.frame)}]"
            if event.frame and kind in ("FrameStarted", "CacheHit", "GuardFailed")
            else ""
        )
        attempt = f" attempt={event.attempt}" if event.attempt and kind == "AttemptStarted" else ""
        place = self.place(event.location)
        return f"{kind}{frame}{attempt}  {text}".rstrip() + (f"  @ {place}" if place else "")

    def value(self, name: str, value: Any) -> str:
        if name in VARIABLES or name == "stack":
            values = value if isinstance(value, tuple | list) else (value,)
            return ",".join(f"v{self.number('variable', v)}" for v in values)
        if name == "bound":
            return "(" + ", ".join(f"{n}:v{self.number('variable', v)}" if v else n for n, v in value) + ")"
        if name == "context":
            value = tuple((key, text) for key, text in value if key != "line")
        if name in ("entry", "resumes") and value:
            return self.frame(value)
        if name == "file":
            return self.file(value)
        if name == "line":
            return ""
        return self.text(value if isinstance(value, str) else repr(value))

    def text(self, text: str) -> str:
        for path, short in ((str(self.programs), "programs.py"), (str(HERE.parent.parent) + "/", "")):
            text = text.replace(path, short)
        text = re.sub(r"\S*/site-packages/", "<site>/", text).replace(sys.base_prefix, "<python>")
        text = LONG_NUMBER.sub("N", ADDRESS.sub("0x…", LINE.sub("at line N", text))).replace("\n", "\\n")
        text = SYMBOL.sub(lambda found: f"{found[1]}{self.number(found[1], found[0]) - 1}", text)
        return text if len(text) <= 160 else text[:159] + "…"

    def frame(self, frame: str) -> str:
        identity, _, entry = frame.partition("/")
        return f"F{self.number('frame', identity)}/{entry}"

    def file(self, file: str) -> str:
        return "programs.py" if file == str(self.programs) else self.text(file)

    def place(self, location: tuple) -> str:
        if not location:
            return ""
        file, line = location[0], location[1]
        return self.where(line) if file == str(self.programs) else self.file(str(file))

    def number(self, kind: str, identity: Any) -> int:
        taken = sum(k == kind for k, _ in self.numbers)
        return self.numbers.setdefault((kind, identity), taken + 1)
