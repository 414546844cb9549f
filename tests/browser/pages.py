"""An exported page that is open in Chromium, with all that went wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Page"]


class Page:
    def __init__(self, browser: Any, path: Path, **options: Any):
        self.page = browser.new_page(**options)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else self.problems.append(r.url))
        self.page.goto(f"file://{path}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def tab(self, name: str) -> None:
        self.page.locator(f".tab[data-key={name}]").click()

    def root(self, expression: str, argument: Any = None) -> Any:
        """JavaScript with `root`, the widget's own tree."""
        script = f"given => {{ const root = document.querySelector('.tracer-widget').shadowRoot; {expression} }}"
        return self.page.evaluate(script, argument)
