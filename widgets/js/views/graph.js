// The FX graphs: one lane each, the break in the gutter between them. Nodes keep their places as the graph grows: what
// comes later than the moment is not drawn.
import { canvas } from "../canvas.js";
import { h, icon, number, refill, throttled } from "../dom.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const CHIPS = 60; // neighbours of a node that are listed

export function graph(app) {
  const search = h("input", { class: "in", placeholder: "Find a node", "aria-label": "Find a node", hidden: true });
  const depth = h("select", { class: "in", "aria-label": "Depth", title: "How deep modules are opened" });
  let chosen = "auto";
  const closed = new Map(); // lane name → the boxes that a person closed or opened there
  const own = new Map(); // lane name → the picture that the kernel made for them, or that the page has
  let found = new Set(), hits = [];

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
      says: (lane, id, open) => {
        const role = lane.picture.boxes.find((box) => box[0] === id)?.[9], what = role ? `${id}, a body of ${role}` : id;
        return toggles(lane) ? `${open ? "Close" : "Open"} ${what}` : `${what}: opening one box needs a kernel; Depth changes all`;
      },
      key,
      style: (lane, id) => {
        const self = nodeOf(lane, id);
        return app.selection?.type === "node" && app.selection.id === self.id ? " sel" : app.related(self) || found.has(self.id) ? " rel" : "";
      },
      boxStyle: (lane, id) => (app.selection?.type === "module" && app.selection.id === `${lane.name}:${id}` ? " sel" : ""),
      breakStyle: (lane) => (lane.break.seq > app.now ? null : app.related(breakOf(lane)) ? " sel" : ""),
      lit: (lane, id) => app.selection?.type === "node" && app.selection.id === `${lane.name}:${id}`,
    },
  });

  function arrange() {
    const data = app.data.graph?.lanes || [];
    const names = ["auto", ...new Set(data.flatMap((lane) => Object.keys(lane.pictures)).filter((name) => name !== "auto"))];
    refill(depth, names.map((name) => h("option", { value: name, selected: name === chosen }, name === "auto" ? "Depth: auto" : name === "all" ? "Depth: all" : `Depth ${name}`)));
    depth.value = chosen;
    picture.set(data, (lane) => own.get(lane.name) || lane.pictures[chosen] || lane.pictures.all || lane.pictures.auto);
  }

  const shutIn = (drawn) => drawn.boxes.filter((box) => !box[6]).map((box) => box[0]);
  const toggles = (lane) => Boolean(app.kernel || lane.choices?.length);

  function toggle(lane, id) {
    const keep = (drawn) => {
      own.set(lane.name, drawn);
      picture.keep();
      arrange();
    };
    if (app.kernel) {
      const shut = closed.get(lane.name) || new Set(shutIn(lane.picture));
      shut.has(id) ? shut.delete(id) : shut.add(id);
      closed.set(lane.name, shut);
      app.ask("lane", { number: lane.number, closed: [...shut] }).then(keep, (error) => app.emit("problem", { text: error.message }));
      return;
    }
    // Without a kernel: the picture that the page has of the boxes that are closed then; what is inside a closed one is not among them.
    const box = lane.picture.boxes.find((one) => one[0] === id), shut = new Set(shutIn(lane.picture));
    if (!box) return;
    if (box[6]) for (const other of lane.picture.boxes) if (holds(box, other)) shut.delete(other[0]);
    shut.has(id) ? shut.delete(id) : shut.add(id);
    const drawn = lane.choices?.find((one) => shutIn(one).length === shut.size && shutIn(one).every((name) => shut.has(name)));
    if (drawn) keep(drawn);
  }

  const holds = ([, x, y, w, ht, , , depth], other) => other[7] > depth && other[1] >= x && other[2] >= y && other[1] + other[3] <= x + w && other[2] + other[4] <= y + ht;

  function key(event) {
    if (event.key !== "e") return false;
    const inside = picture.all().flatMap((lane) => lane.picture.boxes.map((box) => ({ lane, box }))).filter(({ lane, box }) => selectedIn(lane, box)).at(-1);
    if (inside) toggle(inside.lane, inside.box[0]);
    return true;
  }

  function selectedIn(lane, [id, x, y, w, ht]) {
    if (app.selection?.id === `${lane.name}:${id}`) return true;
    const node = app.selection?.type === "node" && app.selection.id.startsWith(lane.name + ":") && lane.at.get(app.selection.id.slice(lane.name.length + 1));
    return node && node[1] >= x && node[1] + node[3] <= x + w && node[2] >= y && node[2] + node[4] <= y + ht;
  }

  // ---- finding
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    hits = text ? picture.every().filter(({ lane, node }) => [node[0], ...lane.nodes[node[0]].slice(1, 4), lane.nodes[node[0]][8], lane.nodes[node[0]][14] || ""].some((part) => String(part).toLowerCase().includes(text))) : [];
    found = new Set(hits.map(({ lane, node }) => `${lane.name}:${node[0]}`));
    search.title = `${number(hits.length)} found`;
    picture.draw();
  });
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && hits.length) {
      const next = hits.shift();
      hits.push(next);
      picture.go(next.lane, next.node[0]);
    } else if (event.key === "Escape") {
      search.hidden = true;
      search.value = "";
      found = new Set();
      picture.draw();
      picture.view.focus();
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
    arrange();
    picture.fit();
  });
  const tools = [search, depth, h("button", { class: "b ic", title: "Find a node (/)", "aria-label": "Find a node", onclick: find }, icon("srch")), ...picture.tools];

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
    return box ? { title: id, sub: [lane.title, box[9] ? ` · a body of ${box[9]}` : null, ` · ${number(box[5])} ops`], parts: [h("div", { class: "btns" }, h("button", { class: "b o", disabled: !toggles(lane), title: toggles(lane) ? "" : "needs a kernel", onclick: () => toggle(lane, id) }, box[6] ? "Close" : "Open"))] } : null;
  };
  const split = (id) => {
    const at = id.indexOf(":");
    return [picture.lane(id.slice(0, at)), id.slice(at + 1)];
  };

  app.on("data", (names) => names.includes("graph") && arrange());
  app.on("time", throttled(picture.draw));
  app.on("select", () => {
    const selection = app.selection;
    if (selection && selection.type !== "node" && selection.type !== "change") {
      const related = picture.every().filter(({ lane, node }) => app.related(nodeOf(lane, node[0])));
      const first = selection.type === "break" ? related.findLast(({ lane }) => lane === related[0].lane) : related[0];
      if (first) picture.reveal(first.lane, first.node);
    }
    picture.draw();
  });
  app.on("close", picture.close);
  return { el: picture.view, tools, find, shown: picture.shown, badge: () => null };
}
