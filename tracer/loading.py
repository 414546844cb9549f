"""Importing what a first trace needs, whole: an interrupt in the middle leaves torch in a state that no later import mends."""

from __future__ import annotations

import contextlib
import importlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["load_everything", "uninterrupted"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt (Ctrl-C, a notebook's stop button) waits until the block has ended. Outside the main thread none arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])


def load_everything() -> None:
    """Every module that tracing a first call would import by itself."""
    with uninterrupted():
        importlib.import_module("tracer.session")
        importlib.import_module("tracer.compat.backends").lookup_backend("eager")
