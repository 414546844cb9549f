"""The state of the thread in which a body of a function is traced: the one in which whoever calls it will run it, which isn't always the state around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ..compat.functorch import lowered
from ..functions.torch.later import Later
from ..graph.modes import MODES, AutocastState

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["at_level", "in_later", "in_moment"]


@contextmanager
def in_moment(ctx: Context, grad: bool, autocast: bool, tangents: bool = True) -> Iterator[None]:
    """The switches as they are when the body runs: whoever runs it sets them, so the graph doesn't. Where `tangents` is off, so is forward mode."""
    forward_mode = MODES["forward_grad"]
    before, tangents_before, casts = torch.is_grad_enabled(), forward_mode.read(), AutocastState()
    torch._C._set_grad_enabled(grad)
    if not tangents:
        forward_mode.write(False)
    if not autocast:
        for device, enabled, _ in casts.casts:
            if enabled:
                torch.set_autocast_enabled(device, False)
    ctx.refresh_modes()
    try:
        yield
    finally:
        torch._C._set_grad_enabled(before)
        forward_mode.write(tangents_before)
        if not autocast:
            casts.restore()
        ctx.refresh_modes()


@contextmanager
def in_later(ctx: Context, later: Later | None) -> Iterator[None]:
    before, ctx.later = ctx.later, later
    try:
        yield
    finally:
        ctx.later = before


@contextmanager
def at_level(ctx: Context, depth: int) -> Iterator[None]:
    """Only the outermost `depth` levels of torch.func are on, as where torch calls a part of a function from inside a level."""
    before = ctx.levels
    ctx.levels = [level for level in before if level.kind != "dual"][:depth]
    try:
        with lowered(depth):
            yield
    finally:
        ctx.levels = before
