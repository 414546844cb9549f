"""Calls of NumPy's functions, methods and classes, and of torch's functions that go between arrays and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ...compat.arrays import ARRAY, NUMBER, dtype_of, is_callable, layer, layer_of, numpy
from ...signals import Declined
from ...variables import (
    FALSE,
    NONE,
    ArrayVariable,
    ConstantVariable,
    NumberVariable,
    SequenceVariable,
    TensorVariable,
    Variable,
    literal,
    mention,
)
from ..table import calls
from .arrays import array_iterator, array_length, array_number, array_truth, check_written
from .calling import compute, refuse

if TYPE_CHECKING:
    from ...context import Context


@calls.when(is_callable, 30)
def numpy_call(ctx: Context, target: Any, /, *args: Variable, **kwargs: Variable) -> Any:
    """NumPy's functions and methods: torch's layer for NumPy computes them on tensors; numbers and dtypes that are known NumPy itself does."""
    name = _name(target)
    if not ctx.config.trace_numpy:
        raise refuse(name, "`trace_numpy` is off")
    given = list(args)
    if isinstance(target, type):
        return _construct(ctx, target, name, given, kwargs)
    if len(given) == 1 and type(given[0]) is ArrayVariable and (ask := _ASKS.get(target.__name__)) is not None and hasattr(target, "__objclass__"):
        return ask(ctx, given[0])
    if target in (numpy.asarray, numpy.array) and given and type(given[0]) is TensorVariable:
        given[0] = _from_tensor(ctx, given[0])
    written = given[:1] if target.__name__ in _WRITES else []
    for array in (*written, *([kwargs["out"]] if "out" in kwargs else [])):
        if type(array) is ArrayVariable:
            check_written(array)
    if target in _FAIL:
        raise refuse(name, "whether it fails depends on the values, and torch raises another error than NumPy")
    layered = layer_of(target)
    if layered is None and not _only_computes(target):
        raise refuse(name, "torch's layer for NumPy has no such function")
    if target in (numpy.argsort, ARRAY.argsort) and not _is_stable(kwargs):
        raise refuse(name, "which of equal values comes first is up to NumPy, unless `kind` says `stable`")
    return compute(
        ctx, name, target, layered, given, kwargs,
        exact=target.__name__ in _BY_INDEX, elementwise=_is_elementwise(target), of_dtypes=target in _OF_DTYPES,
    )  # fmt: skip


def _only_computes(target: Any) -> bool:
    """Whether a function that the layer doesn't have does nothing but give a result: what it gives for known values is known then."""
    if hasattr(target, "__objclass__"):
        return issubclass(target.__objclass__, NUMBER) and (target.__name__ in _OF_NUMBERS or target.__name__.startswith("__"))
    return target in _OF_DTYPES or target in _PURE


def _is_stable(kwargs: dict[str, Variable]) -> bool:
    return "kind" in kwargs and type(kwargs["kind"]) is ConstantVariable and kwargs["kind"].value == "stable"


def _is_elementwise(target: Any) -> bool:
    """Whether it is a ufunc without a signature of its own, or a method that is one."""
    ufunc = getattr(numpy, target.__name__, None) if hasattr(target, "__objclass__") else target
    return isinstance(ufunc, numpy.ufunc) and ufunc.signature is None or target.__name__ in _SIGNS


#: Operators of one array, as methods.
_SIGNS = frozenset({"__neg__", "__pos__", "__abs__", "__invert__"})
#: What dtypes and sizes alone decide.
_OF_DTYPES = frozenset() if numpy is None else frozenset({
    numpy.result_type, numpy.can_cast, numpy.iscomplexobj, numpy.isrealobj, numpy.ndim,
})  # fmt: skip

#: What raises `LinAlgError` for some values.
_FAIL = frozenset() if numpy is None else frozenset(
    getattr(numpy.linalg, name) for name in ("inv", "solve", "tensorinv", "tensorsolve", "cholesky", "matrix_power")
)  # fmt: skip
#: Functions that the layer doesn't have, of dtypes and numbers; methods of numbers.
_PURE = frozenset() if numpy is None else frozenset({
    numpy.issubdtype, numpy.promote_types, numpy.isscalar, numpy.base_repr, numpy.binary_repr, numpy.broadcast_shapes, numpy.size, numpy.shape,
})  # fmt: skip
_OF_NUMBERS = frozenset({"is_integer", "as_integer_ratio", "bit_count", "hex", "tobytes", "newbyteorder"})


def _name(target: Any) -> str:
    owner = getattr(target, "__objclass__", None)
    return f"{owner.__name__}.{target.__name__}" if owner is not None else f"{target.__module__}.{target.__name__}"


#: Methods whose errors don't depend on the values in the array itself.
_BY_INDEX = frozenset({"__getitem__", "__setitem__"})
#: Functions and methods that write to their first argument.
_WRITES = frozenset({"__setitem__", "fill", "sort", "put", "itemset", "resize", "partition", "byteswap", "copyto", "place", "putmask", "put_along_axis"})


def _construct(ctx: Context, cls: type, name: str, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`np.float32(x)`, `np.dtype(…)`, `np.finfo(…)`."""
    layered = None
    if issubclass(cls, NUMBER) and len(args) == 1 and not kwargs:
        wanted = numpy.dtype(cls).name

        def layered(value: Any) -> Any:
            return layer().asarray(value).astype(wanted)

    return compute(ctx, name, cls, layered, args, kwargs)


#: Methods that need the number in an array, or what its metadata says.
_ASKS: dict[str, Callable[[Any, ArrayVariable], Any]] = {
    "item": lambda ctx, array: array_number(ctx, array, None), "__int__": lambda ctx, array: array_number(ctx, array, int),
    "__float__": lambda ctx, array: array_number(ctx, array, float), "__bool__": lambda ctx, array: literal(array_truth(ctx, array)),
    "__len__": lambda ctx, array: array_length(ctx, array), "__iter__": lambda ctx, array: array_iterator(ctx, array),
}  # fmt: skip


# ---- between arrays and tensors
def _from_tensor(ctx: Context, tensor: TensorVariable, force: bool = False) -> ArrayVariable:
    """The array in a tensor's memory. What torch refuses is left to it."""
    fake = tensor.fake
    if fake.device.type != "cpu" or fake.layout is not torch.strided or fake.is_conj() or fake.is_neg() or fake.requires_grad and not force:
        raise refuse(f"{mention(tensor)}.numpy()", "torch refuses it, or copies, for this tensor")
    if type(fake) is not type(fake.detach()) or dtype_of(fake.dtype) is None:
        raise refuse(f"{mention(tensor)}.numpy()", f"NumPy has no dtype for {fake.dtype}")
    return ArrayVariable(_alias(ctx, tensor), numpy.ndarray)


def _alias(ctx: Context, tensor: TensorVariable) -> TensorVariable:
    """Another tensor in the same memory. Neither's version counts what is written through the other, as NumPy counts none."""
    alias: TensorVariable = ctx.settle(tensor.attribute(ctx, "data"))
    return alias


@calls.exact(torch.Tensor.numpy, torch.Tensor.__array__)
def tensor_numpy(ctx: Context, value: Variable, *, force: Variable = FALSE) -> Any:
    """`x.numpy()`: the array in a tensor's memory."""
    if not isinstance(value, TensorVariable) or not ctx.config.trace_numpy or numpy is None:
        ctx.break_("numpy-unsupported", expr=".numpy()", func="numpy")
    return _from_tensor(ctx, value, ctx.protocol.truth(ctx, force))


@calls.exact(torch.from_numpy)
def from_numpy(ctx: Context, array: Variable) -> Any:
    """`torch.from_numpy(a)`: a tensor in an array's memory."""
    if type(array) is not ArrayVariable or not array.is_array or not array.writeable or array.again is not None:
        raise refuse("torch.from_numpy", f"its argument is of type {array.python_type().__name__}, or torch can't have its memory")
    return _alias(ctx, array.tensor)


def _tensor_rule(copies: bool) -> Callable[..., Any]:
    def tensor_of_array(ctx: Context, data: Variable, dtype: Variable = NONE, device: Variable = NONE, **kwargs: Variable) -> Any:
        """A tensor of an array or of a number of NumPy's, which have a dtype of their own."""
        if not _holds_numpy(ctx, data):
            return Declined("no value of NumPy's")
        if kwargs or not isinstance(data, ArrayVariable | NumberVariable) or type(data) is ArrayVariable and (not data.writeable or data.again is not None):
            raise refuse("torch.tensor", "values of NumPy's in a list, an array that may not be written to, or another keyword than dtype and device")
        wanted = {key: value for key, value in (("dtype", dtype), ("device", device)) if value.python_type() is not type(None)}
        if type(data) is NumberVariable:
            own = literal(torch.from_numpy(numpy.zeros(1, data.value.dtype)).dtype)
            return ctx.node("call_function", torch.tensor, [literal(data.value.item())], {"dtype": own, **wanted})
        assert type(data) is ArrayVariable
        tensor = _alias(ctx, data.tensor)
        if copies or not data.is_array:
            tensor = ctx.node("call_method", "clone", [tensor])
        return ctx.call(ctx.wrap(torch.Tensor.to), [tensor], wanted) if wanted else tensor

    return tensor_of_array


calls.exact(torch.tensor)(_tensor_rule(True))
calls.exact(torch.as_tensor, torch.asarray)(_tensor_rule(False))


def _holds_numpy(ctx: Context, data: Variable) -> bool:
    if isinstance(data, ArrayVariable | NumberVariable):
        return True
    return isinstance(data, SequenceVariable) and any(_holds_numpy(ctx, part) for part in data.settled(ctx))
