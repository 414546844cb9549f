"""One case traced and untraced: what came out, what was written, drawn and raised, and the gradients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from tests.databases.cases import Case
from tests.databases.known import KNOWN
from tests.differential import Traced, Untraced, compare_runs, execute, plain

__all__ = ["Verdict", "verdict"]

EQUAL, BROKEN, NOT_CAPTURED = "equal, one graph", "equal, with breaks", "equal, no graph"
DIFFERS, NO_SAMPLE = "differs", "no sample"  # none: the database's own code failed to make one


@dataclass(frozen=True)
class Verdict:
    case: Case
    kind: str
    text: str = ""

    @property
    def right(self) -> bool:
        return self.kind != DIFFERS

    @property
    def explained(self) -> str:
        """Why it may differ: a line of `known.py`; empty where nobody knows."""
        return next((why for start, why in KNOWN.items() if self.case.label.startswith(start)), "")


def verdict(case: Case) -> Verdict:
    """Warnings don't count: torch gives many of them once in a process."""
    scenario, namespace = plain(case.fn, case.make_args, 1), case.fn.__globals__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            untraced, _ = execute(scenario, Untraced(), namespace)
        except Exception as error:
            return Verdict(case, NO_SAMPLE, f"{type(error).__name__}: {error}")
        compiler = Traced()
        try:
            traced, counts = execute(scenario, compiler, namespace)
        finally:
            compiler.close()
    for run in (untraced, traced):
        for one in run.calls:
            one.log[:] = [entry for entry in one.log if entry[0] != "warning"]
    problems = compare_runs(untraced, traced, None, frozenset() if case.values else frozenset({".data"}))
    if problems:
        return Verdict(case, DIFFERS, "\n".join(problems))
    if counts.breaks:
        return Verdict(case, BROKEN)
    return Verdict(case, EQUAL if counts.graphs == 1 else NOT_CAPTURED)
