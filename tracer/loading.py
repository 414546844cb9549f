"""Importing what a first trace needs, whole: an interrupt in the middle leaves torch in a state that no later import mends."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from . import handlers

__all__ = ["load_everything", "uninterrupted"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt (Ctrl-C, a notebook's stop button) waits until the block has ended."""
    handlers.hold()
    try:
        yield
    except BaseException:
        handlers.let_go(deliver=False)
        raise
    try:
        handlers.let_go()
    except handlers.Delivered as stop:
        raise stop.error from None


def load_everything() -> None:
    """Every module that tracing a first call would import by itself."""
    with uninterrupted():
        importlib.import_module("tracer.session")
        importlib.import_module("tracer.compat.backends").lookup_backend("eager")
