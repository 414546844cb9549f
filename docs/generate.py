"""`make docs`: writes the pages that are made from code, and says which were stale.

    python -m docs.generate [--check]

A page is text that a function of ours returns. A function that does not exist yet is named and passed over.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: page → the function that returns its text
PAGES = {
    "config.md": "tracer.config:markdown",
    "breaks.md": "tracer.breaks:markdown",
    "coverage.md": "tracer.coverage:markdown",
    "versions.md": "tests.matrix.page:markdown",
}


def maker(where: str) -> Callable[[], str] | None:
    """The function, or None where its module doesn't have it."""
    module, name = where.split(":")
    if importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name, None)


def stale(check: bool) -> list[str]:
    """Pages whose text on disk differs from what code says now; they are written unless `check`."""
    found = []
    for page, where in PAGES.items():
        make = maker(where)
        if make is None:
            print(f"docs/{page}: passed over, {where} doesn't exist")
            continue
        text, path = make(), HERE / page
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found.append(page)
            if not check:
                path.write_text(text, encoding="utf-8")
    return found


def main(arguments: list[str]) -> int:
    """With --check: 1 where a page is stale."""
    check = "--check" in arguments
    found = stale(check)
    for page in found:
        print(f"docs/{page}: {'stale: run make docs' if check else 'was stale, written anew'}")
    if not found:
        print("docs: fresh")
    return int(check and bool(found))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
