"""Modules that follow one another in a container, as one box: `layers ×48` round layers.0 … layers.47.

In: the boxes of each node, in order. Out: the same with the box of the repetition in them, and which box each box was before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Path", "repeated"]

#: Boxes, outermost first.
Path = tuple[str, ...]

#: So many modules of a container are one box; fewer are seen at once.
LEAST = 3
#: So many nodes of the caller may stand between two of them: a mask is cut, a result put into a list.
BETWEEN = 4

_NUMBERED = re.compile(r"(.+?)(?:\.\d+)+\Z")


def repeated(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """The paths with a box for each repetition, and new box → the box that it was.

    >>> repeated([("h.0",), ("h.1",), ("h.2",), ()])[0]
    [('h ×3', 'h.0'), ('h ×3', 'h.1'), ('h ×3', 'h.2'), ()]
    """
    found = list(paths)
    before: dict[Path, Path] = {}
    _fold(paths, found, 0, len(paths), 0, ())
    for new, old in zip(found, paths):
        kept = 0
        for length in range(1, len(new) + 1):
            if kept < len(old) and new[length - 1] == old[kept]:
                kept += 1
                before[new[:length]] = old[:kept]
    return found, before


def _fold(paths: Sequence[Path], found: list[Path], first: int, last: int, depth: int, outer: Path) -> None:
    """The nodes `first` … `last`-1, which share their first `depth` boxes; `outer`: these, with those of repetitions."""
    runs = _runs(paths, first, last, depth)
    at = 0
    while at < len(runs):
        name, begin, end = runs[at]
        stop, count = _repetition(runs, at)
        if count >= LEAST:
            here = (*outer, f"{_stem(name)} ×{count}")
            for inner, start, after in runs[at:stop]:
                _enter(paths, found, start, after, depth, here, inner)
            at = stop
        else:
            _enter(paths, found, begin, end, depth, outer, name)
            at += 1


def _enter(paths: Sequence[Path], found: list[Path], first: int, last: int, depth: int, outer: Path, name: str) -> None:
    if name:
        _fold(paths, found, first, last, depth + 1, (*outer, name))
    else:
        found[first:last] = [outer] * (last - first)


def _runs(paths: Sequence[Path], first: int, last: int, depth: int) -> list[tuple[str, int, int]]:
    """(box, first node, after the last) of what follows one another at one depth; "" for nodes that lie in no box there."""
    runs: list[tuple[str, int, int]] = []
    for number in range(first, last):
        name = paths[number][depth] if len(paths[number]) > depth else ""
        if runs and runs[-1][0] == name:
            runs[-1] = name, runs[-1][1], number + 1
        else:
            runs.append((name, number, number + 1))
    return runs


def _stem(name: str) -> str:
    """What is before the number of a module in its container; "" where there is no number."""
    numbered = _NUMBERED.match(name)
    return numbered[1] if numbered else ""


def _repetition(runs: Sequence[tuple[str, int, int]], at: int) -> tuple[int, int]:
    """Where a repetition that begins here ends, and how many modules it has."""
    stem = _stem(runs[at][0])
    stop, count = at, 0
    while stem and stop < len(runs):
        name, begin, end = runs[stop]
        if _stem(name) == stem:
            count += 1
            last = stop
        elif name or end - begin > BETWEEN:
            break
        stop += 1
    return (last + 1, count) if count else (at + 1, 0)
