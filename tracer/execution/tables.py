"""A run of a graph as text, CSV, JSON and counters of a time line."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tracer.errors import TracerError
from tracer.execution.model import GraphRun, NodeRun, Row, to_text

__all__ = ["bytes_text", "counters", "export", "grouped", "rows", "seconds_text", "table"]

WIDEST = 60


def _line(node: NodeRun) -> str:
    return str(node.location) if node.location is not None else "(no line)"


#: What rows are made of: the key of a node.
BY: dict[str, Callable[[NodeRun], str]] = {"node": lambda node: node.name, "module": lambda node: node.module or "(no module)", "line": _line}


def rows(run: GraphRun, by: str = "node") -> list[Row]:
    """See `GraphRun.rows`."""
    if by not in BY:
        raise TracerError(f"there are no rows by {by!r}.", next=f"one of {', '.join(BY)}")
    groups: dict[str, list[NodeRun]] = {}
    for node in run.nodes:
        groups.setdefault(BY[by](node), []).append(node)
    whole = run.node_seconds or 1.0
    found = [
        Row(name, len(nodes), _sum(nodes, "seconds"), _sum(nodes, "seconds") / whole, _sum(nodes, "bytes"), _sum(nodes, "flops"), _sum(nodes, "moved"))
        for name, nodes in groups.items()
    ]
    return sorted(found, key=lambda row: -row.seconds)


def grouped(sizes: Iterable[tuple[NodeRun, int]], by: str) -> list[tuple[str, int]]:
    """Bytes by node, module or line, the most first. TracerError for another `by`."""
    if by not in BY:
        raise TracerError(f"there are no rows by {by!r}.", next=f"one of {', '.join(BY)}")
    found: dict[str, int] = {}
    for node, size in sizes:
        found[BY[by](node)] = found.get(BY[by](node), 0) + size
    return sorted(found.items(), key=lambda row: -row[1])


def _sum(nodes: list[NodeRun], name: str) -> Any:
    return sum(getattr(node, name) for node in nodes)


def table(run: GraphRun, by: str = "node", most: int | None = 20) -> str:
    """See `GraphRun.table`."""
    found = rows(run, by)
    shown = found if most is None else found[:most]
    where = " · ".join(filter(None, (run.device, run.dtype, run.backend)))
    lines = [
        f"{run.graph} on {where}: {seconds_text(run.seconds)} (operators {seconds_text(run.node_seconds)}), {run.flops:,} FLOPs, "
        f"peak {bytes_text(run.peak_bytes)}{f' at {run.peak_node}' if run.peak_node else ''}, inputs {bytes_text(run.input_bytes)}"
    ]
    if run.random:
        lines.append("RANDOM INPUTS: the numbers below are not the program's.")
    lines.append(f"{'time':>10} {'share':>6} {'allocated':>10} {'FLOPs':>15} {'moved':>10}  {by}")
    lines += [
        f"{seconds_text(row.seconds):>10} {row.share:>6.1%} {bytes_text(row.bytes):>10} {row.flops:>15,} {bytes_text(row.moved):>10}  "
        f"{_cut(row.name)}{f'  ({row.nodes} nodes)' if row.nodes > 1 else ''}"
        for row in shown
    ]
    if len(found) > len(shown):
        rest = found[len(shown) :]
        lines.append(f"{seconds_text(sum(r.seconds for r in rest)):>10} {sum(r.share for r in rest):>6.1%}  … {len(rest)} more")
    lines.append(f"Node by node costs {seconds_text(run.overhead)} beside the operators, which is in no row.")
    return "\n".join([*lines, *(f"note: {note}" for note in run.notes)])


def _cut(name: str) -> str:
    return name if len(name) <= WIDEST else f"…{name[-WIDEST + 1 :]}"


def seconds_text(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.2f} µs" if seconds else "0"


def bytes_text(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


# ---- files
_COLUMNS = (
    "name", "op", "target", "body", "module", "location", "runs", "seconds", "bytes", "temporary", "freed", "live", "moved", "flops", "dtype", "shape",
    "stride", "device",
)  # fmt: skip
_NUMBERS = ("count", "nan", "inf", "zeros", "subnormals", "min", "max", "mean", "std")


def as_csv(run: GraphRun) -> str:
    """One line for each node, with a head. `random` says of each whether its inputs were made up."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_NUMBERS, "random"])
    for node in run.nodes:
        numbers = [getattr(node.stats, name) if node.stats is not None else "" for name in _NUMBERS]
        values = [getattr(node, name) for name in _COLUMNS]
        writer.writerow([*("" if value is None else "x".join(map(str, value)) if type(value) is tuple else value for value in values), *numbers, run.random])
    return out.getvalue()


def counters(run: GraphRun) -> list[dict[str, Any]]:
    """Entries of Chrome's trace-event JSON: a slice for each operator, slices around it for its module's path, and the live bytes as a counter."""
    entries: list[dict[str, Any]] = []
    opened: list[tuple[str, float]] = []
    now = 0.0

    def close(to: int) -> None:
        while len(opened) > to:
            name, began = opened.pop()
            entries.append({"ph": "X", "pid": 1, "tid": 1, "cat": "module", "name": name, "ts": began, "dur": round(now - began, 3)})

    for node in run.nodes:
        path = _modules(node.module)
        shared = next((n for n, (a, b) in enumerate(zip(path, opened)) if a != b[0]), min(len(path), len(opened)))
        close(shared)
        opened += [(name, now) for name in path[shared:]]
        spent = node.seconds * 1e6
        told = {"target": node.target, "at": str(node.location or ""), "flops": node.flops, "bytes": node.bytes, "moved": node.moved, "random": run.random}
        entries.append({"ph": "X", "pid": 1, "tid": 1, "cat": "node", "name": node.name, "ts": round(now, 3), "dur": round(spent, 3), "args": told})
        now += spent
        entries.append({"ph": "C", "pid": 1, "name": "live bytes", "ts": round(now, 3), "args": {"bytes": node.live}})
    close(0)
    return entries


def _modules(path: str) -> list[str]:
    """`h[0].attn` → h, h[0], h[0].attn."""
    parts, at = [], 0
    for at, letter in enumerate(path):
        if letter in ".[" and at:
            parts.append(path[:at])
    return [*parts, path] if path else []


def _perfetto(run: GraphRun) -> str:
    named = {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": f"{run.graph} on {run.device}{' (random inputs)' if run.random else ''}"}}
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": [named, *counters(run)]}, ensure_ascii=False, separators=(",", ":"))


FORMATS: dict[str, Callable[[GraphRun], str]] = {"csv": as_csv, "json": lambda run: to_text(run) + "\n", "perfetto": _perfetto}


def export(run: GraphRun, path: str | os.PathLike[str], format: str | None = None) -> Path:
    """See `GraphRun.export`."""
    target = Path(path)
    name = (format or target.suffix).removeprefix(".")
    if name not in FORMATS:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise TracerError(f"a run of a graph can't be written as {name or 'a file without a suffix'!r}.", next=f"known: {known}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(FORMATS[name](run), encoding="utf-8")
    return target
