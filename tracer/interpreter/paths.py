"""Where a trace is, in a form that means the same in the next attempt, the next compile and another process: a path of
Steps from the root frame to the operation. Resume functions count as the function that they go on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..codegen.resume import original_of
from ..overrides import Step

if TYPE_CHECKING:
    from .frame import Frame, Program

__all__ = ["offset_of", "path_of", "step_of", "visit"]


def offset_of(program: Program, index: int) -> int:
    """The offset, in the user's code, of operation `index`."""
    return original_of(program.code, program.decoded.ops[index].offset)[1]


def step_of(frame: Frame, index: int, occurrence: int) -> Step:
    """One frame's part of a path."""
    code = original_of(frame.program.code)[0]
    return Step(code.co_filename, code.co_qualname, code.co_firstlineno, offset_of(frame.program, index), occurrence)


def path_of(frame: Frame, occurrence: int = 0, index: int | None = None) -> tuple[Step, ...]:
    """The path to the operation that `frame` runs, or to another one of it. `occurrence`: which time it runs there, 0 where
    nobody counted."""
    steps = [step_of(frame, frame.pc - 1 if index is None else index, occurrence)]
    caller = frame.back
    while caller is not None:
        entered = caller.pc - 1
        steps.append(step_of(caller, entered, (caller.visits or {}).get(~entered, 0)))
        caller = caller.back
    return tuple(reversed(steps))


def visit(frame: Frame, index: int) -> int:
    """Count a run of operation `index`, or with its complement a frame that it enters."""
    visits = frame.visits
    if visits is None:
        visits = frame.visits = {}
    count = visits[index] = visits.get(index, 0) + 1
    return count
