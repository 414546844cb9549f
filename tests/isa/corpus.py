"""Checks the decoder against what CPython itself says, over the standard library of the interpreter that runs this.

A plain script, because interpreters without pytest run it too: `python -m tests.isa.corpus [one file in how many]`, from the
root of the checkout. It prints one line for each fault and a summary, and exits 1 if there were faults.
"""

from __future__ import annotations

import dis
import itertools
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from tracer.isa import OPS, Decoded, Op, decode, effect, target_of
from tracer.isa.liveness import may_be_super

# Where the canonical effect differs from CPython's own count, on purpose.
#   FOR_ITER, SEND: the jump lands past END_FOR and END_SEND, which it has done the work of.
#   RETURN_GENERATOR: 3.11 and 3.12 begin to count at 1 in a generator instead.
#   RETURN_VALUE: from 3.14 on what it leaves to the caller counts.
# END_ASYNC_FOR has a place as its argument from 3.14 on, where its loop began, and doesn't go there.
DIFFERS_ON_JUMP = {"FOR_ITER", "SEND"}
DIFFERS = {"RETURN_GENERATOR", "RETURN_VALUE"}
NO_JUMPS = {"END_ASYNC_FOR"}
# An iterator has a place beside it.
PLACED = sys.version_info >= (3, 15)


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that are nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def library(one_in: int) -> Iterator[CodeType]:
    """Every code object of every `one_in`-th file of the standard library that compiles."""
    root = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in root.rglob("*.py") if "site-packages" not in path.parts)
    for path in files[::one_in]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):  # lib2to3's and the tests' bad examples
            continue
        yield from codes_of(module)


# --- what must hold of one code object ------------------------------------------------------------------------------------


def faults(code: CodeType) -> Iterator[str]:
    """What is wrong with the decoding of `code`; nothing, if all is well."""
    decoded = decode(code)
    instructions = list(dis.get_instructions(code))
    for check in (names, instruction_offsets, known, targets, handlers, effects, heights, locations, live):
        for fault in check(code, decoded, instructions):
            yield f"{check.__name__}: {fault}"


def names(code: CodeType, decoded: Decoded, _: list[dis.Instruction]) -> Iterator[str]:
    for index, name in enumerate(decoded.names):
        if code._varname_from_oparg(index) != name:
            yield f"slot {index} is not {name}"
    if tuple(decoded.names[index] for index in decoded.cells) != code.co_cellvars:
        yield "cells"
    if tuple(decoded.names[index] for index in decoded.frees) != code.co_freevars:
        yield "frees"


def instruction_offsets(code: CodeType, decoded: Decoded, instructions: list[dis.Instruction]) -> Iterator[str]:
    """Every instruction leads to an operation, and nothing between two instructions was taken for one."""
    if set(decoded.index_of) != {each.offset for each in instructions} | {len(code.co_code)}:
        yield "the instructions found are not those that dis finds"
    position = -1
    for op in decoded.ops:
        if not op.start <= op.offset < op.end or op.offset < position:
            yield f"{op} is out of order"
        position = op.offset
    indices = [decoded.index_of[offset] for offset in sorted(decoded.index_of)]
    if indices != sorted(indices):
        yield "index_of goes backwards"
    for op, index in zip(decoded.ops, range(len(decoded.ops))):
        if decoded.index_of[op.start] != decoded.group_start(index):
            yield f"{op} is not where its bytes start"


def known(code: CodeType, decoded: Decoded, _: list[dis.Instruction]) -> Iterator[str]:
    for op in decoded.ops:
        if op.name == "Unsupported":
            yield f"{op}"
        elif op.name not in OPS:
            yield f"{op} is not in the table"
        elif OPS[op.name].argument == "" and op.arg is not None:
            yield f"{op} has an argument"


def targets(code: CodeType, decoded: Decoded, instructions: list[dis.Instruction]) -> Iterator[str]:
    """Jumps go where dis says, but for the loops and awaits that go past what ends them."""
    jumping = {*dis.hasjrel, *dis.hasjabs}
    jumps = {each.offset: each for each in instructions if each.opcode in jumping and each.opname not in NO_JUMPS}
    names_at = {each.offset: each.opname for each in instructions}
    following = {each.offset: after.offset for each, after in itertools.pairwise(instructions)}
    for op in decoded.ops:
        target = target_of(op)
        if target is None:
            continue
        if not 0 <= target < len(decoded.ops):
            yield f"{op} jumps out of the code"
        jump = jumps.pop(op.offset)
        expected = jump.argval
        if jump.opname in DIFFERS_ON_JUMP and names_at[expected].startswith("END_"):
            ended = names_at[expected]
            expected = following[expected]
            if ended == "END_FOR" and "TO_BOOL" in dis.opmap:  # 3.13: one Pop is an instruction of its own
                expected = following[expected]
        if target != decoded.index_of[expected] - (jump.opname == "FOR_ITER" and PLACED):  # the second of POP_ITER's two
            yield f"{op} should jump to {expected}"
    if jumps:
        yield f"no jumps: {jumps}"


def handlers(code: CodeType, decoded: Decoded, _: list[dis.Instruction]) -> Iterator[str]:
    entries = dis._parse_exception_table(code)
    for op, handler in zip(decoded.ops, decoded.handlers):
        entry = next((each for each in entries if each.start <= op.offset < each.end), None)
        expected = entry and (decoded.index_of[entry.target], entry.depth, entry.lasti)
        if expected != (handler and (handler.target, handler.depth, handler.push_lasti)):
            yield f"{op}: {handler} is not {expected}"


def groups(decoded: Decoded) -> Iterator[list[Op]]:
    """The operations, those of one instruction together."""
    group: list[Op] = []
    for op in decoded.ops:
        if group and op.offset != group[0].offset:
            yield group
            group = []
        group.append(op)
    if group:
        yield group


def effects(code: CodeType, decoded: Decoded, instructions: list[dis.Instruction]) -> Iterator[str]:
    """An instruction, and all that was folded into it, changes the stack as much as dis says."""
    at = {each.offset: each for each in instructions}
    for group in groups(decoded):
        own = at[group[0].offset]
        folded = [at[offset] for offset in range(group[0].start, group[0].end, 2) if offset in at]
        if own.opname in DIFFERS:
            continue
        for jump in (False, True) if target_of(group[-1]) is not None else (False,):
            if jump and own.opname in DIFFERS_ON_JUMP:
                continue
            ours = sum(effect(op, jump) for op in group)
            theirs = sum(
                dis.stack_effect(each.opcode, each.arg if each.opcode >= dis.HAVE_ARGUMENT else None, jump=jump)
                for each in folded
                if each.opname != "EXTENDED_ARG"
            )
            if ours != theirs:
                yield f"{own.opname} {group} changes the height by {ours}, not {theirs} (jump: {jump})"


def heights(code: CodeType, decoded: Decoded, _: list[dis.Instruction]) -> Iterator[str]:
    """Every path to an operation gives it the same height, within the stack that the code object asks for."""
    ops = decoded.ops
    for index, op in enumerate(ops):
        height = decoded.stack_depth(index)
        if height < 0:  # no path leads here: handlers of a mere NOP, what is left of END_FOR and END_SEND
            continue
        inside = (
            decoded.group_start(index) != index
        )  # CPython never has this height: between two parts of an instruction
        if height > code.co_stacksize + inside:
            yield f"{op}: height {height} is above {code.co_stacksize}"
        target = target_of(op)
        if not OPS[op.name].ends and decoded.stack_depth(index + 1) != height + effect(op):
            yield f"{op}: height {height} doesn't lead to {decoded.stack_depth(index + 1)}"
        if target is not None and decoded.stack_depth(target) != height + effect(op, jump=True):
            yield f"{op}: height {height} doesn't lead to {decoded.stack_depth(target)} by its jump"
        handler = decoded.handlers[index]
        if handler is not None:
            if handler.depth > height and OPS[op.name].raises:
                yield f"{op}: height {height} is below that of its handler {handler}"
            if decoded.stack_depth(handler.target) != handler.height:
                yield f"{op}: {handler} begins at {decoded.stack_depth(handler.target)}"


def locations(code: CodeType, decoded: Decoded, instructions: list[dis.Instruction]) -> Iterator[str]:
    """Each where `dis` says, but what asks for a truth: where CPython makes it a bool, if that is an instruction of its own (3.13)."""
    positions = {each.offset: each.positions for each in instructions}
    plain = [each for each in instructions if each.opname != "EXTENDED_ARG"]
    asking = {op.offset for op in decoded.ops if op.asks}
    for before, each in itertools.pairwise(plain):
        if each.offset in asking and (before.opname == "TO_BOOL" or before.opname == "COMPARE_OP" and before.argrepr.startswith("bool(")):
            positions[each.offset] = positions[before.offset]
    for op in decoded.ops:
        expected = positions[op.offset]
        assert expected is not None
        if op.location != (expected.lineno, expected.col_offset, expected.end_lineno, expected.end_col_offset):
            yield f"{op} is at {op.location}, not {expected}"
    distinct = {id(op.location) for op in decoded.ops}
    if len(distinct) != len({op.location for op in decoded.ops}):
        yield "locations are not interned"


def live(code: CodeType, decoded: Decoded, _: list[dis.Instruction]) -> Iterator[str]:
    """A local is live exactly if a walk finds a read of it: asked for a few places, as one walk takes as long as all."""
    cells = decoded.cells + decoded.frees
    count = len(decoded.ops)
    for index in {0, count // 3, 2 * count // 3}:
        for local in range(len(decoded.names)):
            expected = local in cells or may_be_read(decoded, index, local)
            if (local in decoded.live_in(index)) != expected:
                yield f"{decoded.names[local]} before {decoded.ops[index]} should be {'live' if expected else 'dead'}"


def may_be_read(decoded: Decoded, index: int, local: int) -> bool:
    """Whether some path from operation `index` reads the local before writing it."""
    seen: set[int] = set()
    pending = [index]
    while pending:
        index = pending.pop()
        if index in seen:
            continue
        seen.add(index)
        op, handler, target = decoded.ops[index], decoded.handlers[index], target_of(decoded.ops[index])
        if op.arg == local and op.name in ("LoadFast", "LoadFastAndClear", "DeleteFast"):
            return True
        if local == 0 and "__class__" in decoded.code.co_freevars and may_be_super(op):
            return True
        if handler is not None and OPS[op.name].raises:
            pending.append(handler.target)
        if op.name == "StoreFast" and op.arg == local:
            continue
        if target is not None:
            pending.append(target)
        if not OPS[op.name].ends:
            pending.append(index + 1)
    return False


def main(one_in: int) -> int:
    """The number of faults found, printed; the first of each code object and at most 20."""
    found = codes = operations = unreached = 0
    for code in library(one_in):
        codes += 1
        decoded = decode(code)
        operations += len(decoded.ops)
        unreached += sum(decoded.stack_depth(index) < 0 for index in range(len(decoded.ops)))
        fault = next(faults(code), None)
        if fault is not None:
            found += 1
            if found <= 20:
                print(f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}: {fault}")
    if unreached > operations / 100:
        found += 1
        print(f"{unreached} operations are never reached")
    print(f"{codes} code objects, {operations} operations, {unreached} unreached, {found} with faults")
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1) > 0)
