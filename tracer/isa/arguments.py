"""What the number beside an opcode stands for: the functions that the tables name.

They come in two kinds: an *argument* makes the argument of one operation; an *expansion* makes all the operations of an
instruction, where how many or which they are depends on the number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tracer.isa.rules import Argument, Context, Expand, One, TakesBack

__all__ = [
    "CONVERSIONS", "FUNCTION_PARTS", "KEYWORD_CALL", "attribute_or_method", "binary", "call", "comparison", "constant", "fixed",
    "format_value", "from_dict_or_deref", "function_parts", "global_and_null", "intrinsic_1", "intrinsic_2", "local",
    "name", "note_kwnames", "number", "return_constant", "split", "super_attribute", "truth",
]  # fmt: skip

# --- plain ones -------------------------------------------------------------------------------------------------------


def number(context: Context, arg: int) -> int:
    """The number as it is."""
    return arg


def local(context: Context, arg: int) -> int:
    """A local's number: it counts in the order of `Decoded.names`."""
    return arg


def name(context: Context, arg: int) -> str:
    """One of `co_names`."""
    return context.names[arg]


def constant(context: Context, arg: int) -> Any:
    """One of `co_consts`."""
    return context.consts[arg]


def truth(context: Context, arg: int) -> bool:
    """Whether the number isn't zero."""
    return bool(arg)


def split(context: Context, arg: int) -> tuple[int, int]:
    """The low byte and what is above it."""
    return arg & 0xFF, arg >> 8


def fixed(value: Any) -> Argument:
    """The same whatever the number is."""
    return lambda context, arg: value


# --- operators --------------------------------------------------------------------------------------------------------

_BINARY: tuple[Callable[..., Any], ...] = (
    operator.add, operator.and_, operator.floordiv, operator.lshift, operator.matmul, operator.mul, operator.mod,
    operator.or_, operator.pow, operator.rshift, operator.sub, operator.truediv, operator.xor,
    operator.iadd, operator.iand, operator.ifloordiv, operator.ilshift, operator.imatmul, operator.imul, operator.imod,
    operator.ior, operator.ipow, operator.irshift, operator.isub, operator.itruediv, operator.ixor,
)  # fmt: skip

_COMPARISONS: tuple[Callable[..., Any], ...] = (
    operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge,
)  # fmt: skip


def binary(context: Context, arg: int) -> Callable[..., Any]:
    """The operator of BINARY_OP; the in-place ones follow the others."""
    return _BINARY[arg]


def comparison(shift: int, bool_bit: int = 0) -> Argument:
    """The operator is above `shift` bits; `bool_bit` asks for a bool (3.13)."""

    def argument(context: Context, arg: int) -> tuple[Callable[..., Any], bool]:
        return _COMPARISONS[arg >> shift], bool(arg & bool_bit)

    return argument


# --- names and attributes ---------------------------------------------------------------------------------------------


def global_and_null(null_first: bool) -> Expand:
    """LOAD_GLOBAL: the lowest bit asks for the NULL of a call as well."""

    def expand(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
        load = ("LoadGlobal", context.names[arg >> 1])
        if not arg & 1:
            return (load,)
        return (("PushNull", None), load) if null_first else (load, ("PushNull", None))

    return expand


def attribute_or_method(null_first: bool) -> Expand:
    """LOAD_ATTR since 3.12: the lowest bit asks for a method and its self."""

    def expand(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
        if arg & 1:
            return (("LoadMethod", (context.names[arg >> 1], null_first)),)
        return (("LoadAttr", context.names[arg >> 1]),)

    return expand


def super_attribute(null_first: bool) -> Argument:
    """The lowest bit asks for a method; the next says that `super` was written with arguments."""
    return lambda context, arg: (context.names[arg >> 2], bool(arg & 1), null_first, bool(arg & 2))


def from_dict_or_deref(from_stack: bool) -> Argument:
    """The cell, and whether the mapping to look in first is on the stack."""
    return lambda context, arg: (arg, from_stack)


# --- calls and functions ----------------------------------------------------------------------------------------------


def note_kwnames(context: Context, arg: int) -> None:
    """KW_NAMES: keeps the names for the call that follows."""
    context.kwnames = context.consts[arg]


def call(context: Context, arg: int) -> tuple[int, tuple[str, ...]]:
    """The number of values, and the keyword names noted for the last of them."""
    kwnames, context.kwnames = context.kwnames, ()
    return arg, kwnames


#: CALL_KW (3.13): the keyword names were pushed by a LOAD_CONST.
KEYWORD_CALL = TakesBack(
    (("LoadConst", lambda names: type(names) is tuple),),
    lambda context, args, arg: (("Call", (arg, *args)),),
    One("Unsupported", fixed("CALL_KW")),
)

# Bits of MAKE_FUNCTION and SET_FUNCTION_ATTRIBUTE, in the order in which MAKE_FUNCTION pops what they announce.
FUNCTION_PARTS: tuple[tuple[int, str], ...] = ((8, "closure"), (4, "annotations"), (2, "kwdefaults"), (1, "defaults"))


def function_parts(context: Context, arg: int) -> tuple[str, ...]:
    """What is on the stack below a new function's code, in pop order."""
    return tuple(part for bit, part in FUNCTION_PARTS if arg & bit)


def return_constant(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    """RETURN_CONST."""
    return ("LoadConst", context.consts[arg]), ("Return", None)


# --- formatting -------------------------------------------------------------------------------------------------------

CONVERSIONS: tuple[str | None, ...] = (None, "s", "r", "a")


def format_value(context: Context, arg: int) -> tuple[str | None, bool]:
    """FORMAT_VALUE: the conversion, and whether a format spec is on the stack."""
    return CONVERSIONS[arg & 3], bool(arg & 4)


# --- intrinsics (3.12, 3.13) ------------------------------------------------------------------------------------------
# By number. Most are instructions of their own on 3.11; where those leave nothing on the stack, here they leave None.

_INTRINSICS_1: dict[int, tuple[tuple[str, Any], ...]] = {
    1: (("PrintExpr", None), ("LoadConst", None)),
    2: (("ImportStar", None), ("LoadConst", None)),
    3: (("CallIntrinsic1", "stopiteration_error"),),
    4: (("AsyncGenWrap", None),),
    5: (("UnaryOp", operator.pos),),
    6: (("ListToTuple", None),),
    7: (("CallIntrinsic1", "typevar"),),
    8: (("CallIntrinsic1", "paramspec"),),
    9: (("CallIntrinsic1", "typevartuple"),),
    10: (("CallIntrinsic1", "subscript_generic"),),
    11: (("CallIntrinsic1", "typealias"),),
}
_INTRINSICS_2: dict[int, tuple[tuple[str, Any], ...]] = {
    1: (("PrepReraiseStar", None),),
    2: (("CallIntrinsic2", "typevar_with_bound"),),
    3: (("CallIntrinsic2", "typevar_with_constraints"),),
    4: (("CallIntrinsic2", "set_function_type_params"),),
    5: (("CallIntrinsic2", "set_typeparam_default"),),
}


def intrinsic_1(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    """CALL_INTRINSIC_1."""
    return _INTRINSICS_1.get(arg) or (("Unsupported", f"CALL_INTRINSIC_1 {arg}"),)


def intrinsic_2(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    """CALL_INTRINSIC_2."""
    return _INTRINSICS_2.get(arg) or (("Unsupported", f"CALL_INTRINSIC_2 {arg}"),)
