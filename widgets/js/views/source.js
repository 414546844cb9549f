// The program's lines: a bar for what is in a graph, ticks for what ran as Python, an octagon where the graph broke, an arrow
// where the moment is. The right edge counts the nodes that a line made.
import { before, h, icon, number, refill, throttled, worded } from "../dom.js";
import { eventLink, facts, section } from "./inspector.js";
import { points } from "./points.js";

const WORDS = /^(?:False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield|match|case)$/;
const TOKENS = /(#.*$)|((?:[rbfuRBFU]{0,2})(?:"""|'''|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;

// Text of one line as spans with the classes of the style sheet.
export function highlighted(text, mark) {
  const parts = [];
  let at = 0, name = false;
  const plain = (end) => end > at && parts.push(text.slice(at, end));
  for (const match of text.matchAll(TOKENS)) {
    const style = match[1] ? "com" : match[2] ? "str" : match[3] ? "nb" : WORDS.test(match[4]) ? "kw" : name ? "df" : "";
    name = match[4] === "def" || match[4] === "class";
    if (!style) continue;
    plain(match.index);
    parts.push(h("span", { class: style }, match[0]));
    at = match.index + match[0].length;
  }
  plain(text.length);
  return mark ? underline(parts, ...mark) : parts;
}

// The characters from..to of a line inside one marked element; columns count characters here.
function underline(parts, from, to, style) {
  const out = [], marked = h("span", { class: style });
  let at = 0, placed = false;
  for (const part of parts) {
    const text = part.nodeType ? part.textContent : part;
    const cut = (a, b) => (part.nodeType ? h("span", { class: part.className }, text.slice(a, b)) : text.slice(a, b));
    const a = Math.max(0, Math.min(text.length, from - at)), b = Math.max(0, Math.min(text.length, to - at));
    if (a > 0) out.push(cut(0, a));
    if (b > a) {
      if (!placed) out.push(marked);
      placed = true;
      marked.append(cut(a, b));
    }
    if (b < text.length && b >= a) out.push(cut(Math.max(a, b), text.length));
    at += text.length;
  }
  return out.filter((part) => part !== "");
}

// Columns of the recording count UTF-8 bytes.
const column = (text, bytes) => (bytes < 0 ? bytes : new TextDecoder().decode(new TextEncoder().encode(text).slice(0, bytes)).length);

const CHIPS = 60, ROWS = 16; // nodes of a line that are listed of one module; modules that are

export function source(app) {
  const list = h("div", { class: "src", role: "listbox", "aria-label": "Lines", tabindex: "0" });
  const scroll = h("div", { class: "sc" }, list);
  const foot = h("div", { class: "ft" }, h("span", {}, h("i", { class: "g cap" }), "in a graph"), h("span", {}, h("i", { class: "g py" }), "ran as Python"), h("span", {}, icon("brk"), "graph break"));
  const stops = points(app);
  const el = h("div", { class: "pnb" }, scroll, stops.el, foot);
  const title = h("h3", {});
  const files = h("select", { class: "in", "aria-label": "File" });
  const follow = h("button", { class: "b ic", "aria-pressed": "true", title: "Follow the moment", "aria-label": "Follow the moment" }, icon("line"));
  let tracked = null, moments = []; // the events at which the place changes
  let at = 0, following = true, rows = new Map(), drawnAt = -1;
  let held = false; // what was selected is shown, until somebody moves the moment
  let ended = false; // all calls have ended, and the program's own file is shown

  const data = () => app.data.source || { files: [], track: [] };
  const file = () => data().files[at];

  function place() {
    const track = data().track;
    if (tracked !== track) [tracked, moments] = [track, track.map((entry) => entry[0])];
    const index = before(moments, app.now);
    return index < 0 ? null : track[index];
  }

  function draw() {
    const all = data().files;
    if (at >= all.length) at = 0;
    drawnAt = at;
    const one = file();
    refill(title, one ? one.name : "Source");
    files.hidden = all.length < 2;
    title.hidden = all.length >= 2;
    refill(files, all.map((entry, index) => h("option", { value: index, selected: index === at }, entry.name)));
    rows = new Map();
    if (!one) return refill(list, h("div", { class: "nothing" }, "No line of yours was reached."));
    const broken = new Map(one.breaks.map((entry) => [entry[0], entry]));
    refill(
      list,
      one.lines.map((line) => {
        if (line.length === 1) return h("div", { class: "ln fold" }, h("span", { class: "m" }), h("span", { class: "n" }, "⋯"), h("span", { class: "g off" }), h("code", {}, `${number(line[0])} ${line[0] === 1 ? "line" : "lines"}`));
        const [n, text, mark, nodes, first, last] = line, stop = broken.get(n);
        const self = { type: "line", id: `${one.file}:${n}`, line: `${one.file}:${n}`, seq: undefined, title: app.place(`${one.file}:${n}`), first, last };
        const code = h("code", {}, highlighted(text, stop && stop[3] >= 0 ? [column(text, stop[3]), column(text, stop[4]), "u"] : null));
        const row = h(
          "div",
          { class: `ln${stop ? " brk" : ""}`, role: "option", tabindex: "-1", "data-key": `l${n}`, onclick: () => choose(self, stop) },
          h("span", { class: "m" }, stop ? icon("brk") : null), h("span", { class: "n", onclick: (event) => stops.possible() && (event.stopPropagation(), stops.toggle(self.id)) }, String(n)), h("span", { class: `g ${mark || "off"}` }), code,
          nodes ? h("span", { class: "x", title: `${number(nodes)} ${nodes === 1 ? "node" : "nodes"}` }, String(nodes)) : null,
        );
        rows.set(n, { row, self, code, text, stop });
        return stop ? [row, h("button", { class: "ann lk", onclick: () => choose(self, stop) }, h("span", {}, worded(stop[2])))] : row;
      }),
    );
    mark();
  }

  function choose(self, stop) {
    if (stop) app.select({ type: "break", id: stop[1], seq: stop[1], line: self.line, title: "Graph break" });
    else app.select(self);
  }

  let lit = null;
  function mark() {
    const here = place();
    if (lit) {
      lit.row.classList.remove("now");
      lit.row.firstChild.replaceChildren(...(lit.stop ? [icon("brk")] : []));
      lit.code.replaceChildren(...highlighted(lit.text, lit.stop && lit.stop[3] >= 0 ? [column(lit.text, lit.stop[3]), column(lit.text, lit.stop[4]), "u"] : null));
    }
    lit = here && here[1] === at ? rows.get(here[2]) || null : null;
    if (lit) {
      lit.row.classList.add("now");
      lit.row.firstChild.replaceChildren(icon("now"));
      if (here[3] >= 0) lit.code.replaceChildren(...highlighted(lit.text, [column(lit.text, here[3]), column(lit.text, here[4]), "cur"]));
      if (following && !held && !ended) reveal(lit.row);
    }
    const can = stops.possible();
    for (const { row, self } of rows.values()) {
      const point = stops.at(self.id), number = row.children[1];
      number.className = `n${can ? " can" : ""}${point ? ` bp${point.enabled ? "" : " off"}` : ""}`;
      number.title = can ? (point ? "Stops here: a click, or T, ends that" : "Stop here: a click, or T on the chosen line") : "";
      const chosen = app.selection && (app.selection.line === self.line || app.selection.id === self.id);
      row.classList.toggle("sel", Boolean(chosen));
      row.setAttribute("aria-selected", String(Boolean(chosen)));
    }
  }

  // To the file of the moment. Once all calls have ended, the newest moment is some wrapper's last line: then the first file is shown,
  // which is the program's own.
  function toMoment(loaded) {
    const running = ["paused", "tracing"].includes(app.data.head.state);
    if (running) ended = false;
    if (!following || held || ended) return mark();
    const here = place(), over = loaded && !running && app.now === app.present;
    const goal = over ? 0 : here ? here[1] : at;
    ended = over;
    if (goal !== at && data().files[goal]) {
      at = goal;
      draw();
    } else mark();
    if (!over || !file()) return;
    const first = file().breaks[0]?.[0] ?? file().lines.find((line) => line[3] > 0)?.[0];
    if (rows.has(first)) reveal(rows.get(first).row);
  }

  // The decisive line stands at 62 % of the panel's height.
  function reveal(row) {
    const top = row.offsetTop - list.offsetTop, height = scroll.clientHeight;
    if (!height || (top > scroll.scrollTop + 38 && top < scroll.scrollTop + height - 38)) return;
    scroll.scrollTop = top - height * 0.62;
  }

  list.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key.toLowerCase() === "t" && stops.possible() && app.selection?.line) {
      stops.toggle(app.selection.line);
      event.preventDefault();
      event.stopPropagation();
    }
    if (!by) return;
    const all = [...rows.values()], now = all.findIndex(({ self }) => app.selection?.line === self.line);
    const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
    if (next) {
      choose(next.self, next.stop);
      reveal(next.row);
    }
    event.preventDefault();
    event.stopPropagation();
  });
  files.addEventListener("change", () => {
    at = Number(files.value);
    setFollowing(false);
    draw();
  });
  const setFollowing = (on) => {
    following = on;
    follow.setAttribute("aria-pressed", String(on));
  };
  follow.addEventListener("click", () => {
    setFollowing(!following);
    held = ended = false;
    toMoment(false);
  });
  app.describers.line = (selection) => {
    const one = data().files.find((file_) => selection.id.startsWith(file_.file + ":"));
    const line = one?.lines.find((entry) => entry.length > 1 && `${one.file}:${entry[0]}` === selection.id);
    if (!line) return { title: selection.title || selection.id, parts: [h("p", { class: "mut" }, "Nothing was traced at this line.")] };
    const [n, text, mark_, , first, last] = line;
    const reached = first >= 0 ? h("span", {}, eventLink(app, first), first === last ? null : [" to ", eventLink(app, last, number(last))]) : "not reached";
    return {
      title: app.place(selection.id),
      sub: { cap: "in a graph", py: "ran as Python", "": "not reached while tracing" }[mark_],
      parts: [
        h("p", { class: "mono" }, text.trim()),
        facts([["when", reached]]),
        nodesOf(selection.id),
      ],
    };
  };

  // The nodes that a line made, layer by layer (a module with a number): a line of a layer makes the same ones in each.
  function nodesOf(line) {
    const modules = new Map();
    let count = 0;
    for (const lane of app.data.graph?.lanes || []) {
      for (const [id, node] of Object.entries(lane.nodes)) {
        if (node[7] !== line) continue;
        const path = node[8].replace(/\[['"]?([^\]'"]+)['"]?\]/g, ".$1"), layer = /^.*\.\d+(?=\.|$)/.exec(path)?.[0] ?? path;
        const module = layer || "outside of modules", key = `${lane.title}: ${module}`, inner = path.slice(layer.length).split(".").at(-1);
        if (!modules.has(key)) modules.set(key, { module, lane: lane.title, nodes: [] });
        modules.get(key).nodes.push({ id: `${lane.name}:${id}`, seq: node[6], words: node[1], label: inner ? `${inner} ${node[1]}` : node[1] });
        count += 1;
      }
    }
    if (!count) return null;
    const chip = (node) => h("button", { class: "chip", onclick: () => app.select({ type: "node", id: node.id, seq: node.seq, line, title: node.words }) }, node.label);
    const row = ({ module, lane, nodes }) => h("div", { class: "chain by", title: lane }, h("span", { class: "mono mut" }, module), nodes.slice(0, CHIPS).map(chip), nodes.length > CHIPS ? h("span", { class: "mut" }, `and ${number(nodes.length - CHIPS)} more`) : null);
    const list = [...modules.values()], rest = list.slice(ROWS);
    const folded = rest.length ? h("details", {}, h("summary", { onclick: (event) => event.target.closest("details").querySelector("div") || event.target.closest("details").append(h("div", {}, rest.map(row))) }, `${number(rest.length)} more modules`)) : null;
    return section(`Nodes it made: ${number(count)}${list.length > 1 ? ` in ${number(list.length)} modules` : ""}`, list.slice(0, ROWS).map(row), folded);
  }

  const later = throttled(mark);
  let loaded = true; // nobody has moved the moment since it was drawn last
  const moved = throttled(() => {
    toMoment(loaded);
    loaded = true;
  });
  app.on("data", (names) => names.includes("source") && draw());
  app.on("time", (detail) => {
    if (!detail?.loaded) loaded = held = ended = false;
    moved();
  });
  app.on("stopped", () => {
    loaded = held = false;
    moved();
  });
  app.on("points", later);
  app.on("kernel", later);
  app.on("select", () => {
    const line = app.selection?.line;
    if (line) held = true;
    const other = line ? data().files.findIndex((one) => line.startsWith(one.file + ":")) : -1;
    if (other >= 0 && other !== at) {
      at = other;
      draw();
    }
    mark();
    const chosen = line && file() ? rows.get(Number(line.slice(file().file.length + 1))) : null;
    if (chosen) reveal(chosen.row);
  });
  return { el, heading: h("span", { class: "ttl" }, title, files), tools: [follow], shown: () => drawnAt >= 0 && mark() };
}
