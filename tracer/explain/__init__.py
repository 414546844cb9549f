"""Saying what happened: a headline, each graph break at its line, recompiles, frames, guards; as text or as HTML.

What comes in: `Records`, live or from a recording. What goes out: text for a terminal, or one self-contained piece of
HTML without scripts. Both render the same report (`sections.py`), so they can't disagree. Everything that came from the
program is cleaned of control characters and escaped; no `repr` is ever called.
"""

from tracer.explain.blocks import Section
from tracer.explain.excerpts import Excerpt, Line, excerpt, source_of
from tracer.explain.nothing import why_nothing
from tracer.explain.page import html, page
from tracer.explain.sections import followed_line, report
from tracer.explain.text import explain, text_of
from tracer.explain.words import clean, count, headline

__all__ = [
    "Excerpt",
    "Line",
    "Section",
    "clean",
    "count",
    "excerpt",
    "explain",
    "followed_line",
    "headline",
    "html",
    "page",
    "report",
    "source_of",
    "text_of",
    "why_nothing",
]
