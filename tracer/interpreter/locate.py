"""Where the program is when a break is met, noted on the break.

In: a break, and the frames that run. Out: its innermost line of the program, the lines that called it, and what a line of a library asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..callers import is_module_call
from .lifetimes import WEAKLY
from .managers import told_of_manager

if TYPE_CHECKING:
    from ..context import Context
    from ..signals import Break

__all__ = ["locate"]

#: Where torch's operators are written that are Python functions: what they do, the call of them does.
_OPERATORS = frozenset({"torch.functional", "torch.nn.functional", "torch.linalg", "torch._jit_internal", "torch._tensor"})


def locate(ctx: Context, stop: Break) -> None:
    """Note where the program is when a break is met: the innermost user location, and the stack of user frames. Once: the first to ask is the nearest."""
    if stop.user_stack:
        return
    frames = []
    frame = ctx.frame
    while frame is not None:
        stop.stays |= frame.globals.get("__name__") in WEAKLY
        if place := frame.written:
            name = frame.decoded.code.co_qualname
            called = ctx.session.called_from(name) if is_module_call(place[0]) else None  # our own text calls a module
            frames.append((frame, called or (*place, name)))
        frame = frame.back
    own_code = [number for number, (f, _) in enumerate(frames) if not ctx.session.is_library(f.decoded.code)]
    user = [frames[number][1] for number in own_code] or [entry for _, entry in frames[-1:]]
    whole = own_code[0] - 1 if own_code and own_code[0] and told_of_manager(stop, frames[own_code[0] - 1][0]) else 0
    stop.user_stack = tuple(reversed(user))
    stop.location = user[0][:5] if user else ()
    own = whole  # how many of the innermost are an operator's own Python, or a manager's
    while own + 1 < len(frames) and frames[own][0].globals.get("__name__") in _OPERATORS:
        own += 1
    if frames:
        innermost, entry = frames[own]
        stop.asks = innermost.decoded.asking(innermost.pc - 1) if innermost.pc and not own else None
        stop.inner = entry if entry is not user[0] else ()
