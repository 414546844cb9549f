// Graph breaks: a list of what ended graphs, and in the inspector one break with its explanation and the ways out.
import { h, icon, number, refill, worded } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";
import { highlighted } from "./source.js";
import { waysOut } from "./ways.js";

export const excerpted = (lines, style = "u") =>
  h("div", { class: "ex" }, lines.map(([n, before, marked, after]) => h("div", {}, h("span", { class: "n" }, String(n)), h("code", {}, highlighted(before), marked ? h("span", { class: style }, marked) : null, highlighted(after)))));

export function breaks(app) {
  const list = h("div", { class: "sc lst", role: "listbox", "aria-label": "Graph breaks" });
  const all = () => app.data.breaks?.list || [];
  const choose = (one) => app.select({ type: "break", id: one.seq, seq: one.seq, line: one.line || undefined, title: "Graph break" });
  const isChosen = (one) => app.selection?.type === "break" && (app.selection.id === one.seq || app.selection.line === one.line);

  function draw() {
    const calls = new Set(all().map((one) => one.call)).size;
    refill(
      list,
      all().length ? null : h("div", { class: "nothing" }, "No graph break."),
      all().filter((one) => one.seq <= app.now).map((one, index) =>
        h(
          "div",
          { class: `it${isChosen(one) ? " sel" : ""}`, role: "option", tabindex: index ? -1 : 0, "data-key": `b${one.seq}`, "aria-selected": String(isChosen(one)), onclick: () => choose(one), onkeydown: (event) => event.key === "Enter" && choose(one) },
          h("div", { class: "it-h" }, icon("brk"), h("b", {}, worded(one.title)), h("span", { class: "mut" }, one.where), calls > 1 ? h("span", { class: "tag" }, `call ${one.call}`) : null),
          one.excerpt.length ? excerpted(one.excerpt.slice(0, 1)) : null,
        ),
      ),
    );
  }

  // ---- one break
  const ways = waysOut(app);
  app.describers.break = (selection) => {
    const one = all().find((found) => found.seq === selection.id) || all().find((found) => found.line === selection.line);
    if (!one) return null;
    return {
      title: "Graph break",
      sign: "brk",
      sub: [worded(one.title), one.line ? [" · ", lineLink(app, one.line)] : null],
      parts: [
        one.excerpt.length ? excerpted(one.excerpt) : null,
        h("p", {}, worded(one.explanation)),
        one.context.length ? section("Values in this call", facts(one.context.map(([name, value]) => [name, h("span", { class: "mono wrap" }, value)]))) : null,
        ways(one),
        elsewhere(one),
        one.why ? section("What it costs", h("p", {}, worded(one.why))) : null,
        section("Where", h("div", {}, one.stack.map(([name, line]) => h("div", {}, h("span", { class: "mono" }, name), " ", lineLink(app, line)))), h("div", { class: "mut" }, eventLink(app, one.seq), one.frames.length ? ` · splits frame ${one.frames.join(", ")}` : "")),
      ],
    };
  };

  // What the other compiler does there: said where somebody asked, else asked by a click, since the call runs once more for it.
  function elsewhere(one) {
    if (one.elsewhere) return section("The other compiler", h("p", {}, worded(one.elsewhere)));
    if (!one.other) return null;
    const result = h("div", {});
    const ask = (button) => {
      button.disabled = true;
      refill(result, h("p", { class: "mut", role: "status" }, "Running on a copy…"));
      app.ask("elsewhere", { seq: one.seq }).then(
        (text) => {
          one.elsewhere = text;
          app.emit("select");
        },
        (error) => {
          button.disabled = false;
          refill(result, h("p", { class: "mut" }, error.message));
        },
      );
    };
    const title = app.kernel ? "The recorded call runs once more, on a copy" : "needs a kernel";
    return section("The other compiler", h("div", { class: "btns" }, h("button", { class: "b o", disabled: !app.kernel, title, onclick: (event) => ask(event.currentTarget) }, `Does ${one.other} break here?`)), result);
  }

  roving(list, ".it", { vertical: true });
  app.on("data", (names) => names.includes("breaks") && draw());
  app.on("time", draw);
  app.on("select", draw);
  return { el: list, badge: () => all().length || null, alarm: () => all().length > 0, empty: () => all().length === 0, number };
}
