"""CPython 3.15, for reading only: an iterator has a place beside it (NULL, or how far a list or tuple is), imports may be lazy.

Loops, `yield from` and `await` are written with the operations of older versions, which know no such place: it is moved away before one of
them and put back behind it.
"""

from __future__ import annotations

from typing import Any

from tracer.isa import v314
from tracer.isa.rules import Context, Dialect, JumpTo, Several

__all__ = ["DIALECT"]

_CACHES = dict(v314.DIALECT.caches) | {"RESUME": 1, "GET_ITER": 1, "CALL_FUNCTION_EX": 1}

_Steps = tuple[tuple[str, Any], ...]
_PUT_BACK: _Steps = (("PushNull", None), ("Swap", 2))  # v → NULL v
_FROM_SECOND: _Steps = (("Swap", 2), ("Pop", None))  # NULL v → v
_FROM_THIRD: _Steps = (("Swap", 3), ("Pop", None), ("Swap", 2))  # NULL v w → v w


def _steps(*steps: tuple[str, Any]) -> Several:
    return Several(lambda context, arg: steps)


def _iterator(context: Context, arg: int) -> _Steps:
    return ("GetYieldFromIter" if arg else "GetIter", None), ("PushNull", None)


def _import(context: Context, arg: int) -> _Steps:
    """Two bits beside the name: lazy at once, or never (in a function, a `try`); neither asks the program's filter."""
    name = context.names[arg >> 2]
    return (("CallIntrinsic2", f"IMPORT_LAZILY {name}") if arg & 1 else ("ImportName", name),)


_RULES = dict(v314.DIALECT.rules) | {
    "GET_ITER": Several(_iterator),
    # A handler may count on both: they change places. The iterator goes when it is exhausted, and one of POP_ITER's two is left.
    "FOR_ITER": JumpTo("ForIter", past=("END_FOR",), before=(("Swap", 2),), after=(("Swap", 2), ("Swap", 3), ("Swap", 2)), lands=1),
    "POP_ITER": _steps(("Pop", None), ("Pop", None)),
    "SEND": JumpTo("Send", past=("END_SEND",), before=_FROM_SECOND, after=_PUT_BACK),
    "END_SEND": _steps(*_FROM_SECOND, ("EndSend", None)),
    "CLEANUP_THROW": _steps(*_FROM_THIRD, ("CleanupThrow", None), *_PUT_BACK),
    "IMPORT_NAME": Several(_import),
}
del _RULES["GET_YIELD_FROM_ITER"]

DIALECT = Dialect((3, 15), _RULES, _CACHES)
