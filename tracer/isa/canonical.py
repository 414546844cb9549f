"""The canonical instruction set: what every operation is called, what it means, and what it does to the stack.

One table, `OPS`, is the only description. The interpreter has one handler for each of its rows, the decoders emit
nothing else, and the analyses (`flow`, `liveness`) know an operation by its row alone. Effects hold on all CPython
versions: where two versions differ, the decoder of one of them emits a pair of operations for one instruction.

The stack grows to the right in the meanings: `a b → c` pops b, then a, and pushes c.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from tracer.isa.locations import Location, Locations

__all__ = ["OPS", "Kind", "Op", "effect", "names_local", "target_of"]

Effect: TypeAlias = Callable[[Any, bool], int]


class Op:
    """One canonical operation at its place in the original code.

    `offset` is that of the instruction's own opcode (what a traceback, `f_lasti` and the exception table speak of);
    `start` is where its bytes begin (EXTENDED_ARGs and what was folded into it included) and `end` where they end
    (inline caches included), so that `co_code[start:end]` is the whole instruction. The parts of a split instruction
    share all three. `place` is the offset whose place in the source it has, where that is another's.
    """

    __slots__ = ("name", "arg", "offset", "end", "start", "_locations", "_place")

    def __init__(self, name: str, arg: Any, offset: int, end: int, locations: Locations, start: int, place: int | None = None) -> None:
        self.name = name
        self.arg = arg
        self.offset = offset
        self.end = end
        self.start = start
        self._locations = locations
        self._place = offset if place is None else place

    @property
    def location(self) -> Location:
        """(line, column, end line, end column), one object for all operations of the code that have the same one."""
        return self._locations[self._place]

    @property
    def asks(self) -> bool:
        """Whether it asks for the truth of a value: a jump on true or false, `not`."""
        if self.name == "UnaryOp":
            return self.arg is operator.not_
        return self.name in ("JumpIf", "JumpIfOrPop", "ToBool")

    def __repr__(self) -> str:
        return f"{self.name}({'' if self.arg is None else repr(self.arg)}) @ {self.offset}"


class Kind(NamedTuple):
    """One row of the table."""

    name: str
    argument: str  # what `Op.arg` holds; "" for None
    meaning: str
    effect: Effect  # (argument, whether it jumps) → change of the stack's height
    ends: bool  # control never falls through to the next operation
    raises: bool  # may hand control to an exception handler


OPS: dict[str, Kind] = {}

# Argument shapes in which a jump target is found: alone, or second of a pair.
_TARGET_ALONE = frozenset({"Jump", "ForIter", "Send"})
_TARGET_SECOND = frozenset({"JumpIf", "JumpIfOrPop"})


def effect(op: Op, jump: bool = False) -> int:
    """How much `op` changes the height of the stack, when it falls through or (`jump`) goes to its target."""
    return OPS[op.name].effect(op.arg, jump)


def names_local(op: Op) -> bool:
    """Whether the argument is a local's index in `Decoded.names`."""
    return OPS[op.name].argument == "local"


def target_of(op: Op) -> int | None:
    """The index of the operation that `op` may jump to."""
    if op.name in _TARGET_ALONE:
        return op.arg
    if op.name in _TARGET_SECOND:
        return op.arg[1]
    return None


def _op(
    name: str, argument: str, change: int | Effect, meaning: str, *, ends: bool = False, raises: bool = True
) -> None:
    if isinstance(change, int):
        constant = change
        change = lambda arg, jump: constant  # noqa: E731
    OPS[name] = Kind(name, argument, meaning, change, ends, raises)


# fmt: off

# --- the stack itself -------------------------------------------------------------------------------------------------
_op("Pop", "", -1, "v →", raises=False)
_op("Copy", "n", +1, "pushes the n-th entry from the top (1 is the top)", raises=False)
_op("Swap", "n", 0, "exchanges the top with the n-th entry from the top", raises=False)
_op("PushNull", "", +1, "→ NULL, the empty slot beside a callable", raises=False)
_op("LoadConst", "value", +1, "→ value", raises=False)

# --- locals, by their index in `Decoded.names` ------------------------------------------------------------------------
_op("LoadFast", "local", +1, "→ local; UnboundLocalError if it has no value")
_op("LoadFastAndClear", "local", +1, "→ what the slot holds, be it NULL or a cell, and empties it", raises=False)
_op("StoreFast", "local", -1, "v → into the slot, be it NULL or a cell that LoadFastAndClear took", raises=False)
_op("DeleteFast", "local", 0, "empties the slot; UnboundLocalError if it has no value")

# --- cells ------------------------------------------------------------------------------------------------------------
_op("MakeCell", "local", 0, "puts a new cell into the slot, holding what was in it", raises=False)
_op("LoadClosure", "local", +1, "→ what the slot holds: the cell itself")
_op("LoadDeref", "local", +1, "→ what the cell holds; NameError if nothing")
_op("StoreDeref", "local", -1, "v → into the cell", raises=False)
_op("DeleteDeref", "local", 0, "empties the cell; NameError if it holds nothing")
_op("LoadFromDictOrDeref", "(local, from_stack)", lambda arg, jump: 0 if arg[1] else 1,
    "mapping → value: of the name in the mapping (the frame's own locals if not from_stack), else what the cell holds")

# --- names ------------------------------------------------------------------------------------------------------------
_op("LoadGlobal", "name", +1, "→ global or builtin")
_op("StoreGlobal", "name", -1, "v →")
_op("DeleteGlobal", "name", 0, "removes a global")
_op("LoadName", "name", +1, "→ local of a class or module body, else global, else builtin")
_op("StoreName", "name", -1, "v →")
_op("DeleteName", "name", 0, "removes a local of a class or module body")
_op("LoadLocals", "", +1, "→ the locals of a class or module body")
_op("LoadFromDictOrGlobals", "name", 0, "mapping → value: in the mapping, else global, else builtin")
_op("LoadBuildClass", "", +1, "→ builtins.__build_class__")
_op("LoadAssertionError", "", +1, "→ AssertionError", raises=False)
_op("SetupAnnotations", "", 0, "makes `__annotations__` in the locals")

# --- attributes -------------------------------------------------------------------------------------------------------
_op("LoadAttr", "name", 0, "owner → attribute")
_op("LoadMethod", "(name, null_first)", +1,
    "owner → method self, if the class gives a plain function; else NULL attribute (null_first) or attribute NULL")
_op("StoreAttr", "name", -2, "value owner →")
_op("DeleteAttr", "name", -1, "owner →")
_op("LoadSuperAttr", "(name, is_method, null_first, explicit)", lambda arg, jump: -1 if arg[1] else -2,
    "super class self → attribute; as LoadMethod if is_method. `super` is what the global name gave, called with both if explicit or the builtin")

# --- operators; the argument is a function of module `operator` -------------------------------------------------------
_op("BinaryOp", "function", -1, "left right → result")
_op("Compare", "(function, to_bool)", -1, "left right → result, made a bool if to_bool")
_op("IsOp", "invert", -1, "left right → bool", raises=False)
_op("ContainsOp", "invert", -1, "item container → bool")
_op("UnaryOp", "function", 0, "v → result (neg, pos, invert, not_)")
_op("ToBool", "", 0, "v → bool(v)")
_op("Subscript", "", -1, "container key → item")
_op("StoreSubscript", "", -3, "value container key →")
_op("DeleteSubscript", "", -2, "container key →")
_op("BinarySlice", "", -2, "container start stop → part")
_op("StoreSlice", "", -4, "value container start stop →")

# --- building ---------------------------------------------------------------------------------------------------------
_op("BuildTuple", "n", lambda arg, jump: 1 - arg, "n values → tuple")
_op("BuildList", "n", lambda arg, jump: 1 - arg, "n values → list")
_op("BuildSet", "n", lambda arg, jump: 1 - arg, "n values → set")
_op("BuildMap", "n", lambda arg, jump: 1 - 2 * arg, "n times (key value) → dict")
_op("BuildConstKeyMap", "n", lambda arg, jump: -arg, "n values, tuple of their keys → dict")
_op("BuildSlice", "n", lambda arg, jump: 1 - arg, "2 or 3 values → slice")
_op("BuildString", "n", lambda arg, jump: 1 - arg, "n strings → their concatenation")
_op("ListAppend", "i", -1, "v → appended to the list that is i-th from the top once v is popped")
_op("SetAdd", "i", -1, "v → added to the set that is i-th from the top once v is popped")
_op("MapAdd", "i", -2, "key value → put into the dict that is i-th from the top once both are popped")
_op("ListExtend", "i", -1, "iterable → appended to the list that is i-th from the top once it is popped")
_op("SetUpdate", "i", -1, "iterable → added to the set that is i-th from the top once it is popped")
_op("DictUpdate", "i", -1, "mapping → put into the dict that is i-th from the top once it is popped")
_op("DictMerge", "i", -1, "as DictUpdate, but a repeated key is a TypeError that names the callable further down")
_op("ListToTuple", "", 0, "list → tuple")
_op("ConvertValue", "conversion", 0, "v → str(v), repr(v) or ascii(v), for conversion 's', 'r', 'a'")
_op("BuildInterpolation", "(conversion, has_spec)", lambda arg, jump: -2 if arg[1] else -1,
    "v text (spec if has_spec) → the Interpolation of a template string")
_op("BuildTemplate", "", -1, "strings interpolations → Template")
_op("FormatValue", "(conversion, has_spec)", lambda arg, jump: -1 if arg[1] else 0,
    "v (spec if has_spec) → format of the converted value; conversion None keeps it as it is")

# --- taking apart -----------------------------------------------------------------------------------------------------
_op("UnpackSequence", "n", lambda arg, jump: arg - 1, "iterable → its n values, the first on top")
_op("UnpackEx", "(before, after)", lambda arg, jump: arg[0] + arg[1],
    "iterable → `before` values, a list of the rest, `after` values; the first on top")
_op("GetIter", "", 0, "v → iter(v)")
_op("ForIter", "target", lambda arg, jump: -1 if jump else +1,
    "iterator → iterator next; once exhausted, iterator → and on to the target")
_op("GetLen", "", +1, "v → v len(v)")
_op("MatchMapping", "", +1, "v → v bool", raises=False)
_op("MatchSequence", "", +1, "v → v bool", raises=False)
_op("MatchKeys", "", +1, "v keys → v keys (tuple of values, or None)")
_op("MatchClass", "n", -2, "subject class names → tuple of n positional attributes and those names, or None")

# --- control ----------------------------------------------------------------------------------------------------------
_op("Jump", "target", 0, "goes to the target", ends=True)
_op("JumpIf", "(kind, target)", -1, "v → jumps if it is 'true', 'false', 'none' or 'not_none'")
_op("JumpIfOrPop", "(truth, target)", lambda arg, jump: 0 if jump else -1,
    "v → v and jumps if its truth is that; else v →")
_op("Return", "", -1, "v → and leaves the frame", ends=True, raises=False)

# --- calls ------------------------------------------------------------------------------------------------------------
_op("Call", "(argc, kwnames)", lambda arg, jump: -1 - arg[0],
    "callable pair, argc values, the last len(kwnames) of them by keyword → result. "
    "The pair is NULL callable (3.11, 3.12), callable NULL (since 3.13), or method self")
_op("CallEx", "has_kwargs", lambda arg, jump: -3 if arg else -2,
    "callable pair, positional iterable (mapping, or NULL since 3.14, if has_kwargs) → result. "
    "The pair is NULL callable (3.11, 3.12) or callable NULL (since 3.13)")
_op("MakeFunction", "parts", lambda arg, jump: -len(arg),
    "parts code → function; `parts` names them in the order in which they are popped after the code")
_op("SetFunctionAttribute", "part", -1, "value function → function with that part", raises=False)

# --- generators and coroutines ----------------------------------------------------------------------------------------
_op("ReturnGenerator", "", +1, "returns a generator of this frame; resumed: → the value sent")
_op("Yield", "", 0, "v → hands v out; resumed: → the value sent")
_op("Send", "target", lambda arg, jump: -1 if jump else 0,
    "receiver v → receiver yielded; once it returned, receiver v → result and on to the target")
_op("EndSend", "", -1, "receiver v → v", raises=False)
_op("GetAwaitable", "where", 0, "v → its awaitable; where: 1 after __aenter__, 2 after __aexit__, else 0")
_op("GetAiter", "", 0, "v → its async iterator")
_op("GetAnext", "", +1, "iterator → iterator awaitable")
_op("EndAsyncFor", "", -2, "iterator exception → after StopAsyncIteration, else raises it again")
_op("GetYieldFromIter", "", 0, "v → iter(v), generators and coroutines as they are")
_op("CleanupThrow", "", -1, "receiver v exception → None and the value of a StopIteration, else raises it again")
_op("AsyncGenWrap", "", 0, "v → v wrapped as an async generator's value", raises=False)

# --- exceptions -------------------------------------------------------------------------------------------------------
_op("PushExcInfo", "", +1, "exception → previous exception; makes it the current one", raises=False)
_op("PopExcept", "", -1, "previous → makes it the current exception", raises=False)
_op("CheckExcMatch", "", 0, "exception type → exception bool")
_op("CheckEgMatch", "", 0, "exception type → rest (or None) matching group (or None)")
_op("Reraise", "n", -1, "exception → raised again; if n, `f_lasti` is first set to the n-th entry below it", ends=True)
_op("Raise", "n", lambda arg, jump: -arg, "raise with n of (exception, cause)", ends=True)
_op("PrepReraiseStar", "", -1, "original list → the group to raise again, or None")
_op("BeforeWith", "", +1, "manager → __exit__ result of __enter__()")
_op("BeforeAsyncWith", "", +1, "manager → __aexit__ result of __aenter__()")
_op("WithExceptStart", "n", +1, "exit … lasti previous exception → these and exit(type, exception, traceback); exit is the n-th entry from the top")

# --- the rest ---------------------------------------------------------------------------------------------------------
_op("CallIntrinsic1", "name", 0, "v → result of that internal function")
_op("CallIntrinsic2", "name", -1, "v w → result of that internal function")
_op("ImportName", "name", -1, "level fromlist → module")
_op("ImportFrom", "name", +1, "module → module attribute")
_op("ImportStar", "", -1, "module → its public names into the locals")
_op("PrintExpr", "", -1, "v → sys.displayhook(v)")
_op("Unsupported", "opname", 0, "an instruction that this package doesn't know", ends=True)

# fmt: on
