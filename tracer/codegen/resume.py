"""Resume functions: code that goes on in the middle of a function.

In: a code object and a `Point` in it. Out: a code object whose parameters are the bound locals in their original order,
then the values on the stack; all cells of the original, its own and its free ones, arrive through the closure.
Invariants: resume code is always made from the user's code, also when asked for a point of resume code, so codes don't
grow; and the same point of the same code gives the same object for as long as somebody holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_NESTED, CO_VARARGS, CO_VARKEYWORDS
from itertools import pairwise
from types import CodeType
from weakref import WeakValueDictionary

from ..isa import Decoded, decode
from .listing import Instruction, Listing, assemble, is_cell, line, local_slots, reachable, read
from .stack import VERSION, Point, Slot, asked, entries

__all__ = [
    "Origin", "Parameters", "canonical", "group_start", "hidden", "is_resume", "landing", "listing_of", "moved", "needed", "original_of",
    "parameters", "raising", "refuse_generators", "resume_code", "take",
]  # fmt: skip


@dataclass(eq=False, frozen=True, slots=True)
class Origin:
    """Kept among the constants of resume code: the user's code, where in it this code begins, and offsets there for offsets here.

    `halves`: offsets here of the second halves of what is one operation there.
    """

    code: CodeType
    point: Point
    offsets: dict[int, int]
    halves: set[int]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a resume function is called with: `first`, if any, then `bound`, `raw`, `stack`; its cells are `closure`."""

    first: str | None  #: argument 0 where it is a cell or has no value: zero-argument super() reads the first parameter
    first_is_cell: bool
    bound: tuple[str, ...]
    raw: tuple[str, ...]  #: cells whose slots hold something else (see `Point.bound`): in the closure is an empty one
    stack: int  #: how many values
    closure: tuple[str, ...]


_made: WeakValueDictionary[tuple[int, Point], CodeType] = WeakValueDictionary()


def _origin(code: CodeType) -> Origin | None:
    last = code.co_consts[-1] if code.co_consts else None
    return last if isinstance(last, Origin) else None


def is_resume(code: CodeType) -> bool:
    """Whether `code` is that of a resume function."""
    return _origin(code) is not None


def listing_of(code: CodeType) -> Listing:
    """The instructions of a user's code or of resume code, in the same units."""
    origin = _origin(code)
    return read(code, origin.halves if origin is not None else ())


def original_of(code: CodeType, offset: int = 0) -> tuple[CodeType, int]:
    """The user's code and the offset there, for resume code and an offset in it; anything else as it is."""
    origin = _origin(code)
    if origin is not None:
        if offset not in origin.offsets:
            raise ValueError(f"{code.co_qualname}: no operation begins at offset {offset}")
        return origin.code, origin.offsets[offset]
    return code, offset


def group_start(decoded: Decoded, index: int) -> int:
    """The first of the canonical operations that are one operation of the user's code with `index`, of whose halves resume code makes
    operations of their own: a frame has the state of a point only there."""
    origin = _origin(decoded.code)
    if origin is not None:
        while decoded.ops[index].start in origin.halves:
            index -= 1
    return decoded.group_start(index)


def refuse_generators(code: CodeType) -> None:
    if code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR):
        raise ValueError(f"{code.co_qualname} is a generator or coroutine: no other code can stand in for its frame")


def canonical(code: CodeType, point: Point) -> tuple[Listing, Point]:
    """The user's code as a listing, and the point in it: one form for all that mean the same frame."""
    code, offset = original_of(code, point.offset)
    listing = read(code)
    first, _ = listing.unit(offset)
    bound = tuple(name for name in dict.fromkeys(local_slots(code)) if name in point.bound)
    return listing, Point(listing.instructions[first].unit, bound, entries(point.stack))


#: Names by which a program may look at all locals of a frame, also at those that no operation reads again.
_LOOKS = frozenset({"locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "breakpoint", "set_trace"})


def needed(code: CodeType, offset: int) -> frozenset[str]:
    """Names of the locals that may still be read at or after an operation, also by `locals()` and bare `super()`."""
    names = local_slots(code)
    if not _LOOKS.isdisjoint(code.co_names):
        return frozenset(names)
    decoded = decode(code)
    live = {names[slot] for slot in decoded.live_in(decoded.index_of[offset])}
    return frozenset(live.union(names[:1] if "__class__" in code.co_freevars else ()))


def parameters(code: CodeType, point: Point) -> Parameters:
    """The parameters of the resume function of a canonical point of a user's code."""
    first, in_cell = None, False
    if "__class__" in code.co_freevars and code.co_argcount:
        first, in_cell = code.co_varnames[0], is_cell(code, 0)
    if first in point.bound and not in_cell:
        first = None
    closure = (*code.co_cellvars, *code.co_freevars)
    bound = tuple(name for name in point.bound if name in code.co_varnames and name not in code.co_cellvars)
    raw = tuple(name for name in point.bound if name not in bound)
    values = sum(slot is not Slot.NULL for slot in point.stack)
    return Parameters(first, in_cell, bound, raw, values, closure)


def resume_code(code: CodeType, point: Point) -> CodeType:
    """The resume function for a point of `code`; raises ValueError for generators and for offsets of no operation."""
    refuse_generators(code)
    listing, point = canonical(code, point)
    code = listing.code
    key = id(code), point  # what is found under it holds `code`, so the id can't have been given to another one
    made = _made.get(key)
    if made is None:
        made = _made[key] = _build(listing, point)
    return made


def raising(code: CodeType, error: BaseException) -> CodeType:
    """For resume code, code that fits a frame of it and raises `error` where it would go on, under the handlers there: they are left as
    the program leaves them. ValueError for other code, which has entered nothing when it begins."""
    origin = _origin(code)
    if origin is None:
        raise ValueError(f"{code.co_qualname} is no resume function")
    return _build(read(origin.code), origin.point, error)


def _build(listing: Listing, point: Point, error: BaseException | None = None) -> CodeType:
    code, wanted = listing.code, parameters(listing.code, point)
    goal = listing.instructions[listing.unit(point.offset)[0]]
    ours = hidden(code, "stack", len(wanted.raw) + wanted.stack)
    args = [*([wanted.first] if wanted.first else []), *wanted.bound, *ours]
    rest = [name for name in code.co_varnames if name not in code.co_cellvars and name not in wanted.bound]
    if wanted.first and not wanted.first_is_cell:
        rest.remove(wanted.first)
    varnames = [*args, *rest]
    body = moved(listing, [goal], wanted.bound)
    jump = asked(goal) + ([] if body[0] is goal else [Instruction("JUMP_FORWARD", target=goal)])
    slots = _slots(code, varnames, wanted.closure)
    consts = list(code.co_consts)
    if error is not None:
        # An iterator lets go of the error when it is taken: a constant would make a cycle that the collector can't see.
        jump = [
            Instruction(name, arg, handler=goal.handler, location=goal.location)
            for name, arg in (("LOAD_CONST", len(consts)), ("UNPACK_EX", 1), ("RAISE_VARARGS", 1))
        ]
        consts.append(iter([error]))
    head = _head(code, point, wanted, len(varnames), jump, goal)
    whole = [*head, *body]
    origin = Origin(code, point, {}, set())
    new, starts = assemble(
        whole,
        code,
        slot=lambda arg: slots[arg] if arg >= 0 else ~arg,
        consts=[*consts, origin],
        stacksize=max(code.co_stacksize, len(point.stack) + 1) + 2,
        varnames=varnames,
        cellvars=[],
        freevars=list(wanted.closure),
        argcount=len(args),
        posonlyargcount=0,
        kwonlyargcount=0,
        flags=code.co_flags & ~(CO_VARARGS | CO_VARKEYWORDS) | (CO_NESTED if wanted.closure else 0),
    )
    _fill(origin, whole, [*starts, len(new.co_code)], [goal.offset] * len(head))
    return new


def moved(listing: Listing, roots: list[Instruction], bound: tuple[str, ...]) -> list[Instruction]:
    """What may run from `roots` on, fit for another frame, of whose locals those named `bound` have values."""
    code = listing.code
    instructions = reachable(listing, roots)
    for instruction in instructions:
        name, arg = instruction.name, instruction.arg
        if name == "RERAISE":
            instruction.arg = 0  # the position that it would restore, kept on the stack, is one in other code
        elif name in ("RESUME", "COPY_FREE_VARS"):
            instruction.name, instruction.arg = "NOP", 0
        elif VERSION < (3, 12) or name != "LOAD_FAST" or is_cell(code, arg):
            continue
        elif code.co_varnames[arg] not in bound:
            instruction.name = "LOAD_FAST_CHECK"  # a point that left out a local gives an error, not a crash
    return _landed(listing, instructions)


def landing(instruction: Instruction) -> list[Instruction]:
    """What must stand before an operation whose neighbours have changed.

    When a call of a Python function raises, CPython 3.13 takes the handler of the code unit *before* the call.
    """
    if VERSION < (3, 13):
        return []
    return [Instruction("NOP", handler=instruction.handler, location=instruction.location)]


def _landed(listing: Listing, instructions: list[Instruction]) -> list[Instruction]:
    """`instructions`, with a landing wherever the one that stood before is missing."""
    before = {second: first for first, second in pairwise(listing.instructions)}
    out: list[Instruction] = []
    for instruction in instructions:
        if not out or before.get(instruction) is not out[-1]:
            out += landing(instruction)
        out.append(instruction)
    return out


def _head(
    code: CodeType, point: Point, wanted: Parameters, cells: int, jump: list[Instruction], goal: Instruction
) -> list[Instruction]:
    """Get the frame into the state of the point, then jump there. Slots here are those of the new code, as `~slot`."""
    start = line(code.co_firstlineno)
    head = [Instruction("COPY_FREE_VARS", len(wanted.closure), location=start)] if wanted.closure else []
    head.append(Instruction("RESUME", location=start))
    if wanted.first and not wanted.first_is_cell:
        head.append(Instruction("DELETE_FAST", ~0))
    hidden_at = bool(wanted.first) + len(wanted.bound)
    for name in wanted.raw:
        head += [*take(~hidden_at), Instruction("STORE_FAST", ~(cells + wanted.closure.index(name)))]
        hidden_at += 1
    for slot in point.stack:
        if slot is Slot.NULL:
            head.append(Instruction("PUSH_NULL"))
            continue
        head += take(~hidden_at)
        hidden_at += 1
        if slot is Slot.STATE:
            head += [Instruction("PUSH_EXC_INFO"), Instruction("POP_TOP")]
    head += jump
    for instruction in head:
        instruction.location = instruction.location or goal.location
    return head


def take(slot: int) -> list[Instruction]:
    """Move a local to the stack."""
    if VERSION >= (3, 12):
        return [Instruction("LOAD_FAST_AND_CLEAR", slot)]
    return [Instruction("LOAD_FAST", slot), Instruction("DELETE_FAST", slot)]


def hidden(code: CodeType, purpose: str, count: int) -> list[str]:
    """Names for locals of ours, that no local of `code` has."""
    prefix = f"__{purpose}_"
    while any(name.startswith(prefix) for name in local_slots(code)):
        prefix = "_" + prefix
    return [f"{prefix}{number}" for number in range(count)]


def _slots(code: CodeType, varnames: list[str], closure: tuple[str, ...]) -> list[int]:
    """New slot of each slot of `code`: cells have moved behind the locals."""
    slots = []
    for old, name in enumerate(local_slots(code)):
        slots.append(len(varnames) + closure.index(name) if is_cell(code, old) else varnames.index(name))
    return slots


def _fill(origin: Origin, whole: list[Instruction], starts: list[int], prologue: list[int]) -> None:
    """Note where each operation of new code, or its prefix, has come from; landings belong to what they precede."""
    sources = [*prologue, *(instruction.offset for instruction in whole[len(prologue) :])]
    for index in range(len(whole) - 1, -1, -1):
        if sources[index] < 0:
            sources[index] = sources[index + 1]
        elif index > len(prologue) and sources[index] == whole[index - 1].offset:
            origin.halves.add(starts[index])
        for offset in range(starts[index], starts[index + 1], 2):
            origin.offsets[offset] = sources[index]
