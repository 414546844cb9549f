"""Does a function broken before any of its operations still do what it did? Plain Python: run by any CPython.

For every operation that a run of a program reaches, the state of the frame there is obtained from the program itself:
a copy of it runs up to that operation, then gives its locals and stack as the tuple that a body returns. With that as
the body, `broken` must have the outcome of the untouched program. What is on the stack (values or NULLs) is followed
along the recorded run.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.codegen import corpus
from tracer.codegen import Point, Slot, broken, entry_names, needed, original_of, resume_code
from tracer.codegen.adapter import _Draft
from tracer.codegen.listing import Handler, Instruction, is_cell, read
from tracer.codegen.resume import canonical, landing, listing_of, parameters
from tracer.codegen.stack import entries, load, plain, successors

BRANCH = "POP_JUMP_FORWARD_IF_FALSE" if sys.version_info < (3, 12) else "POP_JUMP_IF_FALSE"


@dataclass(frozen=True)
class Step:
    """The n-th time that a run comes to an operation, and the frame there."""

    point: Point
    occurrence: int
    number: int
    #: Entries of the stack where handlers have put the place of a raise, which is no object since 3.14.
    places: frozenset[int] = frozenset()


# ---- programs and their outcomes


@dataclass
class Program:
    """A fresh function under test; `wrap` makes a callable of the program's arguments from its (other) code."""

    function: types.FunctionType
    prefix: tuple[Any, ...] = ()

    @classmethod
    def of(cls, case: corpus.Case) -> Program:
        made = case.make()
        return cls(made[1], (made[2],)) if type(made) is tuple else cls(made)

    def call(self, args: tuple[Any, ...], code: types.CodeType | None = None) -> Any:
        function = self.function
        if code is not None:
            function = types.FunctionType(
                code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
            )
            function.__kwdefaults__ = self.function.__kwdefaults__
        return function(*self.prefix, *args)


def outcome(case: corpus.Case, make_args: Callable[[], tuple[Any, ...]], code: types.CodeType | None = None) -> Any:
    """All that a caller can see of a call, made while an exception is handled."""
    program, args = Program.of(case), make_args()
    corpus.LOG.clear()
    try:
        raise LookupError("handled by the caller")
    except LookupError as handled:
        try:
            result = "returned", repr_of(program.call(args, code))
        except Exception as error:
            result = "raised", type(error), str(error), list(lines(error)), list(chain(error))
        assert sys.exc_info()[1] is handled, "the exception state of the caller has changed"
    return result, [repr_of(values) for values in corpus.LOG], repr_of(args)


def repr_of(value: Any) -> str:
    text = repr(value)
    while " at 0x" in text:
        at = text.index(" at 0x")
        end = next(i for i in range(at + 6, len(text) + 1) if i == len(text) or text[i] not in "0123456789abcdef")
        text = text[:at] + text[end:]
    return text


def lines(error: BaseException) -> Iterator[tuple[str, int]]:
    """Functions and lines of a traceback; a function and those that went on for it count as one, where it ended."""
    traceback, last = error.__traceback__, None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        here = (code.co_filename, code.co_qualname, code.co_firstlineno)
        if last is not None and last[0] != here:
            yield last[0][1], last[1]
        last = here, traceback.tb_lineno
        traceback = traceback.tb_next
    if last is not None:
        yield last[0][1], last[1]


def chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{type(error).__name__} {error.__suppress_context__} {error.__cause__!r}"
        error = error.__context__


# ---- what a run comes through


def steps(case: corpus.Case, make_args: Callable[[], tuple[Any, ...]]) -> list[Step]:
    """The operations of a run in order, with the frame before each."""
    program = Program.of(case)
    code = program.function.__code__
    offsets = _visited(code, program, make_args())
    listing = read(code)
    found: list[Step] = []
    seen: dict[int, int] = {}
    bound, stack, places = _entry(code), (), frozenset[int]()
    for offset, following in zip(offsets, [*offsets[1:], -1]):
        point = Point(offset, tuple(bound), stack)
        seen[offset] = seen.get(offset, 0) + 1
        found.append(Step(point, seen[offset], len(found), places))
        if following != -1:
            bound, stack, handler = _onward(listing, point, following)
            kept = len(stack) if handler is None else handler.depth
            places = frozenset(place for place in places if place < kept) | ({kept} if handler is not None and handler.lasti else set())
    return found


def _entry(code: types.CodeType) -> frozenset[str]:
    return frozenset(entry_names(code)[0])


def _visited(code: types.CodeType, program: Program, args: tuple[Any, ...]) -> list[int]:
    """Offsets of the operations that the first frame of `code` runs, without what comes before RESUME."""
    starts, units = read(code).starts, read(code).instructions
    raw: list[int] = []
    with watched(code, raw):
        try:
            program.call(args)
        except Exception:
            pass
    visited: list[int] = []
    last = -1
    for offset in raw:
        unit = units[starts[offset]].unit
        if not (visited and visited[-1] == unit and offset > last):
            visited.append(unit)
        last = offset
    resume = next(i for i, instruction in enumerate(units) if instruction.name == "RESUME")
    begun = visited.index(units[resume + 1].unit)
    assert begun < 5, "what came before RESUME and it, but not more"
    return visited[begun:]


@contextlib.contextmanager
def watched(code: types.CodeType, offsets: list[int]) -> Iterator[None]:
    """Adds the offset of each instruction of `code` that runs. 3.12+ has a better way, which 3.13.0 needs."""
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "tests")
        monitoring.register_callback(
            monitoring.DEBUGGER_ID, monitoring.events.INSTRUCTION, lambda seen, offset: offsets.append(offset)
        )
        monitoring.set_local_events(monitoring.DEBUGGER_ID, code, monitoring.events.INSTRUCTION)
        try:
            yield
        finally:
            monitoring.set_local_events(monitoring.DEBUGGER_ID, code, 0)
            monitoring.free_tool_id(monitoring.DEBUGGER_ID)
        return

    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            offsets.append(frame.f_lasti)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _onward(listing: Any, point: Point, following: int) -> tuple[frozenset[str], tuple[Slot, ...], Handler | None]:
    """What is bound and on the stack before the next operation, and the handler that was gone to."""
    first, last = listing.unit(point.offset)
    unit = plain(listing.instructions[first:last], lambda value: Instruction("LOAD_CONST"))
    for successor in successors(listing, last, unit, point):
        if successor is not None and listing.instructions[successor.index].unit == following:
            return successor.bound, successor.stack, None
    handler = unit[-1].handler
    assert handler is not None and handler.target.unit == following, f"from {point} to {following}?"
    return frozenset(point.bound), (*point.stack[: handler.depth], *[Slot.VALUE] * (1 + handler.lasti)), handler


# ---- a copy that stops at a step


def stopping(code: types.CodeType, at: int, step: Step, occurrence: int) -> types.CodeType:
    """`code` changed so that, when it comes to `at` for the n-th time, it returns what a body returns for `point`."""
    visits, point = 0, step.point

    def arrived() -> bool:
        nonlocal visits
        visits += 1
        return visits == occurrence

    draft = _Draft(listing_of(code))
    listing = draft.listing
    goal = listing.instructions[listing.unit(at)[0]]
    moved: dict[Instruction, Instruction] = {}
    for _, parts in itertools.groupby(listing.instructions, key=lambda instruction: instruction.unit):
        unit = list(parts)
        forms = plain(unit, draft.constant)
        moved[unit[0]] = forms[0]
        if unit[0] is goal:
            forms = landing(goal) + forms
            moved[goal] = _gate(draft, arrived, forms[0], step)
        draft.out += forms
    for instruction in draft.out:
        instruction.target = moved.get(instruction.target, instruction.target)
        if instruction.handler is not None:
            instruction.handler.target = moved.get(instruction.handler.target, instruction.handler.target)
    draft.depth += len(point.bound) + 4
    return draft.code()


def _gate(draft: Any, arrived: Callable[[], bool], otherwise: Instruction, step: Step) -> Instruction:
    first, point = len(draft.out), step.point
    draft.out += load(draft.constant(arrived))
    draft.call(0)
    draft.out.append(Instruction(BRANCH, target=otherwise, location=draft.place))
    height = len(entries(point.stack))
    for place in step.places if sys.version_info >= (3, 14) else ():  # an object in its stead, as in every frame that is rebuilt
        draft.out += [Instruction("SWAP", height - place), Instruction("POP_TOP"), draft.constant(None), Instruction("SWAP", height - place)]
    kept = draft.unwind(point.stack)
    draft.out += load(draft.constant(lambda *values: values))
    code = draft.listing.code
    for name in point.bound:
        if name in code.co_varnames and not _is_cell(code, name):
            draft.add("LOAD_FAST", draft.local(name))
        else:
            draft.load_cell(name)
    for number in range(kept):
        draft.take(number)
    draft.call(len(point.bound) + kept)
    draft.add("RETURN_VALUE")
    return draft.out[first]


def _is_cell(code: types.CodeType, name: str) -> bool:
    return name in code.co_cellvars


def body_of(code: types.CodeType, function: types.FunctionType, step: Step) -> Callable[..., Any]:
    """A body that runs a user's code from its beginning up to a step."""
    listing = read(code)
    start = next(i for i, instruction in enumerate(listing.instructions) if instruction.name == "RESUME") + 1
    args, cells = entry_names(code)
    point = Point(listing.instructions[start].offset, args)
    begun = resume_code(code, point)
    wanted = parameters(code, canonical(code, point)[1])
    stops = stopping(begun, place_in(begun, step), step, step.occurrence)

    def body(*entry: Any) -> Any:
        values, closure = entry[: len(args)], entry[len(args) :]
        first = (closure[cells.index(wanted.first)].cell_contents,) if wanted.first else ()
        return types.FunctionType(stops, function.__globals__, "body", None, tuple(closure))(*first, *values)

    return body


def place_in(resume: types.CodeType, step: Step) -> int:
    """Where resume code has the operation of a step of the user's code; the prologue also stands for one, but comes first."""
    listing, original = listing_of(resume), read(original_of(resume)[0])
    for instruction in reversed(listing.instructions):
        _, offset = original_of(resume, instruction.offset)
        if original.starts[offset] == original.starts[step.point.offset]:
            return listing.instructions[listing.starts[instruction.offset]].unit
    raise AssertionError("not in this resume code")


# ---- the checks


def check(case: corpus.Case, every: int = 1) -> int:
    """Break a program before each operation that its inputs reach (or each n-th one). Answers how many were tried."""
    tried: set[tuple[Point, int]] = set()
    count = 0
    for make_args in case.inputs:
        expected = outcome(case, make_args)
        found = steps(case, make_args)
        assert outcome(case, make_args) == expected, "the program doesn't repeat itself"
        for step in found:
            key = (step.point, min(step.occurrence, 2))
            if key in tried:
                continue
            tried.add(key)
            if len(tried) % every == 0 or len(tried) == 1:
                count += 1
                check_step(case, make_args, step, expected)
    return count


def check_step(case: corpus.Case, make_args: Callable[[], tuple[Any, ...]], step: Step, expected: Any) -> None:
    function = Program.of(case).function
    code = function.__code__
    if sets_cell_aside(code, step.point.offset):
        return
    step = replace(step, point=as_traced(code, step))
    adapter = broken(code, body_of(code, function, step), step.point)
    assert_fits(code, adapter)
    got = outcome(case, make_args, adapter)
    assert got == expected, f"{case.name}, before {operation(code, step.point.offset)} {step}:\n{got}\n{expected}"


def sets_cell_aside(code: types.CodeType, offset: int) -> bool:
    """Whether the operation belongs to a comprehension's way in, where a cell's slot is empty for a moment (3.12+)."""
    listing = read(code)
    operation = listing.instructions[listing.unit(offset)[0]]
    return operation.name == "MAKE_CELL" or operation.name == "LOAD_FAST_AND_CLEAR" and is_cell(code, operation.arg)


def check_twice(case: corpus.Case, tries: int) -> int:
    """Break a program, then the resume function that goes on, at steps drawn by chance. Answers how many were tried."""
    count = 0
    chance = random.Random(case.name)
    for make_args in case.inputs:
        expected = outcome(case, make_args)
        found = steps(case, make_args)
        for _ in range(tries if len(found) > 2 else 0):
            first, second = sorted(chance.sample(range(len(found)), 2))
            count += check_pair(case, make_args, found, first, second, expected)
    return count


def check_pair(case: corpus.Case, make_args: Any, found: list[Step], first: int, second: int, expected: Any) -> bool:
    function = Program.of(case).function
    code = function.__code__
    start, then = (replace(step, point=as_traced(code, step)) for step in (found[first], replace(found[second], number=0)))
    if sets_cell_aside(code, start.point.offset) or sets_cell_aside(code, then.point.offset):
        return False
    outer = broken(code, body_of(code, function, start), start.point)
    begins = found[first + 1].point.offset
    resume = next((c for c in resumes(outer) if read(code).starts[original_of(c)[1]] == read(code).starts[begins]), None)
    if resume is None:  # it ends, or goes on in a handler, natively
        return False
    occurrence = sum(step.point.offset == found[second].point.offset for step in found[first + 1 : second + 1])
    point = replace(then.point, offset=place_in(resume, then))
    stops = stopping(resume, point.offset, replace(then, point=point), occurrence)
    args, _ = entry_names(resume)

    def body(*entry: Any) -> Any:
        return types.FunctionType(stops, function.__globals__, "body", None, entry[len(args) :])(*entry[: len(args)])

    inner = broken(resume, body, point)
    assert_fits(resume, inner)
    for last in resumes(inner):
        assert original_of(last)[0] is code
    assert resume_code(resume, point) is resume_code(code, then.point)
    whole = outer.replace(co_consts=tuple(inner if const is resume else const for const in outer.co_consts))
    got = outcome(case, make_args, whole)
    what = f"{case.name}, before {operation(code, start.point.offset)} and {operation(code, then.point.offset)}"
    assert got == expected, f"{what} {start} {then}:\n{got}\n{expected}"
    return True


def resumes(adapter: types.CodeType) -> list[types.CodeType]:
    return [c for c in adapter.co_consts if isinstance(c, types.CodeType) and original_of(c)[0] is not c]


def operation(code: types.CodeType, offset: int) -> str:
    listing = read(code)
    return listing.instructions[listing.unit(offset)[1] - 1].name


def as_traced(code: types.CodeType, step: Step) -> Point:
    """Every other point as a tracer would give it: only what is needed, and the last offset of several."""
    if step.number % 2:
        return step.point
    listing = read(code)
    live = needed(code, step.point.offset)
    offset = listing.instructions[listing.unit(step.point.offset)[1] - 1].offset
    return Point(offset, tuple(name for name in step.point.bound if name in live), step.point.stack)


def assert_fits(code: types.CodeType, adapter: types.CodeType) -> None:
    """What torch's frame hook asks of a code object that stands in for another."""
    for name in ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags", "co_cellvars", "co_freevars"):
        assert getattr(code, name) == getattr(adapter, name), name
    assert adapter.co_varnames[: len(code.co_varnames)] == code.co_varnames
    for name in ("co_name", "co_qualname", "co_filename", "co_firstlineno"):
        assert getattr(code, name) == getattr(adapter, name), name


def main() -> None:
    """`python checking.py [every] [names…]`: for interpreters that have no pytest."""
    from tests.codegen.test_details import TESTS

    every, names = int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:]
    failed = 0
    for test in TESTS:
        try:
            test()
        except Exception as error:
            failed += 1
            print(test.__name__, "FAILED", type(error).__name__, error, flush=True)
    for case in corpus.CASES:
        if names and case.name not in names:
            continue
        try:
            print(case.name, check(case, every), check_twice(case, 60 // every), flush=True)
        except Exception as error:
            failed += 1
            print(case.name, "FAILED", type(error).__name__, error, flush=True)
            if names:
                raise
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
