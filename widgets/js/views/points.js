// Breakpoints of a call that is stepped: a dot beside a line's number, and the list of all of them below the source.
import { h, icon, refill } from "../dom.js";

export function points(app) {
  const el = h("details", { class: "pts", hidden: true }), title = h("summary", {}), list = h("div", { role: "list", "aria-label": "Breakpoints" });
  const place = h("input", { class: "in", placeholder: "model.py:12, forward, GraphBreak, source=x, target=add", "aria-label": "Stop at" });
  const says = h("p", { class: "ann", role: "alert", hidden: true });
  const form = h("form", {}, place, h("button", { class: "b o", type: "submit" }, "Add"));
  el.append(title, list, form, says);

  const all = () => (app.kernel && app.data.head.points) || null;
  const ask = (what, more) =>
    app.ask("point", { what, ...more }).then(
      (found) => {
        app.data.head.points = found;
        says.hidden = true;
        app.emit("points");
      },
      (error) => {
        el.open = true;
        says.hidden = false;
        refill(says, error.message);
      },
    );

  function draw() {
    const found = all();
    el.hidden = !found;
    if (!found) return;
    refill(title, `Breakpoints${found.length ? ` · ${found.length}` : ""}`);
    refill(
      list,
      found.map(({ number, text, line, condition, hits, enabled }) =>
        h(
          "div",
          { class: `pt${enabled ? "" : " off"}`, role: "listitem" },
          h("input", { type: "checkbox", "data-key": `on${number}`, checked: enabled, "aria-label": `Stop at ${text}`, onchange: (event) => ask("enable", { number, value: event.target.checked }) }),
          line ? h("button", { class: "lk mono", "data-key": `at${number}`, onclick: () => app.select({ type: "line", id: line, line, title: text }) }, text) : h("span", { class: "mono" }, text),
          h("input", { class: "in", "data-key": `if${number}`, value: condition, placeholder: "only if, such as event.depth > 2", "aria-label": `Condition of ${text}`, onchange: (event) => ask("condition", { number, value: event.target.value }) }),
          h("span", { class: "mut num" }, hits ? `${hits} ×` : ""),
          h("button", { class: "b ic", "data-key": `no${number}`, title: "Remove", "aria-label": `Remove ${text}`, onclick: () => ask("remove", { number }) }, icon("x")),
        ),
      ),
    );
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask("add", { text: place.value }).then(() => says.hidden && (place.value = ""));
  });
  for (const type of ["data", "kernel", "points"]) app.on(type, draw);
  draw();
  return {
    el,
    possible: () => all() !== null,
    at: (line) => (all() || []).find((one) => one.line === line),
    toggle: (line) => all() && ask("toggle", { text: line }),
  };
}
