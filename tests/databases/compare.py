"""One case traced and untraced: what came out, what was written, drawn and raised, and the gradients."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

from tests.databases.cases import Case
from tests.databases.known import KNOWN, MORE_BREAKS
from tests.differential import Reference, Traced, Untraced, compare_runs, execute, plain

__all__ = ["Verdict", "captured_by_torch_compile", "verdict"]

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

    @property
    def broken(self) -> bool:
        return self.kind == BROKEN

    @property
    def why_broken(self) -> str:
        """Why a graph ends where torch.compile has one; empty where nobody knows."""
        return next((why for start, why in MORE_BREAKS.items() if self.case.label.startswith(start)), "")


def captured_by_torch_compile(case: Case) -> bool:
    """Whether torch.compile has one graph of a case, and raises nothing."""
    compiler, before = Reference(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # torch prints what its fakes can't do, also where it then ends the graph
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiler.compile(case.fn)(*case.make_args())
        counts = compiler.counts()
        return counts.graphs == 1 and not counts.breaks
    except Exception:  # its own errors, and what the case raises untraced too
        return False
    finally:
        compiler.close()
        logging.disable(before)


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
