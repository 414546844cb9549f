"""Locals, cells, globals, and moving things on the stack."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from ..signals import Break
from ..variables import NULL, UNSET, CellVariable, DictVariable, Lazy, PinnedVariable
from .table import handles

if TYPE_CHECKING:
    from ..context import Context
    from .frame import Frame


@handles("LoadFast")
def load_fast(ctx: Context, frame: Frame, index: int) -> None:
    value = frame.locals[index]
    if value is None:
        name = frame.program.names[index]
        ctx.raise_(UnboundLocalError, f"cannot access local variable {name!r} where it is not associated with a value")
    if type(value) is Lazy:
        value = ctx.build(value.value, value.source)
    frame.stack.append(value)


@handles("StoreFast")
def store_fast(ctx: Context, frame: Frame, index: int) -> None:
    frame.locals[index] = frame.stack.pop()


@handles("DeleteFast")
def delete_fast(ctx: Context, frame: Frame, index: int) -> None:
    if frame.locals[index] is None:
        name = frame.program.names[index]
        ctx.raise_(UnboundLocalError, f"cannot access local variable {name!r} where it is not associated with a value")
    frame.locals[index] = None


@handles("LoadFastAndClear")
def load_fast_and_clear(ctx: Context, frame: Frame, index: int) -> None:
    value = frame.locals[index]
    frame.stack.append(NULL if value is None else ctx.settle(value))
    frame.locals[index] = None


@handles("LoadConst")
def load_const(ctx: Context, frame: Frame, value: Any) -> None:
    frame.stack.append(value)


@handles("Pop")
def pop(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.pop()


@handles("Copy")
def copy(ctx: Context, frame: Frame, n: int) -> None:
    frame.stack.append(frame.stack[-n])


@handles("Swap")
def swap(ctx: Context, frame: Frame, n: int) -> None:
    stack = frame.stack
    stack[-1], stack[-n] = stack[-n], stack[-1]


@handles("PushNull")
def push_null(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(NULL)


# ---- cells
@handles("MakeCell")
def make_cell(ctx: Context, frame: Frame, index: int) -> None:
    held = frame.locals[index]
    if isinstance(held, CellVariable) and held.source is not None and frame.back is None:
        return  # a root frame's cell: it was made when the frame was entered
    frame.locals[index] = CellVariable(UNSET if held is None else held, name=frame.program.names[index])


@handles("LoadClosure")
def load_closure(ctx: Context, frame: Frame, index: int) -> None:
    frame.stack.append(frame.locals[index])


@handles("LoadDeref")
def load_deref(ctx: Context, frame: Frame, index: int) -> None:
    value = frame.locals[index].load(ctx)
    if value is UNSET:
        _unbound(ctx, frame, index)
    frame.stack.append(value)


def _unbound(ctx: Context, frame: Frame, index: int) -> None:
    name = frame.program.names[index]
    if index >= frame.program.free_base:
        text = f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
        ctx.raise_name(NameError, text, name)
    ctx.raise_(UnboundLocalError, f"cannot access local variable {name!r} where it is not associated with a value")


@handles("StoreDeref")
def store_deref(ctx: Context, frame: Frame, index: int) -> None:
    cell = frame.locals[index]
    ctx.mutate(cell)
    cell.value = frame.stack.pop()


@handles("DeleteDeref")
def delete_deref(ctx: Context, frame: Frame, index: int) -> None:
    cell = frame.locals[index]
    if cell.value is UNSET:
        _unbound(ctx, frame, index)
    ctx.mutate(cell)
    cell.value = UNSET


@handles("LoadFromDictOrDeref")
def load_from_dict_or_deref(ctx: Context, frame: Frame, arg: tuple[int, bool]) -> None:
    raise Break("class-definition-inside", what="class body", expr=frame.program.names[arg[0]])


# ---- globals
@handles("LoadGlobal")
def load_global(ctx: Context, frame: Frame, name: str) -> None:
    frame.stack.append(lookup_global(ctx, frame.globals, name))


def lookup_global(ctx: Context, namespace: dict[str, Any], name: str) -> Any:
    """The global or builtin `name`, as the frame of `namespace` sees it now."""
    key = (id(namespace), name)
    ctx.globals_read.append(key)
    written = ctx.namespaces.get(key[0]) if ctx.namespaces else None
    if written is not None and name in written.stored:
        value = written.stored[name]
        if value is not UNSET:
            return value
    else:
        written = None
        known = ctx.global_values.get(key)
        if known is not None:
            return known
    source = ctx.namespace(namespace)
    if name in namespace and written is None:
        value = ctx.build(namespace[name], source.item(name))
        ctx.global_values[key] = value
        return value
    scope = namespace.get("__builtins__", builtins)
    held = scope if type(scope) is dict else vars(scope)
    if name not in held:
        ctx.guard(source, "DICT_ABSENT", name, name)
        ctx.guard(ctx.namespace(held), "DICT_ABSENT", name, name)
        ctx.raise_name(NameError, f"name {name!r} is not defined", name)
    if written is None:
        ctx.guard(source, "DICT_ABSENT", name, name)
    value = ctx.builtin(name, held)
    if written is None:
        ctx.global_values[key] = value
    return value


@handles("StoreGlobal")
def store_global(ctx: Context, frame: Frame, name: str) -> None:
    _write_global(ctx, frame, name, frame.stack.pop())


@handles("DeleteGlobal")
def delete_global(ctx: Context, frame: Frame, name: str) -> None:
    lookup_global(ctx, frame.globals, name)
    _write_global(ctx, frame, name, UNSET)


def _write_global(ctx: Context, frame: Frame, name: str, value: Any) -> None:
    variable = ctx.namespace_variable(frame.globals)
    ctx.mutate(variable)
    variable.stored[name] = value


@handles("LoadBuildClass")
def load_build_class(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(PinnedVariable(builtins.__build_class__))


@handles("LoadAssertionError")
def load_assertion_error(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(PinnedVariable(AssertionError))


@handles("LoadName")
def load_name(ctx: Context, frame: Frame, name: str) -> None:
    raise Break("exec-or-eval", expr=name, why="the code was made by exec, eval or a class body")


@handles("LoadLocals")
def load_locals(ctx: Context, frame: Frame, _: Any) -> None:
    frame.stack.append(locals_dict(ctx, frame))


def locals_dict(ctx: Context, frame: Frame) -> DictVariable:
    """A fresh dict of what `locals()` would answer."""
    items: dict[Any, Any] = {}
    for name, value in zip(frame.program.names, frame.locals, strict=True):
        held = value.load(ctx) if isinstance(value, CellVariable) else ctx.settle(value)
        if held is not None and held is not UNSET:
            items[name] = held
    return DictVariable(items)
