"""Recompiles, and functions that were compiled too often: what changed, who called, who relied on it, what is behind it where that can be
told, and what to do.

In: records. Out: sections. Recompiles for one cause stand together: their values in a row, and what ends them once.
"""

from __future__ import annotations

import re

from tracer.breaks import Rendered, render
from tracer.breaks.recompiling import cause_of, fixes_for, settings_for
from tracer.explain.blocks import Block, Items, Para, Section, Source, Table, and_more
from tracer.explain.excerpts import excerpt, source_of
from tracer.explain.words import clean, count, readable, where
from tracer.records import Recompile, Records

__all__ = ["behind", "left_at_limits", "recompiles", "since_limit", "story"]


def recompiles(records: Records, most: int) -> Section | None:
    if not records.recompiles:
        return None
    section = Section(f"Recompiles · {len(records.recompiles):,}", tone="break")
    left = most
    for group in _groups(records.recompiles):
        if left > 0:
            section.blocks += _group(group, records, left)
        left -= len(group)
    and_more(section, -left, "recompile", "session.recompiles")
    return section


def _groups(found: list[Recompile]) -> list[list[Recompile]]:
    """Those of one function for one changing thing, in order."""
    groups: dict[tuple[object, ...], list[Recompile]] = {}
    for one in found:
        change = one.changes[0] if one.changes else None
        about = (change.what, change.about) if change is not None and change.what else change
        groups.setdefault((one.name, one.resumes.partition("/")[0], about), []).append(one)
    return list(groups.values())


def story(group: list[Recompile]) -> str:
    """`x.shape[0]: 3 → 4 → 5`: the values of one thing, in order."""
    first = group[0].changes[0] if group[0].changes else None
    if first is None:
        return "no guard is known that failed"
    if not first.what:
        return clean(readable(first.text))
    told = [first.old]
    for change in (one.changes[0] for one in group):
        told += [*([change.old] if change.old != told[-1] else []), change.new]
    shown = told if len(told) <= _MOST_VALUES else [*told[: _MOST_VALUES - 1], "…", told[-1]]
    return clean(f"{readable(first.what)}: {' → '.join(shown)}")


_MOST_VALUES = 10


def _group(group: list[Recompile], records: Records, most: int) -> list[Block]:
    first = group[0]
    blocks: list[Block] = [Para(f"{clean(first.name)} · {story(group)}")]
    if first.installed is not None:
        made = "made a plain number at" if first.fixed else "relied on at"
        blocks.append(Source(f"{made} {where(first.installed)}", excerpt(first.installed._replace(end_line=-1), source_of(records))))
    blocks.append(Table(tuple(_row(one, records) for one in group[:most])))
    why, hints = behind(first, records)
    if group[-1].ended:
        why = f"{why} {ENDED if len(group) == 1 else ENDED.replace('this', 'the last')}".strip()
    blocks += [Para(clean(why))] if why else []
    blocks += [Para("What to do", "label"), Items(tuple(map(clean, hints)))] if hints else []
    return blocks


#: Of a size or number that was made symbolic at this very recompile.
ENDED = "What was compiled for this call takes other values there too."


def _row(one: Recompile, records: Records) -> tuple[str, ...]:
    change = "; ".join(readable(change.text) for change in one.changes) or "no guard is known that failed"
    caller = f"called at {where(one.caller)}" if one.caller is not None else ""
    became = f"entry {one.became}" if one.became else "not compiled again"
    hits = records.entry_hits.get(one.became, 0)
    used = f", used {count(hits, 'more time')}" if hits else ""
    several = len(set(one.entries))
    beside = f"; of {several} entries {clean(one.closest)} came closest" if several > 1 else ""
    return tuple(filter(None, (f"call {one.call}", clean(change), caller, f"{clean(became)}{used}{beside}")))


def behind(one: Recompile, records: Records) -> tuple[str, tuple[str, ...]]:
    """Why a recompile of this kind happens, and what ends it; ("", ()) where nothing is known for certain."""
    cause = cause_of(one)
    if cause is None:
        return "", ()
    if cause.id == "iterator":
        loop = _loop(one, records)
        there = " there" if loop != cause.why else ""
        return loop, (f"Mend the graph break{there}: with none inside, the whole loop is one graph.",)
    settings = tuple(f"Setting: `{change.setting}={change.value}` {does}." for change, does in settings_for(one))
    return cause.why, (*(fix.hint for fix in fixes_for(one)), *settings)


def left_at_limits(records: Records, most: int) -> list[Section]:
    """Functions that were compiled as often as the limit allows: what is said once of each."""
    sections = []
    for one in list({limit.name: limit for limit in reversed(records.limits)}.values())[:most]:
        words, why, hints = _cause(one, records)
        section = Section(f"{words.title} · {clean(one.name)}", tone="loud")
        at = where(one.caller) or where(one.location)
        section.blocks += [Para(f"{at}, call {one.call}" if at else f"call {one.call}", "muted"), Para(clean(words.explanation))]
        since = since_limit(one, records)
        section.blocks += [Para(since)] if since else []
        section.blocks.append(Para(story([one])))
        if why:
            section.blocks.append(Para(clean(why)))
        section.blocks += [Para("What to do", "label"), Items(tuple(map(clean, hints)))]
        sections.append(section)
    return sections


def since_limit(one: Recompile, records: Records) -> str:
    """What ran as Python since a function came to its limit, where that is known."""
    plain = records.ran_plainly.get(one.name)
    if plain is None:
        return ""
    later = sum(call.number >= one.call and call.function == one.name for call in records.calls)
    return f"Of the {count(later, 'call')} from call {one.call} on, {plain:,} ran as ordinary Python."


# ---- what is behind it

_NUMBER = re.compile(r"-?(?:\d[\d.]*(?:e[+-]?\d+)?|inf)")


def _cause(one: Recompile, records: Records) -> tuple[Rendered, str, tuple[str, ...]]:
    """The words at the limit, what is behind it, and what to do about that. Causes that aren't certain aren't told."""
    entries = len(set(one.entries)) or ""
    words = render("recompile-limit", func=one.name, limit=entries)
    change = one.changes[0] if one.changes else None
    if change is not None and change.about in ("int", "float") and _NUMBER.fullmatch(change.old) and _NUMBER.fullmatch(change.new):
        told = render("changing-python-number", expr=change.what, type=change.about, old_value=change.old, value=change.new, limit=entries)
        return words, told.explanation, tuple(hint for hint in told.hints if change.about == "int" or not hint.startswith("Setting"))
    why, hints = behind(one, records)
    return words, why, hints or tuple(words.hints)


def _loop(one: Recompile, records: Records) -> str:
    """Of a function that goes on behind a graph break, with an iterator one step further at each turn."""
    code = one.entries[0].partition("/")[0] if one.entries else ""
    breaks = [found for found in records.graph_breaks if any(frame.partition("/")[0] == code for frame in found.frames)]
    at = {where(found.location) for found in breaks} - {""}
    there = f" at {at.pop()}" if len(at) == 1 else ""
    return f"The graph break{there} is inside a loop: what is behind it is compiled again for each turn, since the loop's iterator is one step further."
