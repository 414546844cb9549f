"""Whether advice takes the break away: settings and overrides on the program at hand, and edits that a program can make.

An edit here is what a person would do by following the words of the advice, where following them takes no thought.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.truth.corpora import Ran, Sample
from tests.truth.statements import Checked
from tracer.breaks import Change, suggestions

__all__ = ["tried"]


def tried(sample: Sample, ran: list[Ran]) -> Iterator[Checked]:
    """Every way out that is suggested for one of the breaks, tried on the whole program."""
    done: set[str] = set()
    for found in (one for part in ran for one in part.breaks):
        for advice in suggestions(found):
            key = f"{advice} {found.reason} {found.location}"
            if key in done:
                continue
            done.add(key)
            more = {advice.setting: advice.value} if isinstance(advice, Change) else {"overrides": [advice]}
            kind = f"setting {advice.setting}" if isinstance(advice, Change) else f"override {advice.action}"
            yield Checked(kind, found.reason, _left(sample, found, more))


def _left(sample: Sample, found: Any, more: dict[str, Any]) -> str:
    try:
        again = sample.traced(more)
    except Exception as error:
        return f"it raises {type(error).__name__}: {str(error)[:100]}"
    left = [one for part in again for one in part.breaks if (one.reason, one.location) == (found.reason, found.location)]
    return f"{found.reason} is still there, at line {found.location.line if found.location else 0}" if left else ""


