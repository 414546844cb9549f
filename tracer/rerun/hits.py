"""Compiled code that runs again: recorded, and kept where it is the first of a call and there is room."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..events import CacheHit

if TYPE_CHECKING:
    from ..journal import Recorder
    from .kept import Keeper

__all__ = ["Hit"]


class Hit:
    """What the body of compiled code calls before it does anything. Its first run follows the compile and is no hit."""

    __slots__ = ("first", "frame", "keeper", "name", "recorder")

    def __init__(self, recorder: Recorder, keeper: Keeper, frame: str, name: str):
        self.recorder, self.keeper, self.frame, self.name, self.first = recorder, keeper, frame, name, True

    def __call__(self) -> None:
        if self.first:
            self.first = False
        else:
            if self.keeper.listening:
                self.keeper.hitting(self.frame, sys._getframe(1))
            self.recorder.aside(CacheHit, self.name, self.frame, frame=self.frame)
