"""How an instruction becomes canonical operations: the few shapes of rules, and the rules that all versions share.

A version's table maps CPython's name of an instruction to a rule. Rules say what an instruction *is*; how the bytes are walked
is `decode`'s business alone. Inline caches are listed beside a table because a jump counts from after them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "COMMON", "FUNCTION_PARTS", "Context", "Dialect", "Drop", "Extend", "FoldInto", "JumpTo", "KeywordCall", "One", "Rule",
    "Several", "conversion", "local", "name", "number",
]  # fmt: skip


class Context:
    """What arguments refer to: the tables of one code object."""

    __slots__ = ("consts", "names", "locals", "cells", "kwnames")

    def __init__(self, code: CodeType, local_names: list[str], cells: frozenset[int]) -> None:
        self.consts = code.co_consts
        self.names = code.co_names
        self.locals = local_names
        self.cells = cells  # indices of cells and free variables
        self.kwnames: tuple[str, ...] = ()  # set by KW_NAMES for the call that follows it (3.11, 3.12)


Argument: TypeAlias = Callable[[Context, int], Any]


class One(NamedTuple):
    """One operation; `argument` makes its argument, or None if it has none."""

    name: str
    argument: Argument | None = None


class Several(NamedTuple):
    """A sequence of operations, none of them a jump, that share the instruction's offset."""

    expand: Callable[[Context, int], tuple[tuple[str, Any], ...]]


class JumpTo(NamedTuple):
    """A jump by so many code units, counted from the instruction's end (its inline caches included).

    `condition` is the first half of the argument, None where the target is the whole of it. `past` are instructions to step
    over at the target, if they are there: what CPython itself skips, or does for bookkeeping only.
    """

    name: str
    condition: Any = None
    direction: int = +1
    past: tuple[str, ...] = ()


class Drop(NamedTuple):
    """Nothing to interpret."""


class Extend(NamedTuple):
    """Higher bits of the next instruction's argument."""


class FoldInto(NamedTuple):
    """A part of the next instruction that isn't dropped: that one's bytes begin here. `note` keeps its argument."""

    note: Callable[[Context, int], None] | None = None


class KeywordCall(NamedTuple):
    """A call whose keyword names were pushed by the LOAD_CONST just before it, which it takes back."""


Rule: TypeAlias = One | Several | JumpTo | Drop | Extend | FoldInto | KeywordCall


class Dialect(NamedTuple):
    """The bytecode of one CPython version."""

    version: tuple[int, int]
    rules: Mapping[str, Rule]
    caches: Mapping[str, int]  # inline cache entries (code units) after an instruction, where there are any


# --- arguments --------------------------------------------------------------------------------------------------------


def number(context: Context, arg: int) -> int:
    return arg


def local(context: Context, arg: int) -> int:
    """Locals keep their number: it counts in the order of `Decoded.names`."""
    return arg


def name(context: Context, arg: int) -> str:
    return context.names[arg]


def _constant(context: Context, arg: int) -> Any:
    return context.consts[arg]


def _truth(context: Context, arg: int) -> bool:
    return bool(arg)


def _split(context: Context, arg: int) -> tuple[int, int]:
    return arg & 0xFF, arg >> 8


_BINARY: tuple[Callable[..., Any], ...] = (
    operator.add, operator.and_, operator.floordiv, operator.lshift, operator.matmul, operator.mul, operator.mod,
    operator.or_, operator.pow, operator.rshift, operator.sub, operator.truediv, operator.xor,
    operator.iadd, operator.iand, operator.ifloordiv, operator.ilshift, operator.imatmul, operator.imul, operator.imod,
    operator.ior, operator.ipow, operator.irshift, operator.isub, operator.itruediv, operator.ixor,
)  # fmt: skip


def _binary(context: Context, arg: int) -> Callable[..., Any]:
    return _BINARY[arg]


_COMPARISONS: tuple[Callable[..., Any], ...] = (
    operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge,
)  # fmt: skip


def comparison(shift: int, bool_bit: int = 0) -> Argument:
    """The operator is above `shift` bits; `bool_bit` asks for a bool (3.13)."""

    def argument(context: Context, arg: int) -> tuple[Callable[..., Any], bool]:
        return _COMPARISONS[arg >> shift], bool(arg & bool_bit)

    return argument


conversion: tuple[str | None, ...] = (None, "s", "r", "a")

# Bits of MAKE_FUNCTION and SET_FUNCTION_ATTRIBUTE, in the order in which MAKE_FUNCTION pops what they announce.
FUNCTION_PARTS: tuple[tuple[int, str], ...] = ((8, "closure"), (4, "annotations"), (2, "kwdefaults"), (1, "defaults"))


def function_parts(context: Context, arg: int) -> tuple[str, ...]:
    return tuple(part for bit, part in FUNCTION_PARTS if arg & bit)


def format_value(context: Context, arg: int) -> tuple[str | None, bool]:
    return conversion[arg & 3], bool(arg & 4)


def call(context: Context, arg: int) -> tuple[int, tuple[str, ...]]:
    kwnames, context.kwnames = context.kwnames, ()
    return arg, kwnames


def note_kwnames(context: Context, arg: int) -> None:
    context.kwnames = context.consts[arg]


def attribute_or_method(null_first: bool) -> Callable[[Context, int], tuple[tuple[str, Any], ...]]:
    """LOAD_ATTR since 3.12: the lowest bit asks for a method and its self."""

    def expand(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
        if arg & 1:
            return (("LoadMethod", (context.names[arg >> 1], null_first)),)
        return (("LoadAttr", context.names[arg >> 1]),)

    return expand


def super_attribute(null_first: bool) -> Argument:
    """The lowest bit asks for a method; the next, that `super` was written with arguments, changes nothing here."""

    def argument(context: Context, arg: int) -> tuple[str, bool, bool]:
        return context.names[arg >> 2], bool(arg & 1), null_first

    return argument


def global_then_null(null_first: bool) -> Callable[[Context, int], tuple[tuple[str, Any], ...]]:
    """LOAD_GLOBAL: the lowest bit asks for the NULL of a call."""

    def expand(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
        load = ("LoadGlobal", context.names[arg >> 1])
        if not arg & 1:
            return (load,)
        return (("PushNull", None), load) if null_first else (load, ("PushNull", None))

    return expand


def return_constant(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return ("LoadConst", context.consts[arg]), ("Return", None)


def from_dict_or_deref(from_stack: bool) -> Argument:
    return lambda context, arg: (arg, from_stack)


# What CALL_INTRINSIC_1 and _2 call, by number (3.12, 3.13). Most are instructions of their own on 3.11; those that leave nothing
# there leave None here.
_INTRINSICS_1: tuple[tuple[tuple[str, Any], ...], ...] = (
    (("Unsupported", "CALL_INTRINSIC_1 0"),),
    (("PrintExpr", None), ("LoadConst", None)),
    (("ImportStar", None), ("LoadConst", None)),
    (("CallIntrinsic1", "stopiteration_error"),),
    (("AsyncGenWrap", None),),
    (("UnaryOp", operator.pos),),
    (("ListToTuple", None),),
    (("CallIntrinsic1", "typevar"),),
    (("CallIntrinsic1", "paramspec"),),
    (("CallIntrinsic1", "typevartuple"),),
    (("CallIntrinsic1", "subscript_generic"),),
    (("CallIntrinsic1", "typealias"),),
)
_INTRINSICS_2: tuple[tuple[tuple[str, Any], ...], ...] = (
    (("Unsupported", "CALL_INTRINSIC_2 0"),),
    (("PrepReraiseStar", None),),
    (("CallIntrinsic2", "typevar_with_bound"),),
    (("CallIntrinsic2", "typevar_with_constraints"),),
    (("CallIntrinsic2", "set_function_type_params"),),
    (("CallIntrinsic2", "set_typeparam_default"),),
)


def intrinsic_1(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return _INTRINSICS_1[arg] if arg < len(_INTRINSICS_1) else (("Unsupported", f"CALL_INTRINSIC_1 {arg}"),)


def intrinsic_2(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return _INTRINSICS_2[arg] if arg < len(_INTRINSICS_2) else (("Unsupported", f"CALL_INTRINSIC_2 {arg}"),)


# --- what 3.11, 3.12 and 3.13 have in common -----------------------------------------------------------------------------

COMMON: dict[str, Rule] = {
    "CACHE": Drop(),
    "NOP": Drop(),
    "RESUME": Drop(),
    "COPY_FREE_VARS": Drop(),
    "EXTENDED_ARG": Extend(),
    "POP_TOP": One("Pop"),
    "COPY": One("Copy", number),
    "SWAP": One("Swap", number),
    "PUSH_NULL": One("PushNull"),
    "LOAD_CONST": One("LoadConst", _constant),
    "LOAD_FAST": One("LoadFast", local),
    "STORE_FAST": One("StoreFast", local),
    "DELETE_FAST": One("DeleteFast", local),
    "MAKE_CELL": One("MakeCell", local),
    "LOAD_DEREF": One("LoadDeref", local),
    "STORE_DEREF": One("StoreDeref", local),
    "DELETE_DEREF": One("DeleteDeref", local),
    "STORE_GLOBAL": One("StoreGlobal", name),
    "DELETE_GLOBAL": One("DeleteGlobal", name),
    "LOAD_NAME": One("LoadName", name),
    "STORE_NAME": One("StoreName", name),
    "DELETE_NAME": One("DeleteName", name),
    "LOAD_BUILD_CLASS": One("LoadBuildClass"),
    "LOAD_ASSERTION_ERROR": One("LoadAssertionError"),
    "SETUP_ANNOTATIONS": One("SetupAnnotations"),
    "STORE_ATTR": One("StoreAttr", name),
    "DELETE_ATTR": One("DeleteAttr", name),
    "BINARY_OP": One("BinaryOp", _binary),
    "IS_OP": One("IsOp", _truth),
    "CONTAINS_OP": One("ContainsOp", _truth),
    "UNARY_NEGATIVE": One("UnaryOp", lambda context, arg: operator.neg),
    "UNARY_INVERT": One("UnaryOp", lambda context, arg: operator.invert),
    "UNARY_NOT": One("UnaryOp", lambda context, arg: operator.not_),
    "BINARY_SUBSCR": One("Subscript"),
    "STORE_SUBSCR": One("StoreSubscript"),
    "DELETE_SUBSCR": One("DeleteSubscript"),
    "BUILD_TUPLE": One("BuildTuple", number),
    "BUILD_LIST": One("BuildList", number),
    "BUILD_SET": One("BuildSet", number),
    "BUILD_MAP": One("BuildMap", number),
    "BUILD_CONST_KEY_MAP": One("BuildConstKeyMap", number),
    "BUILD_SLICE": One("BuildSlice", number),
    "BUILD_STRING": One("BuildString", number),
    "LIST_APPEND": One("ListAppend", number),
    "SET_ADD": One("SetAdd", number),
    "MAP_ADD": One("MapAdd", number),
    "LIST_EXTEND": One("ListExtend", number),
    "SET_UPDATE": One("SetUpdate", number),
    "DICT_UPDATE": One("DictUpdate", number),
    "DICT_MERGE": One("DictMerge", number),
    "UNPACK_SEQUENCE": One("UnpackSequence", number),
    "UNPACK_EX": One("UnpackEx", _split),
    "GET_ITER": One("GetIter"),
    "GET_LEN": One("GetLen"),
    "MATCH_MAPPING": One("MatchMapping"),
    "MATCH_SEQUENCE": One("MatchSequence"),
    "MATCH_KEYS": One("MatchKeys"),
    "MATCH_CLASS": One("MatchClass", number),
    "JUMP_FORWARD": JumpTo("Jump"),
    "JUMP_BACKWARD": JumpTo("Jump", direction=-1),
    "JUMP_BACKWARD_NO_INTERRUPT": JumpTo("Jump", direction=-1),
    "RETURN_VALUE": One("Return"),
    "CALL": One("Call", call),
    "CALL_FUNCTION_EX": One("CallEx", lambda context, arg: bool(arg & 1)),
    "RETURN_GENERATOR": One("ReturnGenerator"),
    "YIELD_VALUE": One("Yield"),
    "GET_AWAITABLE": One("GetAwaitable", number),
    "GET_AITER": One("GetAiter"),
    "GET_ANEXT": One("GetAnext"),
    "END_ASYNC_FOR": One("EndAsyncFor"),
    "GET_YIELD_FROM_ITER": One("GetYieldFromIter"),
    "PUSH_EXC_INFO": One("PushExcInfo"),
    "POP_EXCEPT": One("PopExcept"),
    "CHECK_EXC_MATCH": One("CheckExcMatch"),
    "CHECK_EG_MATCH": One("CheckEgMatch"),
    "RERAISE": One("Reraise", number),
    "RAISE_VARARGS": One("Raise", number),
    "BEFORE_WITH": One("BeforeWith"),
    "BEFORE_ASYNC_WITH": One("BeforeAsyncWith"),
    "WITH_EXCEPT_START": One("WithExceptStart"),
    "IMPORT_NAME": One("ImportName", name),
    "IMPORT_FROM": One("ImportFrom", name),
}
