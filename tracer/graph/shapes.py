"""Sizes and symbolic numbers: what of a shape is a literal and what an expression of the graph. Reached as `ctx.shapes`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..signals import Break
from ..variables import ConstantVariable, SymVariable, TensorVariable, TupleVariable, Variable, literal

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["binary", "convert", "extreme", "input_number", "number", "shape", "size", "specialise", "unary", "with_shapes", "wrap"]

_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)


def with_shapes(ctx: Context) -> Any:
    """The fake mode of this attempt, which has a shape environment when anything is dynamic."""
    assert ctx.fake_mode.shape_env is not None
    return ctx.fake_mode


def shape(ctx: Context, tensor: TensorVariable) -> Variable:
    fake = tensor.fake
    return TupleVariable([ConstantVariable(s) if type(s) is int else size(ctx, tensor, i) for i, s in enumerate(fake.shape)], torch.Size)


def size(ctx: Context, tensor: TensorVariable, dim: int) -> Variable:
    value = tensor.fake.shape[dim]
    if type(value) is int:
        return ConstantVariable(value)
    return number(ctx, tensor, lambda fake: value, lambda c, n: c.create_node("call_function", torch.ops.aten.sym_size.int, (n, dim), {}, value))


def number(ctx: Context, tensor: TensorVariable, read: Callable[[Any], Any], make: Callable[[Any, Any], Any]) -> Variable:
    """A number read off a tensor; `make(ctx, node of the tensor)` adds the node where it is symbolic."""
    value = read(tensor.fake)
    if isinstance(value, _SYMBOLIC):
        return wrap(ctx, value, lambda c: make(c, c.graph.local(tensor.node, tensor.fake)))
    return literal(value)


def wrap(ctx: Context, value: Any, make: Callable[[Any], Any]) -> Variable:
    """A symbolic number, or a literal where the expression is known."""
    expr = value.node.expr
    if expr.is_number:
        return literal(value.node.pytype(expr) if not isinstance(value, torch.SymBool) else bool(expr))
    return SymVariable(value, make)


def input_number(ctx: Context, value: Any, source: Source) -> Variable:
    """A Python number among the inputs that is symbolic: an input of the graph."""
    from ..compat import fakes

    sym = fakes.symbolic_number(with_shapes(ctx), value, source)
    if not isinstance(sym, _SYMBOLIC):
        ctx.guard(source, "EQUALS_MATCH", value)
        return literal(value)
    ctx.guard(source, "TYPE_MATCH", type(value))
    node = ctx.add_input(source, value, sym)
    return SymVariable(sym, lambda c: node, source)


def specialise(ctx: Context, variable: SymVariable) -> Any:
    """The number itself: from here on the graph is for this value only, by a guard of the shape environment."""
    sym = variable.sym
    try:
        if isinstance(sym, torch.SymBool):
            return bool(sym)
        return int(sym) if isinstance(sym, torch.SymInt) else float(sym)
    except Exception as error:
        if type(error).__name__ == "GuardOnDataDependentSymNode":
            raise Break("data-dependent-branch", expr=str(sym), var=str(sym)) from None
        raise


def _operand(variable: Variable) -> Any:
    if type(variable) is SymVariable:
        return variable.sym
    if type(variable) is ConstantVariable and isinstance(variable.value, int | float | bool):
        return variable.value
    return None


def binary(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Variable | None:
    """Arithmetic and comparison of symbolic numbers; None where another protocol decides (`[0] * n`, …)."""
    a, b = _operand(left), _operand(right)
    if a is None or b is None:
        return None
    plain = _PLAIN.get(fn, fn)
    try:
        value = plain(a, b)
    except (ZeroDivisionError, TypeError, ValueError, OverflowError) as error:
        ctx.raise_from_host(error)
    if not isinstance(value, _SYMBOLIC):
        return ctx.wrap(value)

    def make(c: Any) -> Any:
        (left_node, _), (right_node, _) = c.argument(left), c.argument(right)
        return c.create_node("call_function", plain, (left_node, right_node), {}, value)

    return wrap(ctx, value, make)


_PLAIN = {getattr(operator, "i" + n): getattr(operator, n) for n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift")}
_PLAIN |= {operator.iand: operator.and_, operator.ior: operator.or_, operator.ixor: operator.xor}


def unary(ctx: Context, fn: Callable[..., Any], variable: SymVariable) -> Variable:
    value = fn(variable.sym)
    if not isinstance(value, _SYMBOLIC):
        return ctx.wrap(value)
    return wrap(ctx, value, lambda c: c.create_node("call_function", fn, (c.argument(variable)[0],), {}, value))


def convert(ctx: Context, cls: type, variable: Variable) -> Variable:
    """`int(s)`, `float(s)` of a symbolic number."""
    if type(variable) is not SymVariable:
        return literal(cls(variable.constant()))
    if variable.python_type() is cls:
        return variable
    if cls is float:
        value = torch.sym_float(variable.sym)
        return wrap(ctx, value, lambda c: c.create_node("call_function", torch.sym_float, (c.argument(variable)[0],), {}, value))
    if cls is int and isinstance(variable.sym, torch.SymFloat):
        whole = torch.sym_int(variable.sym)
        return wrap(ctx, whole, lambda c: c.create_node("call_function", torch.sym_int, (c.argument(variable)[0],), {}, whole))
    return literal(cls(specialise(ctx, variable)))


def extreme(ctx: Context, fn: Callable[..., Any], items: list[Variable]) -> Variable:
    """`min` and `max` of numbers of which some are symbolic."""
    pick = torch.sym_min if fn is min else torch.sym_max
    best = items[0]
    for item in items[1:]:
        a, b = _operand(best), _operand(item)
        if a is None or b is None:
            raise Break("dynamic-shape-unsupported", expr=fn.__name__)
        value = pick(a, b)
        left, right = best, item
        if isinstance(value, _SYMBOLIC):
            best = wrap(ctx, value, lambda c, left=left, right=right, value=value: c.create_node("call_function", pick, (c.argument(left)[0], c.argument(right)[0]), {}, value))
        else:
            best = literal(value)
    return best
