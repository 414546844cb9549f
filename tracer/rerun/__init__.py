"""Recorded calls run again: under other settings (`session.recompile`), or to see whether the same decisions are taken
(`session.replay`, `tracer.replay`)."""

from .hits import Hit
from .kept import Keeper, KeptCall
from .methods import Reruns

__all__ = ["Hit", "Keeper", "KeptCall", "Reruns"]
