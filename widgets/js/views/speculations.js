// Bodies of higher-order operators that were tried: what they closed over, and whether they became graphs or were taken back.
import { h, number, refill } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

export function speculations(app) {
  const el = h("div", { class: "sc lst", role: "listbox", "aria-label": "Speculations" });
  const all = () => app.data.speculations?.list || [];

  const tag = (outcome) => h("span", { class: `tag ${{ committed: "ok", "rolled back": "brk" }[outcome] || ""}` }, outcome);

  function draw() {
    refill(
      el,
      all().filter((row) => row[0] <= app.now).map((row) => {
        const [seq, operator, body, outcome, detail, lifted, line] = row;
        const choose = () => app.select({ type: "speculation", id: seq, seq, line: line || undefined, title: `${operator}: ${body}` });
        const chosen = app.selection?.type === "speculation" && app.selection.id === seq;
        return h(
          "div",
          { class: `it${chosen ? " sel" : ""}`, role: "option", tabindex: "-1", "data-key": `s${seq}`, "aria-selected": String(chosen), onclick: choose, onkeydown: (event) => event.key === "Enter" && choose() },
          h("div", { class: "it-h" }, h("b", {}, operator), h("span", { class: "mono" }, body), tag(outcome)),
          h("div", { class: "mut" }, outcome === "committed" ? (lifted.length ? `closes over ${lifted.join(", ")}` : "closes over nothing") : detail),
        );
      }),
    );
  }

  app.describers.speculation = (selection) => {
    const row = all().find((one) => one[0] === selection.id);
    if (!row) return null;
    const [seq, operator, body, outcome, detail, lifted, line, last, frame] = row;
    return {
      title: `${operator}: ${body}`,
      sub: [tag(outcome), " ", line ? lineLink(app, line) : null],
      parts: [
        h("p", {}, outcome === "committed" ? "The body was recorded on its own and became a graph inside the graph." : outcome === "open" ? "The body is being recorded." : "The body was recorded on trial and taken back as if it had never been tried."),
        facts([["events", [eventLink(app, seq), " to ", eventLink(app, last, number(last))]], [outcome === "committed" ? "graph" : "reason", detail], ["frame", frame]]),
        lifted.length ? section("Lifted from outside", h("div", { class: "chain" }, lifted.map((name) => h("span", { class: "chip" }, name)))) : null,
      ],
    };
  };

  roving(el, ".it", { vertical: true });
  for (const event of ["time", "select"]) app.on(event, draw);
  app.on("data", (names) => names.includes("speculations") && draw());
  return { el, badge: () => all().length || null, empty: () => all().length === 0 };
}
