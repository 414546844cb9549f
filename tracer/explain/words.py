"""Numbers and names in plain words; text made safe to print."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import ChainMap

from tracer.libraries import CALL, in_package
from tracer.records import Frame, Graph, Place, Records
from tracer.records.changes import ON_STACK

__all__ = [
    "CELLS", "at_line", "clean", "count", "file_name", "frame_line", "headline",
    "in_kernel", "is_cell", "ops_by_now", "readable", "seconds", "visible", "where", "width",
]  # fmt: skip

_CELL = re.compile(r"[\\/]ipykernel_\d+[\\/]\d+\.py$")  # where Jupyter's kernel says that a cell's code lies
_JOINERS = "\u200c\u200d"  # parts of ordinary words and pictures in some scripts


def clean(text: str) -> str:
    """The text with what would not be seen as itself (escape codes, direction marks) spelt out."""
    return text if text.isprintable() else "".join(map(visible, text))


def readable(expression: str) -> str:
    """A guard or source as a person reads it: what a graph break left on Python's stack has no name in the program."""
    return ON_STACK.sub("a value in use at the graph break", expression)


def visible(char: str) -> str:
    if char.isprintable() or char in "\n\t" or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Columns that the text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or char in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def count(number: float, one: str, many: str = "") -> str:
    """`1 graph`, `0 graphs`, `1,204 graphs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    if value >= 100:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{value:.2f} s"


def headline(records: Records) -> str:
    """One sentence: what came out, in numbers. Says it loudly where nothing was compiled."""
    numbers = records.stats
    if not records.calls and not records.frames and not records.graphs:
        return "Nothing was run yet."
    ended = [f"{count(calls, 'call')} {words}" for words, calls in _ended(records).items()]
    parts = [count(numbers["graphs"], "graph")] if records.graphs else [*ended, _without(records)]
    parts += [
        count(numbers["graph_breaks"], "graph break"),
        count(numbers["guards"], "guard"),
        count(numbers["recompiles"], "recompile"),
        *([count(numbers["ops"], "op")] if records.graphs or not records.unfinished else []),
        *([f"{count(ops_by_now(records), 'op')} in {count(len(records.unfinished), 'unfinished graph')}"] if records.unfinished else []),
        seconds(numbers["seconds"]),
    ]
    plain = [frame.id for frame in records.frames if frame.id and frame.outcome in ("skipped", "failed")]
    left = len(plain) + len({one.name for one in records.limits if one.frame not in plain})
    if left:
        parts.append(f"{count(left, 'function')} NOT COMPILED")
    parts += ended if records.graphs else []
    if records.faults:
        parts.append(count(numbers["faults"], "internal fault"))
    return " · ".join(parts)


def ops_by_now(records: Records) -> int:
    """Operations in graphs that aren't finished."""
    return sum(graph.op_count for graph in records.unfinished)


def _without(records: Records) -> str:
    if any(call.outcome == "open" for call in records.calls) and records.unfinished:
        return "NO GRAPH IS FINISHED YET"
    return "NO GRAPH WAS FINISHED" if records.unfinished else "NOTHING WAS COMPILED"


#: How a call that didn't return stands in a headline, by its outcome.
_ENDED = {"refused": "REFUSED", "raised": "RAISED", "aborted": "ENDED EARLY"}


def _ended(records: Records) -> dict[str, int]:
    found: dict[str, int] = {}
    for call in records.calls:
        if call.outcome in _ENDED and call.by != "exit":
            words = "OUT OF MEMORY" if call.by == "memory" else "INTERRUPTED" if call.by == "interrupt" else _ENDED[call.outcome]
            found[words] = found.get(words, 0) + 1
    return found


#: Where a notebook's cells lie, as their code says → the number of the cell at its prompt. Whoever runs cells adds what it knows of them.
CELLS: ChainMap[str, int] = ChainMap()


def in_kernel(file: str) -> bool:
    """Whether the file is a cell that a notebook's kernel ran."""
    return _CELL.search(file) is not None


def is_cell(file: str) -> bool:
    """Whether the file is a cell, of a notebook or of a terminal's IPython."""
    return file in CELLS or in_kernel(file)


def file_name(file: str) -> str:
    """A path as a person would write it: from the package on, or from the working directory; a notebook's cell by its number."""
    if is_cell(file):
        return f"cell [{CELLS[file]}]" if file in CELLS else "notebook cell"
    package = in_package(file)
    if package is not None:
        return clean(package)
    here = os.getcwd() + os.sep
    return clean(file[len(here) :] if file.startswith(here) else file) or "unknown file"


def at_line(file: str, line: int) -> str:
    """`model.py:42`, `cell [3], line 5`."""
    name = file_name(file)
    return (f"{name}, line {line}" if is_cell(file) else f"{name}:{line}") if line > 0 else name


def where(place: Place | None) -> str:
    """`model.py:42`, or "" where nothing is known, or the code was generated to call a module."""
    if place is None or place.file.startswith(CALL):
        return ""
    return at_line(place.file, place.line)


def frame_line(frame: Frame, graph: Graph | None) -> str:
    """What became of a frame, in one sentence."""
    if frame.outcome == "compiled":
        text = _compiled(frame, graph)
    elif frame.outcome in ("skipped", "failed"):
        text = f"NOT COMPILED, it runs as ordinary Python: {clean(frame.reason) or 'no reason was recorded'}"
    elif frame.outcome == "refused":
        text = f"NOT COMPILED, the call was refused: {clean(frame.reason.partition(chr(10))[0]) or 'no reason was recorded'}"
    elif frame.outcome == "aborted":
        text = "compiling was interrupted"
    else:
        text = "was still being compiled"
    if frame.attempts > 1:
        text += f"; {frame.attempts} attempts"
    return f"{text}; goes on from {clean(frame.resumes)} behind its break" if frame.resumes else text


def _compiled(frame: Frame, graph: Graph | None) -> str:
    if graph is not None:
        return f"compiled into {clean(graph.name)}: {count(graph.op_count, 'op')}, {count(graph.guard_count, 'guard')}"
    return (
        f"compiled into {clean(frame.graph)}" if frame.graph else "compiled; it has no tensor operations, so no graph"
    )
