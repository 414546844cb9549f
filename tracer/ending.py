"""How a traced frame begins and ends: the frame as it is entered, and what is left to do where it returns, breaks or raises.

In: an attempt, its root frame, what came of it. Out: the body, the graph, the code that stands in for the frame.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import codegen
from .codegen.body import Body
from .compat import fakes
from .compat.memo import without_cache
from .compat.overriding import function_mode_count, push_function_mode
from .graph.finish import finish_graph
from .graph.modes import MODES, PutBack, enter_autocast, leave_autocasts
from .interpreter.exceptions import ExceptionState
from .interpreter.frame import Frame
from .signals import Decision
from .variables import NULL, UNSET, CellVariable, DictVariable, Lazy, SequenceVariable, TensorVariable, Variable

if TYPE_CHECKING:
    from .context import Context
    from .session import Session
    from .sources import Source

__all__ = ["Ending", "FrameInfo", "changed_modes", "enter", "fake_mode_of", "given_back"]


class FrameInfo:
    """What the hook knows of the frame it asks about."""

    __slots__ = ("cells", "code", "globals", "locals", "name", "origin")

    def __init__(self, code: types.CodeType, locals: dict[str, Any], globals: dict[str, Any], cells: tuple[types.CellType, ...]):
        self.code, self.locals, self.globals, self.cells = code, locals, globals, cells
        self.origin = codegen.original_of(code)[0]
        self.name = self.origin.co_qualname

    def goes_on_from(self, code: types.CodeType) -> bool:
        """Whether this is a part of the function that begins behind a break, and `code` is of what ran before it."""
        mine = self.origin
        return codegen.is_resume(self.code) and (code.co_filename, code.co_firstlineno, code.co_qualname) == (
            mine.co_filename, mine.co_firstlineno, mine.co_qualname
        )  # fmt: skip


def fake_mode_of(session: Session, dynamic: Any) -> Any:
    """The mode in which one attempt is traced."""
    shape_env = fakes.ShapeEnv(**session.shape_env_settings()) if dynamic.from_data else None
    mode = fakes.new_fake_mode(shape_env, **session.fake_mode_settings())
    if shape_env is None:
        without_cache(mode)
    return mode


def enter(ctx: Context, info: FrameInfo) -> Frame:
    """The attempt's root frame, with torch as it is traced in: inference mode has no gradients."""
    if ctx.inference:
        for name in ("grad", "forward_grad"):
            MODES[name].write(ctx.modes_at_entry[name])
    root = _root_frame(ctx, info)
    ctx.session.traced = ctx
    ctx.root_frame = ctx.frame = root
    return root


def _root_frame(ctx: Context, info: FrameInfo) -> Frame:
    """The frame as it is entered: arguments lazily built, cells of its own and of its closure."""
    program = ctx.program(info.code)
    args, cells = codegen.entry_names(info.code)
    ctx.entered = info.locals
    locals: list[Any] = [None] * program.size
    own = len(info.code.co_cellvars)
    for name in args:
        locals[program.names.index(name)] = Lazy(info.locals[name], ctx.local(name))
    for i, name in enumerate(cells):
        source = ctx.root("cell", name, name)
        held: Any = UNSET
        if name in info.locals:
            held = Lazy(info.locals[name], ctx.local(name))
        index = program.names.index(name) if i < own else program.free_base + i - own
        cell = CellVariable(held, source, info.cells[i - own] if i >= own else None, name)
        if i >= own:
            ctx.remember(cell, info.cells[i - own], source)
        locals[index] = cell
    return Frame(program, locals, info.globals, None)


class Ending:
    """What is left to do at the end of an attempt. `result`: what the frame returns, or raises; `stopped`: where it breaks instead."""

    def __init__(self, ctx: Context, info: FrameInfo, root: Frame, result: Variable | None, stopped: Decision | None):
        self.ctx, self.info = ctx, info
        args, cells = codegen.entry_names(info.code)
        body = self.body = Body(ctx, args, cells)
        self.point, self.stays = None, False
        if stopped is not None:
            body.goes_on = root
            self.stays = stopped.value.stays or ctx.lifetimes.keep(root)
            self.point, self.answer = _break_state(ctx, body, root, self.stays)
        else:
            assert result is not None
            self.answer = body.value(result)
        self.entered = [(body.value(manager), manager in ctx.overriding.modes) for manager in ctx.overriding.entered]
        body.settle_later()
        body.replay_effects(cells[: len(info.code.co_cellvars)] if stopped is None else ())
        self.autocasts = leave_autocasts(ctx)
        self.graph = finish_graph(ctx, body)

    def inputs(self) -> list[str]:
        return [self.body.load(i.source) for i in self.graph.inputs]

    def modes(self) -> list[str]:
        """Lines that leave torch's switches as the program does."""
        body = self.body
        return [
            f"{body.pin(MODES[n].write, n)}({repr(value) if isinstance(value, bool) else body.pin(value, n)})"
            for n, value in changed_modes(self.ctx)
        ] + [
            *(f"{body.pin(enter_autocast, 'enter_autocast')}({', '.join(body.pin(v, 'setting') for v in args)})" for args in self.autocasts),
            *(f"{body.pin(push_function_mode, 'push_mode')}({name})" if mode else f"{name}.__enter__()" for name, mode in self.entered),
        ]

    def put_back(self) -> PutBack:
        """For what is raised before those lines are done."""
        ctx = self.ctx
        overriding = (function_mode_count(), ctx.overriding.entry) if self.entered else None
        return PutBack({name: ctx.modes_at_entry[name] for name, _ in changed_modes(ctx)}, ctx.autocast_at_entry, overriding)

    def code(self, python: Callable[..., Any], may_end: bool = False) -> types.CodeType:
        """What runs in place of the frame's code, with `python` as its body. `may_end`: that may raise `codegen.Instead`."""
        if self.point is None:
            return codegen.finished(self.info.code, python)
        return codegen.broken(self.info.code, python, self.point, self.stays, may_end)


def changed_modes(ctx: Context) -> list[tuple[str, Any]]:
    now = ((name, mode.read()) for name, mode in MODES.items())
    return [(name, value) for name, value in now if value != ctx.modes_at_entry[name]]


def given_back(result: Any) -> dict[tuple[Any, ...], Source]:
    """What the result holds of the frame's arguments, by the keys and indices that lead there: where each was found. Tensors are left out."""
    found: dict[tuple[Any, ...], Source] = {}
    open_: list[tuple[tuple[Any, ...], Any]] = [((), result)]
    seen: set[int] = set()
    while open_:
        path, part = open_.pop()
        if part is None or isinstance(part, TensorVariable):
            continue
        if part.source is not None:
            if part.source.root.kind == "local":
                found[path] = part.source
        elif id(part) not in seen:
            seen.add(id(part))
            if isinstance(part, SequenceVariable):
                open_ += [((*path, index), one) for index, one in enumerate(part.items)]
            elif isinstance(part, DictVariable):
                open_ += [((*path, key), one) for key, one in part.items.items()]
    return found


def _break_state(ctx: Context, body: Body, root: Frame, stays: bool) -> tuple[codegen.Point, str]:
    """The point before the breaking operation, and the tuple of live locals and stack values that the body returns. A frame
    that `stays` goes on with all that it holds."""
    program, pc = root.program, root.pc
    live = program.decoded.live_in(pc)
    bound, values = [], []
    whole = stays or not _FRAME_READERS.isdisjoint(program.code.co_names)
    for index, name in enumerate(program.names):
        held = root.locals[index]
        if held is None or isinstance(held, CellVariable) and held.source is not None and held.source.kind == "cell":
            continue
        if index < program.free_base and name in program.code.co_freevars:
            continue  # the first parameter of resume code, which stands there for bare `super()`: its value is in the cell
        if index in live or whole:
            bound.append(name)
            values.append(body.load(held.source) if type(held) is Lazy else body.value(held))
    slots: list[codegen.Slot] = []
    handled = [*[held.previous for held in root.stack if isinstance(held, ExceptionState)][1:], ctx.handled]
    for held in root.stack:
        if held is NULL:
            slots.append(codegen.Slot.NULL)
        elif isinstance(held, ExceptionState):
            slots.append(codegen.Slot.STATE)
            error = handled.pop(0)
            assert error is not None
            value = body.value(error)
            values.append(value if error.source is not None else f"{body.pin(_as_raised, 'as_raised')}({value})")
        else:
            slots.append(codegen.Slot.VALUE)
            values.append(body.value(held))
    offset = program.decoded.ops[pc].offset
    return codegen.Point(offset, tuple(bound), tuple(slots)), f"({', '.join(values)}{',' if len(values) == 1 else ''})"


def _as_raised(error: BaseException) -> BaseException:
    """An exception that was raised while tracing and is being handled: CPython hands its traceback to `__exit__`
    without looking whether there is one."""
    if error.__traceback__ is None:
        frame = sys._getframe(2)  # of the user's function: this one was called by the body, the body by it
        error.__traceback__ = types.TracebackType(None, frame, frame.f_lasti, frame.f_lineno)
    return error


#: Builtins that look at the frame that calls them: all its locals must be there when they run natively.
_FRAME_READERS = frozenset({"eval", "exec", "locals", "dir", "vars", "_getframe", "currentframe", "stack", "breakpoint", "set_trace"})
