"""Calls of NumPy: torch's own layer computes them on the tensors of the graph, operator by operator.

A call runs three times (the first two once for each kind of arguments): NumPy on examples says what the result is, the layer beside it
shows that it agrees (`examples.py`); then the layer runs on the program's arrays, and each of torch's functions that it calls is called as
the program's code would (`recording.py`). So the graph holds plain operators of torch, and what a call writes to, and what breaks, is what
the rules of those operators say.

A view that torch can't have (`a[::-1]`) is copied anew whenever it is read, so that it shows what its array holds then; it may not be written
to, and where it leaves the graph NumPy makes it of its array.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...compat.arrays import DTYPE, FACTS, NUMBER, dtype_of, errors_raise, layer, numpy
from ...guards.constants import NotConstant as NoConstant
from ...guards.constants import canon
from ...signals import Break, NotConstant
from ...variables import (
    ArrayVariable,
    ConstantVariable,
    DictVariable,
    ListVariable,
    NumberVariable,
    PinnedVariable,
    SliceVariable,
    SymVariable,
    TupleVariable,
    Variable,
    key_variable,
)
from .casts import casting
from .examples import Example, Made, Refused, answer, check_elementwise, rehearse, unchanged
from .recording import Recording

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["compute", "example_of", "refuse"]


def refuse(expr: str, why: str) -> Break:
    return Break("numpy-unsupported", expr=expr, name=expr, why=why)


def compute(
    ctx: Context, name: str, real: Callable[..., Any], layered: Callable[..., Any] | None, args: list[Variable], kwargs: dict[str, Variable],
    exact: bool = False, elementwise: bool = False, of_dtypes: bool = False,
) -> Any:
    """The variable of `real(*args, **kwargs)`, which only computes, by `layered` on the layer's arrays (None: the layer has none, so that
    only a call of known values is answered). `name` is what a break names. `exact`: what it raises doesn't depend on the arrays' values, but for
    those of arrays that are indices. `elementwise`: each element of the result is computed of those in its place. `of_dtypes`: the result
    depends on dtypes and sizes alone."""
    ctx.asked[errors_raise, ()] = None
    if errors_raise():
        raise refuse(name, "`numpy.errstate` has errors of arithmetic raised or handled, and torch tells of none")
    call = _Call(ctx, name, args, kwargs)
    operands = call.examples()
    key = call.key(operands, real, exact, elementwise, of_dtypes)
    found = _OUTLINES.get(key)
    if found is None:
        try:
            found = _outline(call, operands, real, layered, elementwise, of_dtypes)
        except Refused as refused:
            if refused.error is not None and (exact and len(call.arrays) < 2 or not call.arrays):
                ctx.raise_from_host(refused.error)
            raise refuse(name, str(refused)) from None
        if key is not None:
            if len(_OUTLINES) >= _MOST:
                _OUTLINES.clear()
            _OUTLINES[key] = found
    outline, layered = found
    if type(outline) is _Result:
        return ctx.wrap(outline.value)
    assert layered is not None
    view = _is_view(call, outline)
    recording = Recording(ctx, [array.tensor if array.again is None else array.again(ctx).tensor for array in call.arrays])
    value = recording.run(lambda: call.run(layered, recording.arrays, False))
    result = _wrapped(ctx, outline, value, call.arrays, recording)
    if view:
        assert type(result) is ArrayVariable
        result.base, result.view = call.arrays[0], functools.partial(_view_of, real, call.args, call.kwargs)
        result.again = lambda ctx: compute(ctx, name, real, layered, args, kwargs)
    return result


def _applied(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], arrays: list[Any], real: bool) -> Any:
    """`function` of the arguments with `arrays` in their places, as NumPy's own values or as those of the layer."""
    return function(*[_fill(arg, arrays, real) for arg in args], **{key: _fill(arg, arrays, real) for key, arg in kwargs.items()})


def _view_of(real: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], array: Any) -> Any:
    """NumPy's own call, of an array of the program's. It is kept with the compiled code, so it holds nothing of the trace."""
    return _applied(real, args, kwargs, [array], True)


def _is_view(call: _Call, outline: Any) -> bool:
    """Whether the result is a view that torch can't have: of itself, or since its operand is one."""
    if not any(array.again is not None for array in call.arrays):
        return type(outline) is Made and outline.view
    parts = outline if isinstance(outline, tuple | list) else [outline]
    if not any(type(part) is Made and part.lies for part in parts):
        return False
    if len(call.arrays) > 1 or type(outline) is not Made:
        raise refuse(call.name, "a result lies in the memory of a view that torch can't have")
    return True


#: What calls give (`Made`s, or a `_Result`) and what of the layer computes it, by what they are given: facts about NumPy and torch.
_OUTLINES: dict[Any, Any] = {}
_MOST = 4096


class _Result:
    """A result that is known."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def _outline(
    call: _Call, operands: list[Example], real: Callable[..., Any], layered: Callable[..., Any] | None, elementwise: bool, of_dtypes: bool
) -> tuple[Any, Callable[..., Any] | None]:
    fill, examples, result = answer(lambda made: call.run(real, made, True), operands)
    if (of_dtypes or not call.arrays) and _is_known(result):
        return _Result(result), None
    if layered is None:
        raise Refused("torch's layer for NumPy has no such function")
    if any(array.again is not None and not unchanged(operand, fill, made) for array, operand, made in zip(call.arrays, operands, examples, strict=True)):
        raise Refused("it writes through a view that torch can't have")

    def tried(layered: Callable[..., Any]) -> tuple[Any, Callable[..., Any]]:
        if elementwise and call.arrays:
            check_elementwise(lambda made: call.run(real, made, True), lambda arrays: call.run(layered, arrays, False), operands)
        return rehearse(lambda arrays: call.run(layered, arrays, False), operands, fill, examples, result), layered

    try:
        return tried(layered)
    except Refused as refused:
        cast = casting(real, layered) if elementwise and not call.kwargs else None
        if cast is None:
            raise
        try:
            return tried(cast)
        except Refused:
            raise refused from None


def _is_known(result: Any) -> bool:
    """Whether a result of known arguments is a value that stays as it is."""
    if type(result) in (tuple, list):
        return all(map(_is_known, result))
    return isinstance(result, (*NUMBER, *FACTS, bool, int, float, complex, str, type, type(None)))


# ---- operands
class _Place:
    """Where an operand's array goes: by its number."""

    __slots__ = ("index",)

    def __init__(self, index: int):
        self.index = index


class _Known:
    """A value that NumPy and torch's layer spell differently."""

    __slots__ = ("layered", "real")

    def __init__(self, real: Any, layered: Callable[[], Any]):
        self.real, self.layered = real, layered


def _fill(tree: Any, arrays: list[Any], real: bool) -> Any:
    """An argument with `arrays` in their places, as NumPy's own values or as those of the layer."""
    kind = type(tree)
    if kind is _Place:
        return arrays[tree.index]
    if kind is _Known:
        return tree.real if real else tree.layered()
    if kind in (list, tuple):
        return kind(_fill(part, arrays, real) for part in tree)
    if kind is dict:
        return {key: _fill(part, arrays, real) for key, part in tree.items()}
    if kind is slice:
        return slice(*[_fill(part, arrays, real) for part in (tree.start, tree.stop, tree.step)])
    return tree


def _key(tree: Any) -> Any:
    kind = type(tree)
    if kind is _Place:
        return kind, tree.index
    if kind is _Known:
        return kind, str(tree.real) if isinstance(tree.real, FACTS) else _key(tree.real)
    if kind in (list, tuple):
        return kind, tuple(_key(part) for part in tree)
    if kind is dict:
        return kind, tuple((key, _key(part)) for key, part in tree.items())
    if kind is slice:
        return kind, _key((tree.start, tree.stop, tree.step))
    if isinstance(tree, type):
        return kind, tree
    return canon(tree)


class _Call:
    """The arguments of a call as trees of values, `_Place`s and `_Known`s, and the arrays in them, each once."""

    def __init__(self, ctx: Context, name: str, args: list[Variable], kwargs: dict[str, Variable]):
        self.ctx, self.name = ctx, name
        self.arrays: list[ArrayVariable] = []
        self.args = [self.take(arg) for arg in args]
        self.kwargs = {key: self.take(arg) for key, arg in kwargs.items()}

    def run(self, function: Callable[..., Any], arrays: list[Any], real: bool) -> Any:
        return _applied(function, self.args, self.kwargs, arrays, real)

    def key(self, operands: list[Example], *more: Any) -> Any:
        """Two calls of the same key give results of the same kind; None where that can't be told."""
        try:
            key = _key((self.args, self.kwargs)), tuple(operand.key() for operand in operands), more
            hash(key)
        except (NoConstant, TypeError):
            return None
        return key

    def take(self, variable: Variable) -> Any:
        kind = type(variable)
        if kind is ArrayVariable:
            if variable not in self.arrays:
                self.arrays.append(variable)  # type: ignore[arg-type]
            return _Place(self.arrays.index(variable))  # type: ignore[arg-type]
        if kind is NumberVariable:
            value = variable.constant()
            return _Known(value, lambda: layer().asarray(value.item(), dtype=str(value.dtype)))
        if kind is ConstantVariable:
            return variable.constant()
        if kind is SymVariable:
            return variable.specialise(self.ctx)  # type: ignore[attr-defined]
        if isinstance(variable, TupleVariable | ListVariable) and variable.cls in (tuple, list):
            return variable.cls(self.take(part) for part in variable.settled(self.ctx))
        if kind is SliceVariable:
            return slice(*[self.take(part) for part in variable.parts])  # type: ignore[attr-defined]
        if isinstance(variable, DictVariable) and variable.cls is dict:
            return {key_variable(k).constant(): self.take(v) for k, v in zip(list(variable.items), variable.values(self.ctx), strict=True)}
        if kind is PinnedVariable:
            return self._take_pinned(variable.value)  # type: ignore[attr-defined]
        try:
            return variable.constant()
        except NotConstant:
            raise refuse(self.name, f"one of its arguments is of type {variable.python_type().__name__}") from None

    def _take_pinned(self, value: Any) -> Any:
        if issubclass(type(value), DTYPE) or issubclass(type(value), type) and numpy.generic in type.__dict__["__mro__"].__get__(value):
            return _Known(value, lambda: layer().dtype(numpy.dtype(value).name))
        if any(value is cls for cls in (bool, int, float, complex)):
            return value
        raise refuse(self.name, f"one of its arguments is of type {type(value).__name__}")

    def examples(self) -> list[Example]:
        return [_example(self.ctx, array) for array in self.arrays]


def example_of(ctx: Context, array: ArrayVariable) -> Any:
    """An array of NumPy's with the metadata of this one."""
    return _example(ctx, array).make(lambda _: None)


def _example(ctx: Context, array: ArrayVariable) -> Example:
    fake = array.tensor.fake
    sizes, strides = (tuple(_hint(ctx, number) for number in numbers) for numbers in (fake.shape, fake.stride()))
    return Example(sizes, strides, dtype_of(fake.dtype), not array.is_array, array.writeable)


def _hint(ctx: Context, number: Any) -> int:
    """A size of this call: symbolic ones are fixed, since what NumPy does may depend on them."""
    return number if type(number) is int else int(ctx.shapes.specialise(ctx, SymVariable(number, lambda c: c.break_("numpy-unsupported", expr="", name=""))))


# ---- results
def _wrapped(ctx: Context, outline: Any, value: Any, arrays: list[ArrayVariable], recording: Recording) -> Variable:
    if type(outline) is Made:
        if outline.argument is not None:
            return arrays[outline.argument]
        tensor = recording.known[id(value.tensor)]
        if outline.copied:
            tensor = ctx.node("call_method", "clone", [tensor])
        return ArrayVariable(tensor, outline.cls, None, None, outline.writeable, outline.laid)
    if isinstance(outline, tuple | list):
        parts = [_wrapped(ctx, a, b, arrays, recording) for a, b in zip(outline, value, strict=True)]
        return TupleVariable(parts, type(outline)) if isinstance(outline, tuple) else ListVariable(parts)
    return ctx.wrap(outline)


