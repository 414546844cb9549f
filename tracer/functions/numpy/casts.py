"""The dtypes in which NumPy computes a ufunc, where torch's layer computes in others: `uint8 / int` in float64, `sqrt` of uint8 in float16."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ...compat.arrays import layer, numpy

__all__ = ["casting"]

#: Operators that are ufuncs; those that write in place compute in the dtype of what they write to.
_OPERATORS = {} if numpy is None else {
    getattr(operator, name): getattr(numpy, ufunc)
    for name, ufunc in (
        ("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "true_divide"), ("floordiv", "floor_divide"), ("mod", "remainder"),
        ("pow", "power"), ("lt", "less"), ("le", "less_equal"), ("gt", "greater"), ("ge", "greater_equal"), ("eq", "equal"), ("ne", "not_equal"),
    )
}  # fmt: skip


def casting(real: Any, layered: Callable[..., Any]) -> Callable[..., Any] | None:
    """`layered` on operands that are first cast to the dtypes that NumPy computes in; None where `real` is no ufunc."""
    ufunc = real if isinstance(real, numpy.ufunc) else _OPERATORS.get(real)
    if ufunc is None or not hasattr(ufunc, "resolve_dtypes"):  # since NumPy 1.25
        return None

    def cast(*args: Any) -> Any:
        array = layer().ndarray
        kinds = [numpy.dtype(arg.dtype.name) if isinstance(arg, array) else type(arg) for arg in args]
        wanted = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
        return layered(*[arg.astype(dtype.name) if isinstance(arg, array) else arg for arg, dtype in zip(args, wanted, strict=False)])

    return cast
