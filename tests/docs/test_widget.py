"""docs/widget.md: a small picture of every view, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

from docs.pictures import LARGEST, VIEWS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_view_has_a_small_picture_in_both_themes() -> None:
    named = set(re.findall(r"\(images/([a-z]+)-(light|dark)\.png\)", (DOCS / "widget.md").read_text(encoding="utf-8")))
    assert named == {(view, theme) for view in (*VIEWS, "export") for theme in ("light", "dark")}
    for view, theme in named:
        data = (DOCS / "images" / f"{view}-{theme}.png").read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) <= LARGEST, view
