"""Guards: what a compiled entry assumed, as data, as C++ that checks it at each call, as text that says what changed.

    guard = Guard(source, "TYPE_MATCH", dict)            # what was seen; `guard.expression` is for people
    lowered = lower(guards, code=code, roots=Roots(locals))
    lowered.root                                         # for torch's eval frame
    lowered.failures(Roots(other_locals))                # every guard that fails there, with the value seen

`KINDS` says what each kind expects. Invariants: Python and C++ agree on whether a frame matches; neither runs code of
the program (but for USER guards); an entry keeps nothing of the program alive but what `held` lists.
"""

from ..compat.guards import memory_layout, overlapping
from . import classes, kinds, relations, torch_kinds
from .accessors import GuardError
from .guard import Failure, Guard, expression
from .kind import KINDS
from .lower import Lowered, check_seconds, lower
from .shapes import Shapes, shape_guard, torch_source
from .summary import summarise
from .torch_kinds import UNCHANGED, GlobalState, switches

__all__ = [
    "KINDS",
    "UNCHANGED",
    "Failure",
    "GlobalState",
    "Guard",
    "GuardError",
    "Lowered",
    "Shapes",
    "check_seconds",
    "expression",
    "lower",
    "memory_layout",
    "overlapping",
    "shape_guard",
    "summarise",
    "switches",
    "torch_source",
]

assert classes and kinds and relations and torch_kinds  # importing them fills KINDS
