"""What lies on what in a graph that is drawn in a page, measured in its pixels."""

from __future__ import annotations

__all__ = ["OVERLAPS"]

#: JavaScript with `root`: labels on labels, labels out of their boxes, edges through nodes, closed boxes and labels; letters too small to read.
OVERLAPS = """
const view = root.querySelector('.gv>svg'), out = [], world = view.querySelector(':scope > g');
const rect = (one, name, by = 0) => { const b = one.getBoundingClientRect(); return { name, x: b.left + by, y: b.top + b.height * (by ? 0.2 : 0), r: b.right - by, b: b.bottom - b.height * (by ? 0.2 : 0) }; };
const texts = [...world.querySelectorAll('text')].filter(one => one.textContent.trim()).map(one => rect(one, one.textContent, 0.5));
const meets = (a, b) => a.x < b.r && b.x < a.r && a.y < b.b && b.y < a.b;
const byHeight = [...texts].sort((a, b) => a.y - b.y);
byHeight.forEach((a, at) => { for (let next = at + 1; next < byHeight.length && byHeight[next].y < a.b; next += 1) if (meets(a, byHeight[next])) out.push(['labels', a.name, byHeight[next].name]); });
for (const node of world.querySelectorAll('.nd, .stub')) {
    const frame = rect(node.querySelector('rect.m') || node.querySelector('rect'), '');
    for (const one of node.querySelectorAll('text')) { const t = rect(one, one.textContent); if (t.x < frame.x - 1 || t.r > frame.r + 1) out.push(['label out of its node', t.name, Math.round(t.r - frame.r)]); }
}
const solid = [...world.querySelectorAll('.nd:not(.brkc)')].map(one => [rect(one.querySelector('rect.m'), one.textContent), one]);
const named = [...world.querySelectorAll('.clh text, .bn')].map(one => rect(one, 'name ' + one.textContent, 0.5));
const all = [...solid.map(([r]) => r), ...named], scale = world.getScreenCTM();
for (const edge of world.querySelectorAll('path.ed:not(.brk)')) {
    if (!edge.closest('g[transform]') || !edge.hasAttribute('marker-end')) continue;
    const long = edge.getTotalLength(), m = edge.getScreenCTM(), met = new Map();
    for (let at = 1; at < long - 1; at += 2) {
        const p = edge.getPointAtLength(at), x = p.x * m.a + m.e, y = p.y * m.d + m.f;
        for (const r of all) if (x > r.x + 1 && x < r.r - 1 && y > r.y + 1.5 && y < r.b - 1.5) met.set(r.name, 1);
    }
    for (const name of met.keys()) out.push(['edge through', name, edge.getAttribute('d').slice(0, 60)]);
}
for (const one of world.querySelectorAll('.bn, .lt')) if (one.textContent.trim() && parseFloat(getComputedStyle(one).fontSize) * scale.a < 6.9) out.push(['too small', one.textContent, parseFloat(getComputedStyle(one).fontSize) * scale.a]);
return { out: out.slice(0, 20), labels: texts.length, edges: world.querySelectorAll('path.ed').length, names: world.querySelectorAll('.bn').length };
"""
