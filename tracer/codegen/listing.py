"""Code objects as lists of instructions that can be cut, moved and put together again.

In: a code object of CPython 3.11 to 3.14. Out: a `Listing`; and back, through `assemble`. Invariants: names, constants
and local slots keep their numbers (what was read runs unchanged when written), jumps and handlers point at
instructions, never at offsets, and each instruction carries the one handler that covers it.

Only the concrete layer of `bytecode` is used (encoding of arguments, positions and exception entries). Its abstract
layer renumbers names and locals, while an adapter must keep the slots of the frame that it stands in for, and its flow
analysis recomputes handler depths, which we take over from the original unchanged.
"""

from __future__ import annotations

import dis
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import CodeType
from typing import Any

from bytecode import ConcreteBytecode, ConcreteInstr
from bytecode.concrete import ExceptionTableEntry
from bytecode.flags import CompilerFlags
from bytecode.instr import InstrLocation

__all__ = [
    "ASKS", "ENDS", "Handler", "Instruction", "Listing", "Location", "assemble", "is_cell", "line", "local_slots", "reachable",
    "read",
]  # fmt: skip

#: Line, last line, column and end column, as `CodeType.co_positions` has them.
Location = tuple[int | None, int | None, int | None, int | None]
_NOWHERE = (None, None, None, None)
#: Operations after which the next one is never reached.
ENDS = frozenset({
    "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE",
    "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT",
})  # fmt: skip
_HAS_ARGUMENT = frozenset(getattr(dis, "hasarg", range(dis.HAVE_ARGUMENT, 256)))
#: Those that go where their argument says: END_ASYNC_FOR (3.14) only tells where its loop began.
_JUMPS = frozenset(dis.hasjrel) - {dis.opmap["END_ASYNC_FOR"]}
_SLOTS = frozenset(dis.opname[op] for op in (*dis.haslocal, *dis.hasfree)) | {"MAKE_CELL"}
#: Two operations in one (3.13): each half takes one nibble of the argument, the upper one first. A reference is borrowed (3.14) while what
#: is around it can't let go of the local; in other code a load has its own.
_PAIRS = {
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
#: What takes a bool from 3.13 on. In `tracer.isa` it takes any value, and a trace may leave one there.
ASKS = frozenset({"POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE", "UNARY_NOT"}) if "TO_BOOL" in dis.opmap else frozenset()
#: Neighbours that are one operation: parts of a call, of a question, and of the way into a `with` (3.14).
_RUNS = (
    ("KW_NAMES", "PRECALL"), ("KW_NAMES", "CALL"), ("PRECALL", "CALL"), ("LOAD_CONST", "CALL_KW"),
    ("COPY", "LOAD_SPECIAL", "SWAP", "SWAP", "LOAD_SPECIAL", "CALL"), *(("TO_BOOL", name) for name in sorted(ASKS)),
)  # fmt: skip
_BY_LAST = {last: [run for run in _RUNS if run[-1] == last] for last in {run[-1] for run in _RUNS}}


@dataclass(eq=False, slots=True)
class Instruction:
    """One operation. `arg` of a local is its slot; a negative one means the hidden local `~arg` (see `assemble`)."""

    name: str
    arg: int = 0
    target: Instruction | None = None
    handler: Handler | None = None
    location: Location | None = None
    offset: int = -1  #: where its opcode stood in the code that was read, in bytes
    unit: int = -1  #: where the operation begins that it is a part of: EXTENDED_ARG, or KW_NAMES of a call


@dataclass(eq=False, slots=True)
class Handler:
    """Where an exception goes on, how much of the stack it keeps, and whether the position is pushed below it."""

    target: Instruction
    depth: int
    lasti: bool


@dataclass(slots=True)
class Listing:
    """What `read` found: the instructions, and for any byte offset of an operation the index where its unit begins."""

    code: CodeType
    instructions: list[Instruction]
    starts: dict[int, int]

    def unit(self, offset: int) -> tuple[int, int]:
        """[first, last) of the instructions that belong to the operation at a byte offset; raises ValueError."""
        first = self.starts.get(offset, -1)
        if first < 0:
            raise ValueError(f"{self.code.co_qualname}: no operation begins at offset {offset}")
        last = first
        while last < len(self.instructions) and self.instructions[last].unit == self.instructions[first].unit:
            last += 1
        return first, last


def line(number: int) -> Location:
    """The location of code that stands for no particular expression of a line."""
    return number, number, None, None


def local_slots(code: CodeType) -> list[str]:
    """Names of the slots of a frame: locals (those that are cells included), other cells, free variables."""
    cells = (name for name in code.co_cellvars if name not in code.co_varnames)
    return [*code.co_varnames, *cells, *code.co_freevars]


def is_cell(code: CodeType, slot: int) -> bool:
    """Whether a slot is one of a cell or a free variable."""
    return slot >= len(code.co_varnames) or code.co_varnames[slot] in code.co_cellvars


@cache
def _caches(name: str) -> int:
    return _encoded(name, 0, None).use_cache_opcodes()


# ---- reading


def read(code: CodeType, joined: Collection[int] = ()) -> Listing:
    """The instructions of a code object: halves of paired operations apart, parts of a call as one unit.

    `joined`: offsets of operations that belong to the unit before them (in what was written from separate halves).
    """
    listing = Listing(code, [], {})
    jumps: list[tuple[Instruction, int]] = []
    for start, offset, end, name, arg in _words(code.co_code):
        listing.starts[start] = listing.starts[offset] = len(listing.instructions)
        for half, part in _halves(name, arg):
            instruction = Instruction(half, part, offset=offset, unit=start)
            listing.instructions.append(instruction)
        if dis.opmap[name] in _JUMPS:
            jumps.append((instruction, end - 2 * arg if "BACKWARD" in name else end + 2 * arg))
    for instruction, goal in jumps:
        instruction.target = listing.instructions[listing.starts[goal]]
    positions = list(code.co_positions())
    for instruction in listing.instructions:
        instruction.location = positions[instruction.offset // 2]
    _cover(listing)
    _join(listing, joined)
    return listing


def _words(raw: bytes) -> Iterator[tuple[int, int, int, str, int]]:
    """(start with prefixes, offset of the opcode, end with caches, name, argument) of each operation."""
    offset = start = extended = 0
    while offset < len(raw):
        op, arg = raw[offset], raw[offset + 1] | extended
        if op == dis.EXTENDED_ARG:
            extended, offset = arg << 8, offset + 2
            continue
        name = dis.opname[op]
        end = offset + 2 + 2 * _caches(name)
        yield start, offset, end, name, arg
        offset, start, extended = end, end, 0


def _halves(name: str, arg: int) -> tuple[tuple[str, int], ...]:
    if name not in _PAIRS:
        return (("LOAD_FAST" if name == "LOAD_FAST_BORROW" else name, arg),)
    first, second = _PAIRS[name]
    return (first, arg >> 4), (second, arg & 15)


def _cover(listing: Listing) -> None:
    """Give each instruction its handler: entries of CPython's table never overlap."""
    instructions = listing.instructions
    offsets = [instruction.offset for instruction in instructions]
    for start, stop, goal, depth, lasti in _entries(listing.code.co_exceptiontable):
        handler = Handler(instructions[listing.starts[goal]], depth, lasti)
        for index in range(bisect_left(offsets, start), bisect_left(offsets, stop)):
            instructions[index].handler = handler


def _entries(table: bytes) -> Iterator[tuple[int, int, int, int, bool]]:
    """(first byte, byte after the last, byte of the handler, depth, lasti): CPython's exception_handling_notes."""
    numbers, value = [], 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    for start, length, target, depth in zip(*[iter(numbers)] * 4):
        yield 2 * start, 2 * (start + length), 2 * target, depth >> 1, bool(depth & 1)


def _join(listing: Listing, joined: Collection[int]) -> None:
    """What is one operation in `tracer.isa` is one unit: nothing may come between."""
    instructions = listing.instructions
    for index, instruction in enumerate(instructions):
        for run in _BY_LAST.get(instruction.name, ()):
            if tuple(part.name for part in instructions[max(index + 1 - len(run), 0) : index + 1]) == run:
                for part in instructions[index + 2 - len(run) : index + 1]:
                    _into(listing, instructions[index + 1 - len(run)], part)
        if instruction.offset in joined:
            _into(listing, instructions[index - 1], instruction)


def _into(listing: Listing, first: Instruction, part: Instruction) -> None:
    listing.starts[part.unit] = listing.starts[part.offset] = listing.starts[first.offset]
    part.unit = first.unit


def reachable(listing: Listing, roots: Iterable[Instruction]) -> list[Instruction]:
    """The instructions that may run once one of `roots` does, in their order."""
    following = dict(pairwise(listing.instructions))
    found: set[Instruction] = set()
    waiting = list(roots)
    while waiting:
        instruction = waiting.pop()
        if instruction in found:
            continue
        found.add(instruction)
        if instruction.target is not None:
            waiting.append(instruction.target)
        if instruction.handler is not None:
            waiting.append(instruction.handler.target)
        if instruction.name not in ENDS:
            waiting.append(following[instruction])
    return [instruction for instruction in listing.instructions if instruction in found]


# ---- writing


def assemble(
    instructions: Sequence[Instruction],
    shape: CodeType,
    *,
    slot: Callable[[int], int],
    consts: Sequence[Any],
    stacksize: int,
    **changes: Any,
) -> tuple[CodeType, list[int]]:
    """Code like `shape` but for `changes` (by `bytecode`'s names of attributes), and where each instruction begins.

    `slot` maps the slot arguments of `instructions` to those of the new code.
    """
    args = [slot(i.arg) if i.name in _SLOTS else i.arg for i in instructions]
    names = _directed(instructions)
    starts = _settle(instructions, names, args)
    out = ConcreteBytecode(consts=tuple(consts), names=shape.co_names, varnames=shape.co_varnames)
    out.name, out.qualname, out.filename = shape.co_name, shape.co_qualname, shape.co_filename
    out.first_lineno, out.flags = shape.co_firstlineno, CompilerFlags(shape.co_flags)
    out.argcount, out.posonlyargcount, out.kwonlyargcount = (
        shape.co_argcount,
        shape.co_posonlyargcount,
        shape.co_kwonlyargcount,
    )
    out.cellvars, out.freevars = list(shape.co_cellvars), list(shape.co_freevars)
    for name, value in changes.items():
        setattr(out, name, value)
    locations: dict[Location | None, tuple[InstrLocation, ConcreteInstr]] = {}
    for instruction, name, arg in zip(instructions, names, args):
        position = instruction.location
        if position not in locations:
            location = _encodable(*position or _NOWHERE)
            locations[position] = location, ConcreteInstr("CACHE", 0, location=location)
        location, empty = locations[position]
        out.append(_encoded(name, arg, location))
        out.extend([empty] * _caches(name))
    out.exception_table = _table(instructions, starts)
    return out.to_code(stacksize, compute_exception_stack_depths=False), starts[:-1]


def _encodable(first: int | None, last: int | None, column: int | None, end: int | None) -> InstrLocation:
    """As much of a position as can be encoded: generated syntax trees may hold nonsense."""
    try:
        if first is None or (column is not None and end is not None):
            return InstrLocation(first, last, column, end)
    except ValueError:
        pass
    return InstrLocation(first, first, None, None)


def _encoded(name: str, arg: int, location: InstrLocation | None) -> ConcreteInstr:
    if dis.opmap[name] in _HAS_ARGUMENT:
        return ConcreteInstr(name, arg, location=location)
    return ConcreteInstr(name, location=location)


def _directed(instructions: Sequence[Instruction]) -> list[str]:
    """Names of the operations, with jumps that now go the other way turned round."""
    index = {instruction: i for i, instruction in enumerate(instructions)}
    names = []
    for i, instruction in enumerate(instructions):
        name = instruction.name
        if instruction.target is not None and index[instruction.target] > i:
            name = name.replace("BACKWARD_NO_INTERRUPT", "FORWARD").replace("BACKWARD", "FORWARD")
        elif instruction.target is not None:
            name = name.replace("FORWARD", "BACKWARD")
        names.append(name)
    return names


def _settle(instructions: Sequence[Instruction], names: list[str], args: list[int]) -> list[int]:
    """Fill in the arguments of jumps; longer ones move what follows, so until nothing moves.

    Starting from the shortest, distances only grow: it ends. Answers byte offsets, and the end as the last one.
    """
    index = {instruction: i for i, instruction in enumerate(instructions)}
    args[:] = [0 if i.target is not None else arg for i, arg in zip(instructions, args)]
    while True:
        starts, settled = [0], True
        for name, arg in zip(names, args):
            starts.append(starts[-1] + 2 * (max(1, (arg.bit_length() + 7) // 8) + _caches(name)))
        for i, instruction in enumerate(instructions):
            if instruction.target is not None:
                distance = abs(starts[index[instruction.target]] - starts[i + 1]) // 2
                settled, args[i] = settled and distance == args[i], distance
        if settled:
            return starts


def _table(instructions: Sequence[Instruction], starts: list[int]) -> list[ExceptionTableEntry]:
    index = {instruction: i for i, instruction in enumerate(instructions)}
    table: list[ExceptionTableEntry] = []
    last: Handler | None = None
    for i, instruction in enumerate(instructions):
        handler = instruction.handler
        if handler is not None:
            stop = starts[i + 1] // 2 - 1
            if handler is last:
                table[-1].stop_offset = stop
            else:
                target = starts[index[handler.target]] // 2
                table.append(ExceptionTableEntry(starts[i] // 2, stop, target, handler.depth, handler.lasti))
        last = handler
    return table
