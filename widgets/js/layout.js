// Where the views stand: headline and transport above, source | tabs | inspector, the timeline below. By the root's own
// width, never the window's: under 1180 px the source becomes the first tab, under 900 px the inspector the last one.
import { count, h, icon, refill } from "./dom.js";
import { keys, roving } from "./keys.js";
import { breaks } from "./views/breaks.js";
import { builder } from "./views/builder.js";
import { exporting } from "./views/export.js";
import { graph } from "./views/graph.js";
import { guards } from "./views/guards.js";
import { headline } from "./views/headline.js";
import { inspector } from "./views/inspector.js";
import { recompiles } from "./views/recompiles.js";
import { runs } from "./views/runs.js";
import { source } from "./views/source.js";
import { speculations } from "./views/speculations.js";
import { stages } from "./views/stages.js";
import { state } from "./views/state.js";
import { timeline } from "./views/timeline.js";
import { transport } from "./views/transport.js";

const WIDE = 1180, NARROW = 900;

// A view is made by `make(app)` → { el, title?, tools?, badge?, find?, shown? }: its element, what stands in the panel's
// header beside it, a number for its tab, what `/` does, what to do when its tab is opened.
const TABS = [
  ["source", "Source", source],
  ["graph", "Graph", graph],
  ["breaks", "Breaks", breaks],
  ["recompiles", "Recompiles", recompiles],
  ["guards", "Guards", guards],
  ["builder", "Builder", builder],
  ["state", "State", state],
  ["speculations", "Speculations", speculations],
  ["stages", "Stages", stages],
  ["runs", "Runs", runs],
  ["inspector", "Inspector", inspector],
];

export function layout(app, main) {
  const views = new Map(TABS.map(([name, title, make]) => [name, { name, title, ...make(app) }]));
  const panels = new Map();
  for (const [name, view] of views) {
    if (view.el.hasAttribute("role")) view.el = h("div", { class: "pnb" }, view.el); // a list stays a list
    view.el.setAttribute("role", "tabpanel");
    view.el.setAttribute("aria-label", view.title);
    panels.set(name, view);
  }
  const tablist = h("div", { class: "tabs", role: "tablist" });
  const tools = h("div", { class: "tools" });
  const body = h("div", { class: "bd" });
  const left = h("section", { class: "pn", "aria-label": "Source" });
  const middle = h("section", { class: "pn mid", "aria-label": "Views" }, h("div", { class: "ph" }, tablist, h("div", { class: "sp" }), tools));
  const right = h("section", { class: "pn", "aria-label": "Inspector" });
  const bar = h("div", { class: "sb" });
  let open = "graph", width = WIDE;

  const heading = (view) => h("div", { class: "ph" }, view.heading || h("h3", {}, view.title), h("div", { class: "sp" }), view.tools);
  const shown = () => [...views.keys()].filter((name) => (name === "source" ? width < WIDE : name === "inspector" ? width < NARROW : !views.get(name).empty?.()));

  function show(name) {
    if (!shown().includes(name)) return;
    open = name;
    arrange();
    views.get(name).shown?.();
  }

  function arrange() {
    const names = shown();
    if (!names.includes(open)) open = names.includes("graph") ? "graph" : names[0];
    refill(
      tablist,
      names.map((name) => {
        const view = views.get(name);
        const badge = view.badge?.();
        return h(
          "button",
          { class: "tab", role: "tab", "data-key": name, "aria-selected": String(name === open), tabindex: name === open ? 0 : -1, onclick: () => show(name) },
          view.title, badge ? h("i", {}, String(badge)) : null, view.alarm?.() ? h("span", { class: "dot" }) : null,
        );
      }),
    );
    place(left, width >= WIDE ? ["source"] : []);
    place(right, width >= NARROW ? ["inspector"] : []);
    const view = views.get(open);
    tools.replaceChildren(...(view.tools ? [view.tools].flat() : []));
    for (const [name, other] of views) {
      if (other.el.parentNode === middle && name !== open) other.el.remove();
    }
    if (view.el.parentNode !== middle) middle.append(view.el);
    left.hidden = width < WIDE;
    right.hidden = width < NARROW;
    body.dataset.width = width >= WIDE ? "wide" : width >= NARROW ? "medium" : "narrow";
    bar.style.display = width < NARROW ? "flex" : "none";
    describe();
  }

  function place(panel, names) {
    for (const name of names) {
      const view = views.get(name);
      if (view.el.parentNode !== panel) panel.replaceChildren(heading(view), view.el);
    }
  }

  function describe() {
    if (width >= NARROW) return;
    const selection = app.selection;
    refill(
      bar,
      selection?.type === "break" ? icon("brk") : selection?.type === "recompile" ? icon("re") : null,
      h("span", {}, selection ? h("b", {}, selection.title || `${selection.type} ${selection.id}`) : "Nothing is selected", selection?.line ? ` ${app.place(selection.line)}` : ""),
      h("div", { class: "sp", style: { flex: "1" } }),
      selection ? h("button", { class: "b o", onclick: () => show("inspector") }, selection.type === "break" || selection.type === "recompile" ? "Explain and fix" : "Inspect") : null,
    );
  }

  const top = headline(app);
  const controls = transport(app);
  const below = timeline(app);
  body.append(left, middle, right);
  main.append(top.el, controls.el, body, bar, below.el, exporting(app).el);
  roving(tablist, ".tab");
  keys(app, main, {
    tab: (index) => shown()[index] && show(shown()[index]),
    find: () => views.get(open).find?.(),
  });
  app.on("data", arrange);
  app.on("select", describe);
  app.on("show", show);
  const sizes = new ResizeObserver(([entry]) => {
    const now = entry.contentRect.width;
    if (now && (now >= WIDE !== width >= WIDE || now >= NARROW !== width >= NARROW)) {
      width = now;
      arrange();
    } else if (now) width = now;
  });
  sizes.observe(main);
  app.on("close", () => sizes.disconnect());
  arrange();
  return { show, count };
}
