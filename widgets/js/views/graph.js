// The FX graphs: one lane each, the break in the gutter between them. Nodes keep their places as the graph grows: what
// comes later than the moment is not drawn. Only what is in sight is drawn, so that 10,000 nodes pan smoothly.
import { h, icon, number, refill, s, throttled } from "../dom.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const TOP = 46, PAD = 14, LEAST = 168, CARD = [92, 44], GUTTER = CARD[0] + 36, EDGE = 8;
const CHARACTER = 6.63, SMALL = 6.03, INSET = 9, GAP = 8; // of the measures that made the widths (tracer/export/figure.py)
const AHEAD = 400; // pixels drawn around what is in sight

export function graph(app) {
  const canvas = s("svg", { role: "img", "aria-label": "Graph" });
  const world = s("g");
  canvas.append(s("defs", {}, s("marker", { id: "tw-head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" }, s("path", { d: "M1 1l6 3-6 3z", class: "hd-p" }))), world);
  const empty = h("div", { class: "nothing", hidden: true }, "No graph was captured.");
  const view = h("div", { class: "gv", tabindex: "0", "data-key": "graph", "aria-label": "Graph: arrows move between nodes, E opens and closes a module, F fits" }, canvas, empty);
  const search = h("input", { class: "in", placeholder: "Find a node", "aria-label": "Find a node", hidden: true });
  const depth = h("select", { class: "in", "aria-label": "Depth", title: "How deep modules are opened" });
  const percent = h("span", { class: "num mut" });
  let lanes = []; // { name, number, picture, nodes, x, width, height, … }
  let chosen = "auto", scale = 1, panX = 0, panY = 0, drawn = null, touched = false;
  const closed = new Map(); // lane name → the modules that a person closed or opened there
  const own = new Map(); // lane name → the picture that the kernel made for them

  // ---- where the lanes stand
  function arrange() {
    const data = app.data.graph?.lanes || [];
    let x = EDGE;
    lanes = data.map((lane, index) => {
      const picture = own.get(lane.name) || lane.pictures[chosen] || lane.pictures.all || lane.pictures.auto;
      const width = Math.max(LEAST, picture.size[0] + 2 * PAD);
      const placed = { ...lane, number: index, picture, x, width, height: TOP + picture.size[1] + PAD, dx: x + (width - picture.size[0]) / 2, dy: EDGE + TOP };
      placed.at = new Map(picture.nodes.map((node) => [node[0], node]));
      x += width + (lane.break ? GUTTER : 18);
      return placed;
    });
    const names = ["auto", ...new Set(data.flatMap((lane) => Object.keys(lane.pictures)).filter((name) => name !== "auto"))];
    refill(depth, names.map((name) => h("option", { value: name, selected: name === chosen }, name === "auto" ? "Depth: auto" : name === "all" ? "Depth: all" : `Depth ${name}`)));
    depth.value = chosen;
    empty.hidden = lanes.length > 0;
    if (!touched) fit();
    drawn = null;
    draw();
  }

  const extent = () => [lanes.reduce((most, lane) => Math.max(most, lane.x + lane.width + (lane.break ? GUTTER : 0)), 0) + EDGE, lanes.reduce((most, lane) => Math.max(most, lane.height), 0) + 2 * EDGE];

  // Everything where that stays readable; else the width, from the top.
  function fit() {
    const [width, height] = extent(), w = view.clientWidth || 600, ht = view.clientHeight || 400;
    scale = Math.min(1, Math.max(0.84, Math.min(w / width, ht / height)));
    panX = Math.max(0, (w - width * scale) / 2);
    panY = 0;
    move();
  }

  function move() {
    world.setAttribute("transform", `translate(${panX} ${panY}) scale(${scale})`);
    percent.textContent = `${Math.round(scale * 100)}%`;
    const sight = window_();
    if (!drawn || sight.x0 < drawn.x0 || sight.y0 < drawn.y0 || sight.x1 > drawn.x1 || sight.y1 > drawn.y1) draw();
  }

  const window_ = (more = 0) => ({ x0: -panX / scale - more, y0: -panY / scale - more, x1: (view.clientWidth - panX) / scale + more, y1: (view.clientHeight - panY) / scale + more });

  // ---- drawing
  function draw() {
    const sight = window_(AHEAD);
    drawn = sight;
    world.replaceChildren(...lanes.filter((lane) => lane.seq <= app.now).flatMap((lane) => drawLane(lane, sight)));
  }

  function drawLane(lane, sight) {
    if (lane.x > sight.x1 || lane.x + lane.width + GUTTER < sight.x0) return [];
    const { picture, nodes } = lane;
    const inSight = (x, y, w, ht) => lane.dx + x < sight.x1 && lane.dx + x + w > sight.x0 && lane.dy + y < sight.y1 && lane.dy + y + ht > sight.y0;
    const births = new Map(picture.boxes.map((box) => [box[0], box[8]]));
    const born = (id) => (nodes[id] ? nodes[id][6] : births.get(id) ?? 0) <= app.now;
    const inner = s("g", { transform: `translate(${lane.dx} ${lane.dy})` });
    for (const box of picture.boxes) {
      const [, x, y, w, ht, , open] = box;
      if (inSight(x, y, w, ht) && born(box[0])) inner.append(open ? openBox(lane, box) : closedBox(lane, box));
    }
    for (const [from, to, ...points] of picture.routes) {
      const [x0, y0] = points, x1 = points.at(-2), y1 = points.at(-1);
      if (!inSight(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0) + 1, Math.abs(y1 - y0) + 1) || !born(from) || !born(to)) continue;
      const chosenEdge = app.selection?.type === "node" && [from, to].some((id) => `${lane.name}:${id}` === app.selection.id);
      inner.append(s("path", { class: chosenEdge ? "ed hi" : "ed", d: path(points), "marker-end": "url(#tw-head)" }));
    }
    for (const stub of picture.stubs) if (inSight(stub[4], stub[5], stub[6], stub[7]) && born(stub[0])) inner.append(drawStub(lane, stub));
    for (const node of picture.nodes) if (nodes[node[0]] && inSight(node[1], node[2], node[3], node[4]) && born(node[0])) inner.append(drawNode(lane, node));
    return [
      s("rect", { class: "lane", x: lane.x, y: EDGE, width: lane.width, height: lane.height, rx: 4 }),
      s("text", { class: "lt", x: lane.x + 12, y: EDGE + 20 }, lane.title),
      s("text", { class: "ls", x: lane.x + 12, y: EDGE + 36 }, lane.subtitle),
      inner,
      ...(lane.break && lane.break.seq <= app.now ? [drawBreak(lane)] : []),
    ];
  }

  const path = (points) => {
    let d = `M${points[0]} ${points[1]}`;
    for (let i = 2; i < points.length; i += 2) {
      const [px, py, x, y] = [points[i - 2], points[i - 1], points[i], points[i + 1]];
      const bend = Math.min(14, Math.abs(y - py) / 2);
      d += px === x ? `L${x} ${y}` : `C${px} ${py + bend} ${x} ${y - bend} ${x} ${y}`;
    }
    return d;
  };

  function drawNode(lane, [id, x, y, w, ht]) {
    const [kind, operator, instance, shape, folded, cause, seq, line] = lane.nodes[id];
    const self = { type: "node", id: `${lane.name}:${id}`, seq, line: line || undefined, title: operator };
    const selection = app.selection;
    const state = selection?.type === "node" && selection.id === self.id ? " sel" : app.related(self) ? " rel" : found.has(self.id) ? " rel" : "";
    const g = s("g", { class: `nd${kind === "op" ? "" : " io"}${cause ? " cause" : ""}${state}`, "data-id": self.id, onclick: (event) => (event.stopPropagation(), app.select(self)) });
    g.append(s("title", {}, `${operator}${instance ? " " + instance : ""} ${shape}`), s("rect", { class: "m", x, y, width: w, height: ht, rx: 3 }));
    let at = x + INSET;
    for (const [text, character, style] of [[operator, CHARACTER, "t"], [instance, CHARACTER, "in"], [shape, SMALL, "sh"], [folded ? `+${folded}` : "", SMALL, "sh"]]) {
      if (!text) continue;
      g.append(s("text", { class: style, x: at, y: y + ht / 2 + 4 }, text));
      at += text.length * character + GAP;
    }
    return g;
  }

  function header(lane, [id, x, y, w, , count, open]) {
    const path_ = id.split("#")[0].split(".").at(-1);
    const name = /^\d+$/.test(path_) ? id.split("#")[0].split(".").slice(-2).join(".") : path_;
    const g = s("g", { class: "clh", onclick: (event) => (event.stopPropagation(), toggle(lane, id)) });
    g.append(
      s("title", {}, app.kernel ? `${open ? "Close" : "Open"} ${id}` : `${id}: opening one module needs a kernel; Depth changes all`),
      s("rect", { x, y, width: w, height: 20, fill: "transparent" }),
      s("path", { class: "ch", d: open ? `M${x + 8} ${y + 8}l4 4 4-4` : `M${x + 10} ${y + 6}l4 4-4 4` }),
      s("text", { x: x + 22, y: y + 14 }, name),
      s("text", { class: "ls", x: x + 30 + name.length * 6.6, y: y + 14 }, `${number(count)} op${count === 1 ? "" : "s"}`),
    );
    return g;
  }

  function openBox(lane, box) {
    const [id, x, y, w, ht] = box;
    const related = app.selection?.type === "module" && app.selection.id === `${lane.name}:${id}`;
    return s("g", {}, s("rect", { class: related ? "cl rel" : "cl", x, y, width: w, height: ht, rx: 4 }), header(lane, box));
  }

  function closedBox(lane, box) {
    const [id, x, y, w, ht] = box;
    const g = s("g", { class: "nd mod", onclick: () => app.select({ type: "module", id: `${lane.name}:${id}`, title: id }) });
    g.append(s("rect", { class: "sheet", x: x + 3, y: y + 3, width: w, height: ht, rx: 3 }), s("rect", { class: "m", x, y, width: w, height: ht, rx: 3 }), header(lane, box));
    return g;
  }

  function drawStub(lane, [node, side, text, others, x, y, w, ht]) {
    const g = s("g", { class: "stub", onclick: (event) => (event.stopPropagation(), go(lane, others[0])) });
    const middle = y + ht / 2;
    g.append(
      s("title", {}, `${side === "out" ? "read by" : "reads"} ${others.join(", ")}`),
      s("path", { d: side === "out" ? `M${x - 6} ${middle}h6` : `M${x + w} ${middle}h6` }),
      s("rect", { x, y, width: w, height: ht, rx: ht / 2 }),
      s("text", { x: x + w / 2, y: middle + 3.5, "text-anchor": "middle" }, side === "out" ? `${text} ↘` : `↘ ${text}`),
    );
    return g;
  }

  function drawBreak(lane) {
    const x = lane.x + lane.width + (GUTTER - CARD[0]) / 2, y = Math.min(EDGE + lane.height - CARD[1] - 10, EDGE + TOP + 20);
    const self = { type: "break", id: lane.break.seq, seq: lane.break.seq, title: lane.break.title };
    const g = s("g", { class: `nd brkc${app.related(self) ? " sel" : ""}`, "data-id": `break:${self.id}`, onclick: () => app.select(self) });
    g.append(
      s("title", {}, lane.break.title),
      s("path", { class: "ed brk", d: `M${lane.x + lane.width} ${y + 22}H${x}M${x + CARD[0]} ${y + 22}h18` }),
      s("rect", { class: "m", x, y, width: CARD[0], height: CARD[1], rx: 4 }),
      s("text", { x: x + CARD[0] / 2, y: y + 18, "text-anchor": "middle" }, "break"),
      s("text", { class: "bl", x: x + CARD[0] / 2, y: y + 34, "text-anchor": "middle" }, lane.break.resumes ? `→ ${lane.break.resumes}` : ""),
    );
    return g;
  }

  // ---- going about
  function toggle(lane, id) {
    if (!app.kernel) return;
    const shut = closed.get(lane.name) || new Set(lane.picture.boxes.filter((box) => !box[6]).map((box) => box[0]));
    shut.has(id) ? shut.delete(id) : shut.add(id);
    closed.set(lane.name, shut);
    app.ask("lane", { number: lane.number, closed: [...shut] }).then((picture) => {
      own.set(lane.name, picture);
      touched = true;
      arrange();
    });
  }

  function go(lane, id) {
    const node = lane.at.get(id);
    if (lane.nodes[id]) app.select({ type: "node", id: `${lane.name}:${id}`, seq: lane.nodes[id][6], line: lane.nodes[id][7] || undefined, title: lane.nodes[id][1] });
    if (node) reveal(lane.dx + node[1], lane.dy + node[2], node[3], node[4]);
  }

  function reveal(x, y, w, ht) {
    const sight = window_();
    if (x < sight.x0 || x + w > sight.x1) panX = view.clientWidth / 2 - (x + w / 2) * scale;
    if (y < sight.y0 || y + ht > sight.y1) panY = view.clientHeight / 2 - (y + ht / 2) * scale;
    touched = true;
    move();
  }

  function zoom(factor, cx = view.clientWidth / 2, cy = view.clientHeight / 2) {
    const goal = Math.min(2.5, Math.max(0.05, scale * factor));
    panX = cx - ((cx - panX) / scale) * goal;
    panY = cy - ((cy - panY) / scale) * goal;
    scale = goal;
    touched = true;
    drawn = null;
    move();
  }

  const every = () => lanes.flatMap((lane) => lane.picture.nodes.filter(([id]) => lane.nodes[id] && lane.nodes[id][6] <= app.now).map((node) => ({ lane, node })));

  view.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (step) {
      const all = every(), now = all.find(({ lane, node }) => `${lane.name}:${node[0]}` === app.selection?.id);
      const from = now ? [now.lane.dx + now.node[1] + now.node[3] / 2, now.lane.dy + now.node[2]] : null;
      let best = from ? null : all[0], least = Infinity;
      if (from) {
        for (const one of all) {
          const dx = one.lane.dx + one.node[1] + one.node[3] / 2 - from[0], dy = one.lane.dy + one.node[2] - from[1];
          const along = dx * step[0] + dy * step[1], across = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
          if (along > 1 && along + 2 * across < least) [best, least] = [one, along + 2 * across];
        }
      }
      if (best) go(best.lane, best.node[0]);
    } else if (event.key === "f") fit();
    else if (event.key === "+" || event.key === "=") zoom(1.2);
    else if (event.key === "-") zoom(1 / 1.2);
    else if (event.key === "e") {
      const inside = lanes.flatMap((lane) => lane.picture.boxes.map((box) => ({ lane, box }))).filter(({ lane, box }) => selectedIn(lane, box)).at(-1);
      if (inside) toggle(inside.lane, inside.box[0]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function selectedIn(lane, [id, x, y, w, ht]) {
    if (app.selection?.id === `${lane.name}:${id}`) return true;
    const node = app.selection?.type === "node" && app.selection.id.startsWith(lane.name + ":") && lane.at.get(app.selection.id.slice(lane.name.length + 1));
    return node && node[1] >= x && node[1] + node[3] <= x + w && node[2] >= y && node[2] + node[4] <= y + ht;
  }

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
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    let [x, y] = [event.clientX, event.clientY], dragging = false;
    const pan = (moved) => {
      if (!dragging && Math.hypot(moved.clientX - x, moved.clientY - y) < 4) return;
      if (!dragging) canvas.setPointerCapture(event.pointerId);
      dragging = touched = true;
      panX += moved.clientX - x;
      panY += moved.clientY - y;
      [x, y] = [moved.clientX, moved.clientY];
      move();
    };
    const done = () => {
      canvas.removeEventListener("pointermove", pan);
      canvas.removeEventListener("pointerup", done);
    };
    canvas.addEventListener("pointermove", pan);
    canvas.addEventListener("pointerup", done);
  });

  // ---- finding
  let found = new Set(), hits = [];
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    hits = text ? every().filter(({ lane, node }) => [node[0], ...lane.nodes[node[0]].slice(1, 4), lane.nodes[node[0]][8]].some((part) => String(part).toLowerCase().includes(text))) : [];
    found = new Set(hits.map(({ lane, node }) => `${lane.name}:${node[0]}`));
    search.title = `${number(hits.length)} found`;
    draw();
  });
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && hits.length) {
      const next = hits.shift();
      hits.push(next);
      go(next.lane, next.node[0]);
    } else if (event.key === "Escape") {
      search.hidden = true;
      search.value = "";
      found = new Set();
      draw();
      view.focus();
    }
  });
  const find = () => {
    search.hidden = false;
    search.focus();
  };

  depth.addEventListener("change", () => {
    chosen = depth.value;
    own.clear();
    closed.clear();
    touched = false;
    arrange();
  });
  const tools = [
    search,
    depth,
    h("button", { class: "b ic", title: "Find a node (/)", "aria-label": "Find a node", onclick: find }, icon("srch")),
    h("button", { class: "b ic", title: "Smaller (−)", "aria-label": "Zoom out", onclick: () => zoom(1 / 1.2) }, "−"),
    percent,
    h("button", { class: "b ic", title: "Larger (+)", "aria-label": "Zoom in", onclick: () => zoom(1.2) }, "+"),
    h("button", { class: "b", title: "Fit (F)", onclick: () => ((touched = false), fit()) }, "Fit"),
  ];

  app.describers.node = (selection) => {
    const [lane, id] = split(selection.id);
    if (!lane || !lane.nodes[id]) return null;
    const [, operator, instance, shape, , , seq, line, path_, target, args, dtype, device, reads] = lane.nodes[id];
    const users = Object.entries(lane.nodes).filter(([, node]) => node[13].includes(id)).map(([name]) => name);
    const link = (name) => (lane.nodes[name] ? h("button", { class: "chip", onclick: () => go(lane, name) }, name) : h("span", { class: "mono mut" }, name));
    return {
      title: `${operator}${instance ? " " + instance : ""}`,
      sub: [lane.title, " · ", eventLink(app, seq), line ? [" · ", lineLink(app, line)] : null],
      parts: [
        facts([["name", h("span", { class: "mono" }, id)], ["calls", h("span", { class: "mono wrap" }, args ? `${target}(${args})` : target)], ["result", [dtype, shape, device].filter(Boolean).join(" · ")], ["module", path_]]),
        reads.length ? section("Reads", h("div", { class: "chain" }, reads.map(link))) : null,
        users.length ? section("Read by", h("div", { class: "chain" }, users.map(link))) : null,
      ],
    };
  };
  app.describers.module = (selection) => {
    const [lane, id] = split(selection.id);
    const box = lane?.picture.boxes.find((one) => one[0] === id);
    return box ? { title: id, sub: [lane.title, ` · ${number(box[5])} ops`], parts: [h("div", { class: "btns" }, h("button", { class: "b o", disabled: !app.kernel, title: app.kernel ? "" : "needs a kernel", onclick: () => toggle(lane, id) }, box[6] ? "Close" : "Open"))] } : null;
  };
  const split = (id) => {
    const at = id.indexOf(":");
    return [lanes.find((lane) => lane.name === id.slice(0, at)), id.slice(at + 1)];
  };

  const later = throttled(draw);
  app.on("data", (names) => names.includes("graph") && arrange());
  app.on("time", later);
  app.on("select", () => {
    draw();
    const selection = app.selection;
    if (selection?.type === "node" || !selection) return;
    const first = every().find(({ lane, node }) => app.related({ type: "node", id: `${lane.name}:${node[0]}`, seq: lane.nodes[node[0]][6], line: lane.nodes[node[0]][7] }));
    if (first) reveal(first.lane.dx + first.node[1], first.lane.dy + first.node[2], first.node[3], first.node[4]);
  });
  const sizes = new ResizeObserver(() => (touched ? move() : fit()));
  sizes.observe(view);
  app.on("close", () => sizes.disconnect());
  return { el: view, tools, find, shown: () => (touched ? move() : fit()), badge: () => null };
}
