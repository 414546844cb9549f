"""One file with the live views over a recording: no kernel, nothing loaded, every string of the program shown as text."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from tracer.explain import clean
from widgets.bundle import PAGE as SCRIPT
from widgets.bundle import build
from widgets.models import Book, views
from widgets.runs import Runs

__all__ = ["document", "write"]

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:; img-src data: blob:">
<title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{margin:12px;font-family:system-ui,sans-serif}}.tracer-widget{{display:block;height:calc(100vh - 24px)}}</style>
</head><body><div id="tracer"></div>
<script type="application/json" id="views">{data}</script>
<script>
{bundle}
</script></body></html>
"""


def document(subject: Any, *, title: str = "Tracer", runs: Runs | None = None) -> str:
    """The page of a session or recording; with `runs`, each of them beside the first one. RuntimeError where the bundle was
    never built and Node is missing."""
    data = views(Book(subject))
    if runs is not None and len(runs.sessions) > 1:
        data["runs"] = runs.kept()
    build()
    about = f"{title}: {data['head']['title']}"
    return PAGE.format(
        title=escape(clean(about)), data=_embedded(data), bundle=SCRIPT.read_text().replace("</", "<\\/")
    )


def write(subject: Any, path: Path) -> None:
    """The page as a file: the exporter of .html."""
    path.write_text(document(subject), encoding="utf-8")


def _embedded(data: Any) -> str:
    """JSON that no HTML parser reads as anything else."""
    return (
        json.dumps(data, separators=(",", ":"), ensure_ascii=True)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )
