"""A frame of the symbolic interpreter, and the program it runs: decoded operations bound to their handlers."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

from ..compat.finalisers import LAST_LOCAL_FIRST
from ..isa import Decoded, Op, decode, names_local
from ..variables import (
    FALSE,
    NONE,
    TRUE,
    UNSET,
    CellVariable,
    ConstantVariable,
    PinnedVariable,
    SetVariable,
    SliceVariable,
    TupleVariable,
    Variable,
)
from ..variables.keys import TupleKey
from .table import HANDLERS, unsupported

__all__ = ["DISCARD", "RETURN", "YIELD", "Frame", "Program"]

#: What a handler answers to leave the frame, and what `on_return` answers to drop the value.
RETURN, YIELD, DISCARD = object(), object(), object()


def constant_variable(value: Any) -> Variable:
    """The variable of an entry of co_consts, or of a part of one, or of what bytecode names by a number of its own (since 3.14)."""
    if value is None:
        return NONE
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    if type(value) is tuple:
        return TupleVariable([constant_variable(v) for v in value], tuple, None, value)
    if type(value) is frozenset:
        return SetVariable({_constant_key(v): None for v in value}, frozenset, order=value)
    if type(value) is slice:
        return SliceVariable([constant_variable(v) for v in (value.start, value.stop, value.step)], None, value)
    return PinnedVariable(value) if isinstance(value, type | types.BuiltinFunctionType) else ConstantVariable(value)


def _constant_key(value: Any) -> Any:
    if type(value) is not tuple:
        return value
    key = TupleKey(map(_constant_key, value))
    key.variable = constant_variable(value)
    return key


#: (operation, argument, location, slots at the top of the stack that the operation before it may have written)
Said = tuple[str, str, tuple[Any, ...], int]


#: (handler, argument) of each operation.
Steps = list[tuple[Callable[..., Any], Any]]


def _steps(ops: list[Op]) -> tuple[Steps, list[int]]:
    """The steps of the operations, and which of them load constants."""
    return (
        [(HANDLERS.get(op.name) or unsupported(op.name, op.arg), op.arg) for op in ops],
        [index for index, op in enumerate(ops) if op.name == "LoadConst"],
    )


class Program:
    """What a session remembers of a code object: `steps[i]` is (handler, argument) of operation i."""

    __slots__ = ("argcount",
        "cells",
        "code",
        "decoded",
        "exceptions",
        "free_base",
        "kwonly",
        "names",
        "said",
        "simple",
        "size",
        "steps",
        "tops",
        "total",
    )

    def __init__(self, code: types.CodeType):
        self.code = code
        self.decoded: Decoded = decode(code)
        self.exceptions = self.decoded.handlers
        arranged, constants = self.decoded.arranged(_steps)
        self.steps = steps = arranged.copy()
        for index in constants:  # a variable is of one session
            handler, value = steps[index]
            steps[index] = handler, constant_variable(value)
        self.names = self.decoded.names
        self.tops = self.decoded.tops()
        self.size = len(self.names)
        self.argcount = code.co_argcount
        self.kwonly = code.co_kwonlyargcount
        self.total = self.argcount + self.kwonly
        self.simple = not (code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)) and not self.kwonly
        self.free_base = self.size - len(code.co_freevars)
        #: What events say of each operation, once one asked: (name, argument, place, how many slots the one before it wrote).
        self.said: list[Said | None] = [None] * len(steps)

    def say(self, index: int) -> Said:
        """Operation `index` in words, and (file, line, column, end line, end column) of it."""
        said = self.said[index]
        if said is None:
            op = self.decoded.ops[index]
            text = self.names[op.arg] if names_local(op) else argument_text(op.arg)
            said = self.said[index] = op.name, text, (self.code.co_filename, *op.location), self.tops[index]
        return said

    def place(self, index: int) -> tuple[Any, ...]:
        """(file, line, column, end line, end column) of operation `index`."""
        return (self.said[index] or self.say(index))[2]


class Frame:
    """`locals` is in the order of `program.names` (None: unbound); cells hold CellVariables; `pc` is the next operation."""

    __slots__ = (
        "back", "call", "decoded", "depth", "function", "generator", "globals", "last", "left", "locals", "modules", "on_return", "opens", "pc", "program",
        "shown", "stack", "steps", "visits",
    )  # fmt: skip

    def __init__(self, program: Program, locals: list[Any], globals: dict[str, Any], function: Variable | None):
        self.program, self.steps, self.decoded = program, program.steps, program.decoded
        self.locals, self.globals, self.function = locals, globals, function
        self.stack: list[Any] = []
        self.pc = 0
        self.back: Frame | None = None
        self.on_return: Callable[[Variable], Any] | None = None
        self.depth = 0
        self.opens = 0
        self.generator: Any = None  # whose frame it is, while that runs
        self.last = 0  # of a root frame: the operation that ran last
        self.shown = 0  # how many entries of tracebacks show it
        self.left = False  # whether it was left, and only they have its locals
        self.call: Any = None
        self.visits: dict[int, int] | None = None
        self.modules: dict[str, tuple[str, str]] | None = None

    def snapshot(self) -> Any:
        return list(self.locals), list(self.stack), self.pc, self.call

    def restore(self, state: Any) -> None:
        self.locals, self.stack, self.pc, self.call = list(state[0]), list(state[1]), *state[2:]
        self.opens = 0  # a body that was rolled back left it open

    def drop(self, kept: Any = None) -> None:
        """The frame is left: what it held goes, in CPython's order, unless a traceback shows it; then when that goes. `kept`: the objects
        that the attempt keeps in a table of changes. It is given for the root frame, whose own cells are in it; the program
        may hold them by functions alone."""
        self.left = True
        if self.shown:
            return
        held = self.locals
        for index in range(len(held))[:: -1 if LAST_LOCAL_FIRST else 1]:
            slot, held[index] = held[index], None
            if kept is not None and isinstance(slot, CellVariable) and slot.source is not None and slot.real_cell is None:
                others = sys.getrefcount(slot) - 2 - (slot in kept)  # two: `slot` here, and the argument
                if not others:
                    slot.value = UNSET
            slot = None
        self.stack.clear()

    @property
    def location(self) -> tuple[Any, ...]:
        """(file, line, column, end line, end column) of the operation that runs."""
        index = self.pc - 1 if self.pc else 0
        program = self.program
        return program.place(index) if index < len(program.steps) else ()

    @property
    def written(self) -> tuple[Any, ...]:
        """The location, or that of the last operation before it which is on a line: some that CPython adds are on none."""
        found = self.location
        index = self.pc - 1
        while found and found[1] is None and index > 0:
            index -= 1
            found = self.program.place(index)
        return found if found and found[1] is not None else ()


def argument_text(arg: Any) -> str:
    """A canonical argument in a few words; never the `repr` of a user's object."""
    if arg is None:
        return ""
    if type(arg) in (str, int, bool):
        return str(arg)
    if type(arg) is tuple:
        return ", ".join(_part(a) for a in arg)
    return _part(arg)


def _part(value: Any) -> str:
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return name
    text = repr(value) if type(value) in (str, int, float, bool, type(None), tuple, bytes) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
