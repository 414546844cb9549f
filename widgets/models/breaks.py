"""The breaks view: every graph break with its explanation, its line, the ways out, and the catalogue's worked example."""

from __future__ import annotations

import difflib
from typing import Any

from tracer.breaks import CATALOGUE, Change, suggestions
from tracer.explain import clean, excerpt, source_of
from tracer.explain.words import at_line
from tracer.records import GraphBreak, Place, Records
from tracer.rerun.elsewhere import ENGINES
from widgets.models.book import Book

__all__ = ["breaks", "excerpt_told", "fix_told", "try_text"]


#: What the line and the explanation show already.
_SAID = frozenset({"line", "func", "expr", "test", "called", "loop", "is_if", "construct", "block", "try_line", "inside"})


def breaks(book: Book) -> dict[str, Any]:
    """{list: [{seq, reason, title, where, line, function, explanation, why, hints, excerpt, context, stack, frames, call, other, elsewhere,
    tries, fixes}]}.

    `other`: the compiler that can be asked about it; `elsewhere`: what it does there, once it was. `tries`: [{number, text}]: what a
    kernel can run at once (see `Runs.attempt`). `fixes`: [{name, do, when, trades, source, diff}]: how the catalogue's example of this
    break is rewritten, as lines of a diff with their signs. `excerpt`: [[number, before, marked, after]].
    """
    return {"list": [_one(book, found) for found in book.records.graph_breaks]}


def _one(book: Book, found: GraphBreak) -> dict[str, Any]:
    place = found.location
    entry = CATALOGUE.get(found.reason)
    return {
        "seq": _seq(book, found),
        "reason": found.reason,
        "title": clean(found.title),
        "where": clean(at_line(place.file, place.line)) if place else "",
        "line": f"{place.file}:{place.line}" if place else "",
        "function": clean(found.user_stack[-1].function) if found.user_stack else "",
        "explanation": clean(found.explanation),
        "why": _why(found),
        "hints": [clean(hint) for hint in found.hints],
        "excerpt": excerpt_told(book.records, found.location),
        "context": [
            [name, clean(value)] for name, value in found.context.items() if name not in _SAID
        ],
        "stack": [
            [clean(f.function), f"{f.file}:{f.line}", clean(at_line(f.file, f.line))] for f in found.user_stack
        ],
        "frames": list(found.frames),
        "call": found.call,
        "other": _other(book),
        "elsewhere": clean(found.elsewhere),
        "tries": [{"number": number, "text": try_text(one)} for number, one in enumerate(suggestions(found))]
        if book.live
        else [],
        "fixes": [fix_told(entry.reproducer, fix) for fix in entry.fixes] if entry is not None else [],
    }


def _other(book: Book) -> str:
    return ENGINES[book.records.engine or "tracer"][1] if book.live else ""


def try_text(one: Any) -> str:
    """What would be tried, in words: a setting, or a decision pinned at the line."""
    return f"with `{one.setting}={one.value}`" if isinstance(one, Change) else f"with the override `{clean(one.text)}`"


def _seq(book: Book, found: GraphBreak) -> int:
    """The event of this break in the outermost frame that it splits last: where the rest goes on from."""
    for event in book.breaks:
        if (
            event.reason == found.reason
            and event.call == found.call
            and (not event.user_stack or tuple(event.user_stack[-1][:2]) == (found.location or ("", 0))[:2])
        ):
            return event.seq
    return -1


def _why(found: GraphBreak) -> str:
    from tracer.breaks import render

    return clean(render(found.reason, **found.context).why_it_matters) if found.reason in CATALOGUE else ""


def excerpt_told(records: Records, place: Place | None) -> list[list[Any]]:
    """[[number, before, marked, after]] of the lines at a place; [] where the source isn't known."""
    shown = excerpt(place, source_of(records))
    return [[line.number, line.before, line.marked, line.after] for line in shown.lines] if shown is not None else []


def fix_told(reproducer: str, fix: Any) -> dict[str, Any]:
    """One way out: how a worked example is rewritten, as lines of a diff with their signs."""
    before, after = reproducer.splitlines(), fix.source.splitlines()
    diff = [[line[0], line[2:]] for line in difflib.ndiff(before, after) if line[0] in "+- "]
    return {
        "name": clean(fix.name),
        "do": clean(fix.do),
        "when": clean(fix.when),
        "trades": clean(fix.trades),
        "source": fix.source,
        "diff": diff,
    }
