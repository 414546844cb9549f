"""The report: what is said, in which order, before anyone decides how it looks.

What comes in: records. What goes out: sections of blocks (paragraphs, lists, source excerpts, tables). Plain words and
the user's own line come first, the compiler's words last. Texts in blocks are clean already, and not yet escaped.
"""

from __future__ import annotations

from tracer.explain.blocks import Items, Para, Section, Source, Table, and_more
from tracer.explain.endings import calls_that_ended
from tracer.explain.excerpts import excerpt, source_of
from tracer.explain.nothing import earlier_hits, why_nothing
from tracer.explain.recompiles import left_at_limits, recompiles
from tracer.explain.words import clean, count, frame_line, readable, where
from tracer.records import Followed, Frame, GraphBreak, Guard, Place, Records, UserFrame

__all__ = ["followed_line", "report"]


def report(records: Records, *, most: int = 30) -> list[Section]:
    """Everything worth saying, most important first; of long lists the first `most` entries."""
    sections = [*_nothing(records), *_faults(records), *calls_that_ended(records), *_unsafe(records)]
    sections += [*_overrides(records), *_followed(records, most)]
    total = len(records.graph_breaks)
    sections += [_graph_break(records, found, n, total) for n, found in enumerate(records.graph_breaks[:most], 1)]
    if total > most:
        sections.append(Section(f"{count(total - most, 'more graph break')}: session.graph_breaks has all of them"))
    sections += left_at_limits(records, most)
    sections += [part for part in (recompiles(records, most), _effects(records, most), _left(records, most), _earlier(records)) if part is not None]
    sections += [part for part in (_frames(records, most), _tried(records, most)) if part is not None]
    guards = _guards(records, most)
    return [*sections, guards] if guards is not None else sections


def _faults(records: Records) -> list[Section]:
    if not records.faults:
        return []
    section = Section(f"{count(len(records.faults), 'internal fault')}: our own error, not the program's", tone="loud")
    for fault in records.faults:
        at = where(fault.location)
        section.blocks.append(Para(f"{clean(fault.python_type)}: {clean(fault.text)}" + (f" (at {at})" if at else "")))
    refused = any(call.by == "tracer" for call in records.calls)
    ran = "What was being compiled ran as ordinary Python instead; its results are right."
    section.blocks.append(Para("The call was refused: what was being compiled has not run." if refused else ran, "muted"))
    return [section]


def _nothing(records: Records) -> list[Section]:
    why = why_nothing(records) if records.calls or records.frames else ""
    return [Section("Nothing was captured", [Para(why)], tone="loud")] if why else []


def _followed(records: Records, most: int) -> list[Section]:
    """What the program gave to torch.compile, and what became of the settings that it gave with it."""
    if not records.followed:
        return []
    section = Section(f"Given to torch.compile · {len(records.followed):,}")
    section.blocks += [Para(followed_line(one)) for one in records.followed[:most]]
    and_more(section, len(records.followed) - most, "function", "session.records.followed")
    return [section]


def followed_line(one: Followed) -> str:
    """What became of one function that was given to torch.compile."""
    at = f" ({where(one.place)})" if one.place is not None else ""
    known = dict(one.settings)
    if not one.taken:
        counts = "None of these settings counts here: the session's do."
    elif len(one.taken) == len(known):
        counts = "These settings count here too."
    else:
        counts = f"Of these settings {' and '.join(one.taken)} {'counts' if len(one.taken) == 1 else 'count'} here; the others are the session's."
    whole = " fullgraph=True isn't enforced: all graph breaks are told." if "fullgraph" in known and "fullgraph" not in one.taken else ""
    return f"{clean(one.name)}{at}: `{clean(one.given)}` was stepped over and the original traced. {counts}{whole}"


# --- overrides --------------------------------------------------------------------------------------------------------


def _unsafe(records: Records) -> list[Section]:
    """Runs with guards left out: what differs from plain runs, or that nothing did."""
    runs = records.unsafe_runs
    if not runs:
        return []
    wrong = [run for run in runs if run.what]
    section = Section("Unsafe: an override left out guards, so compiled code may not fit the call", tone="loud")
    for run in wrong[:10]:
        rest = f": {'; '.join(map(clean, run.differences))}" if run.differences else ""
        section.blocks.append(Para(f"call {run.call} {clean(run.what)}{rest}"))
    same = f"{count(len(runs) - len(wrong), 'call')} compared with a plain run gave the same"
    section.blocks.append(Para(same, "muted"))
    return [section]


def _overrides(records: Records) -> list[Section]:
    if not records.overrides:
        return []
    rows = []
    for use in records.overrides:
        applied = f"decided about {', '.join(map(clean, use.targets))}" if use.targets else ""
        rows.append((clean(use.text), f"no effect: {clean(use.why)}" if use.why else applied))
    return [Section(f"Overrides · {len(rows):,}", [Table(tuple(rows))])]


# --- graph breaks -----------------------------------------------------------------------------------------------------


def _graph_break(records: Records, found: GraphBreak, number: int, total: int) -> Section:
    which = f" {number} of {total}" if total > 1 else ""
    section = Section(f"Graph break{which} · {clean(found.title) or clean(found.reason)}", tone="break")
    lookup = source_of(records)
    at = where(found.location)
    inside = f" in {clean(found.user_stack[-1].function)}" if found.user_stack and found.user_stack[-1].function else ""
    section.blocks.append(Source(f"{at}{inside}" if at else "place not known", excerpt(found.location, lookup)))
    if found.explanation:
        section.blocks.append(Para(clean(found.explanation)))
    if found.hints:
        section.blocks += [Para("What to do", "label"), Items(tuple(map(clean, found.hints)))]
    if found.elsewhere:
        section.blocks.append(Para(clean(found.elsewhere)))
    callers = found.user_stack[:-1]
    if callers:
        rows = tuple(_caller(entry, records) for entry in callers)
        section.blocks += [Para("Called from", "label"), Table(rows)]
    frames = "frame" if len(found.frames) == 1 else "frames"
    whole = any(call.number == found.call and call.by in ("fullgraph", "operator") for call in records.calls)
    splits = f", {'refused in' if whole else 'splits'} {frames} {', '.join(map(clean, found.frames))}" if found.frames else ""
    section.blocks.append(Para(f"{clean(found.reason)}, call {found.call}{splits}", "muted"))
    return section


def _caller(entry: UserFrame, records: Records) -> tuple[str, ...]:
    shown = excerpt(entry.place._replace(end_line=entry.line), source_of(records))
    text = "".join(shown.lines[0][1:]).strip() if shown is not None else ""
    return where(entry.place), clean(entry.function), text


# --- frames -----------------------------------------------------------------------------------------------------------


def _effects(records: Records, most: int) -> Section | None:
    """What was changed outside of the functions, where."""
    rows = dict.fromkeys((clean(one.target), clean(one.kind), where(one.location)) for one in records.effects if readable(one.target) == one.target)
    if not rows:
        return None
    section = Section(f"Changed outside · {len(rows):,}", [Table(tuple(rows)[:most])], folded=True)
    section.blocks.append(Para("The change was noted while tracing, and is made when the graph has run, in the order of the program.", "muted"))
    and_more(section, len(rows) - most, "object", "session.records.effects")
    return section


def _left(records: Records, most: int) -> Section | None:
    """Functions that run as ordinary Python, with the reason."""
    left = [frame for frame in records.frames if frame.outcome in ("skipped", "failed")]
    if not left:
        return None
    rows = {_left_row(frame): None for frame in left}  # each once
    section = Section(f"Not compiled · {len(rows):,}", tone="loud" if any(frame.id for frame in left) else "")
    section.blocks.append(Table(tuple(rows)[:most]))
    and_more(section, len(rows) - most, "function", "session.frames")
    return section


def _left_row(frame: Frame) -> tuple[str, ...]:
    return clean(frame.name), _frame_place(frame), clean(frame.reason) or "no reason was recorded"


def _earlier(records: Records) -> Section | None:
    """Functions that were compiled before anybody watched."""
    earlier = earlier_hits(records)
    if not earlier or not records.graphs:
        return None
    rows = tuple((clean(name), count(times, "call")) for name, times in earlier.items())
    section = Section(f"From torch.compile's cache · {len(rows):,}", [Table(rows)])
    section.blocks.append(Para("It was compiled before this session, where nobody watched. fresh=True compiles it anew.", "muted"))
    return section


def _frame_place(frame: Frame) -> str:
    return where(Place(frame.file, frame.line))


def _frames(records: Records, most: int) -> Section | None:
    frames = [frame for frame in records.frames if frame.id]
    if not frames:
        return None
    graphs = {graph.name: graph for graph in records.graphs}
    rows = [(clean(f.id), clean(f.name), _frame_place(f), frame_line(f, graphs.get(f.graph))) for f in frames[:most]]
    section = Section(f"Frames · {len(frames):,}", [Table(tuple(rows))])
    and_more(section, len(frames) - most, "frame", "session.frames")
    return section


def _tried(records: Records, most: int) -> Section | None:
    """Bodies of higher-order operators."""
    if not records.speculations:
        return None
    rows = []
    for one in records.speculations[:most]:
        became = f"graph {clean(one.graph)}" if one.outcome == "committed" else f"{one.outcome}: {clean(one.reason or one.graph)}"
        rows.append((clean(one.operator), clean(one.body), became.rstrip(": "), where(one.location)))
    section = Section(f"Bodies of higher-order operators · {len(records.speculations):,}", [Table(tuple(rows))])
    and_more(section, len(records.speculations) - most, "body", "session.speculations", "bodies")
    return section


# --- guards -----------------------------------------------------------------------------------------------------------


def _guards(records: Records, most: int) -> Section | None:
    if not records.guards:
        return None
    grouped: dict[str, list[Guard]] = {}
    for guard in records.guards:
        grouped.setdefault(guard.source, []).append(guard)
    rows: list[tuple[str, ...]] = []
    for source in list(grouped)[:most]:
        rows.append((clean(source) or "everywhere",))
        rows += dict.fromkeys((clean(guard.kind), clean(guard.expression)) for guard in grouped[source])
    title = f"Guards · {len(records.guards):,} on {count(len(grouped), 'source')}"
    section = Section(title, [Table(tuple(rows))], folded=True)
    and_more(section, len(grouped) - most, "source", "session.guards")
    return section
