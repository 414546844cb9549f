"""The report as one self-contained piece of HTML: escaped, light and dark, without scripts, nothing from a network."""

from __future__ import annotations

import html as _html
import re
from collections.abc import Iterable

from tracer.explain.blocks import Block, Items, Para, Section, Source, Table
from tracer.explain.excerpts import Excerpt
from tracer.explain.sections import report
from tracer.explain.words import clean, headline
from tracer.records import Records

__all__ = ["html", "page"]

_LIGHT = "--t-text:#1c1e21;--t-muted:#5b6068;--t-rule:#d9dce0;--t-sunk:#f5f6f7;--t-break:#c22727;--t-mark:#fbe3e3"
_DARK = "--t-text:#e4e6ea;--t-muted:#a3a9b3;--t-rule:#3a3f46;--t-sunk:#24272b;--t-break:#ff8078;--t-mark:#5a2a2a"
_STYLE = f"""
.tracer-explain{{{_LIGHT};color:var(--t-text);max-width:78em;
  font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif)}}
@media (prefers-color-scheme:dark){{.tracer-explain{{{_DARK}}}}}
[data-jp-theme-light=true] .tracer-explain{{{_LIGHT}}}
[data-jp-theme-light=false] .tracer-explain{{{_DARK}}}
.tracer-explain .headline{{font-size:15px;font-weight:600;font-variant-numeric:tabular-nums;margin:0 0 .6em}}
.tracer-explain details{{border-top:1px solid var(--t-rule);padding:.4em 0}}
.tracer-explain summary{{font-weight:600;cursor:pointer}}
.tracer-explain .break>summary,.tracer-explain .loud>summary{{color:var(--t-break)}}
.tracer-explain p{{margin:.4em 0;white-space:pre-wrap}}
.tracer-explain .muted{{color:var(--t-muted)}}
.tracer-explain .label{{font-weight:600;margin-bottom:0}}
.tracer-explain ol{{margin:.2em 0 .4em;padding-left:2em}}
.tracer-explain li{{white-space:pre-wrap}}
.tracer-explain pre,.tracer-explain code,.tracer-explain td{{
  font:12px/1.5 var(--jp-code-font-family,ui-monospace,monospace)}}
.tracer-explain pre{{background:var(--t-sunk);color:inherit;padding:.4em .8em;margin:.3em 0;overflow-x:auto}}
.tracer-explain mark{{background:var(--t-mark);color:inherit;text-decoration:underline 2px var(--t-break);
  text-decoration-skip-ink:none}}
.tracer-explain .number{{color:var(--t-muted);user-select:none}}
.tracer-explain table{{border-collapse:collapse;margin:.3em 0;background:none}}
.tracer-explain table td{{padding:.1em 1.2em .1em 0;text-align:left!important;vertical-align:top;
  white-space:pre-wrap;border:0;color:inherit}}
.tracer-explain td.group{{font-weight:600;padding-top:.4em}}
""".strip()


def html(records: Records, *, most: int = 30, note: str = "") -> str:
    """What happened, for a notebook's output. `note`: one more sentence under the headline."""
    return page(headline(records), report(records, most=most), note=note)


def page(head: str, sections: Iterable[Section], *, note: str = "") -> str:
    """A headline and sections of a report, as HTML. `note`: one more sentence under the headline."""
    extra = f'<p class="muted">{_text(note)}</p>' if note else ""
    title = f'<p class="headline">{_text(head)}</p>{extra}'
    return f'<div class="tracer-explain"><style>{_STYLE}</style>{title}{"".join(map(_section, sections))}</div>'


def _text(text: str) -> str:
    return _html.escape(clean(text), quote=True)


def _words(text: str) -> str:
    """Words with `code` between backticks."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", _text(text))


def _section(section: Section) -> str:
    state = "" if section.folded else " open"
    body = "".join(map(_block, section.blocks))
    return f'<details class="{section.tone}"{state}><summary>{_words(section.title)}</summary>{body}</details>'


def _block(block: Block) -> str:
    if isinstance(block, Para):
        return f'<p class="{block.tone}">{_words(block.text)}</p>'
    if isinstance(block, Items):
        return f"<ol>{''.join(f'<li>{_words(item)}</li>' for item in block.items)}</ol>"
    if isinstance(block, Source):
        return f'<p class="muted">{_text(block.where)}</p>{_excerpt(block.excerpt)}'
    return _table(block)


def _excerpt(shown: Excerpt | None) -> str:
    if shown is None:
        return '<p class="muted">(source not available)</p>'
    digits = len(str(shown.lines[-1].number))
    lines = []
    for number, before, marked, after in shown.lines:
        mark = f"<mark>{_text(marked)}</mark>" if marked else ""
        lines.append(f'<span class="number">{number:>{digits}}</span>  {_text(before)}{mark}{_text(after)}')
    if shown.more:
        lines.append(f'<span class="number">… {shown.more} more</span>')
    return f"<pre>{chr(10).join(lines)}</pre>"


def _table(table: Table) -> str:
    most = max(map(len, table.rows), default=1)
    rows = []
    for row in table.rows:
        if len(row) == 1:
            rows.append(f'<tr><td class="group" colspan="{most}">{_text(row[0])}</td></tr>')
        else:
            rows.append(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>")
    return f"<table>{''.join(rows)}</table>"
