"""Walks the bytecode of the running CPython and emits canonical operations.

What comes in: a code object. What goes out: a `Decoded`; the work is done once for each object. The bytes are those of
`co_code`, in which CPython has already undone specialisation and instrumentation. Nothing here knows a version: the
dialect's table does.
"""

from __future__ import annotations

import importlib
import opcode
import operator
import sys
import weakref
from types import CodeType
from typing import NamedTuple

from tracer.errors import TracerError
from tracer.isa import arguments, exceptions
from tracer.isa.canonical import Op
from tracer.isa.decoded import Body, Decoded, local_names
from tracer.isa.locations import Locations
from tracer.isa.rules import Context, Dialect, Extend, FoldInto, JumpTo, One, Rule, Several, TakesBack

__all__ = ["READ", "SUPPORTED", "decode", "dialect"]

SUPPORTED: dict[tuple[int, int], str] = {
    (3, 11): "tracer.isa.v311",
    (3, 12): "tracer.isa.v312",
    (3, 13): "tracer.isa.v313",
    (3, 14): "tracer.isa.v314",
}

#: Whose bytecode is read, and programs aren't traced: no torch has been made for it yet.
READ = SUPPORTED | {(3, 15): "tracer.isa.v315"}

# Code objects compare by value but differ in what a cached result must not mix up (file names, for one), so the key is
# identity, and the weak reference tells whether an id still means the same object. The bound is for code whose
# constants lead back to itself (generated code may hold functions), which no weak reference would ever free.
_MOST_BODIES = 4096
_bodies: dict[int, tuple[weakref.ref[CodeType], Body]] = {}


def decode(code: CodeType) -> Decoded:
    """The canonical operations of `code`, worked out once for each code object.

    Raises TracerError if the running CPython's bytecode isn't one of those that the package knows.
    """
    key = id(code)
    known = _bodies.get(key)
    if known is not None and known[0]() is code:
        return Decoded(code, known[1])
    body = _decode(code, _plan())

    def forget(reference: weakref.ref[CodeType]) -> None:
        current = _bodies.get(key)
        if current is not None and current[0] is reference:
            del _bodies[key]

    if len(_bodies) >= _MOST_BODIES:
        _bodies.pop(next(iter(_bodies)), None)
    _bodies[key] = (weakref.ref(code, forget), body)
    return Decoded(code, body)


def dialect(version: tuple[int, int]) -> Dialect:
    """The tables of one CPython version."""
    try:
        module = importlib.import_module(READ[version])
    except KeyError:
        known = ", ".join(f"{major}.{minor}" for major, minor in READ)
        raise TracerError(
            f"can't read the bytecode of CPython {version[0]}.{version[1]}: tracer knows {known}.",
            next="run under one of those versions.",
        ) from None
    return module.DIALECT


# --- the dialect, arranged by opcode number ---------------------------------------------------------------------------


class _Plan(NamedTuple):
    sizes: list[int]  # bytes that an instruction takes, its inline caches included
    rules: list[Rule]
    names: list[str]  # as CPython calls them


_plans: list[_Plan] = []


def _plan() -> _Plan:
    if not _plans:
        _plans.append(_arrange(dialect(sys.version_info[:2])))
    return _plans[0]


def _arrange(chosen: Dialect) -> _Plan:
    names = [f"<{number}>" for number in range(256)]
    for name, number in opcode.opmap.items():
        if number < 256:  # those above are the compiler's own and never reach bytecode
            names[number] = name
    return _Plan(
        sizes=[2 + 2 * chosen.caches.get(name, 0) for name in names],
        rules=[
            chosen.rules[name] if name in chosen.rules else One("Unsupported", arguments.fixed(name)) for name in names
        ],
        names=names,
    )


# --- one code object --------------------------------------------------------------------------------------------------


def _decode(code: CodeType, plan: _Plan) -> Body:
    names, cells, frees = local_names(code)
    context = Context(code, frozenset(cells + frees))
    raw = code.co_code
    ops, index_of, jumps = _walk(raw, plan, context, Locations(code))
    for index, target, rule in jumps:
        target = index_of[_past(raw, plan, target, rule.past)] + rule.lands
        ops[index].arg = target if rule.condition is None else (rule.condition, target)
    handlers = exceptions.handlers(exceptions.parse(code.co_exceptiontable), ops, index_of)
    return Body(ops, handlers, names, cells, frees, index_of)


def _past(raw: bytes, plan: _Plan, offset: int, instructions: tuple[str, ...]) -> int:
    """The offset after those instructions, as far as they are what is at `offset`."""
    for name in instructions:
        opcode_there = raw[offset]
        if plan.names[opcode_there] != name:
            break
        offset += plan.sizes[opcode_there]
    return offset


def _walk(
    raw: bytes, plan: _Plan, context: Context, locations: Locations
) -> tuple[list[Op], dict[int, int], list[tuple[int, int, JumpTo]]]:
    """The operations, the index of each instruction's first one, and the jumps yet to resolve (index, offset, rule)."""
    sizes, rules, _ = plan
    ops: list[Op] = []
    index_of: dict[int, int] = {}
    jumps: list[tuple[int, int, JumpTo]] = []
    at = start = higher = 0
    size = len(raw)
    while at < size:
        index_of[at] = len(ops)
        number = raw[at]
        arg = higher | raw[at + 1]
        end = at + sizes[number]
        rule = rules[number]
        place = at
        if isinstance(rule, One):
            argument = rule.argument
            value = None if argument is None else argument(context, arg)
            if value is operator.not_ and rule.name == "UnaryOp":
                start, place = _asked(ops, index_of, start, at)
            ops.append(Op(rule.name, value, at, end, locations, start, place))
        elif isinstance(rule, Several):
            for name, value in rule.expand(context, arg):
                ops.append(Op(name, value, at, end, locations, start))
        elif isinstance(rule, JumpTo):
            if rule.condition == "true" or rule.condition == "false":
                start, place = _asked(ops, index_of, start, at)
            ops.extend(Op(name, value, at, end, locations, start) for name, value in rule.before)
            jumps.append((len(ops), end + 2 * arg * rule.direction, rule))
            ops.append(Op(rule.name, None, at, end, locations, start, place))
            ops.extend(Op(name, value, at, end, locations, start) for name, value in rule.after)
        elif isinstance(rule, Extend):
            higher = arg << 8
            at = end
            continue
        elif isinstance(rule, FoldInto):
            if rule.note is not None:
                rule.note(context, arg)
            higher = 0
            at = end
            continue
        elif isinstance(rule, TakesBack):
            _take_back(ops, index_of, rule, context, arg, (at, end, start), locations)
        at = start = end
        higher = 0
    index_of[size] = len(ops)
    return ops, index_of, jumps


def _take_back(
    ops: list[Op], index_of: dict[int, int], rule: TakesBack, context: Context, arg: int, place: tuple[int, int, int], locations: Locations
) -> None:
    """What the instruction is together with those before it, which then begin where it does."""
    offset, end, start = place
    count = len(rule.before)
    taken = ops[-count:]
    follows = [op.end for op in taken] == [*(op.start for op in taken[1:]), start]
    if len(taken) < count or not follows or not all(op.name == name and true(op.arg) for op, (name, true) in zip(taken, rule.before, strict=True)):
        argument = rule.otherwise.argument
        ops.append(Op(rule.otherwise.name, None if argument is None else argument(context, arg), offset, end, locations, start))
        return
    del ops[-count:]
    for op in taken:
        index_of[op.start] = index_of[op.offset] = len(ops)
    index_of[start] = index_of[offset] = len(ops)
    for name, value in rule.becomes(context, tuple(op.arg for op in taken), arg):
        ops.append(Op(name, value, offset, end, locations, taken[0].start))


def _asked(ops: list[Op], index_of: dict[int, int], start: int, at: int) -> tuple[int, int]:
    """Where the operation at `at` begins, a jump or `not`, which here takes any value: with what makes it a bool (3.13), if that is just
    before. A comparison that would is left to answer what it does. And the instruction at whose place in the source the truth is asked: in a
    comprehension the jump itself stands at the element."""
    begins, place = start, at
    while ops and ops[-1].end == begins:
        last = ops[-1]
        if last.name == "ToBool":
            begins, place = last.start, last.offset
            ops.pop()
        else:
            if last.name == "Compare" and last.arg[1]:
                last.arg, place = (last.arg[0], False), last.offset
            break
    for offset in range(start, at + 2, 2):  # its prefixes too
        index_of[offset] = len(ops)
    return begins, place
