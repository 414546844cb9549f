"""Lines on file, which a run has to give again."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

__all__ = ["held"]


def held(path: Path, got: list[str], update: bool) -> None:
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(got) + "\n", encoding="utf-8")
        return
    if not path.exists():
        pytest.fail(f"nothing on file for {path.stem}: pytest tests/golden --update-golden, then read it")
    expected = path.read_text(encoding="utf-8").splitlines()
    changed = difflib.unified_diff(expected, got, path.name, "this run", lineterm="")
    assert got == expected, "\n" + "\n".join(list(changed)[:80])
