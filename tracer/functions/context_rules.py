"""Call rules of context variables: a read is guarded by what it gave. Writes are made by Python, and so are reads that give no constant."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from ..signals import Declined
from ..variables import PinnedVariable, Variable, literal
from .table import calls

if TYPE_CHECKING:
    from ..context import Context

_UNSET = object()
_CONSTANTS = frozenset({type(None), bool, int, float, str, bytes})


class _Read:
    """What a context variable gives now, with its type; the same read of the same variable is equal. It is asked at each check."""

    __slots__ = ("__name__", "plain", "variable")

    def __init__(self, variable: contextvars.ContextVar[Any], plain: bool):
        self.variable, self.plain = variable, plain
        self.__name__ = f"{variable.name}.get"

    def __call__(self) -> tuple[Any, ...]:
        """`plain`: its own default counts. () where there is no value."""
        try:
            value = self.variable.get() if self.plain else self.variable.get(_UNSET)
        except LookupError:
            return ()
        return () if value is _UNSET else (type(value), value) if type(value) in _CONSTANTS else (type(value), id(value))

    def __eq__(self, other: object) -> bool:
        return type(other) is _Read and other.variable is self.variable and other.plain is self.plain

    def __hash__(self) -> int:
        return hash((self.variable, self.plain))


@calls.exact(contextvars.ContextVar.get)
def get(ctx: Context, variable: Variable, *default: Variable) -> Any:
    """`variable.get()`, `variable.get(default)`: a constant, or no value."""
    if not isinstance(variable, PinnedVariable) or type(variable.value) is not contextvars.ContextVar or len(default) > 1:
        return Declined("not a known context variable")
    read = _Read(variable.value, not default)
    answer = read()
    if answer and answer[0] in _CONSTANTS:
        ctx.asked[read, ()] = None
        return literal(answer[1])
    if not answer and default:
        ctx.asked[read, ()] = None
        return default[0]
    return Declined("what the context variable holds is no constant")
