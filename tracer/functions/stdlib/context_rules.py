"""Call rules of context variables: a read of what was there at entry is guarded, what is set is known, and set again behind the graph.

Whether a token of before may be used, and in this context, only Python knows: it is used there. So are those that CPython refuses.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, NoReturn

from ...signals import Declined
from ...variables import FALSE, NONE, PinnedVariable, Variable, literal
from ...variables.contexts import ENTRY, ContextStateVariable, TokenVariable
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["before_the_frame"]

_UNSET = object()
_CONSTANTS = frozenset({type(None), bool, int, float, str, bytes})
_UNKNOWN = "not a known context variable"


class _Read:
    """What is asked of a context variable at each check; the same question about the same variable is equal. `plain`: what it gives, if that is a
    constant, else () where it gives nothing. Else: whether it was set in this context."""

    __slots__ = ("__name__", "plain", "variable")

    def __init__(self, variable: contextvars.ContextVar[Any], plain: bool):
        self.variable, self.plain = variable, plain
        self.__name__ = f"{variable.name}.get"

    def __call__(self) -> Any:
        if not self.plain:
            return self.variable.get(_UNSET) is not _UNSET
        try:
            value = self.variable.get()
        except LookupError:
            return ()
        return (type(value), value) if type(value) in _CONSTANTS else (type(value),)

    def __eq__(self, other: object) -> bool:
        return type(other) is _Read and other.variable is self.variable and other.plain is self.plain

    def __hash__(self) -> int:
        return hash((self.variable, self.plain))


def _asked(ctx: Context, variable: contextvars.ContextVar[Any], plain: bool) -> Any:
    read = _Read(variable, plain)
    ctx.asked[read, ()] = None
    return read()


def _entry(ctx: Context, variable: contextvars.ContextVar[Any]) -> Variable | None:
    """What `get()` gives at entry, or None."""
    try:
        value = variable.get()
    except LookupError:
        _asked(ctx, variable, True)
        return None
    if type(value) in _CONSTANTS:
        _asked(ctx, variable, True)
        return literal(value)
    return ctx.build(value, ctx.pinned(variable).step("context"))


def before_the_frame(ctx: Context, variable: contextvars.ContextVar[Any]) -> Variable:
    """What a token of the first change says that was there."""
    if _asked(ctx, variable, False):
        found = _entry(ctx, variable)
        assert found is not None
        return found
    return ctx.protocol.class_entry(ctx, contextvars.Token, "MISSING", contextvars.Token.MISSING)


def _known(variable: Variable) -> contextvars.ContextVar[Any] | None:
    real = variable.value if isinstance(variable, PinnedVariable) else None
    return real if type(real) is contextvars.ContextVar else None


def _state_of(ctx: Context, variable: contextvars.ContextVar[Any]) -> ContextStateVariable:
    """What the trace knows of it: one for each attempt."""
    known = ctx.context_states.get(id(variable))
    if known is None:
        known = ctx.context_states[id(variable)] = ContextStateVariable(variable, ctx.pinned(variable))
    return known


@calls.exact(contextvars.ContextVar.get)
def get(ctx: Context, variable: Variable, *default: Variable) -> Any:
    """`variable.get()`, `variable.get(default)`."""
    real = _known(variable)
    if real is None or len(default) > 1:
        return Declined(_UNKNOWN)
    state = ctx.context_states.get(id(real))
    if state is not None and state.held is not ENTRY:
        return state.held
    if default and not _asked(ctx, real, False):
        return default[0]
    found = _entry(ctx, real)
    if found is None:
        ctx.raise_with(LookupError, [variable])
    return found


@calls.exact(contextvars.ContextVar.set)
def set_(ctx: Context, variable: Variable, value: Variable) -> Any:
    """`variable.set(value)`: a token; the compiled code sets what the program leaves there."""
    real = _known(variable)
    return Declined(_UNKNOWN) if real is None else _state_of(ctx, real).set(ctx, value)


def _natively(ctx: Context, variable: contextvars.ContextVar[Any], why: str) -> NoReturn:
    ctx.break_("unsupported-builtin", expr=f"{variable.name}.reset(…)", func="ContextVar.reset", why=why)


@calls.exact(contextvars.ContextVar.reset)
def reset(ctx: Context, variable: Variable, token: Variable) -> Any:
    """`variable.reset(token)` with a token that the trace made: what was there before."""
    real = _known(variable)
    if real is None:
        return Declined(_UNKNOWN)
    if not isinstance(token, TokenVariable):
        _natively(ctx, real, "whether a token from before the graph still counts, and in this context, is asked of Python")
    if token.used or token.state.value is not real:
        _natively(ctx, real, "it raises, and the text of the error holds the token's address")
    token.use(ctx)
    token.state.put(ctx, token.before)
    return NONE


if hasattr(contextvars.Token, "__enter__"):  # since CPython 3.14

    @calls.exact(contextvars.Token.__enter__)
    def enter_token(ctx: Context, token: Variable) -> Any:
        """`with variable.set(value):` gives the token."""
        return token

    @calls.exact(contextvars.Token.__exit__)
    def leave_token(ctx: Context, token: Variable, *error: Variable) -> Any:
        """…and puts back what was there, as `reset` does."""
        if not isinstance(token, TokenVariable):
            return Declined("whether a token from before the graph still counts, and in this context, is asked of Python")
        reset(ctx, ctx.build(token.state.value, ctx.pinned(token.state.value)), token)
        return FALSE


@calls.exact(contextvars.copy_context)
def copy_context(ctx: Context) -> Any:
    """A copy of the context is Python's: it holds what the program has set so far."""
    ctx.break_("unsupported-builtin", expr="copy_context()", func="copy_context", why="the copy is an object of Python's, and holds all variables")
