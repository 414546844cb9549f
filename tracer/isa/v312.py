"""CPython 3.12: methods through LOAD_ATTR, intrinsics, loops that end in END_FOR, awaits that end in END_SEND."""

from __future__ import annotations

from typing import Any

from tracer.isa import arguments
from tracer.isa.common import COMMON
from tracer.isa.rules import Context, Dialect, FoldInto, JumpTo, One, Several

__all__ = ["DIALECT"]

_CACHES = {
    "BINARY_SUBSCR": 1, "STORE_SUBSCR": 1, "UNPACK_SEQUENCE": 1, "FOR_ITER": 1, "STORE_ATTR": 4, "LOAD_ATTR": 9,
    "COMPARE_OP": 1, "LOAD_GLOBAL": 4, "BINARY_OP": 1, "SEND": 1, "LOAD_SUPER_ATTR": 1, "CALL": 3,
}  # fmt: skip


def _end_for(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    """Pops the last value and the iterator. A ForIter goes past it, so only hand-made code ever comes here."""
    return ("Pop", None), ("Pop", None)


_RULES = COMMON | {
    "LOAD_FAST_CHECK": One("LoadFast", arguments.local),
    "LOAD_FAST_AND_CLEAR": One("LoadFastAndClear", arguments.local),
    "LOAD_CLOSURE": One("LoadClosure", arguments.local),
    "LOAD_FROM_DICT_OR_DEREF": One("LoadFromDictOrDeref", arguments.from_dict_or_deref(from_stack=True)),
    "LOAD_FROM_DICT_OR_GLOBALS": One("LoadFromDictOrGlobals", arguments.name),
    "LOAD_LOCALS": One("LoadLocals"),
    "LOAD_GLOBAL": Several(arguments.global_and_null(null_first=True)),
    "LOAD_ATTR": Several(arguments.attribute_or_method(null_first=True)),
    "LOAD_SUPER_ATTR": One("LoadSuperAttr", arguments.super_attribute(null_first=True)),
    "COMPARE_OP": One("Compare", arguments.comparison(shift=4)),
    "BINARY_SLICE": One("BinarySlice"),
    "STORE_SLICE": One("StoreSlice"),
    "FORMAT_VALUE": One("FormatValue", arguments.format_value),
    "FOR_ITER": JumpTo("ForIter", past=("END_FOR",)),
    "END_FOR": Several(_end_for),
    "POP_JUMP_IF_TRUE": JumpTo("JumpIf", "true"),
    "POP_JUMP_IF_FALSE": JumpTo("JumpIf", "false"),
    "POP_JUMP_IF_NONE": JumpTo("JumpIf", "none"),
    "POP_JUMP_IF_NOT_NONE": JumpTo("JumpIf", "not_none"),
    "RETURN_CONST": Several(arguments.return_constant),
    "KW_NAMES": FoldInto(arguments.note_kwnames),
    "MAKE_FUNCTION": One("MakeFunction", arguments.function_parts),
    "SEND": JumpTo("Send", past=("END_SEND",)),
    "END_SEND": One("EndSend"),
    "CLEANUP_THROW": One("CleanupThrow"),
    "CALL_INTRINSIC_1": Several(arguments.intrinsic_1),
    "CALL_INTRINSIC_2": Several(arguments.intrinsic_2),
}

DIALECT = Dialect((3, 12), _RULES, _CACHES)
