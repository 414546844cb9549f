"""What a call of a nested region was given, as data that is equal for two calls which the same body serves.

`read` takes function and arguments apart: containers, closures and defaults that the trace made into what they hold, tensors into what can be asked of
them, everything that existed before into a *leaf*. Two calls of equal `form` differ in their leaves only, in order; what was asked of those
that have a source is proven by `again.py`. Anything that isn't known to be comparable declines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..graph.operators import storage_of
from ..guards.constants import NotConstant, canon
from ..variables import (
    UNSET,
    BoundVariable,
    CellVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    Lazy,
    ListVariable,
    PinnedVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
)

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["Call", "Different", "One", "described", "number"]


class Different(Exception):
    """Why a call isn't served by a body, in words that complete "traced, since …"."""


class One:
    """An object by identity, as a part of data that is compared."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is One and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return f"One({type(self.value).__name__})"


class Call:
    """One call, read. `form`: equal for calls of one form. `leaves`: the variables that differ, in order. `unread`: where in it something lies that existed
    before and that nobody has read yet: the same in both."""

    __slots__ = ("_ctx", "_seen", "form", "leaves", "unread")

    def __init__(self, ctx: Context, function: Variable, args: list[Variable], kwargs: dict[str, Variable]):
        self._ctx = ctx
        self._seen: dict[int, int] = {}
        self.leaves: list[Variable] = []
        self.unread: list[Source] = []
        self.form = (self._read(function), tuple(map(self._read, args)), tuple((name, self._read(value)) for name, value in kwargs.items()))

    def differs(self, other: Any) -> str:
        """The first part of the call in which another form differs."""
        function, args, kwargs = self.form
        if function != other[0]:
            return "its function"
        if len(args) != len(other[1]) or len(kwargs) != len(other[2]):
            return "the number of its arguments"
        for i, (mine, theirs) in enumerate(zip(args, other[1], strict=True)):
            if mine != theirs:
                return f"its argument {i}"
        return next((f"its argument {mine[0]}" for mine, theirs in zip(kwargs, other[2], strict=True) if mine != theirs), "its form")

    def _read(self, value: Any) -> Any:
        if type(value) is Lazy:
            self.unread.append(value.source)
            return "unread", One(value.source)
        if type(value) is ConstantVariable and value.source is None:
            return "constant", _constant(value)
        known = self._seen.get(id(value))
        if known is not None:
            return "again", known
        self._seen[id(value)] = len(self._seen)
        if not (type(value) is CellVariable and value.real_cell is None):
            self.leaves.append(value)
        return self._form(value)

    def _form(self, value: Variable) -> Any:
        if isinstance(value, TensorVariable):
            return "tensor", value.source is not None, _tensor(self._ctx, value)
        if type(value) is SymVariable:
            return "number", number(value.sym)
        if type(value) is CellVariable and value.real_cell is None:  # of a frame that is traced
            return "cell", value.name, "empty" if value.value is UNSET else self._read(value.value)
        if value.source is not None:
            return "found", type(value), One(value.python_type())
        if isinstance(value, TupleVariable) and value.origin is None or type(value) is ListVariable:
            held = value.held if isinstance(value, ListVariable) else value.items
            return type(value), One(value.cls), tuple(map(self._read, held))
        if type(value) is DictVariable and value.guard_keys is None:
            return "dict", One(value.cls), One(value.factory), tuple((_key(key), self._read(held)) for key, held in value.items.items())
        if type(value) is BoundVariable:
            return "method", self._read(value.function), self._read(value.owner)
        if type(value) is PinnedVariable:
            return "pinned", One(value.value)
        if type(value) is FunctionVariable and value.function is None and not value.attributes and not value.annotated:
            return self._function(value)
        raise Different(f"it is given a {value.python_type().__name__} that the trace made")

    def _function(self, value: FunctionVariable) -> Any:
        parts: list[Any] = [tuple(map(self._read, value.closure or ())), tuple(map(self._read, value.defaults or ()))]
        parts.append(tuple((name, self._read(held)) for name, held in (value.kwdefaults or {}).items()))
        return "function", One(value.code), One(value.globals), value.name, value.qualname, *parts


def _constant(value: ConstantVariable) -> Any:
    try:
        return canon(value.value)
    except NotConstant:
        raise Different(f"it is given a {type(value.value).__name__}") from None


def _key(key: Any) -> Any:
    variable = key_variable(key)
    if type(variable) is not ConstantVariable:
        raise Different("it is given a dict whose keys aren't constants")
    return _constant(variable)


def number(value: Any) -> Any:
    """A size: symbolic ones are equal where they are one expression."""
    return (value.node.pytype, value.node.expr) if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool) else value


def _tensor(ctx: Context, value: TensorVariable) -> Any:
    memory = storage_of(value.fake)
    if value.attrs is not None or value.hooks or value.made is not None:
        raise Different("a tensor that it uses has attributes or hooks of the trace")
    if memory in ctx.replaced or memory in ctx.written or memory in ctx.begun:
        raise Different("a tensor that it uses was written to before")
    return One(value.cls), any(value.fake is leaf for leaf in ctx.leaves), described(value.fake)


def described(fake: Any) -> Any:
    """All that a trace can ask of a fake tensor, its memory aside."""
    if fake.layout is not torch.strided:
        return One(fake)
    return (
        type(fake), tuple(map(number, fake.shape)), tuple(map(number, fake.stride())), number(fake.storage_offset()), fake.dtype, fake.device,
        fake.requires_grad, fake.is_conj(), fake.is_neg(), fake.is_inference(),
    )  # fmt: skip
