"""str, repr, format: folded where every part is known, run as Python where the class defines them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ..compat.python_classes import is_python_class
from ..signals import NotConstant
from ..variables import (
    ConstantVariable,
    DictVariable,
    ExceptionVariable,
    FunctionVariable,
    ListVariable,
    ObjectVariable,
    PinnedVariable,
    SetVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    key_variable,
    literal,
)
from .lookup import find
from .operators import special

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["convert_text", "format", "join_text", "native_text", "repr_text", "str_text"]


def join_text(ctx: Context, parts: list[Variable]) -> Variable:
    return literal("".join(p.constant() for p in parts))


def convert_text(ctx: Context, value: Variable, conversion: str) -> Variable:
    if conversion == "s":
        return literal(str_text(ctx, value))
    text = repr_text(ctx, value)
    return literal(text if conversion == "r" else text.encode("ascii", "backslashreplace").decode())


def format(ctx: Context, value: Variable, spec: Variable) -> Variable:
    """`format(value, spec)`."""
    wanted = spec.constant()
    if isinstance(value, ConstantVariable):
        try:
            return literal(value.value.__format__(wanted))
        except Exception as error:
            ctx.raise_from_host(error)
    if isinstance(value, SymVariable):
        return literal(value.specialise(ctx).__format__(wanted))
    owner = find(ctx, value.python_type(), "__format__")[0]
    if owner is not None and is_python_class(owner) and not isinstance(value, TensorVariable | PinnedVariable):
        return ctx.settle(special(ctx, value, "__format__", [spec], ""))
    if isinstance(value, PinnedVariable) and isinstance(value.value, enum.Enum):
        return literal(value.value.__format__(wanted))
    if wanted and isinstance(value, ObjectVariable) and isinstance(value.data, ConstantVariable):
        return format(ctx, value.data, spec)
    if wanted and not isinstance(value, TensorVariable):
        ctx.raise_(TypeError, f"unsupported format string passed to {value.python_type().__name__}.__format__")
    return literal(str_text(ctx, value))


def str_text(ctx: Context, value: Variable) -> str:
    """`str(value)`."""
    if isinstance(value, ConstantVariable):
        return str(value.value)
    if isinstance(value, SymVariable):
        return str(value.specialise(ctx))
    if isinstance(value, ExceptionVariable):
        owner = find(ctx, value.cls, "__str__")[0]
        if owner is not None and is_python_class(owner):
            return ctx.settle(special(ctx, value, "__str__", [], "")).constant()
        if issubclass(value.cls, KeyError) and len(value.args) == 1:
            return repr_text(ctx, value.args[0])
        if owner is not BaseException and owner is not None:
            return _native_exception_text(ctx, value)
        if not value.args:
            return ""
        if len(value.args) == 1:
            return str_text(ctx, value.args[0])
        return repr_text(ctx, TupleVariable(list(value.args), tuple))
    owner, _ = find(ctx, value.python_type(), "__str__")
    if isinstance(value, PinnedVariable):
        return _pinned_text(ctx, value, str)
    if owner is str and isinstance(value, ObjectVariable) and isinstance(value.data, ConstantVariable):
        return str(value.data.value)
    if owner is object or owner is None or not is_python_class(owner):
        return repr_text(ctx, value)
    if isinstance(value, TensorVariable):
        ctx.break_("tensor-to-text", expr=value.describe(), var=value.describe(), shape=value.describe())
    return ctx.settle(special(ctx, value, "__str__", [], "")).constant()


_FILES = (vars(OSError)["filename"], vars(OSError)["filename2"])


def _native_exception_text(ctx: Context, value: ExceptionVariable) -> str:
    """`str` of a builtin exception whose text is more than its arguments (OSError, UnicodeError, SyntaxError, ImportError)."""
    more = [value.slots[field] for field in _FILES if field in value.slots]
    try:
        made = ctx.objects.native_base(value.cls)(*[a.constant() for a in (*value.args, *more)])
        return str(made)
    except (NotConstant, TypeError):
        ctx.break_("unsupported-builtin", func="str", type=value.cls.__name__)


def _pinned_text(ctx: Context, value: PinnedVariable, fn: type[str] | object) -> str:
    held = value.value
    if isinstance(held, type) or not is_python_class(type(held)) or isinstance(held, enum.Enum):
        return fn(held)  # type: ignore[operator]
    ctx.break_("unsupported-builtin", func="str", type=type(held).__name__)


def repr_text(ctx: Context, value: Variable) -> str:
    """`repr(value)`; containers ask their items, as CPython does."""
    if isinstance(value, ConstantVariable):
        return repr(value.value)
    if isinstance(value, SymVariable):
        return repr(value.specialise(ctx))
    if isinstance(value, TensorVariable):
        ctx.break_("tensor-to-text", expr=value.describe(), var=value.describe(), shape=value.describe())
    if isinstance(value, PinnedVariable):
        return _pinned_text(ctx, value, repr)
    cls = value.python_type()
    owner, _ = find(ctx, cls, "__repr__")
    if owner is not None and is_python_class(owner) and not is_named_tuple(cls):
        return ctx.settle(special(ctx, value, "__repr__", [], "")).constant()
    text = _container_text(ctx, value, cls)
    if text is not None:
        return text
    if isinstance(value, ExceptionVariable):
        return f"{cls.__name__}({', '.join(repr_text(ctx, a) for a in value.args)})"
    if isinstance(value, FunctionVariable | ObjectVariable):
        ctx.break_("unsupported-builtin", func="repr", type=cls.__name__, why="the text holds a memory address")
    try:
        return repr(value.constant())
    except NotConstant:
        ctx.break_("unsupported-builtin", func="repr", type=cls.__name__)


def native_text(ctx: Context, value: Variable) -> str | None:
    """`repr` as the builtin type of `value` does it; None where its text isn't known."""
    text = _container_text(ctx, value, value.python_type())
    if text is None and isinstance(value, ExceptionVariable):
        return f"{value.cls.__name__}({', '.join(repr_text(ctx, a) for a in value.args)})"
    return text if text is not None or not isinstance(value, ConstantVariable) else repr(value.value)


def _container_text(ctx: Context, value: Variable, cls: type) -> str | None:
    if isinstance(value, ObjectVariable) and value.data is not None:
        value, cls = value.data, value.data.python_type()
        if isinstance(value, ConstantVariable):
            return repr(value.value)
    if isinstance(value, ListVariable) and cls is list:
        return f"[{', '.join(repr_text(ctx, v) for v in value.settled(ctx))}]"
    if isinstance(value, TupleVariable):
        items = [repr_text(ctx, v) for v in value.settled(ctx)]
        if is_named_tuple(cls):
            return f"{cls.__name__}({', '.join(f'{n}={t}' for n, t in zip(cls._fields, items, strict=True))})"
        inner = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if cls is tuple:
            return inner
        return f"torch.Size([{', '.join(items)}])" if cls.__name__ == "Size" else None
    if isinstance(value, DictVariable):
        inner = f"{{{', '.join(f'{repr_text(ctx, key_variable(k))}: {repr_text(ctx, v)}' for k, v in zip(value.items, value.values(ctx), strict=True))}}}"
        if cls is dict:
            return inner
        if cls.__name__ == "OrderedDict":
            return f"OrderedDict({inner if value.items else ''})"
        return None
    if isinstance(value, SetVariable) and value.items:
        inner = f"{{{', '.join(repr_text(ctx, v) for v in value.unpack(ctx))}}}"
        return inner if cls is set else f"frozenset({inner})" if cls is frozenset else None
    return None
