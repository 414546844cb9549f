"""Graphs as SVG text: one lane for each graph, the break in the gutter between them.

No scripts, nothing loaded, every string escaped. Colours are the roles of the widget: JupyterLab's variables where they
exist, else light or dark as the reader's system is. Rules are scoped to `.tracer-graph`, because an SVG inside a page
shares its style sheets with the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from tracer.explain import clean
from tracer.export.figure import CHARACTER, GAP, INSET, SMALL, Figure, Part
from tracer.layout import Box, Placed, Route, Stub
from tracer.records import Place

__all__ = ["Gutter", "svg"]

LANE_PADDING = 14.0
LANE_HEADER = 46.0
LANE_LEAST = 168.0
CARD_WIDTH, CARD_HEIGHT = 92.0, 44.0
GUTTER = CARD_WIDTH + 36.0
MARGIN = 8.0

LIGHT = (
    "--g-text:#1c1e21;--g-muted:#5b6068;--g-edge:#a3a6aa;--g-rule:#d3d5d8;--g-sunk:#f6f7f8;--g-node:#fff;"
    "--g-break:#c22727;--g-blush:#fdeeee;--g-body:#ab8ccf;--g-tint:#f5f1f9"
)
DARK = (
    "--g-text:#e4e6ea;--g-muted:#a3a9b3;--g-edge:#6f757d;--g-rule:#3f444b;--g-sunk:#1f2226;--g-node:#16181b;"
    "--g-break:#ff8078;--g-blush:#3a2222;--g-body:#8d72ab;--g-tint:#2a2631"
)
STYLE = f"""
.tracer-graph{{{LIGHT};color-scheme:light dark;font-family:var(--jp-ui-font-family,system-ui,sans-serif)}}
@media (prefers-color-scheme:dark){{.tracer-graph{{{DARK}}}}}
[data-jp-theme-light=true] .tracer-graph{{{LIGHT}}}
[data-jp-theme-light=false] .tracer-graph{{{DARK}}}
.tracer-graph text{{fill:var(--jp-ui-font-color0,var(--g-text));font-size:11px;dominant-baseline:central}}
.tracer-graph .code text{{font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace)}}
.tracer-graph .node rect,.tracer-graph .closed rect{{fill:var(--jp-layout-color1,var(--g-node));stroke:var(--g-edge)}}
.tracer-graph .io rect{{stroke-dasharray:2 2}}
.tracer-graph .cause rect{{stroke:var(--g-break)}}
.tracer-graph .cause text{{fill:var(--g-break)}}
.tracer-graph .box>rect{{fill:none;stroke:var(--g-edge)}}
.tracer-graph .body>rect{{stroke:var(--g-body)}}
.tracer-graph .box.body>rect{{fill:var(--g-tint);stroke-dasharray:4 3}}
.tracer-graph .lane>rect{{fill:var(--g-sunk);stroke:var(--g-rule)}}
.tracer-graph .lane .title{{font-size:12px;font-weight:600}}
.tracer-graph .name{{font-weight:600}}
.tracer-graph .header{{paint-order:stroke;stroke:var(--g-sunk);stroke-width:3px;stroke-linejoin:round}}
.tracer-graph .chevron{{fill:none;stroke:var(--jp-ui-font-color0,var(--g-text))}}
.tracer-graph .muted{{fill:var(--g-muted)}}
.tracer-graph .shape,.tracer-graph .stub text{{fill:var(--g-muted);font-size:10px}}
.tracer-graph .edges{{fill:none;stroke:var(--g-edge)}}
.tracer-graph .heads{{fill:var(--g-edge)}}
.tracer-graph .stub rect{{fill:none;stroke:var(--g-edge);stroke-dasharray:1 2}}
.tracer-graph .stub path{{stroke:var(--g-edge);stroke-dasharray:1 2}}
.tracer-graph .break path{{fill:none;stroke:var(--g-break);stroke-dasharray:3 2}}
.tracer-graph .break .head{{fill:var(--g-break);stroke:none}}
.tracer-graph .break rect{{fill:var(--g-blush);stroke:var(--g-break)}}
.tracer-graph .break text{{fill:var(--g-break)}}
""".strip()


class Gutter(NamedTuple):
    """What stands between one graph and the next."""

    title: str = ""  # why the graph ended; "" where the next graph does not go on from this one
    resumes: str = ""  # "line 43"
    tip: str = ""
    place: Place | None = None  # where the break is


def svg(figures: Sequence[Figure], gutters: Sequence[Gutter] = ()) -> str:
    """The graphs side by side, as one SVG document that also stands inside HTML.

    `gutters[i]` lies between `figures[i]` and `figures[i + 1]`, or right of the last figure; missing ones are empty.
    """
    inner = max((one.layout.height for one in figures), default=0.0)
    height = MARGIN * 2 + LANE_HEADER + inner + LANE_PADDING
    left, parts = MARGIN, []
    for number, one in enumerate(figures):
        gutter = gutters[number] if number < len(gutters) else Gutter()
        width = max(LANE_LEAST, one.layout.width + 2 * LANE_PADDING, 7.2 * len(one.subtitle) + 2 * LANE_PADDING)
        parts.append(_lane(one, left, width, height - 2 * MARGIN))
        left += width
        if gutter.title:
            follows = number + 1 < len(figures)
            parts.append(_break(one, gutter, left, height, width, follows))
            left += GUTTER
        else:
            left += LANE_PADDING
    width = left + MARGIN - (0 if figures and len(gutters) == len(figures) else LANE_PADDING)
    size = f'width="{_n(max(width, 2 * MARGIN))}" height="{_n(height)}"'
    view = f'viewBox="0 0 {_n(max(width, 2 * MARGIN))} {_n(height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="tracer-graph" role="img" {size} {view}>'
    return f"{head}<style>{STYLE}</style>{''.join(parts)}</svg>"


def _lane(one: Figure, left: float, width: float, height: float) -> str:
    """One graph: its frame and title, and in it boxes, edges, stubs, nodes."""
    layout = one.layout
    shift = (width - layout.width) / 2
    places: dict[str, Placed | Box] = {node.id: node for node in layout.nodes}
    places.update((box.id, box) for box in layout.boxes)
    drawn = [
        *(_frame(box, one.role(box.path)) for box in layout.boxes),
        _edges(layout.routes),
        *(_header(box) for box in layout.boxes),
        *(_stub(stub, places[stub.node]) for stub in layout.stubs),
        *(_node(placed, one.parts[placed.id]) for placed in layout.nodes),
    ]
    frame = f'<rect x="0.5" y="0.5" width="{_n(width - 1)}" height="{_n(height - 1)}" rx="4"/>'
    title = f'<text class="title" x="{_n(LANE_PADDING)}" y="15">{_t(one.title)}</text>'
    under = f'<text class="muted" x="{_n(LANE_PADDING)}" y="31">{_t(one.subtitle)}</text>'
    inside = f'<g class="code" transform="translate({_n(shift)} {_n(LANE_HEADER)})">{"".join(drawn)}</g>'
    return f'<g class="lane" transform="translate({_n(left)} {_n(MARGIN)})">{frame}{title}{under}{inside}</g>'


def _node(placed: Placed, part: Part) -> str:
    """A node: operator, instance name muted, shape muted at the right."""
    x = placed.x + INSET
    middle = _n(placed.y + placed.height / 2)
    spans = [f'<tspan x="{_n(x)}">{_t(part.operator)}</tspan>']
    x += CHARACTER * len(part.operator) + GAP
    if part.instance:
        spans.append(f'<tspan class="muted" x="{_n(x)}">{_t(part.instance)}</tspan>')
    end = placed.x + placed.width - INSET
    small = [word for word in (part.shape, f"+{part.folded}" if part.folded else "") if word]
    for word in reversed(small):
        spans.append(f'<tspan class="shape" x="{_n(end - SMALL * len(word))}">{_t(word)}</tspan>')
        end -= SMALL * len(word) + GAP
    kind = ("node" if part.kind == "op" else "node io") + (" cause" if part.cause else "")
    return f'<g class="{kind}">{_tip(part.tip)}{_rect(placed, 3)}<text y="{middle}">{"".join(spans)}</text></g>'


def _frame(box: Box, role: str) -> str:
    """A module or an operator's body, without its name: open a frame, closed a node with a second sheet behind it."""
    kind = " body" if role else ""
    tip = _tip(f"{box.id}: {f'a body of {role}, ' if role else ''}{_ops(box)}")
    if box.open:
        return f'<g class="box{kind}">{tip}{_rect(box, 4)}</g>'
    behind = f'<rect x="{_n(box.x + 3)}" y="{_n(box.y + 3)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="3"/>'
    return f'<g class="closed{kind}">{tip}{behind}{_rect(box, 3)}</g>'


def _ops(box: Box) -> str:
    return f"{box.nodes:,} {'op' if box.nodes == 1 else 'ops'}"


def _header(box: Box) -> str:
    """Its name and size, drawn above the edges that enter it."""
    name, ops = box.path[-1], _ops(box)
    middle = box.y + (box.height / 2 if not box.open else 12)
    x = box.x + 10
    chevron = (
        f"M{_n(x)},{_n(middle - 1.5)}l3,3l3,-3" if box.open else f"M{_n(x + 1)},{_n(middle - 3)}l3,3l-3,3"
    )  # open: points down; closed: to the right
    return (
        f'<path class="chevron" d="{chevron}"/><text class="header" y="{_n(middle)}">'
        f'<tspan class="name" x="{_n(x + 12)}">{_t(name)}</tspan>'
        f'<tspan class="muted" x="{_n(x + 20 + CHARACTER * 1.04 * len(name))}">{ops}</tspan></text>'
    )


def _edges(routes: Sequence[Route]) -> str:
    """All edges as one path, all heads as another."""
    lines, heads = [], []
    for route in routes:
        (x, y), *rest = route.points
        line = [f"M{_n(x)},{_n(y)}"]
        for number, (next_x, next_y) in enumerate(rest):
            end = next_y - (4 if number == len(rest) - 1 else 0)
            middle = (y + end) / 2
            if next_x == x:
                line.append(f"V{_n(end)}")
            else:
                line.append(f"C{_n(x)},{_n(middle)} {_n(next_x)},{_n(middle)} {_n(next_x)},{_n(end)}")
            x, y = next_x, end
        lines.append("".join(line))
        heads.append(f"M{_n(x - 2.5)},{_n(y - 0.5)}h5l-2.5,4.5z")
    return f'<path class="edges" d="{"".join(lines)}"/><path class="heads" d="{"".join(heads)}"/>' if lines else ""


def _stub(stub: Stub, owner: Placed | Box) -> str:
    """The pill beside a node; a dotted line ties them."""
    middle = _n(stub.y + stub.height / 2)
    if stub.side == "out":
        words, line = f"{stub.text} ↘", f"M{_n(owner.x + owner.width)},{middle}H{_n(stub.x)}"
        told = "to "
    else:
        words, line = f"↘ {stub.text}", f"M{_n(stub.x + stub.width)},{middle}H{_n(owner.x)}"
        told = "from "
    text = f'<text x="{_n(stub.x + stub.width / 2)}" y="{middle}" text-anchor="middle">{_t(words)}</text>'
    names = ", ".join(stub.others[:20]) + (f" and {len(stub.others) - 20} more" if len(stub.others) > 20 else "")
    return f'<g class="stub">{_tip(told + names)}<path d="{line}"/>{_rect(stub, stub.height / 2)}{text}</g>'


def _break(one: Figure, gutter: Gutter, right: float, height: float, width: float, follows: bool) -> str:
    """The card in the gutter, the dashed edge into it from what caused it, and the one to the next graph."""
    top = MARGIN + LANE_HEADER
    causes = [node for node in one.layout.nodes if one.parts[node.id].cause]
    lowest = max(one.layout.nodes, key=lambda node: node.y, default=None)
    shift = right - width + (width - one.layout.width) / 2
    if causes:
        start = max(causes, key=lambda node: node.y)
        y = top + start.y + start.height / 2
        entry = f"M{_n(shift + start.x + start.width)},{_n(y)}H{_n(right + 12)}"
    else:
        y = top + (lowest.y + lowest.height / 2 if lowest is not None else 0)
        entry = f"M{_n(right)},{_n(y)}H{_n(right + 12)}"
    y = min(max(y, MARGIN + CARD_HEIGHT / 2), height - MARGIN - CARD_HEIGHT / 2)
    x = right + 18
    leave = head = ""
    if follows:
        column = x + CARD_WIDTH / 2
        leave = f"M{_n(column)},{_n(y - CARD_HEIGHT / 2)}V{_n(MARGIN + 22)}H{_n(right + GUTTER - 6)}"
        head = f'<path class="head" d="M{_n(right + GUTTER - 6)},{_n(MARGIN + 19.5)}v5l5,-2.5z"/>'
    size = f'width="{_n(CARD_WIDTH)}" height="{_n(CARD_HEIGHT)}"'
    card = f'<rect x="{_n(x)}" y="{_n(y - CARD_HEIGHT / 2)}" {size} rx="4"/>'
    words = (
        f'<text class="name" x="{_n(x + CARD_WIDTH / 2)}" y="{_n(y - 8)}" text-anchor="middle">graph break</text>'
        f'<text x="{_n(x + CARD_WIDTH / 2)}" y="{_n(y + 9)}" text-anchor="middle">{_t(gutter.resumes)}</text>'
    )
    arrow = f'<path class="head" d="M{_n(right + 12)},{_n(y - 2.5)}v5l5,-2.5z"/>'
    drawn = f'<path d="{entry}{leave}"/>{arrow}{head}{card}{words}'
    return f'<g class="break">{_tip(gutter.tip or gutter.title)}{drawn}</g>'


# --- text -------------------------------------------------------------------------------------------------------------


def _rect(thing: Placed | Box | Stub, radius: float) -> str:
    where = f'x="{_n(thing.x + 0.5)}" y="{_n(thing.y + 0.5)}"'
    return f'<rect {where} width="{_n(thing.width - 1)}" height="{_n(thing.height - 1)}" rx="{_n(radius)}"/>'


def _tip(text: str) -> str:
    return f"<title>{_t(text)}</title>" if text else ""


def _t(text: str) -> str:
    """Text from the program: control characters spelt out, then escaped."""
    return escape("\n".join(map(clean, text.split("\n"))), quote=True)


def _n(number: float) -> str:
    """A coordinate without needless digits."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
