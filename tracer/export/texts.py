"""Formats that are one text: the recording, the picture, the explanation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["explanation", "picture", "recording"]


def recording(session: Any, path: Path) -> None:
    """JSON Lines (see `tracer.journal.files`); gzip where the name ends in .gz."""
    session.journal.save(path) if not hasattr(session, "save") else session.save(path)


def picture(session: Any, path: Path) -> None:
    """Every graph beside the next, laid out by ourselves."""
    from tracer.export import to_svg

    path.write_text(to_svg(session.records), encoding="utf-8")


def explanation(session: Any, path: Path) -> None:
    """What `session.explain()` says, in plain text."""
    path.write_text(str(session.explain()) + "\n", encoding="utf-8")
