"""Arrays of the graph as objects: attributes, operators, truth, iteration."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...protocol.iteration import IndexIterator
from ...protocol.operators import INPLACE
from ...variables import (
    ArrayVariable,
    ConstantVariable,
    NumberVariable,
    SymVariable,
    TupleVariable,
    Variable,
    literal,
    mention,
)
from .calling import compute, example_of

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["array_attribute", "array_binary", "array_iterator", "array_length", "array_number", "array_truth"]

#: Attributes that are arrays.
_PARTS = {name: operator.attrgetter(name) for name in ("T", "real", "imag")}


def array_attribute(ctx: Context, array: ArrayVariable, name: str) -> Any:
    """`a.name`, for what NumPy computes of an array's metadata, or lays over its memory."""
    tensor = array.tensor
    if name == "shape":
        return TupleVariable(ctx.shapes.shape(ctx, tensor).unpack(ctx), tuple)
    if name == "size":
        return ctx.tensors.call_tensor_method(ctx, "numel", [tensor], {})
    if name == "nbytes":
        return ctx.protocol.binary(ctx, operator.mul, ctx.settle(array_attribute(ctx, array, "size")), literal(tensor.fake.itemsize))
    if name in ("dtype", "ndim", "itemsize") or name == "strides" and array.laid:
        return ctx.wrap(getattr(example_of(ctx, array), name))
    if name in _PARTS:
        return compute(ctx, f"{mention(array)}.{name}", _PARTS[name], _PARTS[name], [array], {})
    raise array.refused(f".{name}")


_WHOLE = frozenset({operator.matmul, operator.imatmul})
_OPERAND = (ArrayVariable, NumberVariable, SymVariable)


def _is_operand(variable: Variable) -> bool:
    return type(variable) in _OPERAND or type(variable) is ConstantVariable and isinstance(variable.value, int | float | complex)


def array_binary(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Any:
    """An operator or a comparison of arrays and numbers; None where the class of another operand decides."""
    if not (_is_operand(left) and _is_operand(right)):
        return None
    if fn in INPLACE and not (type(left) is ArrayVariable and left.is_array):
        fn = INPLACE[fn][0]
    if type(left) is ArrayVariable and fn in INPLACE:
        check_written(left)
    return compute(ctx, fn.__name__, fn, fn, [left, right], {}, exact=True, elementwise=fn not in _WHOLE)


def check_written(array: ArrayVariable) -> None:
    """Called before a call that writes to the array."""
    if not array.writeable:
        raise array.refused(", which may not be written to")
    if array.again is not None:
        raise array.refused(", a view that torch can't have")


def _refused_by_numpy(ctx: Context, ask: Callable[[Any], Any], array: ArrayVariable) -> None:
    """The program raises what NumPy raises when an array of this kind is asked."""
    try:
        ask(example_of(ctx, array))
    except Exception as error:
        ctx.raise_from_host(error)


def array_truth(ctx: Context, array: ArrayVariable) -> bool:
    if array.tensor.fake.numel() != 1:
        _refused_by_numpy(ctx, bool, array)
    return ctx.tensors.tensor_truth(ctx, array.tensor)


def array_number(ctx: Context, array: ArrayVariable, cls: type | None) -> Any:
    """The number in a number or an array without dimensions, as Python's own (`cls`, or the one for the dtype)."""
    if array.tensor.fake.dim():
        raise array.refused("" if cls is None else f" as a number of type {cls.__name__}")
    return ctx.tensors.tensor_number(ctx, array.tensor, cls)


def array_length(ctx: Context, array: ArrayVariable) -> Variable:
    if not array.tensor.fake.dim():
        _refused_by_numpy(ctx, len, array)
    return ctx.size_of(array.tensor, 0)


def array_iterator(ctx: Context, array: ArrayVariable) -> Variable:
    """NumPy asks for one index after the other, while the loop runs."""
    if not array.tensor.fake.dim():
        _refused_by_numpy(ctx, iter, array)
    return IndexIterator(array)
