"""What is behind one recompile: the entry that came closest, what changed since it was compiled, and who relied on that.

In: the events of guards that failed, and what a reading of the whole recording found. Out: the record of it, filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import tracer.events as ev
from tracer.events import Event
from tracer.libraries import is_library
from tracer.records.changes import ON_STACK, Changed, changes, named
from tracer.records.types import Guard, Place, Recompile, Records, place

__all__ = ["complete", "ran_plainly", "recompile_of"]


def recompile_of(event: ev.Recompiled, failed: Sequence[ev.GuardFailed], location: Place | None) -> Recompile:
    """The record of one event, as far as it and the guards that failed tell."""
    return Recompile(
        event.name,
        tuple((one.expression, one.value) for one in failed),
        {one.source: one.value for one in failed},
        location,
        tuple(one.entry for one in failed),
        event.frame,
        event.call,
        closest=_closest(failed),
        caller=place(event.caller),
        seq=event.seq,
    )


def _closest(failed: Sequence[ev.GuardFailed]) -> str:
    """The entry with the fewest failed guards. What can't be read any more fails with what changed, and says nothing of its own."""
    counts: dict[str, list[int]] = {}
    for one in failed:
        count = counts.setdefault(one.entry, [0, 0])
        count[one.value == "missing"] += 1
    return min(counts, key=lambda entry: (counts[entry][0] or counts[entry][1]), default="")


def complete(
    records: Records, found: Iterable[tuple[Recompile, ev.Recompiled, Sequence[ev.GuardFailed]]], where: Callable[[Event], tuple[str, int] | None]
) -> None:
    """Fills in what the rest of the recording tells. `where`: the program's line around an event."""
    guards: dict[str, dict[str, list[Guard]]] = {}  # frame → expression or source → guards
    for guard in records.guards:
        mine = guards.setdefault(guard.frame, {})
        mine.setdefault(guard.expression, []).append(guard)
        mine.setdefault(f"on {guard.source}", []).append(guard)
    frames = {frame.id: frame for frame in records.frames if frame.id}
    for one, event, failed in found:
        closest = [guard for guard in failed if guard.entry == one.closest]
        compiled = frames.get(one.closest)
        one.resumes = compiled.resumes if compiled is not None else ""
        names = {**_names_of_stack(one.resumes, failed, records), **dict(event.names)}
        told = [change for guard in closest if guard.value != "missing" or len(closest) == 1 for change in changes(guard.expression, guard.value)]
        one.names = names
        one.changes = tuple(dict.fromkeys(named(change, names) for change in told))
        one.ended = bool(told) and _varies_now(told[0], guards.get(one.became, {}))
        if closest and not ON_STACK.match(closest[0].source):
            _installed(one, closest[0], told[0] if told else None, (guards.get(one.closest, {}), guards.get(one.became, {})), where)


_TENSOR = re.compile(r"(.+) is a [\w.]+ of [\w.]+, size \[([^]]*)\], .*")


def _varies_now(change: Changed, guards: Mapping[str, list[Guard]]) -> bool:
    """Whether what was compiled for the call takes other sizes, or other numbers, there too."""
    if change.about == "size":
        source, _, dim = change.what.removesuffix("]").rpartition(".shape[")
        for guard in guards.get(f"on {source}", []):
            if (found := _TENSOR.fullmatch(guard.expression)) is not None:
                sizes = found[2].split(", ")
                return int(dim) < len(sizes) and not sizes[int(dim)].isdigit()
    if change.about in ("int", "float"):
        known = guards.get(f"on {change.what}", [])
        fixed = any(guard.kind in ("EQUALS_MATCH", "CONSTANT_MATCH") for guard in known)
        return bool(known) and not fixed and f"{change.what} == {change.new}" not in guards
    return False


def _names_of_stack(resumes: str, failed: Iterable[ev.GuardFailed], records: Records) -> dict[str, str]:
    """What a graph break left on Python's stack has no name in the program; the line of the break it has."""
    spelt = dict.fromkeys(name for guard in failed for name in ON_STACK.findall(guard.expression))
    if not spelt:
        return {}
    lines = {found.location.line for found in records.graph_breaks if resumes in found.frames and found.location is not None}
    at = f", line {lines.pop()}" if len(lines) == 1 else ""
    return dict.fromkeys(spelt, f"a value in use at the graph break{at}")


def _installed(
    one: Recompile, failed: ev.GuardFailed, first: Changed | None, guards: Sequence[Mapping[str, list[Guard]]], where: Callable[[Event], tuple[str, int] | None]
) -> None:
    """Who relied on what failed first; of a size that a line makes a plain number, that line, also where the graph shows it that is
    compiled now (the first time a size is met, it is a constant without a line's doing). `guards`: of the closest entry, and of the new one."""
    before, after = guards
    fixing: list[Guard] = []
    if first is not None and first.about == "size":
        fixing = [*before.get(f"{first.what} == {first.old}", []), *after.get(f"{first.what} == {first.new}", [])]
        fixing = [guard for guard in fixing if guard.kind == "SHAPES"]
    one.fixed = bool(fixing)
    if failed.installed:
        one.installed = place(failed.installed)
        return
    candidates = fixing or before.get(failed.expression) or (before.get(f"on {failed.source}", []) if failed.source else [])
    for guard in candidates:
        at = guard.location
        if (at is None or is_library(at.file)) and guard.cause is not None:
            found = where(guard.cause)
            at = Place(*found) if found is not None else at
        if at is not None and at.line > 0 and not is_library(at.file):
            one.installed = at
            return


def ran_plainly(records: Records, hits: Sequence[tuple[int, str]]) -> None:
    """Of each function at its limit that calls of the session run themselves: in how many it ran as ordinary Python from then on. `hits`:
    (call, name) of compiled code that ran."""
    ran = set(hits)
    for one in records.limits:
        later = [call for call in records.calls if call.number >= one.call and call.function == one.name]
        if later and one.name not in records.ran_plainly:
            records.ran_plainly[one.name] = sum((call.number, one.name) not in ran for call in later)
