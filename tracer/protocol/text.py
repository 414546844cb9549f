"""str, repr, format: folded where every part is known, run as Python where the class defines them."""

from __future__ import annotations

import collections
import enum
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat.python_classes import is_python_class
from ..compat.type_names import type_name
from ..signals import NotConstant
from ..variables import (
    ConstantVariable,
    DictVariable,
    DictViewVariable,
    ExceptionVariable,
    FunctionVariable,
    ListVariable,
    MappingProxyVariable,
    ObjectVariable,
    PinnedVariable,
    SetVariable,
    SliceVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    is_structseq,
    key_variable,
    literal,
)
from ..variables.base import mention
from .lookup import find
from .operators import special_answer

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
        return _formatted(ctx, value.value, wanted)
    if isinstance(value, SymVariable):
        return literal(value.specialise(ctx).__format__(wanted))
    owner = find(ctx, value.python_type(), "__format__")[0]
    if owner is not None and is_python_class(owner) and not isinstance(value, TensorVariable | PinnedVariable):
        return special_answer(ctx, value, "__format__", [spec])
    if isinstance(value, PinnedVariable) and isinstance(value.value, enum.Enum):
        return literal(value.value.__format__(wanted))
    if wanted and isinstance(value, ObjectVariable) and isinstance(value.data, ConstantVariable):
        named = type(type_name(value.cls), (type(value.data.value),), {})  # an error tells the name of the class
        return _formatted(ctx, named(value.data.value), wanted)
    if wanted and not isinstance(value, TensorVariable):
        ctx.raise_(TypeError, f"unsupported format string passed to {type_name(value.python_type())}.__format__")
    return literal(str_text(ctx, value))


def _formatted(ctx: Context, value: Any, spec: str) -> Variable:
    try:
        return literal(value.__format__(spec))
    except Exception as error:
        ctx.raise_from_host(error)


def str_text(ctx: Context, value: Variable) -> str:
    """`str(value)`."""
    if isinstance(value, ConstantVariable):
        return _of_constant(ctx, str, value.value)
    if isinstance(value, SymVariable):
        return str(value.specialise(ctx))
    if isinstance(value, ExceptionVariable):
        owner = find(ctx, value.cls, "__str__")[0]
        if owner is not None and is_python_class(owner):
            return special_answer(ctx, value, "__str__").constant()
        if issubclass(value.cls, KeyError) and len(value.args) == 1:
            return repr_text(ctx, value.args[0])
        if owner is not BaseException and owner is not None:
            return _native_exception_text(ctx, value)
        if not value.args:
            return ""
        if len(value.args) == 1:
            return str_text(ctx, value.args[0])
        return repr_text(ctx, TupleVariable(list(value.args), tuple))
    if isinstance(value, MappingProxyVariable):
        return str_text(ctx, value.owner)
    owner, _ = find(ctx, value.python_type(), "__str__")
    if isinstance(value, PinnedVariable):
        return _pinned_text(ctx, value, str)
    if owner is str and isinstance(value, ObjectVariable) and isinstance(value.data, ConstantVariable):
        return str(value.data.value)
    if owner is object or owner is None or not is_python_class(owner):
        return repr_text(ctx, value)
    if isinstance(value, TensorVariable):
        ctx.break_("tensor-to-text", expr=mention(value), var=mention(value), shape=str(tuple(value.fake.shape)))
    return special_answer(ctx, value, "__str__").constant()


_FILES = (vars(OSError)["filename"], vars(OSError)["filename2"])


def _native_exception_text(ctx: Context, value: ExceptionVariable) -> str:
    """`str` of a builtin exception whose text is more than its arguments (OSError, UnicodeError, SyntaxError, ImportError)."""
    if value.value is not None and not value.slots and value.source is not None:
        for field in value.fields(ctx):
            value.native_attribute(ctx, field)
        return str(value.value)
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


def _of_constant(ctx: Context, fn: Callable[[Any], str], value: Any) -> str:
    try:
        return fn(value)
    except ValueError as error:  # an int of too many digits
        ctx.raise_from_host(error)


def repr_text(ctx: Context, value: Variable) -> str:
    """`repr(value)`; containers ask their items, as CPython does."""
    if isinstance(value, ConstantVariable):
        return _of_constant(ctx, repr, value.value)
    if isinstance(value, SymVariable):
        return repr(value.specialise(ctx))
    if isinstance(value, TensorVariable):
        ctx.break_("tensor-to-text", expr=mention(value), var=mention(value), shape=str(tuple(value.fake.shape)))
    if isinstance(value, PinnedVariable):
        return _pinned_text(ctx, value, repr)
    cls = value.python_type()
    owner, raw = find(ctx, cls, "__repr__")
    if owner is not None and is_python_class(owner) and not _shows_fields(cls, raw):
        return special_answer(ctx, value, "__repr__").constant()
    text = native_text(ctx, value)
    if text is not None:
        return text
    if isinstance(value, FunctionVariable | ObjectVariable):
        ctx.break_("unsupported-builtin", func="repr", type=cls.__name__, why="the text holds a memory address")
    try:
        return repr(value.constant())
    except NotConstant:
        ctx.break_("unsupported-builtin", func="repr", type=cls.__name__)


def _shows_fields(cls: type, raw: Any) -> bool:
    """Whether `raw` is the `__repr__` that collections.namedtuple makes."""
    return is_named_tuple(cls) and getattr(raw, "__module__", None) == f"namedtuple_{raw.__qualname__.partition('.')[0]}"


def native_text(ctx: Context, value: Variable) -> str | None:
    """`repr` as the builtin type of `value` does it; None where its text isn't known."""
    if isinstance(value, ExceptionVariable):
        return f"{value.cls.__name__}({', '.join(repr_text(ctx, a) for a in value.args)})"
    if value in ctx.showing:
        return _within_itself(value)
    ctx.showing.add(value)
    try:
        return _text_of(ctx, value, value.python_type())
    finally:
        ctx.showing.discard(value)


class _Shown:
    """Stands in for a part of a container: its text is the program's."""

    def __init__(self, ctx: Context, variable: Variable):
        self.ctx, self.variable = ctx, variable

    def __repr__(self) -> str:
        return repr_text(self.ctx, self.variable)

    def __call__(self) -> None:
        """The factory of a defaultdict has to be callable."""


def _within_itself(value: Variable) -> str:
    """What a container shows in its own text."""
    held: Any = _plain(value)
    if isinstance(held, DictVariable):
        return "{...}" if held.cls is dict else "..."
    if isinstance(held, TupleVariable):
        return "(...)"
    if isinstance(held, ListVariable):
        return "[...]"
    if isinstance(held, DictViewVariable):
        return "..."
    if value.python_type() is types.SimpleNamespace:
        return "namespace(...)"
    return f"{type_name(value.python_type())}(...)"


def _plain(value: Variable) -> Variable:
    return value.data if isinstance(value, ObjectVariable) and value.data is not None else value


def _text_of(ctx: Context, value: Variable, cls: type) -> str | None:
    """The text of a real object of the builtin class, or of a subclass of that name, whose parts are shown as the program shows them."""
    held: Any = _plain(value)

    def shown(variable: Variable) -> _Shown:
        return _Shown(ctx, variable)

    if isinstance(held, ConstantVariable):
        return repr(held.value)
    if isinstance(held, ListVariable) and not issubclass(cls, collections.deque):
        return list.__repr__([shown(v) for v in held.settled(ctx)])  # type: ignore[misc]
    if isinstance(held, ListVariable):
        return repr(_called(cls, collections.deque)([shown(v) for v in held.settled(ctx)], held.limit))
    if isinstance(held, TupleVariable):
        return _tuple_text(cls, [shown(v) for v in held.settled(ctx)])
    if isinstance(held, SetVariable):
        return _set_text(cls, [shown(v) for v in held.unpack(ctx)])
    if isinstance(held, DictVariable):
        return _dict_text(ctx, held, cls)
    if isinstance(held, DictViewVariable):
        made = (collections.OrderedDict if issubclass(held.owner.cls, collections.OrderedDict) else dict)(_pairs(ctx, held.owner))
        return repr(getattr(made, held.part)())
    if isinstance(held, SliceVariable):
        return repr(slice(*[shown(v) for v in held.parts]))
    if isinstance(held, MappingProxyVariable):
        return f"mappingproxy({repr_text(ctx, held.owner)})"
    if isinstance(value, ObjectVariable) and issubclass(cls, types.SimpleNamespace):
        names: Any = ctx.objects.instance_namespace(ctx, value)
        return repr(_called(cls, types.SimpleNamespace)(**{k: shown(v) for k, v in zip(names.items, names.values(ctx), strict=True)}))
    return None


def _called(cls: type, native: type) -> Any:
    """`native`, or a subclass of it with the name of `cls`."""
    return native if cls is native else type(cls.__name__, (native,), {})


def _pairs(ctx: Context, held: DictVariable) -> dict[Any, Any]:
    return {_Shown(ctx, key_variable(k)): _Shown(ctx, v) for k, v in zip(held.items, held.values(ctx), strict=True)}


def _tuple_text(cls: type, items: list[_Shown]) -> str | None:
    if is_named_tuple(cls):
        return f"{cls.__name__}({', '.join(f'{n}={t!r}' for n, t in zip(cls._fields, items, strict=True))})"
    if is_structseq(cls):
        return None
    return f"torch.Size({items!r})" if issubclass(cls, torch.Size) else repr(tuple(items))


def _set_text(cls: type, items: list[_Shown]) -> str:
    if not items:
        return f"{cls.__name__}()"
    inner = f"{{{repr(items)[1:-1]}}}"
    return inner if cls is set else f"{cls.__name__}({inner})"


def _dict_text(ctx: Context, held: DictVariable, cls: type) -> str | None:
    pairs = _pairs(ctx, held)
    if issubclass(cls, collections.OrderedDict):
        if ctx.protocol.overrides(ctx, cls, "items", "__iter__", "__getitem__"):
            ctx.break_("unsupported-builtin", func="repr", type=cls.__name__, why="the class says itself what its items are")
        return repr(_called(cls, collections.OrderedDict)(pairs))
    if issubclass(cls, collections.defaultdict):
        factory = None if held.factory is None or held.factory.python_type() is type(None) else _Shown(ctx, held.factory)
        return repr(_called(cls, collections.defaultdict)(factory, pairs))
    return repr(pairs)
