"""Type expressions over type parameters that a statement of the program makes (since 3.12): `list[T]`, `T | None`, `Callable[P, T]`.

In: an operation and its operands. Out: a variable of what it makes, or a break. What the operation is to make, or whether it raises, the same
operation on samples says: CPython and `typing` look at the kinds of the operands and at which are the same, never at what they are for.
"""

from __future__ import annotations

import collections.abc
import operator
import types
import typing
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...signals import Break, Declined, NotConstant
from ...variables import FunctionVariable, ListVariable, PinnedVariable, TupleVariable, Variable, literal
from ...variables.type_parameters import TypeExpressionVariable, TypeParameterVariable
from ..known import leaves, settled_values
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["holds_type_parameters", "part_of_type", "type_expression", "type_subscript"]

_MADE = (TypeParameterVariable, TypeExpressionVariable)


def holds_type_parameters(ctx: Context, *operands: Variable) -> bool:
    """Whether one of them is made of type parameters of this trace, or a tuple or list with such a one."""
    return any(isinstance(leaf, _MADE) for operand in operands for leaf in leaves(ctx, operand))


def type_expression(ctx: Context, fn: Callable[..., Any], operands: list[Variable]) -> Variable:
    """`fn(*operands)`, for a function that only looks at its operands."""
    try:
        sample = fn(*[_sample(ctx, operand) for operand in operands])
    except NotConstant as missing:
        raise _refusal(operands, missing.variable) from None
    except Exception:  # Python raises it again, where the program stands
        raise _refusal(operands, operands[0]) from None
    if sample is NotImplemented or type(sample) is bool:
        return literal(sample)
    for operand in operands:
        for leaf in leaves(ctx, operand):
            if isinstance(leaf, _MADE) and leaf.sample is sample:
                return leaf  # `Union[T, T]` is T
    return TypeExpressionVariable(fn, operands, sample)


def _refusal(operands: list[Variable], what: Variable) -> Break:
    subject = operands[0]
    name = subject.describe() if isinstance(subject, PinnedVariable) else subject.python_type().__name__
    return Break("unsupported-builtin", func=f"type expression of {name}", type=what.python_type().__name__)


def _sample(ctx: Context, operand: Variable) -> Any:
    if isinstance(operand, _MADE):
        return operand.sample
    if isinstance(operand, TupleVariable) and operand.cls is tuple:
        return tuple(_sample(ctx, item) for item in operand.settled(ctx))
    if isinstance(operand, ListVariable) and operand.cls is list:
        return [_sample(ctx, item) for item in operand.settled(ctx)]
    return settled_values(ctx, [operand], {})[0][0]


def type_subscript(ctx: Context, origin: Variable, key: Variable) -> Variable:
    """`origin[key]`, where one of both is made of type parameters."""
    return type_expression(ctx, operator.getitem, [origin, _flattened(ctx, origin, key)])


def _flattened(ctx: Context, origin: Variable, key: Variable) -> Variable:
    """A list in the key may be changed later. `Callable` takes its items at once; what else a list may be for isn't known."""
    items = key.settled(ctx) if isinstance(key, TupleVariable) else [key]
    if not any(isinstance(item, ListVariable) for item in items):
        return key
    if not isinstance(origin, PinnedVariable) or origin.value not in (typing.Callable, collections.abc.Callable):
        raise _refusal([origin], ListVariable([]))
    copied = [ListVariable(list(item.settled(ctx))) if isinstance(item, ListVariable) else item for item in items]
    return TupleVariable(copied, tuple) if isinstance(key, TupleVariable) else copied[0]


_PARTS = frozenset({"__origin__", "__args__", "__parameters__"})


def part_of_type(ctx: Context, expression: TypeExpressionVariable, name: str) -> Variable:
    """`__origin__`, `__args__` or `__parameters__` of an expression. Most others are its origin's, each kind of expression in its own way."""
    if name == "__class__":
        return ctx.type_of(expression)
    if name not in _PARTS or not hasattr(expression.sample, name):
        raise Break("unsupported-builtin", func=f"{type(expression.sample).__name__}.{name}", type=type(expression.sample).__name__)
    held = {id(leaf.sample): leaf for leaf in _inside(ctx, expression)}
    found = getattr(expression.sample, name)
    if isinstance(found, tuple):
        return TupleVariable([_of_sample(ctx, part, held, name) for part in found], tuple)
    return _of_sample(ctx, found, held, name)


def _inside(ctx: Context, expression: TypeExpressionVariable) -> Iterator[Any]:
    for operand in expression.operands:
        for leaf in leaves(ctx, operand):
            if isinstance(leaf, _MADE):
                yield leaf
            if isinstance(leaf, TypeExpressionVariable):
                yield from _inside(ctx, leaf)


def _of_sample(ctx: Context, part: Any, held: dict[int, Variable], name: str) -> Variable:
    found = held.get(id(part))
    if found is not None:
        return found
    if not isinstance(part, type | types.NoneType) or isinstance(part, types.GenericAlias):
        raise Break("unsupported-builtin", func=f"a type's {name}", type=type(part).__name__)
    return ctx.wrap(part)


# ---- operators of C that look at types
def _only_looks(method: Any, fn: Callable[..., Any]) -> None:
    @calls.exact(method)
    def of_type_parameters(ctx: Context, left: Variable, right: Variable) -> Any:
        """`T | None`, `list[T] == list[T]`: of type parameters made inside."""
        if not holds_type_parameters(ctx, left, right) or isinstance(left, FunctionVariable) or isinstance(right, FunctionVariable):
            return Declined("")  # nothing of ours to say of the call
        return type_expression(ctx, fn, [left, right])


for _cls in (type, types.GenericAlias, types.UnionType, typing.TypeVar, typing.ParamSpec, *filter(None, [getattr(typing, "TypeAliasType", None)])):
    for _name in ("__or__", "__ror__", "__eq__", "__ne__"):
        _method = _cls.__dict__.get(_name)
        if type(_method) is types.WrapperDescriptorType:
            _only_looks(_method, _method)
