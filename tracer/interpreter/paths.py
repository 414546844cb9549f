"""Where a trace is, in a form that means the same in the next attempt, the next compile and another process: a path of
Steps from the root frame to the operation. Resume functions count as the function that they go on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..codegen.resume import group_start, original_of
from ..overrides import Step
from ..signals import Break, Decision, Restart

if TYPE_CHECKING:
    from ..context import Context
    from .frame import Frame, Program

__all__ = ["break_at", "moment_of", "offset_of", "path_of", "pin_break", "place_of", "step_of", "visit"]


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


# ---- where a graph ends
def pin_break(ctx: Context, root: Frame, stop: Break) -> Restart:
    """The decision that the next attempt takes: end the graph before the operation of the root frame that led here."""
    stop.__traceback__ = None  # it stays with the decision, and would keep the attempt with all that it met
    return break_at(moment_of(root), stop)


def moment_of(root: Frame) -> tuple[Any, tuple[int, int]]:
    """The operation that a root frame is in: as decisions name it, and its place."""
    pc, count = place_of(root)
    return step_of(root, pc, count), (pc, count)


def break_at(moment: tuple[Any, tuple[int, int]], stop: Break) -> Restart:
    """The decision to end the graph before that operation."""
    step, at = moment
    return Restart(Decision(((step,), "break"), stop, stop.reason, at))


def place_of(root: Frame) -> tuple[int, int]:
    """(the operation that a root frame is in, which time)."""
    pc = group_start(root.decoded, root.pc - 1)
    return pc, (root.visits or {}).get(pc, 1)
