// Graphs as drawn things: where the lanes stand, and the SVG of a node, a module, an edge, a stub, a break. No state, no events:
// what a click does is given by `does` (see canvas.js).
import { number, s } from "./dom.js";
import { labelWidth } from "./placing.js";

export const TOP = 46, EDGE = 8, CARD = [92, 44], GUTTER = CARD[0] + 36;
const PAD = 14, LEAST = 168;
const CHARACTER = 6.63, SMALL = 6.03, INSET = 9, GAP = 8; // of the measures that made the widths (tracer/export/figure.py)
const PILL = 12;
const LETTER = 10, LEAST_LETTER = 7; // of a box's name on the screen, in pixels

// Lanes beside each other, each with its picture: { …lane, picture, x, width, height, dx, dy, at, births }.
export function stand(data, pictureOf) {
  let x = EDGE;
  return data.map((lane) => {
    const picture = pictureOf(lane);
    const width = Math.max(LEAST, picture.size[0] + 2 * PAD);
    const placed = { ...lane, picture, x, width, height: TOP + picture.size[1] + PAD, dx: x + (width - picture.size[0]) / 2, dy: EDGE + TOP };
    placed.at = new Map(picture.nodes.map((node) => [node[0], node]));
    placed.births = new Map(picture.boxes.map((box) => [box[0], box[8]]));
    x += width + (lane.break ? GUTTER : 18);
    return placed;
  });
}

export const extent = (lanes) => [
  lanes.reduce((most, lane) => Math.max(most, lane.x + lane.width + (lane.break ? GUTTER : 0)), 0) + EDGE,
  lanes.reduce((most, lane) => Math.max(most, lane.height), 0) + 2 * EDGE,
];

export const defs = () => {
  const pattern = (name, size, turn, mark) => s("pattern", { id: `p-${name}`, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: turn }, s("rect", { width: size, height: size, fill: `var(--${name}-t)` }), mark);
  return s(
    "defs", {},
    s("marker", { id: "tw-head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" }, s("path", { d: "M1 1l6 3-6 3z", class: "hd-p" })),
    pattern("add", 5, null, s("circle", { cx: 1.5, cy: 1.5, r: 0.75, fill: "var(--add)", opacity: 0.55 })),
    pattern("del", 6, "rotate(45)", s("path", { d: "M0 0V6", stroke: "var(--del)", opacity: 0.3 })),
    pattern("chg", 5, null, s("path", { d: "M0 0V5", stroke: "var(--chg)", opacity: 0.26 })),
  );
};

export function path(points) {
  let d = `M${points[0]} ${points[1]}`;
  for (let i = 2; i < points.length; i += 2) {
    const [px, py, x, y] = [points[i - 2], points[i - 1], points[i], points[i + 1]];
    const bend = Math.min(14, Math.abs(y - py) / 2);
    d += px === x ? `L${x} ${y}` : `C${px} ${py + bend} ${x} ${y - bend} ${x} ${y}`;
  }
  return d;
}

// A stretch of an edge that is far from everything: straight, cheap.
export const line = (points) => `M${points[0]} ${points[1]}L${points.at(-2)} ${points.at(-1)}`;
export const outline = (x, y, w, ht) => `M${x} ${y}h${w}v${ht}h${-w}z`;

export function drawNode(lane, [id, x, y, w, ht], style, does) {
  const [kind, operator, instance, shape, folded, cause] = lane.nodes[id];
  const g = s("g", { class: `nd${kind === "op" ? "" : " io"}${cause ? " cause" : ""}${style}`, "data-id": `${lane.name}:${id}`, onclick: (event) => (event.stopPropagation(), does.choose(lane, id)) });
  g.append(s("title", {}, `${operator}${instance ? " " + instance : ""} ${shape}`), s("rect", { class: "m", x, y, width: w, height: ht, rx: 3 }));
  let at = x + INSET;
  for (const [text, character, style] of [[operator, CHARACTER, "t"], [instance, CHARACTER, "in"], [shape, SMALL, "sh"], [folded ? `+${folded}` : "", SMALL, "sh"]]) {
    if (!text) continue;
    g.append(s("text", { class: style, x: at, y: y + ht / 2 + 4 }, text));
    at += text.length * character + GAP;
  }
  return g;
}

// The name of a box and what opens and closes it: left of the edges that enter it. `named`: with its name; else that is drawn larger (drawNames).
export function drawHeader(lane, [id, x, y, w, , count, open, , , , name], style, does, named = true) {
  const g = s("g", { class: `clh${style}`, "data-box": `${lane.name}:${id}`, onclick: (event) => (event.stopPropagation(), does.toggle(lane, id, event.shiftKey)) });
  g.append(
    s("title", {}, does.says(lane, id, open)),
    s("rect", { x, y, width: w, height: 20, fill: "transparent", class: "band" }),
    s("path", { class: "ch", d: open ? `M${x + 8} ${y + 8}l4 4 4-4` : `M${x + 10} ${y + 6}l4 4-4 4` }),
  );
  if (named) g.append(s("text", { x: x + 22, y: y + 14 }, name), s("text", { class: "ls", x: x + 30 + name.length * 6.6, y: y + 14 }, `${number(count)} op${count === 1 ? "" : "s"}`));
  return g;
}

// The names of boxes where the picture is small, in letters that are read at this scale: each inside its box, none on another, left of the edges that enter it. Outer boxes come
// first. `far`: nothing else is written, so that a name may take more than the room above the box's first row.
export function drawNames(boxes, scale, far) {
  const taken = [], out = [];
  for (const [, x, y, w, ht, count, open, , , , name] of boxes) {
    const room = (open && !far ? 24 : ht) * scale, size = Math.min(LETTER, room * 0.82);
    if (size < LEAST_LETTER) continue;
    const from = x + (far ? 4 / scale : 19), width = x + (far ? w : Math.min(w, labelWidth(name, count))) - from - 4, fits = Math.floor((width * scale) / (size * 0.62));
    const text = name.length <= fits ? name : fits > 3 ? name.slice(0, fits - 1) + "…" : "";
    if (!text) continue;
    const high = (size * 1.25) / scale, top = open ? y + 2 : y + (ht - high) / 2, area = [from, top, from + (text.length * size * 0.62) / scale, top + high];
    if (taken.some((one) => area[0] < one[2] && one[0] < area[2] && area[1] < one[3] && one[1] < area[3])) continue;
    taken.push(area);
    out.push(s("text", { class: "bn", x: from, y: top + size / scale, style: { fontSize: `${size / scale}px`, strokeWidth: `${2.5 / scale}px` } }, text));
  }
  return out;
}

export function drawBox(lane, box, style, does, named) {
  const [id, x, y, w, ht, , open, , , role] = box;
  const shape = { x, y, width: w, height: ht };
  if (open) return s("g", { class: style }, s("rect", { class: `cl m${role ? " spec" : ""}`, ...shape, rx: 4 }));
  const g = s("g", { class: `nd mod${role ? " body" : ""}${style}`, onclick: () => does.chooseBox(lane, id) });
  g.append(s("rect", { class: "sheet", ...shape, x: x + 3, y: y + 3, rx: 3 }), s("rect", { class: "m", ...shape, rx: 3 }), drawHeader(lane, box, "", does, named));
  return g;
}

export function drawStub(lane, [node, side, text, others, x, y, w, ht], does) {
  const g = s("g", { class: "stub", onclick: (event) => (event.stopPropagation(), does.go(lane, others[0])) });
  const middle = y + ht / 2;
  g.append(
    s("title", {}, `${side === "out" ? "read by" : "reads"} ${others.join(", ")}`),
    s("path", { d: side === "out" ? `M${x - 6} ${middle}h6` : `M${x + w} ${middle}h6` }),
    s("rect", { x, y, width: w, height: ht, rx: ht / 2 }),
    s("text", { x: x + w / 2, y: middle + 3.5, "text-anchor": "middle" }, side === "out" ? `${text} ↘` : `↘ ${text}`),
  );
  return g;
}

// The card in the gutter: beside the node that caused the break, an edge from there, and one on to the top of the next lane.
export function drawBreak(lane, next, style, does) {
  const cause = lane.picture.nodes.findLast((node) => lane.nodes[node[0]]?.[5]);
  const low = EDGE + lane.height - CARD[1] - 10;
  const middle = cause ? lane.dy + cause[2] + cause[4] / 2 : low + CARD[1] / 2;
  const x = lane.x + lane.width + (GUTTER - CARD[0]) / 2, y = Math.max(EDGE + TOP, Math.min(low, middle - CARD[1] / 2));
  const from = cause ? lane.dx + cause[1] + cause[3] : lane.x + lane.width;
  const turn = EDGE + 20, on = next ? `M${x + CARD[0] / 2} ${y}V${turn + PILL / 2}q0 ${-PILL / 2} ${PILL / 2} ${-PILL / 2}H${next.x - 2}` : "";
  const g = s("g", { class: `nd brkc${style}`, "data-id": `break:${lane.break.seq}`, onclick: (event) => (event.stopPropagation(), does.chooseBreak(lane)) });
  g.append(
    s("title", {}, lane.break.title),
    s("path", { class: "ed brk", d: `M${from} ${Math.min(y + CARD[1], middle)}H${x}` }),
    s("path", { class: "ed brk", d: on, "marker-end": "url(#tw-head)" }),
    s("rect", { class: "m", x, y, width: CARD[0], height: CARD[1], rx: 4 }),
    s("text", { x: x + CARD[0] / 2, y: y + 18, "text-anchor": "middle" }, "break"),
    s("text", { class: "bl", x: x + CARD[0] / 2, y: y + 34, "text-anchor": "middle" }, lane.break.resumes ? `→ ${lane.break.resumes}` : ""),
  );
  return g;
}
