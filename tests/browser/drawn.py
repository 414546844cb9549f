"""What is drawn in a widget, measured against the room that it has."""

from __future__ import annotations

__all__ = ["DRAWN"]

#: JavaScript with `root`, a widget's own tree: what isn't drawn as wide as it is, or lies out of the widget.
DRAWN = """
const out = [], box = root.host.getBoundingClientRect();
const drawn = svg => Number(svg.getAttribute('viewBox').split(' ')[2]);
for (const [name, svg, place] of [['timeline', root.querySelector('.tlb svg'), root.querySelector('.tlb')], ['slider', root.querySelector('.scrub svg'), root.querySelector('.scrub')]])
    if (!place.clientWidth || Math.abs(drawn(svg) - place.clientWidth) > 1) out.push([name, drawn(svg), place.clientWidth]);
const call = root.querySelector('.tlb .s0'), thumb = root.querySelector('.scrub .thumb').getBoundingClientRect();
if (call.getBoundingClientRect().width < 0.5 * root.querySelector('.tlb').clientWidth) out.push(['call', call.getBoundingClientRect().width]);
if (thumb.width < 5 || thumb.right > box.right || thumb.left < box.left) out.push(['thumb', thumb.left, thumb.right]);
const pane = root.querySelector('.gv');
if (pane) {
    const lanes = [...pane.querySelectorAll('.lane')].map(one => one.getBoundingClientRect()), p = pane.getBoundingClientRect();
    if (!lanes.length || !lanes.some(l => l.width > 20 && l.left < p.right && l.right > p.left && l.top < p.bottom)) out.push(['graph', lanes.length]);
    if (!pane.querySelectorAll('.nd').length) out.push(['nodes', 0]);
}
if (!root.querySelector('.src, .gv')) out.push(['views', 0]);
return out;
"""
