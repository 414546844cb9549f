"""How large a recording is, and how long it takes to look at any moment of it.

One model large enough for 100,000 events, traced once. A seek is `journal.state_at(seq)` with frames, stack, locals, graph and
guards read; the first one after a call reads all events once, a loaded recording has done that already.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tracer

__all__ = ["AIMS", "measure", "table"]

AIMS = {"bytes": 300, "seek": 50}
EVENTS = 100_000
SEEKS = 200


class Deep(nn.Module):
    """Blocks of ordinary layers behind a loop, as models have them."""

    def __init__(self, blocks: int):
        super().__init__()
        made = [nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4), nn.Dropout(0.1)) for _ in range(blocks)]
        self.blocks = nn.ModuleList(made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


def recorded(events: int = EVENTS) -> tracer.Session:
    """A traced call with at least so many events."""
    blocks = 16
    while True:
        session = tracer.trace(Deep(blocks).eval(), torch.ones(2, 4))
        if len(session.events) >= events:
            return session
        blocks = int(blocks * events / len(session.events) * 1.05) + 1


def look(journal: Any, seq: int) -> float:
    """Seconds of one seek."""
    begin = time.perf_counter()
    state = journal.state_at(seq)
    _ = state.frames, state.stack, state.locals, state.graph, state.guards
    return time.perf_counter() - begin


def measure(events: int = EVENTS) -> dict[str, float]:
    """Figures by name: events, bytes an event (as written, and compressed), seconds to save and to load, milliseconds of seeks."""
    session = recorded(events)
    found: dict[str, float] = {"events": len(session.events)}
    found["first seek ms"] = 1e3 * look(session.journal, len(session.events) - 1)
    with tempfile.TemporaryDirectory() as folder:
        for name, file in (("bytes an event", "run.jsonl"), ("bytes an event, compressed", "run.jsonl.gz")):
            path = Path(folder) / file
            begin = time.perf_counter()
            session.save(path)
            found.setdefault("save s", time.perf_counter() - begin)
            found[name] = path.stat().st_size / len(session.events)
        begin = time.perf_counter()
        journal = tracer.load(Path(folder) / "run.jsonl").journal
        found["load s"] = time.perf_counter() - begin
    places = random.Random(0)
    found["first seek of a loaded recording ms"] = 1e3 * look(journal, len(journal) - 1)
    seeks = [1e3 * look(journal, places.randrange(len(journal))) for _ in range(SEEKS)]
    found["seek ms, median"], found["seek ms, slowest"] = statistics.median(seeks), max(seeks)
    return found


def table() -> str:
    """The figures as Markdown."""
    found = measure()
    rows = [
        f"| {name} | {value:,.0f} |" if value >= 1000 else f"| {name} | {value:,.2f} |" for name, value in found.items()
    ]
    aims = f"Aims at 100,000 events: any seek within {AIMS['seek']} ms, at most {AIMS['bytes']} bytes an event."
    return "\n".join([f"{aims} {SEEKS} seeks at random places.", "", "| | |", "|---|--:|", *rows])


if __name__ == "__main__":
    print(table())
