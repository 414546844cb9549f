// What the backend made of a graph, as text beside the graph as it was captured. Lines of both belong to lines of the program:
// choosing one marks the others.
import { h, number, refill, throttled } from "../dom.js";
import { copyToCell } from "../notebook.js";
import { highlighted } from "./source.js";

const COLOURED = 3000; // lines: longer texts are shown plain

export function stages(app) {
  const left = h("div", { class: "cd fx", role: "listbox", "aria-label": "FX graph" });
  const right = h("div", { class: "cd", role: "listbox", "aria-label": "Stage" });
  const heads = [h("div", { class: "sec" }), h("div", { class: "sec" })];
  const el = h("div", { class: "stt stg" }, h("div", { tabindex: "0" }, heads[0], left), h("div", { tabindex: "0" }, heads[1], right));
  const which = h("select", { class: "in", "aria-label": "Graph" });
  const row = h("span", { class: "seg", role: "group", "aria-label": "Stages of the backend" });
  const texts = new Map(); // "graph:index:seq" → [text, places] that the kernel gave
  let graph = 0, stage = 0, drawn = null, rows = [];

  const all = () => app.data.stages?.graphs || [];
  const made = (one) => one.stages.map((each, index) => ({ index, seq: each[0], title: each[2], text: each[3], places: each[4] })).filter((each) => each.seq <= app.now);

  function draw() {
    graph = Math.min(graph, Math.max(0, all().length - 1));
    const one = all()[graph];
    if (!one) return;
    const there = made(one), now = there.find((each) => each.index === stage) || there[0];
    refill(which, all().map((each, index) => h("option", { value: index, selected: index === graph }, each.title)));
    which.hidden = all().length < 2;
    refill(row, there.map((each) => h("button", { "data-key": `g${each.index}`, "aria-pressed": String(each === now), onclick: () => ((stage = each.index), draw()) }, each.title)));
    const key = now ? `${one.name}:${now.index}:${now.seq}` : `${one.name}:`;
    if (drawn === key) return mark();
    drawn = key;
    rows = [];
    refill(heads[0], "FX graph", h("span", {}, one.title));
    refill(left, one.lines.map(([text, node, seq, line]) => entry(highlighted(text), "", line, () => (node && seq ? app.select({ type: "node", id: `${one.name}:${node}`, seq, line: line || undefined, title: node }) : choose(line)))));
    if (!now) {
      refill(heads[1], "Stages");
      return refill(right, h("div", { class: "nothing" }, "At this moment the backend has not been asked yet."));
    }
    const [text, places] = now.text === null ? texts.get(key) || [] : [now.text, now.places];
    heading(now, text);
    if (text !== undefined) return fill(text, places);
    refill(right, h("div", { class: "nothing" }, app.kernel ? "Loading…" : "Too long to be kept in the page: open it with a kernel."));
    app.ask("stage", { graph: one.name, number: now.index }).then((answer) => {
      texts.set(key, answer);
      drawn = null;
      draw();
    }, (error) => refill(right, h("div", { class: "nothing" }, error.message)));
  }

  function heading(now, text) {
    const count = text === undefined ? null : h("span", {}, `${number(text.split("\n").length)} lines`);
    const copy = h("button", { class: "b o", style: { height: "22px" }, disabled: text === undefined, onclick: (event) => copyToCell(event.currentTarget, text) }, h("span", {}, "Copy to new cell"));
    refill(heads[1], now.title, count, h("div", { class: "sp" }), copy);
  }

  function fill(text, places) {
    const lines = text.split("\n"), coloured = lines.length <= COLOURED;
    let at = 0, line = "";
    refill(right, lines.map((code, index) => {
      for (; at < places.length && places[at][0] <= index; at++) line = places[at][1];
      const belongs = line;
      return entry(coloured ? highlighted(code) : code, String(index + 1), belongs, () => choose(belongs));
    }));
    mark();
  }

  function entry(code, count, line, does) {
    const one = h("div", { "data-line": line || null, role: "option", onclick: does }, count ? h("i", { "aria-hidden": "true" }, count) : null, h("code", {}, code));
    if (line) rows.push([one, line]);
    return one;
  }

  function choose(line) {
    if (line) app.select({ type: "line", id: line, line, title: app.place(line) });
  }

  function mark() {
    const first = new Map(); // pane → the first line that belongs to what is chosen
    for (const [one, line] of rows) {
      const belongs = app.selection?.line === line;
      one.classList.toggle("rel", belongs);
      if (belongs && !first.has(one.parentNode)) first.set(one.parentNode, one);
    }
    for (const [list, one] of first) reveal(list.parentNode, one);
  }

  function reveal(pane, one) {
    const top = one.offsetTop, shown = pane.querySelectorAll(".rel"), from = pane.scrollTop, to = from + pane.clientHeight;
    const seen = [...shown].some((each) => each.offsetTop > from + 40 && each.offsetTop < to - 20);
    if (!seen && pane.clientHeight) pane.scrollTop = top - pane.clientHeight / 3;
  }

  which.addEventListener("change", () => {
    [graph, stage] = [Number(which.value), 0];
    draw();
  });
  const later = throttled(() => el.isConnected && draw());
  app.on("data", (names) => names.includes("stages") && later());
  app.on("time", later);
  app.on("select", mark);
  return { el, tools: [which, row], shown: draw, empty: () => all().length === 0 };
}
