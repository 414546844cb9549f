"""Frames to show: a frame of a code object that never runs, for the traceback of an exception that was raised while tracing.

In: a code object. Out: code of the same name, file and table of positions, whose call is a generator that hasn't begun: its frame
is the frame to show. An offset in the original means the same line and columns there.
"""

from __future__ import annotations

import dis
import types
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from typing import Any

__all__ = ["shell", "shown_traceback"]

_BODY = ("RETURN_GENERATOR", "POP_TOP", "RESUME", "LOAD_CONST", "RETURN_VALUE")
_ANOTHER = CO_VARARGS | CO_VARKEYWORDS | CO_COROUTINE | CO_ASYNC_GENERATOR


def shell(code: types.CodeType, namespace: dict[str, Any], names: tuple[str, ...] = ()) -> types.FunctionType:
    """The function that makes a frame to show; `names` are locals that it is given."""
    units = [dis.opmap[name] for name in _BODY]
    units += [dis.opmap["NOP"]] * (len(code.co_code) // 2 - len(units))
    varnames = (*names, *(name for name in code.co_varnames if name not in names))
    empty = code.replace(
        co_code=b"".join(bytes((unit, 0)) for unit in units), co_consts=(None,), co_exceptiontable=b"", co_freevars=(), co_cellvars=(),
        co_argcount=len(names), co_posonlyargcount=0, co_kwonlyargcount=0, co_varnames=varnames, co_nlocals=len(varnames),
        co_flags=code.co_flags & ~_ANOTHER | CO_GENERATOR,
    )  # fmt: skip
    return types.FunctionType(empty, namespace)


def shown_traceback(following: types.TracebackType | None, make: Any, values: tuple[Any, ...], lasti: int, line: int) -> types.TracebackType:
    """One entry of a traceback."""
    return types.TracebackType(following, make(*values).gi_frame, lasti, line)
