"""The static summary of a session: what happened in words, then a picture of every graph. No scripts, nothing loaded.

In: a session, a recording, or their records. Out: one piece of HTML for a notebook's output or a file. It is what stays
when the kernel is gone, so it must say everything that a reader needs without a live widget beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from tracer.explain import clean, count, headline
from tracer.explain import html as explanation
from tracer.export.figure import Figure
from tracer.export.session import lanes
from tracer.export.svg import Gutter, svg
from tracer.records import Records

__all__ = ["page", "records_of", "summary"]

#: More graphs than this are folded, and beyond the second number they are counted, not drawn.
OPEN, DRAWN = 3, 24
#: Visible nodes of one graph in a summary; an exported picture shows more.
NODES = 120

STYLE = """
.tracer-summary .graphs{overflow:auto;max-height:44em;margin:.3em 0}
.tracer-summary .graphs svg{display:block}
.tracer-summary details>summary{font-weight:600;cursor:pointer;font:600 13px/1.9 var(--jp-ui-font-family,system-ui)}
""".strip()

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{margin:2em auto;max-width:90em;padding:0 1em}}</style>
</head><body>{body}</body></html>
"""


def summary(session: Any, *, note: str = "", limit: int = NODES) -> str:
    """HTML of a finished session: headline, breaks at their lines, recompiles, frames, guards, and the graphs.

    `note` is one more sentence under the headline. `limit`: past so many visible nodes a graph's modules are closed.
    """
    records = records_of(session)
    parts = [f"<style>{STYLE}</style>", explanation(records, note=note), _graphs(records, limit)]
    return f'<div class="tracer-summary">{"".join(parts)}</div>'


def page(session: Any, *, title: str = "Tracer", note: str = "") -> str:
    """The summary as a document of its own, for a file. It may load nothing: its content policy says so."""
    about = f"{title}: {headline(records_of(session))}"
    return PAGE.format(title=escape(clean(about)), body=summary(session, note=note))


def records_of(session: Any) -> Records:
    """The records of a session or recording; records are their own."""
    if isinstance(session, Records):
        return session
    records = getattr(session, "records", None)
    if isinstance(records, Records):
        return records
    made = Records()
    for name in ("frames", "graphs", "graph_breaks", "guards", "speculations", "recompiles"):
        getattr(made, name).extend(getattr(session, name, ()))
    return made


def _graphs(records: Records, limit: int) -> str:
    """All graphs in one picture where they are few, else one folded picture for each."""
    total = len(records.graphs)
    if not total:
        return ""
    drawn = lanes(records, limit=limit, most=DRAWN)
    title = f"Graphs · {total:,}"
    if total <= OPEN:
        return _folder(title, drawn, opened=True)
    folders = [_folder(f"{one.title}: {one.subtitle}", [(one, gutter)], opened=False) for one, gutter in drawn]
    more = f"<p>and {count(total - DRAWN, 'more graph')}: session.graphs has all of them</p>" if total > DRAWN else ""
    return f"<details><summary>{title}</summary>{''.join(folders)}{more}</details>"


def _folder(title: str, drawn: Sequence[tuple[Figure, Gutter]], *, opened: bool) -> str:
    picture = svg([figure for figure, _ in drawn], [gutter for _, gutter in drawn])
    hidden = sum(figure.hidden for figure, _ in drawn)
    left_out = f" · {count(hidden, 'parameter')} not drawn" if hidden else ""
    head = f"<summary>{escape(clean(title + left_out))}</summary>"
    return f'<details{" open" if opened else ""}>{head}<div class="graphs">{picture}</div></details>'
