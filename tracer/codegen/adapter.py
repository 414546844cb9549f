"""Adapters: code that stands in for a frame, calls the traced body and goes on natively where the trace stopped.

In: the frame's code, the body (a callable of what `entry_names` says), and for a break the `Point` before the breaking
operation. Out: code with the arguments, locals and cells of the frame's code at the same places, with further locals
behind. The breaking operation is covered by the handlers that covered it, and they are included; what leaves the
frame's code towards a resume function is covered by none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CellType, CodeType
from typing import Any

from .listing import Handler, Instruction, Listing, Location, assemble, is_cell, line, local_slots
from .resume import (
    Origin,
    Parameters,
    canonical,
    hidden,
    landing,
    listing_of,
    moved,
    needed,
    parameters,
    refuse_generators,
    resume_code,
    take,
)
from .stack import VERSION, Point, Slot, Successor, load, plain, successors

__all__ = ["Instead", "broken", "entry_names", "finished"]


class Instead(BaseException):
    """Raised by a body that should have returned where to go on: the frame is over already, `value` is its result."""

    def __init__(self, value: Any):
        super().__init__()
        self.value = value


def _over(error: Any, kind: Any = type) -> Any:
    """The program may have replaced any builtin when this runs."""
    if kind(error) is Instead:
        return error.value
    raise error


class Tail(partial):  # type: ignore[type-arg]
    """What resume code returns where it breaks again: the next resume function and its arguments. The adapter of the
    user's own code calls it in its place, so that a loop with a break in it doesn't nest a frame for each round."""

    __slots__ = ()


_JUMPS = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
#: What may stand between a break and the return: it can't raise, and is of no interest to a trace.
_NOTHING_LEFT = (
    "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_FAST", "STORE_FAST", "POP_TOP", "BUILD_TUPLE", "NOP", "NOT_TAKEN", "RETURN_VALUE", "RETURN_CONST",
)  # fmt: skip


def entry_names(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a body is called with: arguments that aren't cells; then cells, the frame's own before the free ones."""
    stars = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    count = code.co_argcount + code.co_kwonlyargcount + stars
    args = tuple(name for name in code.co_varnames[:count] if name not in code.co_cellvars)
    return args, (*code.co_cellvars, *code.co_freevars)


def finished(code: CodeType, body: Callable[..., Any]) -> CodeType:
    """Code that returns what `body(*entry)` returns. Raises ValueError for generators."""
    refuse_generators(code)
    draft = _Draft(listing_of(code))
    draft.begin(body)
    draft.add("RETURN_VALUE")
    return draft.code()


def broken(code: CodeType, body: Callable[..., Any], point: Point, stays: bool = False, may_end: bool = False) -> CodeType:
    """Code that rebuilds the frame from the flat tuple `body(*entry)`, runs the operation at the point, then resumes; or, where
    the frame `stays`, goes on from the point as the frame's code does.

    The tuple: values of `point.bound`, then one value for each slot of `point.stack` but NULLs, bottom to top.
    `may_end`: the body may raise `Instead` in its place. Raises ValueError for generators, and if no operation begins at `point.offset`.
    """
    refuse_generators(code)
    listing = listing_of(code)
    first, last = listing.unit(point.offset)
    draft = _Draft(listing)
    over = draft.begin(body, may_end=True) if may_end else draft.begin(body)
    draft.place = listing.instructions[first].location
    draft.rebuild(point)
    if stays:
        draft.stay(listing.instructions[first], point.bound)
        draft.out += over
        return draft.code()
    unit = plain(listing.instructions[first:last], draft.constant)
    if unit[-1].name == "LOAD_FAST_AND_CLEAR" and is_cell(code, unit[-1].arg):
        raise ValueError("a cell can't be set aside and the frame left before its slot has got another value")
    kept = [name for name in _kept(listing) if name not in code.co_freevars]  # there, it stands in for a cell
    following, jumped = successors(listing, last, unit, replace(point, bound=(*point.bound, *kept)))
    if unit[-1].name not in _JUMPS:
        draft.out += landing(listing.instructions[first]) + unit
    if following is not None:
        draft.leave(following)
    if jumped is not None:
        pads = jumped.pads or (Instruction("NOP", location=draft.place),)
        unit[-1].target = pads[0]
        draft.out += pads
        draft.leave(jumped)
    handlers = [i.handler.target for i in draft.out if i.handler is not None and i.handler.target not in over]
    draft.out += moved(listing, handlers, point.bound) + over
    return draft.code()


def _kept(listing: Listing) -> tuple[str, ...]:
    """Argument 0, which zero-argument super() reads though no operation names it, where it can't have changed."""
    code = listing.code
    if not code.co_argcount or "__class__" not in code.co_freevars or is_cell(code, 0):
        return ()
    if any(i.name in ("STORE_FAST", "DELETE_FAST") and i.arg == 0 for i in listing.instructions):
        return ()
    return code.co_varnames[:1]


@dataclass
class _Draft:
    """An adapter in the making. Slots are those of the frame's code; `~n` is the n-th local of ours."""

    listing: Listing
    out: list[Instruction] = field(default_factory=list)
    consts: list[Any] = field(default_factory=list)
    locals: int = 0
    depth: int = 0  #: the most entries that our own instructions put on the stack
    place: Location | None = None

    def __post_init__(self) -> None:
        code = self.listing.code
        self.consts = [None if isinstance(const, Origin) else const for const in code.co_consts]
        self.place = line(code.co_firstlineno)

    def add(self, name: str, arg: int = 0) -> None:
        self.out.append(Instruction(name, arg, location=self.place))

    def local(self, name: str) -> int:
        """Slot of a local."""
        return self.listing.code.co_varnames.index(name)

    def cell(self, name: str) -> int:
        """Slot of a cell. Free variables come last, for one may have a local's name (comprehensions of 3.12+)."""
        code = self.listing.code
        slots = local_slots(code)
        if name in code.co_cellvars:
            return slots.index(name)
        return len(slots) - len(code.co_freevars) + code.co_freevars.index(name)

    def load_cell(self, name: str) -> None:
        self.add("LOAD_FAST" if VERSION >= (3, 13) else "LOAD_CLOSURE", self.cell(name))

    def take(self, number: int) -> None:
        """Move the value of one of our locals to the stack."""
        self.out += [replace(instruction, location=self.place) for instruction in take(~number)]

    def constant(self, value: Any) -> Instruction:
        self.consts.append(value)
        return Instruction("LOAD_CONST", len(self.consts) - 1, location=self.place)

    def call(self, count: int) -> None:
        """Call what `load` and `count` further instructions have put on the stack."""
        if VERSION == (3, 11):
            self.add("PRECALL", count)
        self.add("CALL", count)
        self.depth = max(self.depth, count + 3)

    # ---- the parts of an adapter, in their order

    def begin(self, body: Callable[..., Any], may_end: bool = False) -> list[Instruction]:
        """Make cells as the frame's code does, and call the body. `may_end`: answers what must stand somewhere, to return what an
        `Instead` says."""
        for instruction in self.listing.instructions:
            self.out.append(replace(instruction, handler=None))
            if instruction.name == "RESUME":
                break
        args, cells = entry_names(self.listing.code)
        started = len(self.out)
        if may_end:
            self.add("NOP")
        self.out += load(self.constant(body))
        for name in args:
            self.add("LOAD_FAST", self.local(name))
        for name in cells:
            self.load_cell(name)
        self.call(len(args) + len(cells))
        return self._ends(self.out[started:]) if may_end else []

    def _ends(self, covered: list[Instruction]) -> list[Instruction]:
        before, self.out = self.out, []
        self.out += load(self.constant(_over))
        self.add("COPY", 3)
        self.call(1)
        self.add("SWAP", 2)
        self.add("POP_TOP")
        self.add("RETURN_VALUE")
        made, self.out = self.out, before
        for instruction in covered:
            instruction.handler = Handler(made[0], 0, False)
        return made

    def rebuild(self, point: Point) -> None:
        """From the body's tuple to the locals and the stack of the point."""
        values = sum(slot is not Slot.NULL for slot in point.stack)
        self.add("UNPACK_SEQUENCE", len(point.bound) + values)
        self.depth = max(self.depth, len(point.bound) + values + 1)
        for name in point.bound:
            is_local = name in self.listing.code.co_varnames
            self.add("STORE_FAST", self.local(name) if is_local else self.cell(name))
        self.forget(point)
        if point.stack == (Slot.VALUE,):
            return
        for number in range(values):
            self.add("STORE_FAST", ~number)
        self.locals = max(self.locals, values)
        number = 0
        for slot in point.stack:
            if slot is Slot.NULL:
                self.add("PUSH_NULL")
                continue
            self.take(number)
            number += 1
            if slot is not Slot.VALUE:
                self.add("PUSH_EXC_INFO")
            if slot is Slot.STATE:
                self.add("POP_TOP")

    def forget(self, point: Point) -> None:
        """Arguments that have lost their value, or are not needed any more."""
        for name in entry_names(self.listing.code)[0]:
            if name not in point.bound and name not in _kept(self.listing):
                self.add("DELETE_FAST", self.local(name))

    def stay(self, goal: Instruction, bound: tuple[str, ...]) -> None:
        """Go on in this frame, whose references to objects are the program's."""
        rest = moved(self.listing, [goal], bound)
        if rest[0] is not goal:
            self.out.append(Instruction("JUMP_FORWARD", target=goal, location=self.place))
        self.out += rest

    def leave(self, successor: Successor) -> None:
        """Save the stack, leave the exception states, call the resume function and return its result. Resume code that
        has to be left returns the call instead (see `Tail`)."""
        if self.finish(successor):
            return
        code = self.listing.code
        point = Point(self.listing.instructions[successor.index].offset, tuple(successor.bound), successor.stack)
        original, point = canonical(code, point)
        live = needed(original.code, point.offset)
        point = replace(point, bound=tuple(name for name in point.bound if name in live))
        wanted = parameters(original.code, point)
        kept = self.unwind(point.stack)
        again = original.code is not code
        function = self.function(resume_code(original.code, point), wanted)
        self.out += [*load(self.constant(Tail)), *function] if again else load(*function)
        if wanted.first and wanted.first_is_cell:
            self.add("LOAD_DEREF", self.cell(wanted.first))
        elif wanted.first:
            self.out.append(self.constant(None))
        for name in wanted.bound:
            self.add("LOAD_FAST", self.local(name))
        for name in wanted.raw:
            self.load_cell(name)
        for number in range(kept):
            self.take(number)
        self.call(again + bool(wanted.first) + len(wanted.bound) + len(wanted.raw) + kept)
        self.depth = max(self.depth, len(wanted.closure) + 6)
        if not again:
            self.follow()
        self.add("RETURN_VALUE")

    def follow(self) -> None:
        """While the value on the stack is a `Tail`, call it."""
        first = Instruction("NOP", location=self.place)
        last = Instruction("NOP", location=self.place)
        self.out += [first, *load(self.constant(type))]
        self.add("COPY", 3)
        self.call(1)
        self.out.append(self.constant(Tail))
        self.add("IS_OP")
        name = "POP_JUMP_FORWARD_IF_FALSE" if VERSION == (3, 11) else "POP_JUMP_IF_FALSE"
        self.out.append(Instruction(name, target=last, location=self.place))
        self.add("PUSH_NULL")
        if VERSION < (3, 13):
            self.add("SWAP", 2)
        self.call(0)
        self.out += [Instruction("JUMP_BACKWARD", target=first, location=self.place), last]

    def finish(self, successor: Successor) -> bool:
        """Return natively where nothing is left to do but that."""
        rest, code, bound = [], self.listing.code, set(successor.bound)
        for instruction in self.listing.instructions[successor.index :]:
            name, arg = instruction.name, instruction.arg
            if name not in _NOTHING_LEFT or Slot.NULL in successor.stack:
                return False
            if name in ("LOAD_FAST", "STORE_FAST"):
                if is_cell(code, arg) or (name == "LOAD_FAST" and code.co_varnames[arg] not in bound):
                    return False
                bound.add(code.co_varnames[arg])
            rest.append(replace(instruction, handler=None))
            if instruction.name.startswith("RETURN"):
                break
        self.out += rest
        return True

    def unwind(self, stack: tuple[Slot, ...]) -> int:
        """Store the values of a stack in our locals, bottom one first, and empty it. Answers how many there are."""
        kept = number = sum(slot is not Slot.NULL for slot in stack)
        self.locals = max(self.locals, kept + (Slot.NULL in stack))
        for slot in reversed(stack):
            if slot is Slot.NULL:
                self.add("STORE_FAST", ~kept)  # as comprehensions of 3.12+ do: the local becomes unbound
                continue
            number -= 1
            if slot is Slot.STATE:
                self.out += load(self.constant(sys.exception))
                self.call(0)
            self.add("STORE_FAST", ~number)
            if slot is Slot.STATE:
                self.add("POP_EXCEPT")
        return kept

    def function(self, code: CodeType, wanted: Parameters) -> list[Instruction]:
        """Instructions that make the function of a resume code, with this frame's globals and cells."""
        before, self.out = self.out, []
        closure = wanted.closure
        for name in closure:
            if name in wanted.raw:
                self.out += load(self.constant(CellType))
                self.call(0)
            else:
                self.load_cell(name)
        if closure:
            self.add("BUILD_TUPLE", len(closure))
        self.out.append(self.constant(code))
        if VERSION < (3, 13):
            self.add("MAKE_FUNCTION", 8 if closure else 0)
        else:
            self.add("MAKE_FUNCTION")
            if closure:
                self.add("SET_FUNCTION_ATTRIBUTE", 8)
        made, self.out = self.out, before
        return made

    def code(self) -> CodeType:
        code = self.listing.code
        count = len(code.co_varnames)
        new, _ = assemble(
            self.out,
            code,
            slot=lambda arg: count + ~arg if arg < 0 else arg if arg < count else arg + self.locals,
            consts=self.consts,
            stacksize=code.co_stacksize + self.depth,
            varnames=[*code.co_varnames, *hidden(code, "kept", self.locals)],
        )
        return new
