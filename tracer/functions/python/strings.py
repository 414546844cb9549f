"""Methods of str that take other objects: joining and formatting. Those over known values are folded without a rule."""

from __future__ import annotations

import _string
import re
from typing import TYPE_CHECKING, Any

from ...compat.type_names import type_name
from ...signals import Declined, NotConstant
from ...variables import ConstantVariable, DictVariable, SymVariable, TensorVariable, TupleVariable, Variable, literal
from ..known import known, plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_OTHER = Declined("the receiver is not a known text")


def _text(variable: Variable) -> str | None:
    value = plain(variable)
    return str.__str__(value.value) if isinstance(value, ConstantVariable) and isinstance(value.value, str) else None


@calls.exact(str.join)
def join(ctx: Context, separator: Variable, parts: Variable) -> Any:
    """`sep.join(parts)` of any iterable of strings."""
    glue = _text(separator)
    if glue is None:
        return _OTHER
    if not ctx.protocol.has(ctx, parts.python_type(), "__iter__") and not ctx.protocol.has(ctx, parts.python_type(), "__getitem__"):
        ctx.raise_(TypeError, "can only join an iterable")
    texts = []
    for i, part in enumerate(ctx.protocol.listed_for_reading(ctx, parts)):
        text = _text(part)
        if text is None:
            ctx.raise_(TypeError, f"sequence item {i}: expected str instance, {type_name(part.python_type())} found")
        texts.append(text)
    return literal(glue.join(texts))


# ---- format
@calls.exact(str.format)
def format_(ctx: Context, template: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`text.format(...)`: each field by the program's own attribute access, items, conversion and `__format__`."""
    text = _text(template)
    if text is None:
        return _OTHER
    return literal(_Fields(ctx, list(args), kwargs).fill(text, 2))


@calls.exact(str.format_map)
def format_map(ctx: Context, template: Variable, mapping: Variable) -> Any:
    """`text.format_map(mapping)`."""
    text = _text(template)
    if text is None:
        return _OTHER
    return literal(_Fields(ctx, [], {}, mapping).fill(text, 2))


class _Fields:
    """One call of `str.format`: which field comes next when fields aren't numbered."""

    def __init__(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable], mapping: Variable | None = None):
        self.ctx, self.args, self.kwargs, self.mapping = ctx, args, kwargs, mapping
        self.counter: int | None = 0

    def fill(self, text: str, depth: int) -> str:
        ctx = self.ctx
        if depth < 0:
            ctx.raise_(ValueError, "Max string recursion exceeded")
        out = []
        try:
            pieces = list(_string.formatter_parser(text))
        except ValueError as error:
            ctx.raise_from_host(error)
        for before, field, spec, conversion in pieces:
            out.append(before)
            if field is None:
                continue
            value = self.field(field)
            if conversion is not None:
                if conversion not in ("s", "r", "a"):
                    ctx.raise_(ValueError, f"Unknown conversion specifier {conversion!r}")
                value = ctx.protocol.convert_text(ctx, value, conversion)
            wanted = self.fill(spec, depth - 1) if spec else ""
            shown = ctx.protocol.format(ctx, value, literal(wanted))
            out.append(str(ctx.settle(shown).constant()))
        return "".join(out)

    def field(self, name: str) -> Variable:
        ctx = self.ctx
        first, rest = _string.formatter_field_name_split(name)
        value = self.first(first)
        for is_attribute, key in rest:
            value = ctx.protocol.getattr_now(ctx, value, key) if is_attribute else ctx.settle(value.getitem(ctx, literal(key)))
        return value

    def first(self, key: Any) -> Variable:
        ctx = self.ctx
        if key == "":
            if self.counter is None:
                ctx.raise_(ValueError, "cannot switch from manual field specification to automatic field numbering")
            key, self.counter = self.counter, self.counter + 1
        elif isinstance(key, int):
            if self.counter:
                ctx.raise_(ValueError, "cannot switch from automatic field numbering to manual field specification")
            self.counter = None
        if isinstance(key, int):
            if self.mapping is not None:
                ctx.raise_(ValueError, "Format string contains positional fields")
            if key >= len(self.args):
                ctx.raise_(IndexError, f"Replacement index {key} out of range for positional args tuple")
            return self.args[key]
        if self.mapping is not None:
            return ctx.settle(self.mapping.getitem(ctx, literal(key)))
        if key not in self.kwargs:
            ctx.raise_(KeyError, key)
        return self.kwargs[key]


# ---- %
_DIRECTIVE = re.compile(r"%(?:\((?P<key>[^()]*)\))?(?P<flags>[-#0 +]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<kind>.)", re.S)


@calls.exact(str.__mod__)
def modulo(ctx: Context, template: Variable, values: Variable) -> Any:
    """`text % values`: known values natively, others through the program's own `__str__` and `__repr__`."""
    text = _text(template)
    if text is None:
        return _OTHER
    value = plain(values) if not isinstance(values, TensorVariable) else values
    given = value.settled(ctx) if isinstance(value, TupleVariable) else [values]
    stand_in: Any
    try:
        if isinstance(value, TupleVariable):
            stand_in = tuple(_value(ctx, v) for v in given)
        elif isinstance(value, DictVariable):
            if ctx.protocol.overrides(ctx, values.python_type(), "__getitem__"):
                ctx.break_("unsupported-builtin", func="str.__mod__", type=type_name(values.python_type()), why="its class has its own `__getitem__`")
            stand_in = _mapping(ctx, text, value)
        else:
            stand_in = _value(ctx, values)
    except NotConstant:
        return Declined("a value whose text isn't known")
    try:
        return literal(text % stand_in)
    except Exception as error:
        ctx.raise_from_host(error)


def _mapping(ctx: Context, text: str, mapping: DictVariable) -> dict[str, Any]:
    """What a `%(name)s` template reads of a mapping."""
    wanted = {found["key"] for found in _DIRECTIVE.finditer(text) if found["key"] is not None}
    held = {name: mapping.at(ctx, name) for name in wanted}
    return {name: _value(ctx, v) for name, v in held.items() if v is not None} if wanted else known(ctx, mapping)


class _Shown:
    """Stands in for an object in native `%` formatting."""

    def __init__(self, ctx: Context, variable: Variable):
        self.ctx, self.variable = ctx, variable

    def __str__(self) -> str:
        return self.ctx.protocol.str_text(self.ctx, self.variable)

    def __repr__(self) -> str:
        return self.ctx.protocol.repr_text(self.ctx, self.variable)


def _value(ctx: Context, variable: Variable) -> Any:
    if isinstance(variable, ConstantVariable):
        return variable.value
    if isinstance(variable, SymVariable):
        return variable.specialise(ctx)
    held = plain(variable)
    if isinstance(held, ConstantVariable) and isinstance(held.value, int | float) and held is not variable:
        return held.value
    return type(variable.python_type().__name__, (_Shown,), {})(ctx, variable)


@calls.exact(str.__contains__)
def contains(ctx: Context, text: Variable, part: Variable) -> Any:
    """`part in text`."""
    mine, theirs = _text(text), _text(part)
    if mine is None:
        return _OTHER
    if theirs is None:
        ctx.raise_(TypeError, f"'in <string>' requires string as left operand, not {type_name(part.python_type())}")
    return literal(theirs in mine)
