"""What watching torch.compile costs: the first call of a model, compiled with backend="eager", watched in four ways.

Rounds go through the ways in turn, each from an empty cache, so that a busy machine slows all of them alike; the median counts.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

import tracer
from tests.models.zoo import build

__all__ = ["MODELS", "WAYS", "measure", "table"]

MODELS = ("mlp_train", "resnet", "gpt2", "bert", "t5")

#: Way → the session's record level; None: no session, torch.compile alone.
WAYS: dict[str, str | None] = {
    "not watched": None,
    "nothing recorded": "nothing",
    "decisions": "decisions",
    "all events": "all",
}


def measure(name: str, repeat: int) -> tuple[dict[str, float], int]:
    """Way → seconds of the first call, and how many events "all events" recorded."""
    model = build(name)
    given = model.inputs(model.sizes[0])
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    events = 0
    for round in range(repeat + 1):  # the first one imports and caches things: it isn't counted
        for way, record in WAYS.items():
            taken, count = _once(model.module, given, record)
            events = max(events, count)
            if round:
                seconds[way].append(taken)
    return {way: statistics.median(all) for way, all in seconds.items()}, events


def _once(module: Any, given: dict[str, Any], record: str | None) -> tuple[float, int]:
    torch.compiler.reset()
    if record is None:
        compiled = torch.compile(module, backend="eager")
        began = time.perf_counter()
        compiled(**given)
        return time.perf_counter() - began, 0
    with tracer.Session(engine="dynamo", record=record, keep_inputs=False) as session:
        began = time.perf_counter()
        session.run(module, **given)
        return time.perf_counter() - began, len(session.events)


def table(repeat: int) -> str:
    lines = [
        'Seconds of the first call under torch.compile (backend="eager"), and the ratio to the same call not watched. With '
        '`engine="tracer"` nothing of the observer is imported.',
        "",
        f"| Model | {' | '.join(WAYS)} | events |",
        f"|---|{'---|' * (len(WAYS) + 1)}",
    ]
    for name in MODELS:
        seconds, events = measure(name, repeat)
        base = seconds["not watched"]
        cells = [
            f"{base:.2f} s",
            *(f"{taken:.2f} s, {taken / base:.2f}×" for way, taken in seconds.items() if way != "not watched"),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {events:,} |")
    return "\n".join(lines)
