// What is selected: what it is, where it came from, what it caused. Every view says how its own things are described:
// app.describers[type] = (selection) => { title, sign?, sub?, parts: [element] } or a promise of that.
import { h, icon, number, refill } from "../dom.js";

export function facts(pairs) {
  return h("dl", { class: "kv" }, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export const section = (title, ...parts) => h("section", {}, h("h5", {}, title), parts);

// "model.py:12", as a link to that line.
export function lineLink(app, line) {
  if (!line) return null;
  return h("button", { class: "lk", onclick: () => app.select({ type: "line", id: line, line, title: app.place(line) }) }, app.place(line));
}

export function eventLink(app, seq, text) {
  return h("button", { class: "lk num", title: "Show this moment", onclick: () => app.seek(seq) }, text || `event ${number(seq)}`);
}

// A row of the list of all events: [kind, parent, line, words], by name.
export function row(app, seq) {
  const data = app.data.events;
  const found = data?.rows?.[seq];
  return found ? { seq, kind: data.kinds[found[0]], parent: found[1], line: data.places[found[2]], words: found[3] } : null;
}

const spaced = (kind) => kind.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function describeEvent(app, selection) {
  const seq = selection.seq ?? selection.id;
  if (typeof seq !== "number") return { title: selection.title || String(seq), parts: [h("p", { class: "mut" }, "Nothing else is known of it here.")] };
  const known = row(app, seq);
  const show = (event, payload) => ({
    title: spaced(event.kind),
    sub: [eventLink(app, seq), event.line ? [" · ", lineLink(app, event.line)] : null],
    parts: [
      h("p", { class: "mono" }, event.words),
      payload ? section("Details", facts(payload.map(([name, value]) => [name.replaceAll("_", " "), h("span", { class: "mono wrap" }, value)]))) : null,
      around(app, event, seq),
    ],
  });
  if (app.kernel) return app.ask("event", { seq }).then((event) => show(event, event.payload));
  return known ? show(known) : { title: `event ${number(seq)}`, parts: [h("p", { class: "mut" }, "Its details need a kernel.")] };
}

// What it belongs to, and what it caused.
function around(app, event, seq) {
  const rows = app.data.events?.rows;
  if (!rows) return null;
  const parents = [];
  for (let at = event.parent; at >= 0 && parents.length < 6; at = rows[at][1]) parents.push(row(app, at));
  const caused = [];
  for (let at = seq + 1; at < rows.length && caused.length < 40; at++) {
    if (rows[at][1] === seq) caused.push(row(app, at));
    else if (rows[at][1] < seq && at > seq + 1) break;
  }
  const link = (one) => h("div", {}, h("button", { class: "lk", onclick: () => app.select({ type: "event", id: one.seq, seq: one.seq, line: one.line || undefined, title: one.kind }) }, spaced(one.kind)), h("span", { class: "mut mono" }, ` ${one.words}`));
  return [parents.length ? section("Part of", parents.map(link)) : null, caused.length ? section("Caused", caused.map(link)) : null];
}

export function inspector(app) {
  app.describers = { ...app.describers };
  app.describers.event ||= (selection) => describeEvent(app, selection);
  const content = h("div", { class: "insp" });
  const el = h("div", { class: "sc" }, content);
  const back = h("button", { class: "b ic", title: "Previous selection (Alt+←)", "aria-label": "Previous selection", onclick: () => app.back() }, icon("prev", { class: "i f" }));
  let asked = 0;

  const show = (described) => refill(content, h("h4", {}, described.sign ? icon(described.sign) : null, described.title), described.sub ? h("p", { class: "sub" }, described.sub) : null, described.parts);

  function draw() {
    const selection = app.selection || (app.paused ? { type: "event", id: app.now, seq: app.now } : null), mine = ++asked;
    back.disabled = app.history.length === 0;
    if (!selection) {
      refill(content, h("p", { class: "mut" }, "Select a line, a node, a guard or a moment: it is explained here."));
      return;
    }
    const describe = app.describers[selection.type] || app.describers.event;
    const described = describe(selection);
    if (described && described.then) {
      described.then((value) => mine === asked && show(value)).catch((error) => mine === asked && show({ title: selection.title || selection.type, parts: [h("p", { class: "mut" }, String(error.message))] }));
    } else show(described || describeEvent(app, selection));
  }
  app.on("select", draw);
  app.on("kernel", draw);
  app.on("time", () => !app.selection && app.paused && draw());
  // A stepped call has come to another event: a graph break is explained, whatever was selected.
  app.on("stopped", (at) => {
    const list = app.data.breaks?.list || [], event = row(app, at);
    const found = list.find((one) => one.seq === at) || (event?.kind === "GraphBreak" ? list.find((one) => one.line === event.line) : null);
    if (found) app.select({ type: "break", id: found.seq, seq: found.seq, line: found.line || undefined, title: "Graph break", stopped: true });
    else if (app.selection?.stopped) app.select(null);
  });
  app.on("data", (names) => {
    const breaks = app.data.breaks?.list, recompiles = app.data.recompiles?.list;
    if (!app.selection && breaks?.length && !app.paused) app.select({ type: "break", id: breaks[0].seq, seq: breaks[0].seq, line: breaks[0].line, title: "Graph break" });
    else if (!app.selection && recompiles?.length && !app.paused) app.select({ type: "recompile", id: recompiles[0].seq, seq: recompiles[0].seq, line: recompiles[0].caller?.[1], title: "Recompile" });
    else if (names.some((name) => name !== "head")) draw();
  });
  draw();
  return { el, tools: [back] };
}
