"""CPython 3.11: calls in three instructions, jumps with a direction of their own, no END_FOR, no intrinsics."""

from __future__ import annotations

import operator

from tracer.isa.rules import (
    COMMON, Dialect, FoldInto, JumpTo, One, Several, comparison, format_value, from_dict_or_deref, function_parts,
    global_then_null, local, name, note_kwnames,
)  # fmt: skip

__all__ = ["DIALECT"]

_CACHES = {
    "BINARY_SUBSCR": 4, "STORE_SUBSCR": 1, "UNPACK_SEQUENCE": 1, "STORE_ATTR": 4, "LOAD_ATTR": 4, "COMPARE_OP": 2,
    "LOAD_GLOBAL": 5, "BINARY_OP": 1, "LOAD_METHOD": 10, "PRECALL": 1, "CALL": 4,
}  # fmt: skip

_RULES = COMMON | {
    "LOAD_CLOSURE": One("LoadClosure", local),
    "LOAD_CLASSDEREF": One("LoadFromDictOrDeref", from_dict_or_deref(from_stack=False)),
    "LOAD_GLOBAL": Several(global_then_null(null_first=True)),
    "LOAD_ATTR": One("LoadAttr", name),
    "LOAD_METHOD": One("LoadMethod", lambda context, arg: (context.names[arg], True)),
    "COMPARE_OP": One("Compare", comparison(shift=0)),
    "UNARY_POSITIVE": One("UnaryOp", lambda context, arg: operator.pos),
    "LIST_TO_TUPLE": One("ListToTuple"),
    "FORMAT_VALUE": One("FormatValue", format_value),
    "FOR_ITER": JumpTo("ForIter"),
    "POP_JUMP_FORWARD_IF_TRUE": JumpTo("JumpIf", "true"),
    "POP_JUMP_FORWARD_IF_FALSE": JumpTo("JumpIf", "false"),
    "POP_JUMP_FORWARD_IF_NONE": JumpTo("JumpIf", "none"),
    "POP_JUMP_FORWARD_IF_NOT_NONE": JumpTo("JumpIf", "not_none"),
    "POP_JUMP_BACKWARD_IF_TRUE": JumpTo("JumpIf", "true", direction=-1),
    "POP_JUMP_BACKWARD_IF_FALSE": JumpTo("JumpIf", "false", direction=-1),
    "POP_JUMP_BACKWARD_IF_NONE": JumpTo("JumpIf", "none", direction=-1),
    "POP_JUMP_BACKWARD_IF_NOT_NONE": JumpTo("JumpIf", "not_none", direction=-1),
    "JUMP_IF_TRUE_OR_POP": JumpTo("JumpIfOrPop", True),
    "JUMP_IF_FALSE_OR_POP": JumpTo("JumpIfOrPop", False),
    "KW_NAMES": FoldInto(note_kwnames),
    "PRECALL": FoldInto(),
    "MAKE_FUNCTION": One("MakeFunction", function_parts),
    "SEND": JumpTo("Send"),
    "ASYNC_GEN_WRAP": One("AsyncGenWrap"),
    "PREP_RERAISE_STAR": One("PrepReraiseStar"),
    "IMPORT_STAR": One("ImportStar"),
    "PRINT_EXPR": One("PrintExpr"),
}

DIALECT = Dialect((3, 11), _RULES, _CACHES)
