"""CPython 3.13: superinstructions, NULL above the callable, a LOAD_CONST for keyword names, cells read by LOAD_FAST."""

from __future__ import annotations

from typing import Any

from tracer.isa import arguments
from tracer.isa.common import COMMON
from tracer.isa.rules import Context, Dialect, JumpTo, One, Several

__all__ = ["DIALECT"]

_CACHES = {
    "BINARY_SUBSCR": 1, "STORE_SUBSCR": 1, "TO_BOOL": 3, "BINARY_OP": 1, "CALL": 3, "COMPARE_OP": 1, "CONTAINS_OP": 1,
    "FOR_ITER": 1, "JUMP_BACKWARD": 1, "LOAD_ATTR": 9, "LOAD_GLOBAL": 4, "LOAD_SUPER_ATTR": 1, "POP_JUMP_IF_FALSE": 1,
    "POP_JUMP_IF_NONE": 1, "POP_JUMP_IF_NOT_NONE": 1, "POP_JUMP_IF_TRUE": 1, "SEND": 1, "STORE_ATTR": 4,
    "UNPACK_SEQUENCE": 1,
}  # fmt: skip


def _load(context: Context, index: int) -> tuple[str, int]:
    """There is no LOAD_CLOSURE any more: reading a cell's slot is how closures are built."""
    return ("LoadClosure" if index in context.cells else "LoadFast"), index


def _load_fast(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return (_load(context, arg),)


def _load_load(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return _load(context, arg >> 4), _load(context, arg & 15)


def _store_load(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return ("StoreFast", arg >> 4), _load(context, arg & 15)


def _store_store(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    return ("StoreFast", arg >> 4), ("StoreFast", arg & 15)


_PARTS = dict(arguments.FUNCTION_PARTS)

_RULES = COMMON | {
    "LOAD_FAST": Several(_load_fast),
    "LOAD_FAST_CHECK": One("LoadFast", arguments.local),
    "LOAD_FAST_AND_CLEAR": One("LoadFastAndClear", arguments.local),
    "LOAD_FAST_LOAD_FAST": Several(_load_load),
    "STORE_FAST_LOAD_FAST": Several(_store_load),
    "STORE_FAST_STORE_FAST": Several(_store_store),
    "LOAD_FROM_DICT_OR_DEREF": One("LoadFromDictOrDeref", arguments.from_dict_or_deref(from_stack=True)),
    "LOAD_FROM_DICT_OR_GLOBALS": One("LoadFromDictOrGlobals", arguments.name),
    "LOAD_LOCALS": One("LoadLocals"),
    "LOAD_GLOBAL": Several(arguments.global_and_null(null_first=False)),
    "LOAD_ATTR": Several(arguments.attribute_or_method(null_first=False)),
    "LOAD_SUPER_ATTR": One("LoadSuperAttr", arguments.super_attribute(null_first=False)),
    "COMPARE_OP": One("Compare", arguments.comparison(shift=5, bool_bit=16)),
    "TO_BOOL": One("ToBool"),
    "BINARY_SLICE": One("BinarySlice"),
    "STORE_SLICE": One("StoreSlice"),
    "CONVERT_VALUE": One("ConvertValue", lambda context, arg: arguments.CONVERSIONS[arg]),
    "FORMAT_SIMPLE": One("FormatValue", arguments.fixed((None, False))),
    "FORMAT_WITH_SPEC": One("FormatValue", arguments.fixed((None, True))),
    "FOR_ITER": JumpTo("ForIter", past=("END_FOR", "POP_TOP")),
    "END_FOR": One("Pop"),
    "POP_JUMP_IF_TRUE": JumpTo("JumpIf", "true"),
    "POP_JUMP_IF_FALSE": JumpTo("JumpIf", "false"),
    "POP_JUMP_IF_NONE": JumpTo("JumpIf", "none"),
    "POP_JUMP_IF_NOT_NONE": JumpTo("JumpIf", "not_none"),
    "RETURN_CONST": Several(arguments.return_constant),
    "CALL_KW": arguments.KEYWORD_CALL,
    "MAKE_FUNCTION": One("MakeFunction", arguments.fixed(())),
    "SET_FUNCTION_ATTRIBUTE": One("SetFunctionAttribute", lambda context, arg: _PARTS[arg]),
    "SEND": JumpTo("Send", past=("END_SEND",)),
    "END_SEND": One("EndSend"),
    "CLEANUP_THROW": One("CleanupThrow"),
    "CALL_INTRINSIC_1": Several(arguments.intrinsic_1),
    "CALL_INTRINSIC_2": Several(arguments.intrinsic_2),
}

DIALECT = Dialect((3, 13), _RULES, _CACHES)
