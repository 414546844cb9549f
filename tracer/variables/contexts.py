"""Context variables as the trace leaves them: what each holds now, and the tokens that setting one gave.

A trace never sets one for real: what it read at entry stays readable, and other code of this context sees nothing of an attempt. The compiled
code sets what the program left. Tokens that leave the trace are real ones, made there by setting the variable and putting it back.
"""

from __future__ import annotations

import contextvars
import weakref
from typing import TYPE_CHECKING, Any

from .base import Variable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["ENTRY", "ContextStateVariable", "TokenVariable"]

#: What the variable held when the frame began, if anything: nobody has to know.
ENTRY: Any = type("_Entry", (), {"__repr__": lambda self: "<as at entry>", "__slots__": ()})()


class ContextStateVariable(Variable):
    """What a context variable of the program holds in this context: ENTRY or a variable. `tokens`: those that its changes gave, the oldest first,
    held weakly, as Python's own references hold them."""

    __slots__ = ("held", "tokens", "value")
    mutable = True

    def __init__(self, value: contextvars.ContextVar[Any], source: Source):
        super().__init__(source)
        self.value, self.held = value, ENTRY
        self.tokens: list[weakref.ref[TokenVariable]] = []

    def python_type(self) -> type:
        return contextvars.ContextVar

    def describe(self) -> str:
        return f"context variable {self.value.name}"

    def set(self, ctx: Context, held: Any) -> TokenVariable:
        """What the program's `set` gives."""
        token = TokenVariable(self, self.held)
        self.put(ctx, held)
        self.tokens = [older for older in self.tokens if older() is not None] + [weakref.ref(token)]
        return token

    def put(self, ctx: Context, held: Any) -> None:
        ctx.mutate(self)
        self.held = held

    def snapshot(self) -> Any:
        return self.held

    def restore(self, state: Any) -> None:
        self.held = state

    def is_changed(self, ctx: Context) -> bool:
        return self.held is not ENTRY

    def replay(self, body: Body, name: str) -> None:
        if self.held is not ENTRY:
            body.at_end(lambda: f"{name}.set({body.value(self.held)})")


class TokenVariable(Variable):
    """A token made while tracing: of which variable, what that held before, whether it was used to put that back."""

    __slots__ = ("__weakref__", "before", "state", "used")
    mutable = True

    def __init__(self, state: ContextStateVariable, before: Any):
        super().__init__(None)
        self.state, self.before, self.used = state, before, False

    def python_type(self) -> type:
        return contextvars.Token

    def use(self, ctx: Context) -> None:
        ctx.mutate(self)
        self.used = True

    def snapshot(self) -> Any:
        return self.used

    def restore(self, state: Any) -> None:
        self.used = state

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if name == "var":
            return ctx.build(self.state.value, ctx.pinned(self.state.value))
        if name != "old_value":
            return None
        return ctx.contexts.before_the_frame(ctx, self.state.value) if self.before is ENTRY else self.before

    def rebuild(self, body: Body) -> str:
        """The variable is as at entry before and after, but where that is what an unused token would put back: at most one is, and it comes last."""
        state, before = body.value(self.state), None if self.before is ENTRY else body.value(self.before)
        if before is None and not self.used:
            for older in [held for token in self.state.tokens if (held := token()) is not None and held.before is ENTRY and held.used]:
                body.value(older)
        name, back = body.fresh("token"), body.fresh("token")
        lines = [f"{name} = {state}.set(None)", *([f"{state}.reset({name})"] if self.used else ())]
        if before is not None:
            lines = [f"{back} = {state}.set({before})", *lines, f"{state}.reset({back})"]
        for line in lines:
            body.line(line)
        return name
