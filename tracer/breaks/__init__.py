"""The catalogue of graph breaks: why capture stopped, what it costs, what to write instead.

    render("data-dependent-branch", line=42, expr="h.max() > 3").explanation

`CATALOGUE` maps ids to entries; one module for each group of reasons holds them as plain data, both
words and programs. Every reproducer and every fix is run by `tests/breaks`, untraced and traced.
Nothing here imports torch. Settings are named as in `tracer.config`, which spells them as torch's own compiler does.
"""

from .docs import markdown
from .model import Change, Entry, Fix, Kind
from .places import context_of, place_of
from .programs import call_of, program_of
from .recompiling import CAUSES, Cause, cause_of, fixes_for
from .remedies import REMEDIES, suggestions
from .table import CATALOGUE, Claim, Rendered, UnknownBreak, claims_of, entry, render

__all__ = [
    "CATALOGUE", "CAUSES", "REMEDIES", "Cause", "Change", "Claim", "Entry", "Fix", "Kind", "Rendered", "UnknownBreak", "call_of",
    "cause_of", "claims_of", "context_of", "entry", "fixes_for", "markdown", "place_of", "program_of", "render", "suggestions",
]  # fmt: skip
