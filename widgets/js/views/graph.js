// The FX graphs: one lane each, the break in the gutter between them. Nodes keep their places as the graph grows: what
// comes later than the moment is not drawn.
import { canvas, OVERVIEW, READABLE } from "../canvas.js";
import { h, icon, number, refill, throttled } from "../dom.js";
import { EDGE, TOP } from "../lanes.js";
import { alike, around, inside, pictureOf, stable, whole } from "../pictures.js";
import { finder } from "./find.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const CHIPS = 60; // neighbours of a node that are listed
const FEW = 8; // things that say next to nothing of a graph
const FRAME = [46, 2 * EDGE + TOP + 16]; // what a lane has around its picture, across and down

export function graph(app) {
  const depth = h("select", { class: "in", "aria-label": "Depth", title: "How deep modules are opened" });
  let chosen = "auto";
  const own = new Map(); // lane name → box → whether a person opened or closed it
  const fitted = new Map(); // lane name → the level that fits the pane: boxes from there on are closed
  let marked = new Set(); // closed boxes that hold what is found or belongs to the selection, as "lane:box"

  const nodeOf = (lane, id) => ({ type: "node", id: `${lane.name}:${id}`, seq: lane.nodes[id][6], line: lane.nodes[id][7] || undefined, title: lane.nodes[id][1] });
  const breakOf = (lane) => ({ type: "break", id: lane.break.seq, seq: lane.break.seq, line: lane.break.line || undefined, title: "Graph break" });
  const picture = canvas({
    label: "Graph",
    born: (lane, id) => (lane.nodes[id] ? lane.nodes[id][6] : lane.births.get(id) ?? 0) <= app.now,
    begun: (lane) => lane.seq <= app.now,
    does: {
      choose: (lane, id) => app.select(nodeOf(lane, id)),
      chooseBox: (lane, id) => app.select({ type: "module", id: `${lane.name}:${id}`, title: id }),
      chooseBreak: (lane) => app.select(breakOf(lane)),
      chosen: () => app.selection?.id,
      nothing: () => (["paused", "tracing"].includes(app.data.head.state) ? "No operation is in a graph yet." : "No graph was captured."),
      toggle,
      uncover,
      again: () => arrange(),
      says: (lane, id, open) => {
        const role = lane.picture.boxes.find((box) => box[0] === id)?.[9], more = alike(lane, id).length;
        return `${open ? "Close" : "Open"} ${role ? `${id}, a body of ${role}` : id}${more > 1 ? `; with Shift, all ${number(more)} alike` : ""}`;
      },
      key,
      style: (lane, id) => {
        const self = nodeOf(lane, id);
        return app.selection?.type === "node" && app.selection.id === self.id ? " sel" : app.related(self) || found.holds(self.id) ? " rel" : "";
      },
      boxStyle: (lane, id) => (app.selection?.type === "module" && app.selection.id === `${lane.name}:${id}` ? " sel" : marked.has(`${lane.name}:${id}`) ? " rel" : ""),
      breakStyle: (lane) => (lane.break.seq > app.now ? null : app.related(breakOf(lane)) ? " sel" : ""),
      lit: (lane, id) => app.selection?.type === "node" && app.selection.id === `${lane.name}:${id}`,
    },
  });

  const lanesOf = () => app.data.graph?.lanes || [];
  const found = finder(app, lanesOf, { show: (lane, id) => picture.go(picture.lane(lane.name), id), changed: mark, left: () => picture.view.focus() });

  function arrange() {
    const data = lanesOf(), levels = data.reduce((most, lane) => Math.max(most, whole(lane).levels), 0);
    const names = ["auto", ...Array.from({ length: levels }, (_, level) => String(level + 1)), ...(levels ? ["all"] : [])];
    if (!names.includes(chosen)) chosen = "auto";
    refill(depth, names.map((name) => h("option", { value: name, selected: name === chosen }, name === "auto" ? "Depth: auto" : name === "all" ? "Depth: all" : `Depth ${name}`)));
    depth.value = chosen;
    if (!picture.touched()) fitted.clear();
    picture.set(data, (lane) => pictureOf(lane, (id, level) => isClosed(lane, id, level)));
    mark();
  }

  function isClosed(lane, id, level) {
    const given = own.get(lane.name)?.get(stable(id));
    return given === undefined ? level >= levelOf(lane) : !given;
  }

  function levelOf(lane) {
    if (chosen !== "auto") return chosen === "all" ? Infinity : Number(chosen) - 1;
    if (!fitted.has(lane.name)) fitted.set(lane.name, fitting(lane));
    return fitted.get(lane.name);
  }

  // The deepest level at which the whole graph is seen and read; where that says next to nothing, the next one, if it is still seen.
  function fitting(lane) {
    const w = picture.view.clientWidth || 600, ht = picture.view.clientHeight || 400, { levels } = whole(lane);
    let level = 0, seen = pictureOf(lane, (_, one) => one >= 0);
    while (level < levels) {
      const next = pictureOf(lane, (_, one) => one >= level + 1), scale = Math.min(w / (next.size[0] + FRAME[0]), ht / (next.size[1] + FRAME[1]));
      if (scale < (seen.nodes.length + seen.boxes.length < FEW ? OVERVIEW : READABLE)) break;
      level += 1;
      seen = next;
    }
    return level;
  }

  function set(lane, ids, open) {
    if (!own.has(lane.name)) own.set(lane.name, new Map());
    for (const id of ids) own.get(lane.name).set(stable(id), open);
  }

  function toggle(lane, id, all = false) {
    const box = lane.picture.boxes.find((one) => one[0] === id);
    if (!box) return;
    picture.keep(lane.name, id, () => {
      set(lane, all ? alike(lane, id) : [id], !box[6]);
      arrange();
    });
  }

  // Opens what holds a node.
  function uncover(lane, id) {
    if (!lane.nodes[id] || picture.lane(lane.name)?.at.has(id)) return;
    const boxes = around(lane, id), outer = boxes.find((box) => picture.lane(lane.name).picture.boxes.some((one) => one[0] === box && !one[6]));
    picture.keep(lane.name, outer, () => {
      set(lane, boxes, true);
      arrange();
    });
  }

  function key(event) {
    if (event.key.toLowerCase() !== "e") return false;
    const holder = picture.all().flatMap((lane) => lane.picture.boxes.map((box) => ({ lane, box }))).filter(({ lane, box }) => selectedIn(lane, box)).at(-1);
    if (holder) toggle(holder.lane, holder.box[0], event.shiftKey);
    return true;
  }

  function selectedIn(lane, [id, x, y, w, ht]) {
    if (app.selection?.id === `${lane.name}:${id}`) return true;
    const node = app.selection?.type === "node" && app.selection.id.startsWith(lane.name + ":") && lane.at.get(app.selection.id.slice(lane.name.length + 1));
    return node && node[1] >= x && node[1] + node[3] <= x + w && node[2] >= y && node[2] + node[4] <= y + ht;
  }

  // A closed box stands for what is in it: it is marked where something of that is.
  function mark() {
    marked = new Set();
    const selection = app.selection, all = selection && selection.type !== "change";
    if (all || found.any()) {
      for (const lane of picture.all()) {
        for (const [id, , , , , , open] of lane.picture.boxes) {
          if (!open && inside(lane, id).some((node) => found.holds(`${lane.name}:${node}`) || (all && app.related(nodeOf(lane, node))))) marked.add(`${lane.name}:${id}`);
        }
      }
    }
    picture.draw();
  }

  depth.addEventListener("change", () => {
    chosen = depth.value;
    own.clear();
    picture.first();
    arrange();
  });
  const tools = [found.el, depth, h("button", { class: "b ic", title: "Find a node (/)", "aria-label": "Find a node", onclick: found.open }, icon("srch")), ...picture.tools];

  const listed = (names, link) => [names.slice(0, CHIPS).map(link), names.length > CHIPS ? h("span", { class: "mut" }, `and ${number(names.length - CHIPS)} more`) : null];
  app.describers.node = (selection) => {
    const [lane, id] = split(selection.id);
    if (!lane || !lane.nodes[id]) return null;
    const [, operator, instance, shape, , , seq, line, path_, target, args, dtype, device, reads, body] = lane.nodes[id];
    const users = Object.entries(lane.nodes).filter(([, node]) => node[13].includes(id)).map(([name]) => name);
    const link = (name) => (lane.nodes[name] ? h("button", { class: "chip", onclick: () => picture.go(lane, name) }, name) : h("span", { class: "mono mut" }, name));
    return {
      title: `${operator}${instance ? " " + instance : ""}`,
      sub: [lane.title, " · ", eventLink(app, seq), line ? [" · ", lineLink(app, line)] : null],
      parts: [
        facts([["name", h("span", { class: "mono" }, id)], ["calls", h("span", { class: "mono wrap" }, args ? `${target}(${args})` : target)], ["result", [dtype, shape, device].filter(Boolean).join(" · ")], ["module", path_], ["body", body]]),
        reads.length ? section("Reads", h("div", { class: "chain" }, listed(reads, link))) : null,
        users.length ? section("Read by", h("div", { class: "chain" }, listed(users, link))) : null,
      ],
    };
  };
  app.describers.module = (selection) => {
    const [lane, id] = split(selection.id);
    const box = lane?.picture.boxes.find((one) => one[0] === id);
    if (!box) return null;
    const all = alike(lane, id), word = box[6] ? "Close" : "Open";
    return {
      title: id,
      sub: [lane.title, box[9] ? ` · a body of ${box[9]}` : null, ` · ${number(box[5])} ops`],
      parts: [h("div", { class: "btns" }, h("button", { class: "b o", onclick: () => toggle(lane, id) }, word), all.length > 1 ? h("button", { class: "b o", onclick: () => toggle(lane, id, true) }, `${word} all ${number(all.length)} alike`) : null)],
    };
  };
  const split = (id) => {
    const at = id.indexOf(":");
    return [picture.lane(id.slice(0, at)), id.slice(at + 1)];
  };

  app.on("data", (names) => names.includes("graph") && arrange());
  app.on("time", throttled(picture.draw));
  app.on("select", () => {
    const selection = app.selection;
    if (selection?.type === "node") {
      const [lane, id] = split(selection.id);
      if (lane?.nodes[id]) {
        uncover(lane, id);
        picture.reveal(lane.name, id);
      }
    } else if (selection && selection.type !== "change") {
      const related = lanesOf().flatMap((lane) => Object.keys(lane.nodes).filter((id) => lane.nodes[id][6] <= app.now && app.related(nodeOf(lane, id))).map((id) => [lane, id]));
      const [lane, id] = (selection.type === "break" ? related.findLast(([one]) => one === related[0][0]) : related[0]) || [];
      if (lane) picture.reveal(lane.name, seen(lane, id));
    }
    mark();
  });

  // The node, or the closed box that stands for it.
  const seen = (lane, id) => around(lane, id).find((box) => picture.lane(lane.name)?.picture.boxes.some((one) => one[0] === box && !one[6])) || id;

  app.on("close", picture.close);
  return { el: picture.view, tools, find: found.open, shown: picture.shown, badge: () => null };
}
