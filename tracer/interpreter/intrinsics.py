"""CALL_INTRINSIC_1 and _2 of CPython 3.12+. Reached as `ctx.intrinsics`."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat.single import intrinsic
from ..variables import ExceptionVariable, FunctionVariable, Variable
from ..variables.type_parameters import TypeParameterVariable

if TYPE_CHECKING:
    from ..context import Context
    from .frame import Frame

__all__ = ["one", "two"]


def one(ctx: Context, frame: Frame, name: str) -> Any:
    stack = frame.stack
    if name in _MADE:
        given = stack.pop()
        stack.append(TypeParameterVariable(_MADE[name], given, (name, [given]), intrinsic(name, 1)(given.constant())))
    elif name == "typealias":
        stack.append(_alias(ctx, stack.pop()))
    elif name == "subscript_generic":
        stack.append(ctx.functions.type_expression(ctx, intrinsic(name, 1), [stack.pop()]))
    elif name == "stopiteration_error":
        stack.append(_stop_iteration(ctx, stack.pop()))
    else:
        ctx.break_("unsupported-opcode", name=name, expr=name)
    return None


def two(ctx: Context, frame: Frame, name: str) -> Any:
    rule = _TWO.get(name)
    if rule is None:
        ctx.break_("exception-group" if "reraise_star" in name else "unsupported-opcode", name=name, expr=name)
    right, left = frame.stack.pop(), frame.stack.pop()
    frame.stack.append(rule(left, right))
    return None


def _stop_iteration(ctx: Context, error: Any) -> Any:
    if not isinstance(error, ExceptionVariable) or not issubclass(error.cls, StopIteration):
        return error
    wrapped = ExceptionVariable(RuntimeError, [ctx.literal("generator raised StopIteration")])
    wrapped.cause = wrapped.context = error
    return wrapped


# ---- type parameters
def _alias(ctx: Context, parts: Any) -> TypeParameterVariable:
    name, parameters, _ = parts.settled(ctx)
    samples = None if parameters.python_type() is type(None) else tuple(parameter.sample for parameter in parameters.settled(ctx))
    sample = intrinsic("typealias", 1)((name.constant(), samples, lambda: None))
    return TypeParameterVariable(typing.TypeAliasType, name, ("typealias", [parts]), sample)  # type: ignore[attr-defined]


#: What is made of a name alone.
_MADE: dict[str, type] = {"typevar": typing.TypeVar, "paramspec": typing.ParamSpec, "typevartuple": typing.TypeVarTuple}


def _limited(made: str) -> Callable[[Variable, Variable], Variable]:
    def rule(name: Variable, limit: Variable) -> Variable:
        """A type variable whose bound or constraints a function says when they are asked for."""
        return TypeParameterVariable(typing.TypeVar, name, (made, [name, limit]), intrinsic("typevar", 1)(name.constant()))

    return rule


def _with_default(parameter: Any, default: Variable) -> Variable:
    """The compiler's own step behind the one that makes the parameter: nobody else has it yet."""
    return TypeParameterVariable(parameter.cls, parameter.name, parameter.made, parameter.sample, default)


def _of_function(function: Any, parameters: Variable) -> FunctionVariable:
    function.attributes = {**(function.attributes or {}), "__type_params__": parameters}
    return function  # type: ignore[no-any-return]


_TWO: dict[str, Callable[[Any, Any], Variable]] = {
    "typevar_with_bound": _limited("typevar_with_bound"), "typevar_with_constraints": _limited("typevar_with_constraints"),
    "set_typeparam_default": _with_default, "set_function_type_params": _of_function,
}  # fmt: skip
