"""What NumPy itself says of a call: it runs on example arrays of the same dtypes, sizes and strides, and torch's layer beside it.

The layer computes the values of the program's arrays; NumPy says all that doesn't depend on them: whether a result is an array or a
number, whether it is one of the operands or lies in the memory of one, and whether it may be written to. A call isn't captured where the
two differ in dtype, sizes or values of the examples, or where torch has no kernel for it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch

from ...compat.arrays import ARRAY, NUMBER, layer, numpy
from ...compat.memo import without_dispatch
from ...variables import is_named_tuple

__all__ = ["Example", "Made", "Refused", "answer", "check_elementwise", "rehearse", "unchanged"]


class Refused(Exception):
    """The call isn't captured; the text says why. `error`: what NumPy raised for all values that were tried."""

    def __init__(self, why: str, error: Exception | None = None):
        super().__init__(why)
        self.error = error


class Example:
    """The metadata of an operand: sizes and strides in elements, NumPy's dtype, whether it is a number, whether it may be written to."""

    __slots__ = ("dtype", "scalar", "sizes", "strides", "writeable")

    def __init__(self, sizes: tuple[int, ...], strides: tuple[int, ...], dtype: Any, scalar: bool, writeable: bool):
        self.sizes, self.strides, self.dtype, self.scalar, self.writeable = sizes, strides, dtype, scalar, writeable

    def key(self) -> tuple[Any, ...]:
        return self.sizes, self.strides, self.dtype, self.scalar, self.writeable

    def array(self, fill: Callable[[Any], None]) -> Any:
        """An array of this kind that may be written to."""
        length = 1 + sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True)) if 0 not in self.sizes else 0
        memory = numpy.zeros(length, self.dtype)
        array = numpy.ndarray(self.sizes, self.dtype, memory, 0, tuple(s * memory.itemsize for s in self.strides))
        fill(array)
        return array

    def make(self, fill: Callable[[Any], None]) -> Any:
        array = self.array(fill)
        array.flags.writeable = self.writeable
        return array[()] if self.scalar else array


# ---- values to try, in turn: what one can't be computed with (an index out of bounds, a singular matrix) another can
_SPECIAL = {
    "f": [0.7, -0.0, -1.7, 2.5, 0.0, 1.5, -1.0, 3.0, 1.0, -0.3], "c": [0.5, -1 + 2j, 2.0, 1j, 0.0], "i": [3, -2, 0, 1, 3, -7, 2], "u": [3, 0, 1, 200, 3, 2],
    "b": [True, False, True],
}  # fmt: skip
#: An operand of an elementwise function is tried with so many elements, once for each shift of its values against another's.
_WIDE, _SHIFTS = 26, (0, 1, 2, 5)


def _mixed(array: Any) -> None:
    """Ties, zeros of both signs, halves, negative numbers; else arbitrary ones."""
    special = _SPECIAL[array.dtype.kind]
    values = numpy.random.Generator(numpy.random.PCG64(0)).standard_normal(array.size) * 3
    values = values.astype(array.dtype) if array.dtype.kind in "fc" else numpy.zeros(array.size, array.dtype)
    step = 1 if array.dtype.kind not in "fc" or array.size < 16 else 3
    places = numpy.arange(0, array.size, step)
    values[places] = numpy.array(special).astype(array.dtype)[numpy.arange(len(places)) % len(special)]
    array[...] = values.reshape(array.shape)


def _arbitrary(array: Any) -> None:
    if array.dtype.kind in "fc":
        array[...] = numpy.random.Generator(numpy.random.PCG64(1)).random(array.shape) * 0.8 + 0.1
    else:
        array[...] = (numpy.arange(array.size) % 2 + 1).reshape(array.shape)


def _zeros(array: Any) -> None:
    array[...] = 0


def _identity(array: Any) -> None:
    array[...] = 1 if array.ndim < 2 else numpy.eye(*array.shape[-2:])


_FILLS = (_mixed, _arbitrary, _zeros, _identity)


def _everything(turn: int) -> Callable[[Any], None]:
    """For operand `turn` of an elementwise function: the special values and those that are no numbers, shifted so that many meet those of another."""

    def fill(array: Any) -> None:
        kind = array.dtype.kind
        values = numpy.array(_SPECIAL[kind] + ([math.inf, -math.inf, math.nan] if kind in "fc" else [])).astype(array.dtype)
        shifted = [numpy.resize(numpy.roll(values, turn * shift), _WIDE) for shift in _SHIFTS]
        array[...] = numpy.concatenate(shifted) if array.ndim else shifted[0][0]

    return fill


def check_elementwise(real: Callable[..., Any], layered: Callable[..., Any], operands: list[Example]) -> None:
    """Raises Refused where a function of single elements differs from NumPy for any of the values that are tried."""
    wide = [each if each.scalar else Example((_WIDE * len(_SHIFTS),), (1,), each.dtype, False, True) for each in operands]
    fills = [_everything(turn) for turn in range(len(wide))]
    with numpy.errstate(all="ignore"), without_dispatch(), torch.no_grad():
        tensors = [torch.from_numpy(operand.array(fill)) for operand, fill in zip(wide, fills, strict=True)]
        try:
            theirs = real([operand.make(fill) for operand, fill in zip(wide, fills, strict=True)])
            ours = layered([layer().ndarray(tensor) for tensor in tensors])
        except Exception as error:
            raise Refused(f"for some values NumPy or torch raises {type(error).__name__}") from None
        pairs = zip(theirs, ours, strict=True) if type(theirs) is tuple else [(theirs, ours)]
        if not all(_alike(a, b.tensor, signs=True) for a, b in pairs):
            raise Refused("torch's layer gives other values than NumPy for some")


def answer(call: Callable[..., Any], operands: list[Example]) -> tuple[Callable[[Any], None], list[Any], Any]:
    """(values that NumPy takes, the example operands, what it gives for them). Raises Refused where it raises for all that are tried."""
    failed: Exception | None = None
    for fill in _FILLS:
        made = [operand.make(fill) for operand in operands]
        try:
            with numpy.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return fill, made, call(made)
        except Exception as error:
            failed = failed or error
    assert failed is not None
    raise Refused(f"NumPy raises {type(failed).__name__} for such arguments", failed)


class Made:
    """What is known of one result beside its values. `argument`: the index of the operand that it is; `copied`: NumPy copies where
    torch's layer doesn't; `laid`: the strides are NumPy's; `lies`: it lies in the memory of an operand; `view`: and torch can't
    have it so."""

    __slots__ = ("argument", "cls", "copied", "laid", "lies", "view", "writeable")

    def __init__(self, cls: type, argument: int | None, copied: bool, writeable: bool, laid: bool, lies: bool = False, view: bool = False):
        self.cls, self.argument, self.copied, self.writeable, self.laid = cls, argument, copied, writeable, laid
        self.lies, self.view = lies, view


def rehearse(call: Callable[..., Any], operands: list[Example], fill: Callable[[Any], None], examples: list[Any], result: Any) -> Any:
    """The layer on the same examples: a tree as NumPy's `result`, with `Made` for arrays and their numbers; anything else is itself.
    Raises Refused where the layer can't, or differs from NumPy."""
    with without_dispatch(), torch.no_grad():
        tensors = [torch.from_numpy(operand.array(fill)) for operand in operands]
        try:
            value = call([layer().ndarray(tensor) for tensor in tensors])
        except Exception as error:
            raise Refused(f"torch's layer for NumPy doesn't take these arguments ({type(error).__name__})") from None
        for example, tensor in zip(examples, tensors, strict=True):
            if not _alike(example, tensor):
                raise Refused("torch's layer would write something else to an argument")
        outline = _compare(result, value, examples, [tensor.untyped_storage()._cdata for tensor in tensors])
    if isinstance(outline, tuple | list) and any(type(part) is Made and part.view for part in outline):
        raise Refused("a result lies in the memory of an argument, and torch's layer would copy it")
    return outline


def unchanged(operand: Example, fill: Callable[[Any], None], made: Any) -> bool:
    """Whether an example is as it was before the call."""
    before = operand.make(fill)
    return bool(numpy.array_equal(before, made, equal_nan=before.dtype.kind in "fc"))


def _compare(real: Any, value: Any, examples: list[Any], storages: list[Any]) -> Any:
    if isinstance(real, (ARRAY, *NUMBER)):
        return _compare_arrays(real, value, examples, storages)
    if type(real) in (tuple, list) or is_named_tuple(type(real)):
        if not isinstance(value, tuple | list) or len(value) != len(real):
            raise Refused("torch's layer gives another number of results")
        parts = [_compare(a, b, examples, storages) for a, b in zip(real, value, strict=True)]
        return type(real)(*parts) if is_named_tuple(type(real)) else type(real)(parts)
    if real is None and value is None:
        return None
    if type(real) in (int, str) and type(real) is type(value) and real == value:
        return real
    raise Refused(f"the result is a value of type {type(real).__name__}, which torch's layer doesn't give")


def _compare_arrays(real: Any, value: Any, examples: list[Any], storages: list[Any]) -> Made:
    if not isinstance(value, layer().ndarray):
        raise Refused(f"torch's layer gives a value of type {type(value).__name__} for an array")
    tensor = value.tensor
    if type(real) is not ARRAY and isinstance(real, ARRAY) or tensor.device.type != "cpu":
        raise Refused(f"the result is of type {type(real).__name__}")
    if not _alike(real, tensor):
        raise Refused("the result of torch's layer has another dtype, other sizes or other values than NumPy's")
    if not isinstance(real, ARRAY):
        return Made(type(real), None, tensor.untyped_storage()._cdata in storages, True, True)
    argument = next((i for i, example in enumerate(examples) if example is real), None)
    if argument is not None:
        return Made(ARRAY, argument, False, True, True)
    theirs = any(isinstance(example, ARRAY) and numpy.may_share_memory(example, real) for example in examples)
    ours = tensor.untyped_storage()._cdata in storages
    view = theirs and not ours and real.size > 0
    if view and len(examples) > 1:
        raise Refused("the result lies in the memory of an argument, and torch's layer would copy it")
    laid = all(n < 2 or stride * real.itemsize == s for stride, s, n in zip(tensor.stride(), real.strides, real.shape, strict=True))
    return Made(ARRAY, None, ours and not theirs, bool(real.flags.writeable), laid, theirs, view)


def _alike(real: Any, tensor: torch.Tensor, signs: bool = False) -> bool:
    """Whether both have the same dtype and sizes, and values that are equal but for rounding; with `signs` those of zeros too."""
    array = tensor.resolve_conj().resolve_neg().numpy()
    if array.dtype != real.dtype or array.shape != real.shape:
        return False
    if array.dtype.kind not in "fc":
        return bool(numpy.array_equal(array, real))
    precision = numpy.finfo(array.dtype).eps ** 0.75
    with numpy.errstate(all="ignore"):
        if signs and array.dtype.kind == "f" and not numpy.array_equal(numpy.signbit(array)[real == 0], numpy.signbit(real)[real == 0]):
            return False
        return bool(numpy.allclose(array, real, rtol=precision, atol=precision, equal_nan=True))
