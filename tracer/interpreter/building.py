"""Making containers, strings and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.type_names import type_name
from ..variables import (
    NONE,
    NULL,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    SetVariable,
    SliceVariable,
    TupleVariable,
    literal,
)
from ..variables.keys import as_key, as_member, real_set
from ..variables.templates import InterpolationVariable, TemplateVariable
from .frame import Frame
from .table import handles

if TYPE_CHECKING:
    from ..context import Context


def take(frame: Frame, count: int) -> list[Any]:
    """The top `count` values, in order."""
    if not count:
        return []
    stack = frame.stack
    values = stack[-count:]
    del stack[-count:]
    return values


@handles("BuildTuple")
def build_tuple(ctx: Context, frame: Frame, count: int) -> None:
    frame.stack.append(TupleVariable(take(frame, count), tuple))


@handles("BuildList")
def build_list(ctx: Context, frame: Frame, count: int) -> None:
    frame.stack.append(ListVariable(take(frame, count)))


@handles("BuildSet")
def build_set(ctx: Context, frame: Frame, count: int) -> None:
    keys = {as_member(ctx, v): None for v in take(frame, count)}
    frame.stack.append(SetVariable(keys, order=real_set(keys)))


@handles("BuildMap")
def build_map(ctx: Context, frame: Frame, count: int) -> None:
    values = take(frame, 2 * count)
    frame.stack.append(DictVariable({as_key(ctx, values[i]): values[i + 1] for i in range(0, 2 * count, 2)}))


@handles("BuildConstKeyMap")
def build_const_key_map(ctx: Context, frame: Frame, count: int) -> None:
    names = frame.stack.pop().items
    keys = [n.value if type(n) is ConstantVariable else n.dict_key(ctx) for n in names]
    frame.stack.append(DictVariable(dict(zip(keys, take(frame, count), strict=True))))


@handles("BuildSlice")
def build_slice(ctx: Context, frame: Frame, count: int) -> None:
    parts = take(frame, count)
    frame.stack.append(SliceVariable(parts if count == 3 else [*parts, NONE]))


@handles("BuildString")
def build_string(ctx: Context, frame: Frame, count: int) -> None:
    frame.stack.append(ctx.protocol.join_text(ctx, take(frame, count)))


@handles("FormatValue")
def format_value(ctx: Context, frame: Frame, arg: tuple[str | None, bool]) -> None:
    conversion, has_spec = arg
    spec = frame.stack.pop() if has_spec else literal("")
    value = frame.stack.pop()
    if conversion is not None:
        value = ctx.protocol.convert_text(ctx, value, conversion)
    frame.stack.append(ctx.protocol.format(ctx, value, spec))


@handles("ConvertValue")
def convert_value(ctx: Context, frame: Frame, conversion: str) -> None:
    frame.stack.append(ctx.protocol.convert_text(ctx, frame.stack.pop(), conversion))


@handles("ListAppend")
def list_append(ctx: Context, frame: Frame, depth: int) -> None:
    value = frame.stack.pop()
    target = frame.stack[-depth]
    ctx.mutate(target)
    target.items.append(value)


@handles("ListExtend")
def list_extend(ctx: Context, frame: Frame, depth: int) -> None:
    values = ctx.protocol.listed(ctx, frame.stack.pop(), "Value after * must be an iterable, not {}")
    target = frame.stack[-depth]
    ctx.mutate(target)
    target.items.extend(values)


@handles("SetAdd")
def set_add(ctx: Context, frame: Frame, depth: int) -> None:
    key = as_member(ctx, frame.stack.pop())
    target = frame.stack[-depth]
    ctx.mutate(target)
    target.insert(key)


@handles("SetUpdate")
def set_update(ctx: Context, frame: Frame, depth: int) -> None:
    from ..functions.python.sets import update_set

    items = frame.stack.pop()
    update_set(ctx, frame.stack[-depth], items)


@handles("MapAdd")
def map_add(ctx: Context, frame: Frame, depth: int) -> None:
    value, key = frame.stack.pop(), frame.stack.pop()
    target = frame.stack[-depth]
    ctx.mutate(target)
    target.items[as_key(ctx, key)] = value


@handles("DictUpdate")
def dict_update(ctx: Context, frame: Frame, depth: int) -> None:
    pairs = ctx.protocol.mapping_items(ctx, frame.stack.pop())
    target = frame.stack[-depth]
    ctx.mutate(target)
    for key, value in pairs:
        target.items[as_key(ctx, key)] = value


@handles("DictMerge")
def dict_merge(ctx: Context, frame: Frame, depth: int) -> None:
    stack = frame.stack
    given, target = stack.pop(), stack[-depth]
    function = stack[-depth - 2] if stack[-depth - 2] is not NULL else stack[-depth - 3]  # [NULL, f, args, target]; 3.13: [f, NULL, args, target]
    if not isinstance(given, DictVariable) and not ctx.protocol.has(ctx, given.python_type(), "keys"):
        ctx.raise_(TypeError, f"{ctx.protocol.called_name(ctx, function)} argument after ** must be a mapping, not {type_name(given.python_type())}")
    pairs = ctx.protocol.mapping_items(ctx, given)
    ctx.mutate(target)
    for key, value in pairs:
        handle = as_key(ctx, key)
        if handle in target.items:
            shown = ctx.protocol.str_text(ctx, key)
            ctx.raise_(TypeError, f"{ctx.protocol.called_name(ctx, function)} got multiple values for keyword argument '{shown}'")
        target.items[handle] = value


@handles("ListToTuple")
def list_to_tuple(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(TupleVariable(frame.stack.pop().items, tuple))


@handles("UnpackSequence")
def unpack_sequence(ctx: Context, frame: Frame, count: int) -> None:
    values = ctx.protocol.unpack_exactly(ctx, frame.stack.pop(), count)
    frame.stack.extend(reversed(values))


@handles("UnpackEx")
def unpack_ex(ctx: Context, frame: Frame, arg: tuple[int, int]) -> None:
    before, after = arg
    values = ctx.protocol.unpack(ctx, frame.stack.pop(), what="cannot unpack non-iterable {} object")
    if len(values) < before + after:
        ctx.raise_(ValueError, f"not enough values to unpack (expected at least {before + after}, got {len(values)})")
    end = len(values) - after
    frame.stack.extend(reversed([*values[:before], ListVariable(values[before:end]), *values[end:]]))


@handles("BuildInterpolation")
def build_interpolation(ctx: Context, frame: Frame, arg: tuple[str | None, bool]) -> None:
    conversion, has_spec = arg
    value, expression, *spec = take(frame, 2 + has_spec)
    frame.stack.append(InterpolationVariable([value, expression, literal(conversion), *(spec or [literal("")])]))


@handles("BuildTemplate")
def build_template(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(TemplateVariable(*take(frame, 2)))


@handles("MakeFunction")
def make_function(ctx: Context, frame: Frame, flags: tuple[str, ...]) -> None:
    stack = frame.stack
    code = stack.pop().constant()
    made = FunctionVariable(None, code, frame.globals)
    for flag in flags:
        _set_part(ctx, made, flag, stack.pop())
    stack.append(made)


@handles("SetFunctionAttribute")
def set_function_attribute(ctx: Context, frame: Frame, flag: str) -> None:
    made = frame.stack.pop()
    _set_part(ctx, made, flag, frame.stack.pop())
    frame.stack.append(made)


def _set_part(ctx: Context, made: FunctionVariable, flag: str, value: Any) -> None:
    if flag == "closure":
        made.closure = list(value.items)
    elif flag == "defaults":
        made.defaults = value.unpack(ctx)
    elif flag == "kwdefaults":
        made.kwdefaults = {k: ctx.settle(v) for k, v in value.items.items()}
    elif flag == "annotate":
        made.attributes = {**(made.attributes or {}), "__annotate__": value}
    elif flag == "annotations":
        made.attributes = {**(made.attributes or {}), "__annotations__": _annotations(ctx, value)}


def _annotations(ctx: Context, value: Any) -> DictVariable:
    if isinstance(value, DictVariable):
        return value
    flat = value.unpack(ctx)
    return DictVariable({flat[i].constant(): flat[i + 1] for i in range(0, len(flat), 2)})
