"""The recompiles view: one card for each call that no compiled entry fitted: what changed, who called, who relied on it, what ends it."""

from __future__ import annotations

from typing import Any

from tracer.breaks import Change, cause_of, fixes_for, suggestions
from tracer.explain import clean
from tracer.explain.recompiles import ENDED, behind, since_limit
from tracer.explain.words import readable, where
from tracer.records import Place, Recompile
from widgets.models.book import Book
from widgets.models.breaks import excerpt_told, fix_told, try_text

__all__ = ["recompiles"]


def recompiles(book: Book) -> dict[str, Any]:
    """{list: [{seq, name, change, more, call, caller, installed, fixed, excerpt, why, hints, fixes, tries, became, hits, entries, limit, since}]}.

    `change`: [what, old, new], `what` "" where it has no name; `more`: texts of what else had changed against the closest entry. `caller` and
    `installed`: [label, line] or None. `entries`: [[entry, call that it was compiled in, times it ran or None, what turned it away, closest]].
    `limit`: nothing was compiled any more, and `since` says what ran as Python from then on. `tries`, `fixes`: as those of breaks.
    """
    records = book.records
    known = [*((one, False) for one in records.recompiles), *((one, True) for one in records.limits)]
    return {"list": [_one(book, one, limit) for one, limit in sorted(known, key=lambda pair: pair[0].seq)]}


def _one(book: Book, one: Recompile, limit: bool) -> dict[str, Any]:
    records, cause = book.records, cause_of(one)
    why, hints = behind(one, records)
    relied_on = one.installed._replace(end_line=-1) if one.installed is not None else None
    first = one.changes[0] if one.changes else None
    return {
        "seq": one.seq,
        "name": clean(one.name),
        "change": [clean(readable(text)) for text in first[:3]] if first is not None else ["", "no guard is known that failed", ""],
        "more": [clean(readable(change.text)) for change in one.changes[1:]],
        "call": one.call,
        "caller": _link(one.caller),
        "installed": _link(one.installed),
        "fixed": one.fixed,
        "excerpt": excerpt_told(records, relied_on),
        "why": clean(f"{why} {ENDED}" if one.ended else why),
        "hints": [clean(hint) for hint in hints] if cause is None or cause.id != "iterator" else [],  # its fix says the same
        "fixes": [fix_told(cause.reproducer, fix) for fix in fixes_for(one)] if cause is not None else [],
        "tries": [{"number": number, "text": try_text(wanted)} for number, wanted in enumerate(suggestions(one)) if _can_try(book, wanted)],
        "became": one.became,
        "hits": records.entry_hits.get(one.became, 0) if _hits_known(book) else None,
        "entries": _entries(book, one),
        "limit": limit,
        "since": since_limit(one, records) if limit else "",
    }


def _can_try(book: Book, wanted: Any) -> bool:
    """Overrides are our own compiler's; both need a kernel."""
    return book.live and (isinstance(wanted, Change) or (book.records.engine or "tracer") == "tracer")


def _hits_known(book: Book) -> bool:
    """Whether the engine tells which entry runs."""
    return bool(book.records.entry_hits) or not book.records.hits


def _link(place: Place | None) -> list[str] | None:
    return [clean(where(place)), f"{place.file}:{place.line}"] if place is not None and place.line > 0 else None


def _entries(book: Book, one: Recompile) -> list[list[Any]]:
    compiled = {frame.id: frame.call for frame in book.records.frames if frame.id}
    against = {entry: [clean(readable(change.text)) for change in told] for entry, told in one.against().items()}
    hits = book.records.entry_hits if _hits_known(book) else None
    return [
        [entry, compiled.get(entry, 0), None if hits is None else hits.get(entry, 0), told[:_TOLD], entry == one.closest] for entry, told in against.items()
    ]


#: So many reasons are told of an entry that isn't the closest.
_TOLD = 5
