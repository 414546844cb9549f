"""The views of a session. For now the static summary; the live widget shows the same records."""

from widgets.summary import page, summary

__all__ = ["page", "summary"]
