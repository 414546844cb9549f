"""The runs of one widget: the session that it was made for, and each recompile of it under other settings, with what changed.

Runs are made and compared in the kernel; the page has the form and the results.
"""

from __future__ import annotations

from typing import Any

from tracer.breaks import Change, suggestions
from tracer.config import FIELDS
from tracer.diff.report import headline, outputs_said
from tracer.errors import TracerError
from tracer.explain import clean
from widgets.models.compare import compare

__all__ = ["Runs"]

#: Settings that a person can choose in the form; the others are for programs.
SHOWN = (
    "backend", "dynamic", "fullgraph", "specialize_int", "specialize_float", "capture_scalar_outputs", "capture_dynamic_output_shape_ops",
    "assume_static_by_default", "automatic_dynamic_shapes", "recompile_limit",
)  # fmt: skip
BACKENDS = ("eager", "aot_eager", "inductor")
#: Characters of a comparison that the page is sent.
LONGEST = 60_000


class Runs:
    """`sessions[0]` is the widget's own; each other one came from `recompile`, and is compared with the first."""

    def __init__(self, session: Any):
        self.sessions = [session]
        self.diffs: list[Any] = [None]
        self.pairs: dict[tuple[int, int], dict[str, Any]] = {}

    def recompile(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Run the recorded call again with these settings; the runs as `plain` tells them. TracerError as `session.recompile`."""
        made = self.sessions[0].recompile(**changes)
        self.sessions.append(made)
        self.diffs.append(self.sessions[0].diff(made))
        return self.plain()

    def attempt(self, found: Any, number: int) -> dict[str, str]:
        """Run again with the n-th suggestion against a break: {title, text}, what it changed. TracerError as `recompile`."""
        diff = self._with(suggestions(found)[number])
        said = diff.not_comparable or f"{outputs_said(diff)}."
        gone = not any(
            one.reason == found.reason and one.location == found.location for one in self.sessions[-1].graph_breaks
        )
        return {
            "title": headline(diff),
            "text": f"{'The break is gone.' if gone else 'The break is still there.'} {said} See Runs.",
        }

    def attempt_again(self, found: Any, number: int) -> dict[str, str]:
        """Run again with the n-th suggestion against a recompile, as `attempt` does: how many there are then, and whether this one is among them."""
        diff = self._with(suggestions(found)[number])
        (before, after), what = map(len, diff.recompiles), found.changes[0].what
        gone = not any(one.name == found.name and one.changes and one.changes[0].what == what for one in self.sessions[-1].recompiles)
        counted = diff.cache or f"{'Nothing is' if gone else 'It is still'} compiled again for `{what}`: recompiles {before} → {after}."
        return {"title": headline(diff), "text": f"{counted} {diff.not_comparable or f'{outputs_said(diff)}.'} See Runs."}

    def _with(self, chosen: Any) -> Any:
        """Run again with one suggestion; what changed."""
        if isinstance(chosen, Change):
            self.recompile({chosen.setting: chosen.value})
        else:
            self.recompile({"overrides": [*self.sessions[0].overrides, chosen]})
        return self.diffs[-1]

    def compare(self, left: int, right: int) -> dict[str, Any]:
        """Any two runs on one layout: see `widgets.models.compare`. TracerError where there is no such run."""
        for number in (left, right):
            if not 0 <= number < len(self.sessions):
                raise TracerError(f"there is no run {number + 1}.", next=f"there are {len(self.sessions)}")
        known = (left, right)
        if known not in self.pairs:
            one, other = self.sessions[left], self.sessions[right]
            found = self.diffs[right] if left == 0 and right else one.diff(other)
            self.pairs[known] = compare(one, other, found)
        return self.pairs[known]

    def close(self) -> None:
        """Close the sessions that were made here."""
        for session in self.sessions[1:]:
            session.close()

    def plain(self) -> dict[str, Any]:
        """{runs: [{title, stats, seconds, changes, note, error, diff}], fields: [{name, type, choices, value, meaning}], devices}."""
        base = self.sessions[0].config.plain()
        return {
            "runs": [self._run(number, base) for number in range(len(self.sessions))],
            "fields": [_field(name, base[name]) for name in SHOWN],
            "devices": _devices(),
        }

    def kept(self) -> dict[str, Any]:
        """As `plain`, with each later run compared with the first: for a page without a kernel."""
        pairs = {f"0,{number}": self.compare(0, number) for number in range(1, len(self.sessions))}
        return {**self.plain(), "compared": pairs}

    def _run(self, number: int, base: dict[str, Any]) -> dict[str, Any]:
        session, found = self.sessions[number], self.diffs[number]
        config, stats = session.config.plain(), session.records.stats
        changes = [[name, repr(value), repr(base[name])] for name, value in config.items() if value != base[name]]
        error = getattr(session, "error", None)
        return {
            "title": ", ".join(f"{name}={value}" for name, value, _ in changes)
            or ("as recorded" if number else "this run"),
            "stats": [int(stats[name]) for name in ("graphs", "graph_breaks", "guards", "recompiles", "ops")],
            "seconds": stats["seconds"],
            "changes": changes,
            "note": clean(
                " ".join((getattr(session, "not_comparable", ""), *getattr(session, "rerun_notes", ()))).strip()
            ),
            "error": clean(f"{type(error).__name__}: {error}") if error is not None else "",
            "diff": clean(str(found))[:LONGEST] if found is not None else "",
            "same": found.same if found is not None else True,
        }


def _field(name: str, value: Any) -> dict[str, Any]:
    row = FIELDS[name]
    choices = list(row.choices) if row.choices else list(BACKENDS) if name == "backend" else []
    return {"name": name, "type": row.type, "choices": choices, "value": value, "meaning": row.meaning}


def _devices() -> list[str]:
    """Where a call can run again: what this process has."""
    import sys

    torch = sys.modules.get("torch")
    if torch is None:
        return ["cpu"]
    return [
        "cpu",
        *(f"cuda:{i}" for i in range(torch.cuda.device_count())),
        *(["mps"] if torch.backends.mps.is_available() else []),
    ]
