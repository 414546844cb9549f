"""A recording opened again: what a session answers, from its events alone and without the traced program.

What comes in: a file written by `session.save(path)`. What goes out: the same attributes as a session's. Opening one
never runs anything and imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import tracer.explain as _explain
from tracer.config import TraceConfig
from tracer.errors import TracerError
from tracer.events import Event
from tracer.found import Found
from tracer.journal import Journal
from tracer.journal import load as _load
from tracer.overrides import Override
from tracer.records import Call, Records, from_events

__all__ = ["Recording", "load"]


class _NotHere(TracerError, AttributeError):
    """What a session has, and a recording can't: an attribute that isn't there, with the reason."""


class Recording(Found):
    """`events`, `frames`, `graphs`, … as of a session; `journal` is the index over the events. What needs the program or its tensors
    is not there: `recompile`, `replay`, `run`, `step`, `tracing`, `result`."""

    def __init__(self, journal: Journal, path: str = ""):
        self._journal, self.path = journal, path

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def events(self) -> Sequence[Event]:
        return self.journal.events

    @property
    def truncated(self) -> bool:
        """Whether the file was cut short; what is there is whole."""
        return self.journal.truncated

    @cached_property
    def records(self) -> Records:
        return from_events(self.journal)

    @cached_property
    def config(self) -> TraceConfig:
        """The recorded settings, as far as this version knows them."""
        return TraceConfig.from_plain(self.journal.header.get("config", {}))

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The decisions that were taken in the compiler's place; TracerError where this version can't read them."""
        return tuple(map(Override.from_plain, self.journal.header.get("config", {}).get("overrides", ())))

    @property
    def versions(self) -> Mapping[str, Any]:
        return self.journal.header.get("versions", {})

    @property
    def calls(self) -> list[Call]:
        return self.records.calls

    def __getattr__(self, name: str) -> Any:
        """What only a session has."""
        if name in _OF_SESSIONS:
            raise _NotHere(f"a recording has no {name}: it holds no program and no tensors.", next=_OF_SESSIONS[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def explain(self) -> str:
        """What happened, as text for a terminal."""
        text = super().explain()
        return f"{text}\n{self._cut()}" if self.truncated else text

    def _repr_html_(self) -> str:
        return _explain.html(self.records, note=self._cut() if self.truncated else "")

    def __repr__(self) -> str:
        return f"<Recording {self.path}: {_explain.headline(self.records)}>"

    def _cut(self) -> str:
        return f"This recording was cut short: it ends after {len(self.events):,} events."


_RUNS = "trace the program again, with tracer.trace(fn, …)"
_OF_SESSIONS = {
    "run_graph": f"{_RUNS}, and call run_graph of that session; what was run before it was saved is in recording.runs",
    "first_nonfinite": f"{_RUNS}, and ask that session",
    "check": f"{_RUNS}, and check that session",
    "recompile": f"{_RUNS}, and recompile that session",
    "replay": "call tracer.replay(fn, recording, …), which runs the function for real and compares",
    "result": f"{_RUNS}; its session has the result",
    "run": _RUNS,
    "step": _RUNS.replace("trace(", "step("),
    "tracing": _RUNS,
}


def load(path: str | os.PathLike[str]) -> Recording:
    """Opens a recording. TracerError where the file is none, is damaged or is newer than this version."""
    return Recording(_load(path), os.fspath(path))
