// A picture of lanes that can be panned and zoomed. Only what is in sight is drawn; from afar nodes are drawn as one path, so
// that 10,000 of them pan smoothly. A map in the corner shows where one is while something lies out of sight.
import { h, s, throttled } from "./dom.js";
import { CARD, defs, drawBox, drawBreak, drawHeader, drawNames, drawNode, drawStub, EDGE, extent, GUTTER, line, outline, path, stand, TOP } from "./lanes.js";

const AHEAD = 400; // pixels drawn around what is in sight
const FAR = 0.42; // from this scale down nodes have no text
const MAP = [132, 88]; // of the map, at most
export const READABLE = 0.75, OVERVIEW = 0.5; // text is read from the one on, the picture from the other
const LEAST = 0.02;

// does: { choose(lane, id), chooseBox(lane, id), chooseBreak(lane), toggle(lane, id, all), says(lane, id, open), key(event),
//         style(lane, id), boxStyle(lane, id), breakStyle(lane): classes; lit(lane, id): its edges stand out;
//         uncover(lane, id): opens what holds a node; again(): the view has another size, and nobody has moved in it }
// born(lane, id) and begun(lane): whether it is there at the moment that is shown.
export function canvas({ label, does, born = () => true, begun = () => true }) {
  const svg = s("svg", { role: "img", "aria-label": label });
  const world = s("g");
  svg.append(defs(), world);
  const empty = h("div", { class: "nothing", hidden: true }, "No graph was captured.");
  const frame = s("rect", { class: "sight" }), sketch = s("g");
  const map = s("svg", { class: "map", "aria-hidden": "true" }, sketch, frame);
  const view = h("div", { class: "gv", tabindex: "0", role: "group", "data-key": label, "aria-label": `${label}: arrows move between nodes, Enter inspects, E opens and closes a box, F fits` }, svg, map, empty);
  const percent = h("span", { class: "num mut zoomed" });
  let lanes = [], scale = 1, panX = 0, panY = 0, drawn = null, touched = false, factor = 1;

  const sight = (more = 0) => ({ x0: -panX / scale - more, y0: -panY / scale - more, x1: (view.clientWidth - panX) / scale + more, y1: (view.clientHeight - panY) / scale + more });

  function set(data, pictureOf) {
    lanes = stand(data, pictureOf);
    empty.hidden = lanes.length > 0;
    if (does.nothing) empty.textContent = does.nothing();
    drawn = null;
    if (touched) move();
    else first();
    drawMap();
  }

  // Everything, whatever that takes.
  function fit() {
    const [width, height] = extent(lanes), w = view.clientWidth || 600, ht = view.clientHeight || 400;
    standAt(Math.min(1, Math.max(LEAST, Math.min(w / width, ht / height))));
    move();
  }

  // The same where one sees enough then; else the first lane, from its top.
  function first() {
    const [width, height] = extent(lanes), w = view.clientWidth || 600, ht = view.clientHeight || 400;
    const whole = Math.min(w / width, ht / height);
    standAt(whole >= OVERVIEW ? Math.min(1, whole) : READABLE);
    move();
  }

  function standAt(goal) {
    const [width] = extent(lanes), w = view.clientWidth || 600, lane = lanes[0];
    touched = false;
    scale = goal;
    drawn = null;
    panY = 0;
    panX = width * scale <= w ? (w - width * scale) / 2 : lane && lane.width * scale > w ? w / 2 - (lane.x + lane.width / 2) * scale : 0;
  }

  function move() {
    world.setAttribute("transform", `translate(${panX} ${panY}) scale(${scale})`);
    percent.textContent = `${Math.round(scale * 100)}%`;
    const now = sight();
    if (!drawn || now.x0 < drawn.x0 || now.y0 < drawn.y0 || now.x1 > drawn.x1 || now.y1 > drawn.y1) draw();
    const [width, height] = extent(lanes);
    map.style.display = now.x0 <= EDGE && now.y0 <= EDGE && now.x1 >= width - EDGE && now.y1 >= height - EDGE ? "none" : "";
    for (const [name, value] of Object.entries({ x: Math.max(0, now.x0), y: Math.max(0, now.y0), width: Math.min(width, now.x1) - Math.max(0, now.x0), height: Math.min(height, now.y1) - Math.max(0, now.y0) })) frame.setAttribute(name, String(Math.max(0, value) * factor));
  }

  function draw() {
    if (!view.isConnected) return (drawn = null);
    drawn = sight(AHEAD / Math.max(scale, FAR));
    const shown = lanes.filter(begun);
    world.replaceChildren(...shown.flatMap((lane) => drawLane(lane, shown[shown.indexOf(lane) + 1])));
  }

  function drawLane(lane, next) {
    const { x0, y0, x1, y1 } = drawn;
    if (lane.x > x1 || lane.x + lane.width + GUTTER < x0) return [];
    const inSight = (x, y, w, ht) => lane.dx + x < x1 && lane.dx + x + w > x0 && lane.dy + y < y1 && lane.dy + y + ht > y0;
    return [
      s("rect", { class: `lane${lane.state ? " l-" + lane.state : ""}`, x: lane.x, y: EDGE, width: lane.width, height: lane.height, rx: 4 }),
      titled(lane),
      s("g", { transform: `translate(${lane.dx} ${lane.dy})` }, scale < FAR ? fromAfar(lane, inSight) : nearby(lane, inSight)),
      lane.break && does.breakStyle(lane) !== null ? drawBreak(lane, next, does.breakStyle(lane), does) : [],
    ].flat();
  }

  // A lane's title and what is in it; where the picture is small the title alone, as large as its place allows.
  function titled(lane) {
    const size = Math.min(TOP - 8, Math.max(12, 11 / scale)), small = size > 16, fits = Math.floor((lane.width - 16) / (size * 0.62));
    const title = s("text", { class: "lt", x: lane.x + (small ? 8 : 12), y: EDGE + (small ? size + 2 : 20), style: { fontSize: `${size}px` } }, lane.title.length <= fits && size * scale >= 7 ? lane.title : "");
    return small ? title : [title, s("text", { class: "ls", x: lane.x + 12, y: EDGE + 36 }, lane.subtitle)];
  }

  function nearby(lane, inSight) {
    const { picture, nodes } = lane, out = [];
    const boxes = picture.boxes.filter((box) => inSight(box[1], box[2], box[3], box[4]) && born(lane, box[0]));
    const named = scale >= READABLE;
    for (const box of boxes) out.push(drawBox(lane, box, does.boxStyle(lane, box[0]), does, named));
    for (const [from, to, ...points] of picture.routes) {
      if (!reaches(points, inSight) || !born(lane, from) || !born(lane, to)) continue;
      out.push(s("path", { class: does.lit(lane, from) || does.lit(lane, to) ? "ed hi" : "ed", d: path(points), "marker-end": "url(#tw-head)" }));
    }
    for (const box of boxes) if (box[6]) out.push(drawHeader(lane, box, does.boxStyle(lane, box[0]), does, named));
    if (!named) out.push(...drawNames(boxes, scale, false));
    for (const stub of picture.stubs) if (inSight(stub[4], stub[5], stub[6], stub[7]) && born(lane, stub[0])) out.push(drawStub(lane, stub, { go }));
    for (const node of picture.nodes) if (nodes[node[0]] && inSight(node[1], node[2], node[3], node[4]) && born(lane, node[0])) out.push(drawNode(lane, node, does.style(lane, node[0]), does));
    return out;
  }

  // The same without text: everything that looks alike is one path. What is marked or chosen is drawn by itself.
  function fromAfar(lane, inSight) {
    const { picture, nodes } = lane, out = [];
    let boxes = "", edges = "", plain = "";
    for (const [id, x, y, w, ht, , open] of picture.boxes) if (inSight(x, y, w, ht) && born(lane, id)) open ? (boxes += outline(x, y, w, ht)) : (plain += outline(x, y, w, ht));
    for (const [from, to, ...points] of picture.routes) if (reaches(points, inSight) && born(lane, from) && born(lane, to)) edges += line(points);
    for (const node of picture.nodes) {
      const [id, x, y, w, ht] = node;
      if (!nodes[id] || !inSight(x, y, w, ht) || !born(lane, id)) continue;
      const style = does.style(lane, id);
      if (style && style !== " same") out.push(s("g", { class: `nd${style}`, onclick: (event) => (event.stopPropagation(), does.choose(lane, id)) }, s("rect", { class: "m", x, y, width: w, height: ht })));
      else plain += outline(x, y, w, ht);
    }
    const pick = (event) => {
      const px = toX(event) - lane.dx, py = toY(event) - lane.dy;
      const hit = picture.nodes.find(([, x, y, w, ht]) => px >= x && px <= x + w && py >= y && py <= y + ht);
      if (hit) return does.choose(lane, hit[0]);
      const box = picture.boxes.find(([, x, y, w, ht, , open]) => !open && px >= x && px <= x + w && py >= y && py <= y + ht);
      if (box) does.toggle(lane, box[0], event.shiftKey);
    };
    return [s("path", { class: "cl", d: boxes }), s("path", { class: "ed", d: edges }), s("path", { class: "far", d: plain, onclick: pick }), ...out, ...drawNames(picture.boxes.filter(([id, x, y, w, ht]) => inSight(x, y, w, ht) && born(lane, id)), scale, true)];
  }

  const reaches = (points, inSight) => {
    const a = points[0], b = points[1], c = points.at(-2), d = points.at(-1);
    return inSight(Math.min(a, c), Math.min(b, d), Math.abs(c - a) + 1, Math.abs(d - b) + 1);
  };
  const toX = (event) => (event.clientX - view.getBoundingClientRect().left - panX) / scale;
  const toY = (event) => (event.clientY - view.getBoundingClientRect().top - panY) / scale;

  // ---- the map
  function drawMap() {
    const [width, height] = extent(lanes);
    factor = Math.min(MAP[0] / width, MAP[1] / height);
    map.setAttribute("width", String(Math.ceil(width * factor)));
    map.setAttribute("height", String(Math.ceil(height * factor)));
    const px = (value) => Math.round(value * factor * 10) / 10;
    sketch.replaceChildren(...lanes.flatMap((lane) => {
      let d = "", last = -9;
      for (const [, x, y, w, ht] of [...lane.picture.nodes, ...lane.picture.boxes.filter((box) => !box[6])].sort((a, b) => a[2] - b[2])) {
        if (px(y) - last < 0.5) continue; // rows nearer than half a pixel are one line
        last = px(y);
        d += outline(px(lane.dx + x), px(lane.dy + y), Math.max(1.5, px(w)), Math.max(0.8, px(ht)));
      }
      return [s("rect", { class: "ml", x: px(lane.x), y: px(EDGE), width: px(lane.width), height: px(lane.height) }), s("path", { d }), lane.break ? s("rect", { class: "b", x: px(lane.x + lane.width + 18), y: px(EDGE + lane.height - CARD[1]), width: px(CARD[0]), height: Math.max(2, px(CARD[1])) }) : []].flat();
    }));
  }

  map.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    map.setPointerCapture(event.pointerId);
    const to = (moved) => {
      const box = map.getBoundingClientRect();
      panX = view.clientWidth / 2 - ((moved.clientX - box.left) / factor) * scale;
      panY = view.clientHeight / 2 - ((moved.clientY - box.top) / factor) * scale;
      touched = true;
      move();
    };
    map.onpointermove = to;
    to(event);
  });
  map.addEventListener("pointerup", () => (map.onpointermove = null));

  // ---- going about
  const laneOf = (name) => lanes.find((lane) => lane.name === name);

  function go(lane, id) {
    if (lane.nodes[id] && !lane.at.has(id)) does.uncover?.(lane, id);
    if (lane.nodes[id]) does.choose(lane, id);
    reveal(lane.name, id);
  }

  let sought = null; // what to reveal once the view has a size

  // A node or a box.
  function reveal(name, id) {
    if (!view.clientWidth) return (sought = [name, id]);
    const lane = laneOf(name), thing = lane && (lane.at.get(id) || lane.picture.boxes.find((box) => box[0] === id));
    if (!thing) return;
    const [, nx, ny, w, ht] = thing, now = sight(), x = lane.dx + nx, y = lane.dy + ny;
    const aside = x < now.x0 || x + w > now.x1, away = y < now.y0 || y + ht > now.y1;
    if (aside) panX = view.clientWidth / 2 - (x + w / 2) * scale;
    if (away) panY = view.clientHeight / 2 - (y + ht / 2) * scale;
    if (!aside && !away) return;
    touched = true;
    move();
  }

  // Runs something that draws anew, and moves what is drawn so that this box stays where it is.
  function keep(name, id, change) {
    const place = () => {
      const lane = laneOf(name), box = lane?.picture.boxes.find((one) => one[0] === id);
      return box && [panX + (lane.dx + box[1] + box[3] / 2) * scale, panY + (lane.dy + box[2]) * scale];
    };
    const before = place();
    touched = true;
    change();
    const after = place();
    if (!before || !after) return;
    panX += before[0] - after[0];
    panY += before[1] - after[1];
    move();
  }

  function zoom(by, cx = view.clientWidth / 2, cy = view.clientHeight / 2) {
    const goal = Math.min(2.5, Math.max(LEAST, scale * by));
    panX = cx - ((cx - panX) / scale) * goal;
    panY = cy - ((cy - panY) / scale) * goal;
    if (goal < FAR !== scale < FAR) drawn = null;
    else if (Math.min(goal, scale) < READABLE) relabelled(); // names are as large as the scale asks
    scale = goal;
    touched = true;
    move();
  }

  const relabelled = throttled(() => drawn && draw());
  const every = () => lanes.flatMap((lane) => lane.picture.nodes.filter(([id]) => lane.nodes[id] && born(lane, id)).map((node) => ({ lane, node })));

  // The nearest node in a direction; where nothing is chosen, the first in sight.
  function neighbour(chosen, [dx, dy]) {
    const all = every(), now = all.find(({ lane, node }) => `${lane.name}:${node[0]}` === chosen);
    if (!now) {
      const { x0, y0 } = sight();
      return all.find(({ lane, node }) => lane.dx + node[1] >= x0 && lane.dy + node[2] >= y0) || all[0];
    }
    const middle = ({ lane, node }) => [lane.dx + node[1] + node[3] / 2, lane.dy + node[2]];
    const [fx, fy] = middle(now);
    let best = null, least = Infinity;
    for (const one of all) {
      const [x, y] = middle(one), along = (x - fx) * dx + (y - fy) * dy, across = Math.abs((x - fx) * dy) + Math.abs((y - fy) * dx);
      if (along > 1 && along + 2 * across < least) [best, least] = [one, along + 2 * across];
    }
    return best;
  }

  view.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) {
      const best = neighbour(does.chosen(), step);
      if (best) go(best.lane, best.node[0]);
    } else if (event.key === "f") fit();
    else if (event.key === "+" || event.key === "=") zoom(1.2);
    else if (event.key === "-") zoom(1 / 1.2);
    else if (!does.key?.(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  view.addEventListener("wheel", (event) => {
    const box = view.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    else if (view.matches(":focus-within")) {
      panX -= event.shiftKey ? event.deltaY : event.deltaX;
      panY -= event.shiftKey ? 0 : event.deltaY;
      touched = true;
      move();
    } else return; // the wheel belongs to the page until the graph has focus
    event.preventDefault();
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    let [x, y] = [event.clientX, event.clientY], dragging = false;
    const pan = (moved) => {
      if (!dragging && Math.hypot(moved.clientX - x, moved.clientY - y) < 4) return;
      if (!dragging) svg.setPointerCapture(event.pointerId);
      dragging = touched = true;
      panX += moved.clientX - x;
      panY += moved.clientY - y;
      [x, y] = [moved.clientX, moved.clientY];
      move();
    };
    const done = () => {
      svg.removeEventListener("pointermove", pan);
      svg.removeEventListener("pointerup", done);
    };
    svg.addEventListener("pointermove", pan);
    svg.addEventListener("pointerup", done);
  });

  function sized() {
    if (!view.clientWidth) return;
    if (touched) {
      drawn = null;
      move();
    } else (does.again || first)();
    const [name, id] = sought || [];
    sought = null;
    if (name) reveal(name, id);
  }
  const sizes = new ResizeObserver(sized);
  sizes.observe(view);
  const tools = [
    h("button", { class: "b ic", title: "Smaller (−)", "aria-label": "Zoom out", onclick: () => zoom(1 / 1.2) }, "−"),
    percent,
    h("button", { class: "b ic", title: "Larger (+)", "aria-label": "Zoom in", onclick: () => zoom(1.2) }, "+"),
    h("button", { class: "b", title: "Fit (F)", onclick: fit }, "Fit"),
  ];
  return {
    view, tools, set, draw, go, reveal, keep, every, fit, first,
    shown: sized,
    touched: () => touched,
    lane: laneOf,
    all: () => lanes,
    close: () => sizes.disconnect(),
  };
}
