"""An event stream as text that two runs, two machines and two versions of Python agree on.

In: the events of one session. Out: one line for each event that survives, indented by the spans around it:

    FrameStarted  name=relu_twice  @ relu_twice+0
      NodeCreated  graph=g1 name=relu op=call_function …  @ relu_twice+2

It is the normal form of `tracer.journal.normal`, in which absolute paths, line numbers outside the programs, decimal numbers that
may be ids and long texts that are tested elsewhere go as well. Instructions and variable summaries are kept only when asked for,
and hold for one version of Python.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tracer.journal import normal

__all__ = ["Normal", "line_map"]

DETAIL = ("Instruction", "Summary")
LONG_NUMBER = re.compile(r"\b\d{9,}\b")
HERE = Path(__file__).parent


def line_map(path: Path) -> Callable[[int], str]:
    """Line of a file of programs → `function+offset`, so that a new program above moves nothing."""
    spans = [
        (
            min((d.lineno for d in node.decorator_list), default=node.lineno),
            node.lineno,
            node.end_lineno or 0,
            node.name,
        )
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]

    def where(line: int) -> str:
        for above, first, last, name in spans:
            if above <= line <= last:
                return f"{name}+{line - first}" if line > first else name
        return f"line {line}"

    return where


class Normal(normal.Normal):
    """Writes the events of one session; numbers are given in order of appearance."""

    DROPPED = {**normal.Normal.DROPPED, "CodeGenerated": frozenset(("source", "instructions"))}

    def __init__(self, programs: Path, detail: bool = False):
        super().__init__(detail)
        self.programs, self.where = programs, line_map(programs)
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
            out.append("  " * max(depth, 0) + self.line(event))
        return out

    def text(self, text: str) -> str:
        for path, short in ((str(self.programs), "programs.py"), (str(HERE.parent.parent) + "/", "")):
            text = text.replace(path, short)
        text = re.sub(r"\S*/(?:site|dist)-packages/", "<site>/", text).replace(sys.base_prefix, "<python>")
        text = LONG_NUMBER.sub("N", super().text(text))
        return text if len(text) <= 160 else text[:159] + "…"

    def file(self, file: str) -> str:
        return "programs.py" if file == str(self.programs) else self.text(file)

    def place(self, location: tuple[Any, ...]) -> str:
        if not location:
            return ""
        file, line = location[0], location[1]
        return self.where(line) if file == str(self.programs) else self.file(str(file))
