"""What a trace does to its thread is undone: torch's modes and switches, stacks of modes, contexts, autocast.

In: a function to run, the program's state as it is. Out: what the function gives, and the same state again, whatever raised and
wherever, also an interrupt between two instructions of ours or of torch's. While it runs, nothing of the program's watches: hooks
on saved tensors are set aside. (A frame under dispatch or function modes of the program is not traced: `stacks.other_tracer`.)
"""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ..compat import functorch
from ..compat.stacks import Stacks
from ..interpreter.lifetimes import Lifetimes
from ..signals import Restart, Untraceable
from .fakes import hushed
from .modes import MODES, AutocastState, put_modes

__all__ = ["standing", "undone"]

_TRIES = 5  # of putting back, each cut by an interrupt; the last one's goes out in any case


class _Before:
    """The state of this thread as a trace finds it."""

    __slots__ = ("autocast", "collectors", "hushed", "modes", "stacks")

    def __init__(self) -> None:
        self.modes = {name: mode.read() for name, mode in MODES.items()}
        self.autocast, self.stacks, self.hushed, self.collectors = AutocastState(), Stacks(), hushed.on, gc.callbacks[:]

    def put_back(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Restart | Untraceable):
            # Context managers that the error cut off are still entered, and would leave at some later time: now.
            traceback.clear_frames(error.__traceback__)
        put_modes(self.modes, self.autocast)
        self.stacks.put_back()
        for collector in gc.callbacks[:]:
            owner = getattr(collector, "__self__", None)
            if type(owner) is Lifetimes and owner.is_here() and collector not in self.collectors:
                owner.close()
        hushed.on = self.hushed


def undone(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, after which this thread's state is what it was before.

    An interrupt may come behind any call, also while things are put back: that is done again, then, and the interrupt goes out
    afterwards. So no call stands outside of a `try` here.
    """
    before = _Before()
    try:
        before.stacks.set_aside()
        hushed.on = True
        return function(*args)
    finally:
        tries, cut = 0, None
        while True:
            tries += 1
            try:
                before.put_back(sys.exc_info()[1])
                break
            except BaseException as error:
                cut = error
                if tries == _TRIES:
                    raise
        if cut is not None:
            raise cut


def standing(function: Callable[..., Any], dual: bool = False) -> Callable[..., Any]:
    """`function`, in which modes and levels of torch are entered (a graph with bodies of operators, for which torch traces when it runs, or with
    transforms of torch.func; torch.export): where it raises, maybe at an interrupt in the middle of entering one, the stacks are as before.
    `dual`: it enters levels of forward differentiation."""

    def call(*args: Any, **kwargs: Any) -> Any:
        before = Stacks()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            if dual:
                functorch.leave_dual_after(error)
            before.put_back()
            raise

    return call
