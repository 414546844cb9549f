"""Overrides about calls and lines. A handler of ours stands before each operation that one may be about: it looks whether
the override fits this call, and puts what the action makes of the callable in the callable's place on the stack.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..codegen import group_start
from ..functions.overridden import Overridden
from ..interpreter.frame import Frame, Program
from ..interpreter.paths import offset_of, path_of, visit
from ..isa.canonical import Op
from ..overrides import ACTIONS, Override
from ..signals import Break
from ..variables import NULL, BoundVariable, FunctionVariable, ModuleVariable, PartialVariable, PinnedVariable, Variable
from . import nodes

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["is_named", "named", "names_of_code", "prepare"]

_CALLS = ("Call", "CallEx")


# ---- names
def names_of(variable: Any) -> list[str]:
    """What a person may call a callable: its qualified names, its source."""
    kind = type(variable)
    names = [variable.source.text] if variable.source is not None else []
    if kind is FunctionVariable:
        names += [variable.qualname, f"{variable.globals.get('__name__')}.{variable.qualname}"]
    elif kind is BoundVariable or kind is PartialVariable:
        names += names_of(variable.function)
    elif isinstance(variable, ModuleVariable):
        names += [variable.cls.__qualname__, f"{variable.cls.__module__}.{variable.cls.__qualname__}"]
    elif kind is PinnedVariable:
        module, name = (getattr(variable.value, part, None) for part in ("__module__", "__qualname__"))
        names += [n for n in (variable.describe(), name, f"{module}.{name}") if isinstance(n, str)]
    return names


def names_of_code(code: types.CodeType, namespace: dict[str, Any]) -> list[str]:
    return [code.co_qualname, f"{namespace.get('__name__')}.{code.co_qualname}"]


def is_named(wanted: str, names: list[str]) -> bool:
    """`helper` also names `f.<locals>.helper` and `package.helper`."""
    return any(name == wanted or name.endswith("." + wanted) for name in names)


# ---- before an operation
class _Intercept:
    """The argument of `_intercepted`: the operation's own handler and argument, and the overrides that it may fit."""

    __slots__ = ("arg", "handler", "name", "overrides")

    def __init__(self, handler: Callable[..., Any], arg: Any, name: str, overrides: list[Override]):
        self.handler, self.arg, self.name, self.overrides = handler, arg, name, overrides


def prepare(program: Program, overrides: list[Override]) -> None:
    """In place, also while the program runs; without overrides it is as it was decoded."""
    starts = _line_starts(program) if any(o.action == "break_here" for o in overrides) else frozenset()
    for index, op in enumerate(program.decoded.ops):
        handler, arg = program.steps[index]
        if type(arg) is _Intercept:
            handler, arg = arg.handler, arg.arg
        fitting = [o for o in overrides if _may_fit(program, index, op.name, o, starts)]
        program.steps[index] = (_intercepted, _Intercept(handler, arg, op.name, fitting)) if fitting else (handler, arg)


def _may_fit(program: Program, index: int, name: str, override: Override, starts: frozenset[int]) -> bool:
    at = override.at
    if at.decision:
        last = at.decision[-1]
        fits = name in _CALLS or override.action == "break_here" and group_start(program.decoded, index) == index
        return fits and offset_of(program, index) == last.offset
    file, line = program.place(index)[:2]
    if override.action == "break_here":
        return index in starts and at.is_line(file, line)
    return name in _CALLS and at.is_line(file, line)


#: Operations between which a frame has no state that other code could go on from, or that begin a function.
_INNER = frozenset({"MakeCell", "CopyFreeVars", "ReturnGenerator", "PushExcInfo", "WithExceptStart", "Reraise", "PopExcept", "EndFor", "EndSend"})


def _line_starts(program: Program) -> frozenset[int]:
    """Operations that begin a line, as the user's code has them: not those that a resume function begins with."""
    ops = program.decoded.ops
    origin = nodes.original_program(program)
    lines = {op.offset: op.location[0] for op in origin.ops}
    before: dict[int, int | None] = {}
    previous: int | None = None
    for op in origin.ops:
        before.setdefault(op.offset, previous)
        previous = op.location[0]
    found: dict[int, int] = {}
    for index in range(len(ops)):
        offset = offset_of(program, index)
        if ops[index].name not in _INNER and offset in lines and lines[offset] != before[offset]:
            found[offset] = group_start(program.decoded, index)
    return frozenset(_behind_cells(ops, index) for index in found.values())


_MAKING = frozenset({"LoadClosure", "BuildTuple", "LoadConst", "MakeFunction", "SetFunctionAttribute"})


def _behind_cells(ops: list[Op], index: int) -> int:
    """A line that begins by making a function has bare cells on the stack, which can't be handed over: after that, then."""
    if ops[index].name == "LoadClosure":
        while ops[index].name in _MAKING:
            index += 1
    return index


def _intercepted(ctx: Context, frame: Frame, hook: _Intercept) -> Any:
    if ctx.pins.looking:
        return hook.handler(ctx, frame, hook.arg)
    index = frame.pc - 1
    time = (frame.visits or {}).get(index, 1) if frame is ctx.root_frame else visit(frame, index)
    for override in hook.overrides:
        at = override.at
        if at.occurrence and at.occurrence != time or at.decision and not at.on_path(path_of(frame, time)):
            continue
        if ACTIONS[override.action].about == "line":
            raise asked_for(ctx, override, f"before line {frame.location[1]}")
        slot = _callable_slot(frame, hook)
        function = frame.stack[slot]
        if not is_named(at.source, names_of(function)) if at.source else at.line and _is_operator(ctx, function):
            continue  # a line means the calls of functions and modules in it, not its `range(…)` and `torch.relu(…)`
        if not nodes.was_refused(ctx, override, time):
            frame.stack[slot] = Redirected(function, override, time)
            break
    return hook.handler(ctx, frame, hook.arg)


def _is_operator(ctx: Context, function: Any) -> bool:
    if type(function) is FunctionVariable:
        return function.function is not None and ctx.functions.is_node(function.function)
    return type(function) is PinnedVariable


def _callable_slot(frame: Frame, hook: _Intercept) -> int:
    """Where the callable is: below the arguments, with a NULL or its first argument as a neighbour."""
    stack = frame.stack
    top = len(stack) - (hook.arg[0] if hook.name == "Call" else 2 if hook.arg else 1)
    if hook.name == "CallEx":
        return top - 2 if stack[top - 1] is NULL else top - 1
    return top - 1 if stack[top - 2] is NULL else top - 2


def asked_for(ctx: Context, override: Override, what: str) -> Break:
    """The break that an override asks for. A higher-order body turns it into a reason of its own."""
    ctx.pins.applied[override] = ctx.pins.applied.get(override, 0) + 1
    stop = Break("override-asked-for-break", what=what, why=override.text)
    stop.override = override
    return stop


class Redirected(Variable):
    """Stands for a callable in the one call that an override is about."""

    __slots__ = ("function", "override", "time")

    def __init__(self, function: Variable, override: Override, time: int):
        self.function, self.override, self.time, self.source, self.vid = function, override, time, None, 0

    def python_type(self) -> type:
        return self.function.python_type()

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return carry_out(ctx, self.override, self.function, args, kwargs, self.time)


def carry_out(ctx: Context, override: Override, function: Any, args: list[Variable], kwargs: dict[str, Variable], time: int = 0) -> Any:
    """Do the call as the override says."""
    if override.action == "eager":
        assert ctx.frame is not None
        file, line = ctx.frame.location[:2]
        ctx.pins.run_plainly(file, line)
        raise asked_for(ctx, override, "to run this call as plain Python")
    if override.action == "inline":
        return nodes.followed(ctx, override, function, args, kwargs, time)
    return nodes.one_node(ctx, override, function, args, kwargs, time)


def named(ctx: Context, function: types.FunctionType, plan: Any) -> Any:
    """A function's plan, or one that an override by that name comes before."""
    names = [function.__qualname__, f"{function.__module__}.{function.__qualname__}"]
    for override in ctx.pins.by_name:
        if is_named(override.at.source, names):
            return Overridden(override, plan, applies, carry_out)
    return plan


def applies(ctx: Context, override: Override) -> bool:
    return not ctx.pins.looking and not nodes.was_refused(ctx, override, 0)
