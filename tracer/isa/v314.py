"""CPython 3.14: borrowed loads, small integers, `with` made of special-method loads, calls that always have a place for keywords."""

from __future__ import annotations

import opcode
from collections.abc import Mapping
from typing import Any

from tracer.isa import arguments, v313
from tracer.isa.rules import Context, Dialect, Drop, JumpTo, One, Several, TakesBack

__all__ = ["DIALECT"]

_GONE = frozenset({"BEFORE_ASYNC_WITH", "BEFORE_WITH", "BINARY_SUBSCR", "BUILD_CONST_KEY_MAP", "LOAD_ASSERTION_ERROR", "RETURN_CONST"})


def _kept(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row for name, row in table.items() if name not in _GONE}


_CACHES = _kept(v313.DIALECT.caches) | {"BINARY_OP": 5, "CALL_KW": 3}

# CPython says itself what its numbers stand for; no version's order is written down here.
_SPECIAL: list[str] = list(getattr(opcode, "_special_method_names", ()))
_CONSTANTS: list[Any] = list(getattr(opcode, "_common_constants", ()))
_OPERATORS: list[tuple[str, str]] = list(getattr(opcode, "_nb_ops", ()))


def _binary(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    """Subscripts are binary operators."""
    if _OPERATORS[arg][0] == "NB_SUBSCR":
        return (("Subscript", None),)
    return (("BinaryOp", arguments.binary(context, arg)),)


def _common_constant(context: Context, arg: int) -> tuple[tuple[str, Any], ...]:
    constant = _CONSTANTS[arg]
    return (("LoadAssertionError", None),) if constant is AssertionError else (("LoadConst", constant),)


def _special(context: Context, arg: int) -> str:
    """As it stands until the call of `__enter__` takes it back."""
    return f"LOAD_SPECIAL {_SPECIAL[arg]}"


def _is_special(*names: str) -> Any:
    return {f"LOAD_SPECIAL {name}" for name in names}.__contains__


def _enter(context: Context, args: tuple[Any, ...], arg: int) -> tuple[tuple[str, Any], ...]:
    """The way into a `with` is seen as a whole; what leaves it stands as bound method, NULL."""
    is_async = args[-1].endswith("__aenter__")
    return ("BeforeAsyncWith" if is_async else "BeforeWith", None), ("PushNull", None), ("Swap", 2)


def _interpolation(context: Context, arg: int) -> tuple[str | None, bool]:
    return arguments.CONVERSIONS[arg >> 2], bool(arg & 1)


_PARTS = {**dict(arguments.FUNCTION_PARTS), 16: "annotate"}

_RULES = _kept(v313.DIALECT.rules) | {
    "NOT_TAKEN": Drop(),
    "LOAD_FAST_BORROW": v313.DIALECT.rules["LOAD_FAST"],
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": v313.DIALECT.rules["LOAD_FAST_LOAD_FAST"],
    "LOAD_SMALL_INT": One("LoadConst", arguments.number),
    "LOAD_COMMON_CONSTANT": Several(_common_constant),
    "LOAD_SPECIAL": One("Unsupported", _special),
    "BINARY_OP": Several(_binary),
    "POP_ITER": One("Pop"),
    "FOR_ITER": JumpTo("ForIter", past=("END_FOR", "POP_ITER")),
    "CALL": TakesBack(
        (
            ("Copy", (1).__eq__),
            ("Unsupported", _is_special("__exit__", "__aexit__")),
            ("Swap", (2).__eq__),
            ("Swap", (3).__eq__),
            ("Unsupported", _is_special("__enter__", "__aenter__")),
        ),
        _enter,
        One("Call", arguments.call),
    ),
    "CALL_FUNCTION_EX": One("CallEx", arguments.fixed(True)),
    "WITH_EXCEPT_START": One("WithExceptStart", arguments.fixed(5)),
    "SET_FUNCTION_ATTRIBUTE": One("SetFunctionAttribute", lambda context, arg: _PARTS[arg]),
    "BUILD_INTERPOLATION": One("BuildInterpolation", _interpolation),
    "BUILD_TEMPLATE": One("BuildTemplate"),
}

DIALECT = Dialect((3, 14), _RULES, _CACHES)
