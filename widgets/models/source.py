"""The source view: the program's own lines, which of them are in a graph, which ran as Python, where the graph broke, and
which line every moment belongs to."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import Any

from tracer.events import Event, FrameSkipped, FrameStarted, GeneratorResumed, InlineStarted, Instruction, NodeCreated
from tracer.explain import clean
from tracer.explain.words import file_name
from tracer.libraries import INSTALLED, is_library, whose
from widgets.models.book import Book

__all__ = ["source"]

#: Lines between two that were reached: so many are shown, more are folded into one row.
GAP = 3
#: Recordings with more events than this tell the line of a moment, not the place within the line.
FINE = 30_000
#: Lines of a function that are looked through for its end.
LONGEST = 400


def source(book: Book) -> dict[str, Any]:
    """{files: [{file, name, lines: [[number, text, mark, nodes, first, last] | [folded]], breaks: [[line, seq, title, column,
    end column]], functions: [[line, name]]}], track: [[seq, file, line, column, end column]]}.

    `mark`: "cap" in a graph, "py" ran as Python, "" read while tracing. `first`, `last`: the events of the line. `track` tells,
    for each change, where the program was from event `seq` on; `file` is an index, -1 where it was nowhere.
    """
    seen = _seen(book)
    files = _order(book, seen)
    index = {file: number for number, file in enumerate(files)}
    return {"files": [_file(book, file, seen[file]) for file in files], "track": _track(book, index)}


class _Line:
    __slots__ = ("broken", "first", "last", "nodes")

    def __init__(self, seq: int):
        self.first = self.last = seq
        self.nodes = 0
        self.broken = False


def _seen(book: Book) -> dict[str, dict[int, _Line]]:
    """file → line → what happened there, in attempts that were kept."""
    seen: dict[str, dict[int, _Line]] = defaultdict(dict)
    abandoned = book.journal.abandoned

    def note(event: Event) -> None:
        if not event.location or not event.location[1]:
            return
        file, number = str(event.location[0]), int(event.location[1])
        line = seen[file].get(number)
        if line is None:
            line = seen[file][number] = _Line(event.seq)
        line.last = event.seq

    for instruction in book.journal.of(Instruction):
        if not abandoned(instruction.seq):
            note(instruction)
    for node in book.journal.of(NodeCreated):
        if not abandoned(node.seq):
            place = book.user_place(node)
            if place is not None and node.op.startswith("call"):
                line = seen[place[0]].setdefault(place[1], _Line(node.seq))
                line.nodes += 1
    for event in book.breaks:
        for entry in event.user_stack[-1:]:
            line = seen[str(entry[0])].setdefault(int(entry[1] or 0), _Line(event.seq))
            line.broken = True
    return seen


def _order(book: Book, seen: dict[str, dict[int, _Line]]) -> list[str]:
    """Files with breaks first, then those that nobody installed, then by how many nodes their lines made: the model's before what wraps it.
    Torch's and Python's own only where nodes were made there, or when there is nothing else. Code made at run time has no lines to show."""
    seen = {file: lines for file, lines in seen.items() if any(book.line(file, number) is not None for number in lines)}
    own = (
        [file for file in seen if not is_library(file)]
        or [file for file in seen if not file.startswith("<call of")]
        or list(seen)
    )
    more = [file for file, lines in seen.items() if file not in own and any(line.nodes for line in lines.values())]
    return sorted(
        [*own, *more],
        key=lambda file: (
            not any(line.broken for line in seen[file].values()),
            is_library(file) or whose(file) == INSTALLED,
            -sum(line.nodes for line in seen[file].values()),
            min(line.first for line in seen[file].values()),
        ),
    )


def _file(book: Book, file: str, seen: dict[int, _Line]) -> dict[str, Any]:
    starts = _functions(book, file)
    wanted = set(seen) | {number for number, _ in starts}
    skipped = {event.line for event in book.journal.of(FrameSkipped) if event.file == file}
    rows: list[list[Any]] = []
    numbers = _shown(wanted | (_ahead(book, file, starts) if book.points is not None else set()))
    previous = None
    for number in numbers:
        text = book.line(file, number)
        if text is None:
            continue
        if previous is not None and number > previous + 1:
            rows.append([number - previous - 1])
        previous = number
        line = seen.get(number)
        mark = "py" if (line is not None and line.broken) or number in skipped else "cap" if line is not None else ""
        rows.append(
            [
                number,
                clean(text.expandtabs(4)),
                mark,
                line.nodes if line else 0,
                line.first if line else -1,
                line.last if line else -1,
            ]
        )
    return {
        "file": file,
        "name": clean(file_name(file)),
        "lines": rows,
        "breaks": _breaks(book, file),
        "functions": starts,
    }


def _ahead(book: Book, file: str, starts: list[list[Any]]) -> set[int]:
    """All lines of the functions that were entered: those that a waiting call may still come to, where a person may want it to stop."""
    found: set[int] = set()
    for start, _name in starts:
        lines: list[str] = []
        while len(lines) < LONGEST and (text := book.line(file, start + len(lines))) is not None:
            lines.append(text + "\n")
        if lines:
            found.update(range(start, start + len(inspect.getblock(lines))))
    return found


def _shown(wanted: set[int]) -> list[int]:
    """The lines that were reached, with short gaps filled."""
    numbers: list[int] = []
    for number in sorted(wanted):
        if numbers and number - numbers[-1] <= GAP + 1:
            numbers += range(numbers[-1] + 1, number)
        numbers.append(number)
    return numbers


def _functions(book: Book, file: str) -> list[list[Any]]:
    """Where the functions that were entered begin, in order of their lines."""
    found: dict[int, str] = {}
    frames = ((e.file, e.line, e.name) for e in book.journal.of(FrameStarted))
    inlined = ((e.file, e.line, e.function) for e in book.journal.of(InlineStarted))
    resumed = ((e.file, e.line, e.function) for e in book.journal.of(GeneratorResumed))
    for at, line, name in (*frames, *inlined, *resumed):
        if at == file and line:
            found.setdefault(line, clean(name))
    return [[line, name] for line, name in sorted(found.items())]


def _breaks(book: Book, file: str) -> list[list[Any]]:
    found: dict[tuple[int, str], list[Any]] = {}
    for event in book.breaks:
        for at, number, column, _, end, *_ in event.user_stack[-1:]:
            if at == file:
                found.setdefault((int(number or 0), event.reason), [number, event.seq, event.title, column, end])
    return list(found.values())


def _track(book: Book, index: dict[str, int]) -> list[list[int]]:
    """Where the program was, from which event on: its innermost place in one of the files."""
    track: list[list[int]] = []
    before: tuple[int, ...] = (-1,)
    fine = len(book.events) <= FINE
    for event in book.journal.of(Instruction):
        file = index.get(str(event.location[0])) if event.location else None
        if file is None:
            continue
        _, line, column, end_line, end = event.location
        here = (
            file,
            int(line or 0),
            *(
                (int(column or 0), int(end or 0))
                if fine and line == end_line and column is not None and end is not None
                else (-1, -1)
            ),
        )
        if here != before:
            track.append([event.seq, *here])
            before = here
    return track
