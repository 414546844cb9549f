"""A line on stderr while tracing takes long: how many events, and where the program is."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["progress"]

#: Seconds without a word; then between two lines, on a terminal and elsewhere.
QUIET, TERMINAL, ELSEWHERE = 2.0, 0.5, 5.0


@contextlib.contextmanager
def progress(session: Any, *, stream: Any = None, quiet: float = QUIET) -> Iterator[None]:
    """Says something only if the block takes longer than `quiet` seconds; on a terminal one line that is written over."""
    out = stream or sys.stderr
    live = bool(getattr(out, "isatty", bool)())
    ended = threading.Event()

    def report() -> None:
        pause, said = quiet, False
        while not ended.wait(pause):
            pause = TERMINAL if live else ELSEWHERE
            text = _line(session)
            out.write(f"\r\x1b[K{text}" if live else f"{text}\n")
            out.flush()
            said = True
        if said and live:
            out.write("\r\x1b[K")
            out.flush()

    thread = threading.Thread(target=report, name="tracer-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _line(session: Any) -> str:
    events = session.recorder.events
    last = events[-1] if events else None
    place = (
        f", {os.path.basename(str(last.location[0]))}:{last.location[1]}" if last is not None and last.location else ""
    )
    return f"tracer: {len(events):,} events{place}"
