"""CPython 3.11: calls in three instructions, jumps with a direction of their own, no END_FOR, no intrinsics."""

from __future__ import annotations

import operator

from tracer.isa import arguments
from tracer.isa.common import COMMON
from tracer.isa.rules import Dialect, FoldInto, JumpTo, One, Several

__all__ = ["DIALECT"]

_CACHES = {
    "BINARY_SUBSCR": 4, "STORE_SUBSCR": 1, "UNPACK_SEQUENCE": 1, "STORE_ATTR": 4, "LOAD_ATTR": 4, "COMPARE_OP": 2,
    "LOAD_GLOBAL": 5, "BINARY_OP": 1, "LOAD_METHOD": 10, "PRECALL": 1, "CALL": 4,
}  # fmt: skip

_RULES = COMMON | {
    "LOAD_CLOSURE": One("LoadClosure", arguments.local),
    "LOAD_CLASSDEREF": One("LoadFromDictOrDeref", arguments.from_dict_or_deref(from_stack=False)),
    "LOAD_GLOBAL": Several(arguments.global_and_null(null_first=True)),
    "LOAD_ATTR": One("LoadAttr", arguments.name),
    "LOAD_METHOD": One("LoadMethod", lambda context, arg: (context.names[arg], True)),
    "COMPARE_OP": One("Compare", arguments.comparison(shift=0)),
    "UNARY_POSITIVE": One("UnaryOp", arguments.fixed(operator.pos)),
    "LIST_TO_TUPLE": One("ListToTuple"),
    "FORMAT_VALUE": One("FormatValue", arguments.format_value),
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
    "KW_NAMES": FoldInto(arguments.note_kwnames),
    "PRECALL": FoldInto(),
    "MAKE_FUNCTION": One("MakeFunction", arguments.function_parts),
    "SEND": JumpTo("Send"),
    "ASYNC_GEN_WRAP": One("AsyncGenWrap"),
    "PREP_RERAISE_STAR": One("PrepReraiseStar"),
    "IMPORT_STAR": One("ImportStar"),
    "PRINT_EXPR": One("PrintExpr"),
}

DIALECT = Dialect((3, 11), _RULES, _CACHES)
