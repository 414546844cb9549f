"""What stands on a frame's value stack, and what an operation does to it and to which locals are bound.

No values here, only kinds: enough to save a frame's state after an operation that ran natively, and to rebuild it.
Invariant: the kind of every entry is known from the code alone, because operations that push either NULL or a value
are replaced by `plain` with ones that don't choose.
"""

from __future__ import annotations

import dis
import enum
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

from .listing import ASKS, ENDS, Instruction, Listing, is_cell, local_slots

__all__ = ["Point", "Slot", "Successor", "asked", "entries", "load", "plain", "successors"]

VERSION = sys.version_info[:2]


class Slot(enum.Enum):
    """One or two entries of the stack. In the tuple that a body returns each of VALUE, STATE and EXC is one value."""

    VALUE = "value"
    #: What calls keep beside a callable, and comprehensions (3.12+) in place of an unbound outer variable.
    NULL = "null"
    #: The entry that PUSH_EXC_INFO puts below: what was handled before. Its value: the exception handled since.
    STATE = "state"
    #: STATE and, above it, the same exception as a VALUE: two entries, one value.
    EXC = "exc"


@dataclass(frozen=True, slots=True)
class Point:
    """A position in a code object and the shape of the frame there.

    `offset`: byte offset of the operation that is next. `bound`: names of the fast locals that have a value and are
    needed; all others become unbound. The name of a cell is there only if its slot doesn't hold the cell that the frame
    began with, as within comprehensions of 3.12+; its value is then what the slot holds. `stack`: bottom to top.
    """

    offset: int
    bound: tuple[str, ...] = ()
    stack: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Successor:
    """How a frame goes on after an operation: where, with what on its stack, and which plain locals bound."""

    index: int
    stack: tuple[Slot, ...]
    bound: frozenset[str]
    #: Operations that must stand at the target of the jump although it skips them (END_FOR of 3.12+).
    pads: tuple[Instruction, ...] = ()


def entries(stack: Iterable[Slot]) -> tuple[Slot, ...]:
    """The same stack with one slot for each real entry."""
    return tuple(part for slot in stack for part in ((Slot.STATE, Slot.VALUE) if slot is Slot.EXC else (slot,)))


# ---- operations in their plain form


def load(*callee: Instruction) -> list[Instruction]:
    """Instructions that load what is called, with the NULL where this version has it."""
    null = Instruction("PUSH_NULL", handler=callee[-1].handler, location=callee[-1].location)
    return [*callee, null] if VERSION >= (3, 13) else [null, *callee]


def plain(unit: Iterable[Instruction], constant: Callable[[Any], Instruction]) -> list[Instruction]:
    """Copies that push NULL and a value explicitly where the operation itself would choose by what it finds, and make a bool where the
    operation takes nothing else. `constant` makes the instruction that loads an object."""
    out: list[Instruction] = []
    for instruction in unit:
        name, arg = instruction.name, instruction.arg
        if name == "LOAD_METHOD":
            out += _with_null(replace(instruction, name="LOAD_ATTR"))
        elif name == "LOAD_GLOBAL" and arg & 1:
            out += load(replace(instruction, arg=arg & ~1))
        elif name in ("LOAD_ATTR", "LOAD_SUPER_ATTR") and VERSION >= (3, 12) and arg & 1:
            out += _with_null(replace(instruction, arg=arg & ~1))
        elif name == "RERAISE":
            out.append(replace(instruction, arg=0))  # the position that it would restore is no object since 3.14, and one in other code
        else:
            out += [*asked(instruction, out), replace(instruction)]
    if any(instruction.name == "LOAD_SPECIAL" for instruction in out):
        out += _bound_exit(out[-1], constant(_bound))
    return out


_NOTHING = object()


def _bound(found: Any, function: Any = _NOTHING, method: Any = types.MethodType) -> Any:
    """What LOAD_SPECIAL found, (self, function) or (attribute,), as one callable. The program may have replaced any builtin when this runs."""
    return found if function is _NOTHING else method(function, found)


def _bound_exit(call: Instruction, helper: Instruction) -> list[Instruction]:
    """Behind the call of `__enter__`: [exit, self or NULL, result] → [bound exit, NULL, result]. A callable takes what is above it as an
    argument where it isn't NULL."""
    before, behind = [("SWAP", 3)], [("SWAP", 3), ("SWAP", 2), ("CALL", 1), ("SWAP", 2), ("PUSH_NULL", 0), ("SWAP", 2)]
    steps = [*(Instruction(*step) for step in before), helper, *(Instruction(*step) for step in behind)]
    return [replace(step, handler=call.handler, location=call.location) for step in steps]


def asked(instruction: Instruction, before: Sequence[Instruction] = ()) -> list[Instruction]:
    """What makes a bool of the top of the stack, if the operation takes nothing else and `before` doesn't end in it."""
    if instruction.name not in ASKS or before and before[-1].name == "TO_BOOL":
        return []
    return [Instruction("TO_BOOL", handler=instruction.handler, location=instruction.location)]


def _with_null(attribute: Instruction) -> list[Instruction]:
    """As `load`, where the operation takes its operand from the stack, so that NULL can't come first."""
    null = Instruction("PUSH_NULL", handler=attribute.handler, location=attribute.location)
    swap = Instruction("SWAP", 2, handler=attribute.handler, location=attribute.location)
    return [attribute, null] if VERSION >= (3, 13) else [attribute, null, swap]


# ---- what operations do

#: Operations that leave nothing new on the stack (and those whose names begin with STORE_, DELETE_, POP_JUMP_, JUMP_).
_PUSH_NOTHING = frozenset({
    "NOP", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "KW_NAMES", "PRECALL", "POP_TOP", "POP_EXCEPT", "END_FOR",
    "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "NOT_TAKEN", "POP_ITER",
    "LIST_APPEND", "SET_ADD", "MAP_ADD", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE",
})  # fmt: skip
_HAS_ARGUMENT = frozenset(getattr(dis, "hasarg", range(dis.HAVE_ARGUMENT, 256)))


def successors(
    listing: Listing, last: int, unit: list[Instruction], point: Point
) -> tuple[Successor | None, Successor | None]:
    """(what follows, where it jumps to) of an operation whose plain form is `unit` and behind which is index `last`."""
    stack, bound, code = list(entries(point.stack)), set(point.bound), listing.code
    for instruction in unit[:-1]:
        _run(instruction, code, stack, bound)
    final = unit[-1]
    jumped = None
    if final.target is not None:
        taken = list(stack)
        _run(final, code, taken, set(bound), jump=True)
        goal = listing.instructions.index(final.target)
        pads = _pads(listing, goal) if final.name == "FOR_ITER" else ()
        jumped = Successor(goal + len(pads), tuple(taken), frozenset(bound), pads)
    if final.name in ENDS:
        return None, jumped
    _run(final, code, stack, bound)
    return Successor(last, tuple(stack), frozenset(bound)), jumped


def _pads(listing: Listing, goal: int) -> tuple[Instruction, ...]:
    """What an exhausted FOR_ITER skips: END_FOR (3.12), and POP_TOP behind it (3.13), which would pop the iterator."""
    count = {(3, 11): 0, (3, 13): 2}.get(VERSION, 1)
    return tuple(replace(pad, handler=None) for pad in listing.instructions[goal : goal + count])


def _run(instruction: Instruction, code: CodeType, stack: list[Slot], bound: set[str], jump: bool = False) -> None:
    """Apply an operation to the kinds on the stack and to the set of bound locals."""
    name, arg = instruction.name, instruction.arg
    if name == "SWAP":
        stack[-1], stack[-arg] = stack[-arg], stack[-1]
    elif name == "COPY":
        stack.append(stack[-arg])
    elif name == "PUSH_NULL":
        stack.append(Slot.NULL)
    elif name == "PUSH_EXC_INFO":
        stack[-1:] = [Slot.STATE, Slot.VALUE]
    elif name == "FOR_ITER" and jump:
        if "POP_ITER" not in dis.opmap:  # which pops it since 3.14
            stack.pop()
    elif name == "LOAD_FAST_AND_CLEAR":
        local = local_slots(code)[arg]
        stack.append(Slot.VALUE if local in bound or is_cell(code, arg) else Slot.NULL)
        bound.discard(local)
    elif name == "STORE_FAST":
        (bound.discard if stack.pop() is Slot.NULL else bound.add)(local_slots(code)[arg])
    elif name == "DELETE_FAST":
        bound.discard(local_slots(code)[arg])
    elif name == "MAKE_CELL":
        bound.add(local_slots(code)[arg])
    else:
        pushed = 0 if jump else _pushes(instruction)
        has_arg = dis.opmap[name] in _HAS_ARGUMENT
        popped = pushed - dis.stack_effect(dis.opmap[name], arg if has_arg else None, jump=jump)
        if not 0 <= popped <= len(stack):
            raise ValueError(f"{name} takes {popped} entries from the stack, and the point has {len(stack)}")
        del stack[len(stack) - popped :]
        stack += [Slot.VALUE] * pushed


def _pushes(instruction: Instruction) -> int:
    """How many new values the operation leaves on top: one, but for these."""
    name, arg = instruction.name, instruction.arg
    if name in _PUSH_NOTHING or name.startswith(("STORE_", "DELETE_", "POP_JUMP_", "JUMP_")):
        return 0
    if name == "UNPACK_SEQUENCE":
        return arg
    if name == "UNPACK_EX":
        return (arg & 255) + 1 + (arg >> 8)
    return 2 if name in ("BEFORE_WITH", "LOAD_SPECIAL", "CHECK_EG_MATCH") else 1
