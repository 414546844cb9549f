"""Which calls of a session a re-run ran again: what of the session it can be held against, and what it is called.

In: a session and the kept calls that are run again. Out: a `Scope`. Like is compared with like: of the first session only the
events of those calls count, and recompiles only where both began with as many entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..session import Session
    from .kept import KeptCall

__all__ = ["Scope", "Span", "common", "scope_of"]

#: A call's number, and the first and the behind-last of its events; None: the last one there is.
Span = tuple[int, int, int | None]


class Scope(NamedTuple):
    """`spans`: the calls, as events of the first session; `own`: as events of the re-run. `whole`: they are all that it has. `title`:
    which they are, "" where `whole`. `cache`: why recompiles can't be compared, a sentence; "" where they can."""

    spans: tuple[Span, ...] = ()
    own: tuple[Span, ...] = ()
    whole: bool = True
    title: str = ""
    cache: str = ""


def scope_of(session: Session, calls: Sequence[KeptCall], own: Sequence[Span], *, traced: bool) -> Scope:
    """`traced`: of the call only the first frame was traced."""
    keeper = session.keeper
    spans = tuple((one.number, one.span[0] or 0, one.span[1]) for one in calls)
    orders = [one.order for one in calls if one.order is not None]
    hits = sum(one.order is None for one in keeper.calls)
    whole = not traced and not keeper.missed and len(orders) == keeper.compiled and len(calls) - len(orders) == hits
    if whole:
        return Scope(spans, tuple(own))
    cache = ""
    if orders != list(range(len(orders))) or not orders:
        cache = "The re-run began with an empty cache; before the first of these calls others had compiled."
    title = f"the first frame of {_named(session, calls)}" if traced else _named(session, calls)
    return Scope(spans, tuple(own), False, title, cache)


def _named(session: Session, calls: Sequence[KeptCall]) -> str:
    """`call 3 of 5`, `calls 1, 2 and 4 of 9`, `the first 8 calls of a block`."""
    if all(one.block for one in calls):
        return f"the first {len(calls)} calls of the block" if len(calls) > 1 else "the first call of the block"
    numbers = [str(one) for one in dict.fromkeys(one.number for one in calls)]
    listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else numbers[0]
    return f"call{'s' if len(numbers) > 1 else ''} {listed} of {session.calls}"


def common(left: Scope, right: Scope) -> tuple[list[Span], list[Span]]:
    """Of two re-runs of one session: the events in each of the calls that both ran."""
    here, there = dict(zip(left.spans, left.own)), dict(zip(right.spans, right.own))
    both = [span for span in here if span in there]
    return [here[span] for span in both], [there[span] for span in both]
