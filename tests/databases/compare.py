"""One case traced and untraced: what came out, what was written, drawn and raised, and the gradients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from tests.databases.cases import Case
from tests.databases.known import KNOWN
from tests.differential import Traced, check

__all__ = ["Verdict", "verdict"]

EQUAL, BROKEN, NOT_CAPTURED, DIFFERS = "equal, one graph", "equal, with breaks", "equal, no graph", "differs"


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
    ignore = frozenset() if case.values else frozenset({".data"})
    compiler = Traced()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _, counts = check(case.fn, case.make_args, calls=1, compiler=compiler, ignore=ignore)
        except AssertionError as error:
            return Verdict(case, DIFFERS, str(error))
        except Exception as error:
            return Verdict(case, DIFFERS, f"untraced too: {type(error).__name__}: {error}")
    if counts.breaks:
        return Verdict(case, BROKEN)
    return Verdict(case, EQUAL if counts.graphs == 1 else NOT_CAPTURED)
