"""Looks at samples: runs them traced, watches them untraced, checks what was said. Out: counts by kind, and what is not so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from tests.truth.corpora import Ran, Sample
from tests.truth.facts import Watch, places_of
from tests.truth.remedies import tried
from tests.truth.statements import Checked, checked, summaries

__all__ = ["Found", "look"]


@dataclass
class Found:
    """What came of one corpus. `kinds`: (kind, "right" | "wrong" | "open") → how many."""

    programs: int = 0
    breaks: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Checked]] = field(default_factory=list)
    loud: bool = False  # what is wrong is written at once

    def add(self, label: str, one: Checked) -> None:
        self.kinds[one.kind, "open" if one.wrong is None else "wrong" if one.wrong else "right"] += 1
        if one.wrong:
            self.wrong.append((label, one))
            if self.loud:
                print(f"  {label}: {one.kind} {one.value!r}: {one.wrong}", flush=True)

    def total(self, state: str) -> int:
        return sum(count for (_, is_), count in self.kinds.items() if is_ == state)

    def summary(self) -> str:
        return (
            f"{self.programs} programs, {self.breaks} breaks, {self.total('right') + self.total('wrong')} statements checked, "
            f"{self.total('wrong')} false, {self.total('open')} that nothing tells about"
        )


def look(samples: Iterable[Sample], *, advice: bool = True, loud: bool = False) -> Found:
    found = Found(loud=loud)
    kept: list[tuple[Sample, list[Ran]]] = []
    for sample in samples:
        torch.manual_seed(0)
        ran = sample.traced({})
        found.programs += 1
        kept.append((sample, ran))
        for part in ran:
            for one in summaries(part):
                found.add(sample.name, one)
    broken = [(sample, ran) for sample, ran in kept if any(part.breaks for part in ran)]
    watch = Watch(places_of(one for _, ran in broken for part in ran for one in part.breaks))
    for sample, ran in broken:
        sample.plain(watch)
        for one in (one for part in ran for one in part.breaks):
            found.breaks += 1
            found.reasons[one.reason] += 1
            for statement in checked(one, watch):
                found.add(f"{sample.name} [{one.reason}] line {one.location.line}", statement)
        if advice:
            for statement in tried(sample, ran):
                found.add(sample.name, statement)
    return found
