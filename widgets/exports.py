"""Files of the page's Export menu: what a format writes, as bytes to be downloaded."""

from __future__ import annotations

import mimetypes
import tempfile
from pathlib import Path
from typing import Any

from tracer.export.table import export, find
from tracer.export.trying import Tell, silent

__all__ = ["files_of"]


def files_of(session: Any, suffix: str, tell: Tell = silent) -> list[tuple[str, str, bytes]]:
    """(file name, MIME type, contents) of each file of a format. TracerError as `session.export` raises it; `tell` hears what is being done."""
    name = f"trace.{suffix}"
    kind = find(Path(name)).mime
    with tempfile.TemporaryDirectory() as folder:
        written = export(session, Path(folder) / name, tell=tell)
        return [(path.name, kind if path.name == name else _kind(path), path.read_bytes()) for path in written]


def _kind(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
