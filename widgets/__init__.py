"""The views of a session: the live widget, the same views in a file, and the static summary that needs no scripts.

- `models/`: what each view shows, as plain data; `js/` draws it, one module for each view on both sides
- `document`: an exported page; `summary`: the static summary
- `bundle`: makes `static/widget.js` from `js/`
"""

from widgets.summary import page, summary

__all__ = ["page", "summary"]
