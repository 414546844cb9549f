// Events as nested spans and ticks. One playhead with the scrubber; a click moves it, a click on a span selects its event.
import { before, h, icon, number, refill, resized, s, seconds, throttled } from "../dom.js";

const LABELS = 92, AXIS = 16, SPAN = 18, TICK = 11, RIGHT = 14;
const ROWS = [["call", "Call"], ["frame", "Frames"], ["attempt", "Attempts"], [0, "Inlined"], [1, ""], [2, ""]];
const TICKS = [["values", "Values"], ["guards", "Guards"], ["nodes", "Nodes"], ["breaks", "Breaks"], ["recompiles", "Recompiles"]];
const MARKS = new Set(["breaks", "recompiles"]); // rows that are there only where something is in them

export function timeline(app) {
  const about = h("span", { class: "mut" });
  const filters = h("div", { class: "flts", role: "group", "aria-label": "Filter" });
  const body = h("div", { class: "tlb" });
  const svg = s("svg", { role: "img", "aria-label": "Timeline" });
  body.append(svg);
  const el = h("section", { class: "tl", "aria-label": "Timeline" }, h("div", { class: "ph" }, h("h3", {}, "Timeline"), about, h("div", { class: "sp" }), filters), body);
  const shown = { values: true, guards: true, nodes: true, breaks: true, recompiles: true };
  let givenUp = false, byTime = false;

  const clock = () => app.data.timeline?.clock || [];
  let clocked = null, sides = []; // the clock as two lists
  function columns(points) {
    if (clocked !== points) [clocked, sides] = [points, [0, 1].map((side) => points.map((point) => point[side]))];
    return sides;
  }

  // µs of an event, between the points that are known; and back.
  function between(points, value, from, to) {
    if (!points.length) return 0;
    const at = Math.max(0, before(columns(points)[from], value));
    const [a, b] = [points[at], points[Math.min(points.length - 1, at + 1)]];
    const part = b[from] === a[from] ? 0 : (value - a[from]) / (b[from] - a[from]);
    return a[to] + Math.min(1, Math.max(0, part)) * (b[to] - a[to]);
  }
  const total = () => Math.max(1, byTime ? clock().at(-1)?.[1] || 1 : app.last);
  let measured = 0; // of the panel, when it was drawn last: asking again would lay the page out anew
  const width = () => Math.max(100, measured - LABELS - RIGHT);
  const x = (seq) => LABELS + ((byTime ? between(clock(), seq, 0, 1) : seq) / total()) * width();
  const seqAt = (px) => {
    const value = Math.min(1, Math.max(0, (px - LABELS) / width())) * total();
    return byTime ? between(clock(), value, 1, 0) : value;
  };

  function draw() {
    const data = app.data.timeline;
    if (!data || !body.clientWidth) return; // drawn when it comes into sight
    measured = body.clientWidth;
    const seqs = [];
    marked = new Map();
    let y = AXIS + 2;
    const parts = [axis()];
    for (const [row, label] of ROWS) {
      const spans = data.spans.filter((span) => (span[0] === row || (row === 0 && span[0] === "tried") || (row === "frame" && span[0] === "compile")) && (givenUp || !span[5] || row === "attempt"));
      if (typeof row === "number" && row > 0 && !spans.length) continue;
      if (label) parts.push(s("text", { class: "lab", x: 10, y: y + 12 }, label));
      let edge = -1;
      for (const span of spans) {
        const left = x(span[1]), right = Math.max(left + 1, x(span[2]));
        if (right < edge + 0.6) continue; // lies within the last pixel drawn
        edge = right;
        parts.push(drawSpan(span, left, right - left, y, row));
      }
      y += SPAN;
    }
    for (const [name, label] of TICKS) {
      const ticks = data.ticks[name];
      if (!shown[name] || (MARKS.has(name) && !ticks?.length)) continue;
      parts.push(s("text", { class: "lab", x: 10, y: y + 9 }, label));
      if (MARKS.has(name)) {
        let edge = LABELS; // the right end of what was written last
        for (const [index, [seq, text, line]] of ticks.entries()) {
          const at = x(seq), long = text.length * 5.6, next = index + 1 < ticks.length ? x(ticks[index + 1][0]) - 6 : LABELS + width() + RIGHT;
          const side = at + 8 + long < next && at > edge ? "right" : at - 8 - long > edge ? "left" : "";
          edge = side === "right" ? at + 8 + long : at + 6;
          parts.push(diamond(name, seq, text, line, y, side));
        }
      } else {
        let d = "", last = -9;
        for (const seq of ticks) {
          const at = Math.round(x(seq) * 2) / 2;
          if (at - last < 1) continue;
          last = at;
          d += `M${at} ${y + 1}v8`;
        }
        parts.push(s("path", { class: `tk ${name}`, d }));
        seqs.push([y, ticks]);
      }
      y += TICK;
    }
    height = y + 4;
    if (app.paused) parts.push(s("rect", { class: "later", x: x(app.data.head.at), y: AXIS, width: Math.max(0, LABELS + width() - x(app.data.head.at)), height: height - AXIS }));
    svg.setAttribute("height", String(height));
    svg.setAttribute("viewBox", `0 0 ${measured} ${height}`);
    svg.replaceChildren(...parts, head);
    point();
    choose();
    refill(about, `${number(app.last + 1)} events · ${seconds((clock().at(-1)?.[1] || 0) / 1e6)}`);
    rows = seqs;
  }
  let rows = []; // [y, seqs] of the rows with ticks, for clicks
  let marked = new Map(), lit = []; // event → what is drawn of it; what is marked as selected
  let height = 0;
  const stem = s("line", { y1: 4 }), tip = s("path", {}), head = s("g", { class: "play" }, stem, tip);

  // The moment and the selection change often: they move, all else stays as it is drawn.
  function point() {
    if (!app.data.timeline) return;
    const at = x(app.now);
    for (const [name, value] of Object.entries({ x1: at, x2: at, y2: height })) stem.setAttribute(name, String(value));
    tip.setAttribute("d", `M${at - 4.5} 1h9v6l-4.500 4-4.500-4z`);
  }

  function choose() {
    for (const one of lit) one.classList.remove("sel");
    lit = marked.get(app.selection?.seq) || [];
    for (const one of lit) one.classList.add("sel");
  }

  function known(seq, element) {
    if (marked.has(seq)) marked.get(seq).push(element);
    else marked.set(seq, [element]);
    return element;
  }

  function axis() {
    const g = s("g", { class: "ax" }), count = Math.max(2, Math.floor(width() / 150));
    const raw = total() / count, power = 10 ** Math.floor(Math.log10(raw)), unit = [1, 2, 5, 10].find((n) => n * power >= raw) * power;
    for (let value = 0; value <= total(); value += unit) {
      const at = LABELS + (value / total()) * width();
      g.append(s("line", { x1: at, x2: at, y1: AXIS, y2: 400 }), s("text", { x: at + 3, y: 11 }, byTime ? seconds(value / 1e6) : number(value)));
    }
    return g;
  }

  function drawSpan([kind, first, last, label, short, dropped], left, wide, y, row) {
    const style = kind === "tried" ? "sp" : kind === "compile" ? "cmp" : dropped ? "up" : { call: "s0", frame: "s1", attempt: "s2" }[row] || "s2";
    const g = s("g", { class: "spn", onclick: (event) => (event.stopPropagation(), app.select({ type: kind === "tried" ? "speculation" : "event", id: first, seq: first, title: label })) });
    g.append(s("title", {}, `${label}${dropped ? " · given up" : ""} · events ${number(first)} to ${number(last)}`), s("rect", { class: style, x: left, y: y + 1, width: wide, height: 15, rx: 2 }));
    const room = (wide - 8) / 5.6, text = label.length <= room ? label : short.length <= room ? short : "";
    if (text) g.append(s("text", { x: left + 4, y: y + 12 }, text));
    return known(first, g);
  }

  // `side`: where its label has room; without any the title tells it.
  function diamond(row, seq, text, line, y, side) {
    const at = x(seq), self = row === "breaks" ? { type: "break", title: "Graph break" } : { type: "recompile", title: "Recompile" };
    const label = side && s("text", side === "left" ? { x: at - 8, y: y + 9, "text-anchor": "end" } : { x: at + 8, y: y + 9 }, text);
    return known(seq, s("g", { class: "dia", onclick: (event) => (event.stopPropagation(), app.select({ ...self, id: seq, seq, line: line || undefined })) }, s("title", {}, text), s("path", { d: `M${at} ${y}l5 5-5 5-5-5z` }), label || null));
  }

  body.addEventListener("pointerdown", (event) => {
    const box = body.getBoundingClientRect();
    if (event.clientX - box.left < LABELS || event.target.closest(".spn, .dia")) return;
    const y = event.clientY - box.top, seq = seqAt(event.clientX - box.left);
    const row = rows.find(([top]) => y >= top && y < top + TICK);
    if (row) {
      const near = nearest(row[1], seq);
      if (near !== undefined && Math.abs(x(near) - (event.clientX - box.left)) < 4) app.select({ type: "event", id: near, seq: near });
    }
    body.setPointerCapture(event.pointerId);
    const move = (moved) => app.seek(seqAt(moved.clientX - box.left));
    body.onpointermove = move;
    move(event);
  });
  body.addEventListener("pointerup", () => (body.onpointermove = null));

  function nearest(sorted, value) {
    const at = before(sorted, value);
    const [a, b] = [sorted[at], sorted[at + 1]];
    return a === undefined ? b : b === undefined ? a : value - a <= b - value ? a : b;
  }

  function drawFilters() {
    refill(
      filters,
      TICKS.map(([name, label]) => h("button", { class: "chipf", "data-key": name, "aria-pressed": String(shown[name]), onclick: () => ((shown[name] = !shown[name]), drawFilters(), draw()) }, label.toLowerCase())),
      h("button", { class: "chipf", "data-key": "up", "aria-pressed": String(givenUp), onclick: () => ((givenUp = !givenUp), drawFilters(), draw()) }, "inside given-up attempts"),
      h("div", { class: "seg", role: "group", "aria-label": "Scale" }, [["events", false], ["time", true]].map(([label, value]) => h("button", { "data-key": label, "aria-pressed": String(byTime === value), onclick: () => ((byTime = value), drawFilters(), draw()) }, label))),
    );
  }

  const later = throttled(draw);
  app.on("data", (names) => (names.includes("timeline") || names.includes("head")) && later());
  app.on("time", throttled(point));
  app.on("select", throttled(choose));
  app.on("close", resized(body, draw));
  drawFilters();
  return { el, icon };
}
