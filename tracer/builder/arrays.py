"""Values of NumPy: arrays are inputs of the graph by the tensor in their memory; numbers and dtypes are constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.arrays import ARRAY, DTYPE, LIMITS, NUMBER, is_callable, numpy, tensor_of
from ..signals import Break
from ..variables import (
    ArrayVariable,
    LimitsVariable,
    NumberVariable,
    OpaqueVariable,
    PinnedVariable,
    TensorVariable,
    Variable,
)
from .sourceless import sourceless
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


def _is_numpy(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "numpy"


@rules.when(_is_numpy, 95)
def numpy_object(ctx: Context, value: Any, source: Source) -> Any:
    """Arrays, numbers, dtypes and functions of NumPy; what torch has no counterpart of runs as Python."""
    if ctx.config.trace_numpy:
        if type(value) is ARRAY:
            return _array(ctx, value, source)
        if isinstance(value, NUMBER):
            ctx.guard(source, "EQUALS_MATCH", value)
            return NumberVariable(value, source)
        if isinstance(value, LIMITS):
            ctx.guard(source, "ID_MATCH", value)
            return LimitsVariable(value, source)
        if is_callable(value) or isinstance(value, DTYPE) and value.isbuiltin == 1:
            ctx.guard(source, "ID_MATCH", value)
            return PinnedVariable(value, source)
    name = getattr(value, "__name__", "")
    raise Break("numpy-unsupported", expr=source.text, name=name, type="" if name else type(value).__name__)


def _array(ctx: Context, value: Any, source: Source) -> Variable:
    tensor = tensor_of(value)
    if tensor is None:
        ctx.guard(source, "NO_TENSOR")
        why = "torch can't have its memory as a tensor (its dtype, its strides, or because it may not be written to)"
        raise Break("numpy-unsupported", expr=source.text, name="", type="ndarray", why=why)
    ctx.guard(source, "TYPE_MATCH", ARRAY)
    built = ctx.build(tensor, source.array())
    if isinstance(built, OpaqueVariable):
        built.used()
    assert isinstance(built, TensorVariable)
    return ArrayVariable(built, ARRAY, source, value)


if numpy is not None:

    @sourceless.base(numpy.number, numpy.bool_)
    def numpy_number(ctx: Context, value: Any, source: None) -> Variable:
        """A number of NumPy's that is known."""
        return NumberVariable(value)

    @sourceless.base(*LIMITS)
    def numpy_limits(ctx: Context, value: Any, source: None) -> Variable:
        """The limits of a dtype."""
        return LimitsVariable(value)
