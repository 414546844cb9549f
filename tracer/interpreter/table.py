"""The table of operation handlers. `@handles("Name")` registers `handler(ctx, frame, arg)`; an answer of None goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..signals import Break

__all__ = ["HANDLERS", "handles", "unsupported"]

HANDLERS: dict[str, Callable[..., Any]] = {}


def handles(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            if name in HANDLERS:
                raise AssertionError(f"two handlers for {name}")
            HANDLERS[name] = handler
        return handler

    return register


#: Operations of async code: they suspend to an event loop that a graph can't model.
_ASYNC = frozenset({"GetAwaitable", "GetAiter", "GetAnext", "EndAsyncFor", "BeforeAsyncWith", "AsyncGenWrap"})


def unsupported(name: str, arg: Any) -> Callable[..., Any]:
    """A handler that breaks the graph: the operation is known, but not traced."""
    reason = "async-construct" if name in _ASYNC else "unsupported-opcode"

    def handler(ctx: Any, frame: Any, arg: Any) -> None:
        raise Break(reason, name=name if name != "Unsupported" else str(arg), expr=name)

    return handler
