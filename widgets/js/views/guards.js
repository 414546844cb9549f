// What each graph relies on, as a tree by where it was read.
import { h, icon, number, refill, seconds, throttled } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const STEPS = /\.[A-Za-z_]\w*|\[(?:'[^']*'|"[^"]*"|[^\]]*)\]|[^.[]+|./g;
const MOST = 400; // rows drawn at once; the filter finds the others

export function guards(app) {
  const filter = h("input", { class: "in", placeholder: "Filter by source, kind or text", "aria-label": "Filter guards" });
  const frames = h("select", { class: "in", "aria-label": "Frame" });
  const about = h("span", { class: "mut" });
  const tree = h("div", { class: "tree", role: "tree", "aria-label": "Guards by source" });
  const el = h("div", { class: "pnb" }, h("div", { class: "flt" }, filter, frames, about), h("div", { class: "sc" }, h("div", { class: "thd" }, ["Source", "Guard", "Kind", "Event"].map((text) => h("span", {}, text))), tree));
  const opened = new Set();
  const all = () => app.data.guards?.list || [];
  let frame = "";

  function shownGuards() {
    const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    return all().filter((guard) => guard[0] <= app.now && (!frame || guard[4] === frame) && words.every((word) => `${guard[1]} ${guard[2]} ${guard[3]}`.toLowerCase().includes(word)));
  }

  // Guards as a tree by the steps of their sources; chains with one child and no guard of their own are one row.
  function grow(list) {
    const root = { name: "", path: "", children: new Map(), guards: [], count: 0 };
    for (const guard of list) {
      let node = root;
      node.count++;
      for (const step of guard[1].match(STEPS) || ["(the whole call)"]) {
        if (!node.children.has(step)) node.children.set(step, { name: step, path: node.path + step, children: new Map(), guards: [], count: 0 });
        node = node.children.get(step);
        node.count++;
      }
      node.guards.push(guard);
    }
    return root;
  }

  function rows(node, level, out, open) {
    for (let child of node.children.values()) {
      let name = child.name;
      while (child.children.size === 1 && child.guards.length === 0) {
        child = child.children.values().next().value;
        name += child.name;
      }
      const inner = child.children.size > 0, expanded = inner && (open || opened.has(child.path));
      out.push({ level, name, node: child, guard: child.guards[0], inner, expanded });
      for (const guard of child.guards.slice(1)) out.push({ level, name: "", node: child, guard });
      if (expanded) rows(child, level + 1, out, open);
    }
    return out;
  }

  const selectionOf = (guard) => ({ type: "guard", id: guard[0], seq: guard[0], line: guard[5] || undefined, title: guard[3] });

  function draw() {
    const list = shownGuards(), out = rows(grow(list), 1, [], filter.value.trim() !== "");
    const names = app.data.guards?.names || {}, ids = [...new Set(all().map((guard) => guard[4]))];
    frames.hidden = ids.length < 2;
    refill(frames, h("option", { value: "" }, "All frames"), ids.map((id) => h("option", { value: id, selected: id === frame }, `${names[id] || ""} ${id}`)));
    refill(about, `${number(list.length)} of ${number(all().length)}`, checked(frame ? [frame] : ids));
    refill(tree, out.slice(0, MOST).map(drawRow), out.length > MOST ? h("div", { class: "mut more" }, `and ${number(out.length - MOST)} more rows: filter to see them`) : null);
  }

  // What checking costs before each later call: all guards of a frame are checked together.
  function checked(ids) {
    const known = ids.map((id) => app.data.guards?.checks?.[id]).filter(Boolean);
    return known.length ? ` · ${ids.length > 1 ? "one check of each frame takes" : "one check takes"} ${seconds(known.reduce((sum, one) => sum + one))}${ids.length > 1 ? " in all" : ""}` : null;
  }

  function drawRow({ level, name, node, guard, inner, expanded }) {
    const chosen = guard && app.selection?.type === "guard" && app.selection.id === guard[0];
    const toggle = (event) => {
      event.stopPropagation();
      opened.has(node.path) ? opened.delete(node.path) : opened.add(node.path);
      draw();
    };
    const choose = (event) => (guard ? app.select(selectionOf(guard)) : toggle(event));
    return h(
      "div",
      {
        role: "treeitem", tabindex: "-1", "data-key": `${node.path}:${guard ? guard[0] : ""}`, "aria-level": level, "aria-selected": String(Boolean(chosen)), ...(inner && name ? { "aria-expanded": String(expanded) } : {}), onclick: choose,
        onkeydown: (event) => {
          if (event.key === "Enter") choose(event);
          else if (inner && ((event.key === "ArrowRight" && !expanded) || (event.key === "ArrowLeft" && expanded))) toggle(event);
        },
      },
      h("span", { class: `c${inner ? " gp" : ""}`, style: { paddingLeft: `${level * 14 - 6}px` } }, inner && name ? h("span", { class: `tg${expanded ? " on" : ""}`, onclick: toggle }, icon("chev")) : h("span", { class: "tg" }), h("span", { class: "mono" }, name), inner && name && !expanded ? h("span", { class: "mut num" }, ` ${number(node.count)}`) : null),
      h("span", { class: "c mono", title: guard ? guard[3] : "" }, guard ? guard[3] : ""),
      h("span", { class: "c mut" }, guard ? guard[2].toLowerCase().replaceAll("_", " ") : ""),
      h("span", { class: "c num mut" }, guard ? number(guard[0]) : ""),
    );
  }

  app.describers.guard = (selection) => {
    const guard = all().find((one) => one[0] === selection.id);
    if (!guard) return null;
    const [seq, source, kind, expression, id, line, parent] = guard;
    const checks = app.data.guards.checks || {}, meaning = app.data.guards.meanings[kind], name = app.data.guards.names[id];
    const beside = all().filter((one) => one[1] === source && one[0] !== seq && one[4] === id);
    return {
      title: "Guard",
      sub: [eventLink(app, seq), line ? [" · ", lineLink(app, line)] : null],
      parts: [
        h("p", { class: "mono wrap" }, expression),
        meaning ? h("p", {}, `Before each later call it is checked that ${meaning}. If not, the function is compiled again.`) : null,
        facts([["source", h("span", { class: "mono wrap" }, source)], ["kind", kind], ["frame", `${name || ""} ${id}`], ["cost", checks[id] ? `checked with ${number(all().filter((one) => one[4] === id).length - 1)} others in ${seconds(checks[id])}` : ""], ["installed by", parent >= 0 ? eventLink(app, parent) : ""]]),
        beside.length ? section("On the same source", beside.map((one) => h("div", {}, h("button", { class: "lk mono", onclick: () => app.select(selectionOf(one)) }, one[3])))) : null,
      ],
    };
  };

  roving(tree, "[role=treeitem]", { vertical: true });
  const later = throttled(() => el.isConnected && draw());
  filter.addEventListener("input", later);
  frames.addEventListener("change", () => {
    frame = frames.value;
    draw();
  });
  for (const event of ["time", "select"]) app.on(event, later);
  app.on("data", (names) => names.includes("guards") && later());
  return { el, shown: draw, find: () => filter.focus(), badge: () => (all().length ? number(all().length) : null), empty: () => all().length === 0 };
}
