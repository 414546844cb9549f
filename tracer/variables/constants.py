"""Literals: immutable values that are known while tracing."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import torch

from ..compat.type_names import type_name
from .base import Variable, shared

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["FALSE", "LITERALS", "NONE", "PASSED", "TRUE", "ConstantVariable", "literal"]

LITERALS: frozenset[type] = frozenset({
    type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), types.CodeType,
    torch.dtype, torch.device, torch.layout, torch.memory_format, torch._C._SDPBackend,
})  # fmt: skip
#: Marks the guard of a literal that may turn out to be only passed on.
PASSED = object()
#: Bits of the longest int that is written down in full.
_WRITTEN = 4096
_SIMPLE = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})


class ConstantVariable(Variable):
    """A literal. `value` is what the trace relies on; of one that came from outside it is not set before somebody asks for it, so that a literal which
    is only passed on can be told from one that was read."""

    __slots__ = ("kind", "unread", "value")

    def __init__(self, value: Any, source: Source | None = None):
        self.value, self.source, self.vid, self.kind = value, source, 0, type(value)

    @classmethod
    def passed(cls, value: Any, source: Source) -> ConstantVariable:
        """One from outside that nobody has read yet."""
        self = cls.__new__(cls)
        self.unread, self.source, self.vid, self.kind = value, source, 0, type(value)
        return self

    def __getattr__(self, name: str) -> Any:
        if name != "value":
            raise AttributeError(name)
        self.value = self.unread
        return self.value

    @property
    def is_read(self) -> bool:
        """Whether the trace may rely on more than its type."""
        try:
            _VALUE.__get__(self)
        except AttributeError:
            return False
        return True

    def look(self) -> Any:
        """The value, to show it to a person: nothing may follow from it."""
        return self.value if self.is_read else self.unread

    def python_type(self) -> type:
        return self.kind

    def real(self) -> Any:
        return self.value

    def constant(self) -> Any:
        return self.value

    def describe(self) -> str:
        value = self.look()
        if type(value) in _SIMPLE:
            if type(value) is int and value.bit_length() > _WRITTEN:  # Python refuses to write the longest ones down
                return f"<int of {value.bit_length()} bits>"
            text = repr(value)
            return text if len(text) <= 60 else text[:57] + "..."
        return str(value) if type(value) is not types.CodeType else f"<code {value.co_name}>"

    def identity(self) -> Any:
        value = self.value
        if value is None or value is True or value is False or value is Ellipsis or value is NotImplemented:
            return value
        # Small ints and interned strings: identity is CPython's own; the recorded object is the program's where it has one.
        return ("object", id(value))

    def truth(self, ctx: Context) -> bool:
        return bool(self.value)

    def length(self, ctx: Context) -> Variable:
        return ctx.protocol.fold(ctx, len, [self])

    def getitem(self, ctx: Context, key: Variable) -> Any:
        from .sequences import SliceVariable

        if type(key) is SliceVariable and isinstance(self.value, str | bytes):
            return literal(self.value[key.concrete(ctx)])
        return ctx.protocol.fold(ctx, lambda value, index: value[index], [self, key])

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.protocol.fold(ctx, lambda value, part: part in value, [self, item]).value

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import SequenceIteratorVariable

        if not isinstance(self.value, (str, bytes)):
            ctx.raise_(TypeError, f"{type_name(type(self.value))!r} object is not iterable")
        return SequenceIteratorVariable([literal(part) for part in self.value], type(iter(self.value)))

    def dict_key(self, ctx: Context) -> Any:
        return self.value

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        return self.value, self.value

    def rebuild(self, body: Body) -> str:
        return body.constant(self.value)


#: The slot itself, which doesn't count as a reader.
_VALUE: Any = ConstantVariable.__dict__["value"]

NONE: ConstantVariable = shared(ConstantVariable(None))
TRUE: ConstantVariable = shared(ConstantVariable(True))
FALSE: ConstantVariable = shared(ConstantVariable(False))


def literal(value: Any) -> ConstantVariable:
    """The variable of a literal that the trace made itself."""
    if value is None:
        return NONE
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    return ConstantVariable(value)
