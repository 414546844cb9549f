// The root: one element for a live widget (anywidget calls `render`) and for an exported page (which calls `mount`).
import css from "./style.css";
import { App } from "./app.js";
import { h } from "./dom.js";
import { layout } from "./layout.js";

function dark(element) {
  const marked = document.body.dataset.jpThemeLight;
  if (marked !== undefined) return marked === "false";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Builds the widget in `el`. Returns its App and what takes it away again.
export function mount(el, channel, views) {
  const app = new App(channel);
  const host = h("div", { "data-lm-suppress-shortcuts": "true", class: "tracer-widget" });
  const root = host.attachShadow({ mode: "open" });
  const main = h("main", { class: "tw", role: "region", "aria-label": "Tracer", tabindex: "-1" });
  root.append(h("style", {}, css), main);
  el.append(host);
  const retheme = () => main.classList.toggle("dark", dark(main));
  retheme();
  const themes = new MutationObserver(retheme);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", retheme);
  layout(app, main);
  if (views) app.load(views);
  const close = () => {
    themes.disconnect();
    media.removeEventListener("change", retheme);
    app.emit("close");
    host.remove();
  };
  return { app, close };
}

// The static summary stands beside the live widget in the cell's output, for pages without a kernel: here it would say all twice.
function hideSummary(el) {
  const area = el.closest(".jp-OutputArea, .output");
  if (!area) return () => {};
  const hidden = new Set();
  const hide = () => {
    for (const summary of area.querySelectorAll(".tracer-summary")) {
      const output = summary.closest(".jp-OutputArea-child, .output_area") || summary;
      if (!hidden.has(output)) output.style.display = "none";
      hidden.add(output);
    }
  };
  const watch = new MutationObserver(hide);
  watch.observe(area, { childList: true, subtree: true });
  hide();
  return () => {
    watch.disconnect();
    for (const output of hidden) output.style.display = "";
  };
}

// A kernel is there once it has answered: a model restored from a saved notebook looks like any other, and what becomes of its
// comm can't be read here, only that something did.
function render({ model, el }) {
  const channel = { send: (message) => model.send(message), alive: false };
  const kept = model.get("snapshot");
  const { app, close } = mount(el, channel, kept && kept.head ? kept : null);
  const hear = (message) => {
    if (!channel.alive) app.connected(true);
    app.receive(message);
  };
  model.on("msg:custom", hear);
  const died = () => {
    app.connected(false);
    channel.send({ hello: 1 });
  };
  model.on("comm_live_update", died);
  channel.send({ hello: 1 });
  let show = () => {};
  requestAnimationFrame(() => (show = hideSummary(el))); // the element is in the page by then
  return () => {
    show();
    model.off("msg:custom", hear);
    model.off("comm_live_update", died);
    close();
  };
}

export default { render };
