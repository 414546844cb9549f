// Calls of higher-order operators: their bodies side by side, what they use from outside, what they share, and what became of them.
import { count, h, icon, number, refill } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const SIGN = { committed: "ok", "taken again": "ok", "rolled back": "brk" };
const OPEN = 40; // groups that are drawn with what their bodies hold; of more only the chosen one is

export function speculations(app) {
  const el = h("div", { class: "sc spx" });
  const stop = h("button", { class: "b o", hidden: true, title: "Go on until a body is taken back", onclick: () => app.send({ do: "until", terms: { kind: "RolledBack" } }) }, icon("stop"), "To a roll-back");
  const all = () => app.data.speculations?.groups || [];
  const bodies = () => all().flatMap((group) => group.bodies);
  const opened = new Map(); // group → whether somebody opened or closed it
  const key = (group) => group.bodies[0].seq;

  const tag = (body) => h("span", { class: `tag ${SIGN[body.outcome] || ""}` }, body.outcome);
  const choose = (group, body) => app.select({ type: "speculation", id: body.seq, seq: body.seq, line: group.line || undefined, title: `${group.operator}: ${body.body}` });
  const isChosen = (body) => app.selection?.type === "speculation" && app.selection.id === body.seq;
  const now = (body, seq) => seq <= app.now;

  // What is said of a body in one line.
  function said(body) {
    if (body.outcome === "rolled back") return body.reason;
    if (body.outcome === "taken again") return `${body.graph}, which an equal call traced`;
    const used = body.inputs.filter(([, outside]) => outside).length;
    return body.outcome === "open" ? "is being traced" : used ? `uses ${count(used, "value")} from outside` : "uses nothing from outside";
  }

  function rows(body) {
    const ended = app.now >= body.last;
    const inputs = ended ? body.inputs : [];
    return [
      inputs.length ? h("div", { class: "sp-in", role: "list", "aria-label": `Inputs of ${body.body}` }, inputs.map(([name, outside, why, shared]) =>
        h("div", { role: "listitem", class: shared ? "sh" : "", title: why }, h("span", { class: "mono" }, name), h("span", { class: "mut" }, outside ? ["← ", h("span", { class: "mono" }, outside), shared ? " · shared" : null] : why)))) : null,
      h("div", { class: "sp-ops" }, body.nodes.filter(([seq]) => now(body, seq)).map(([seq, name, text]) =>
        h("button", { class: "mono", title: `${name} = ${text}`, tabindex: "-1", onclick: (event) => (event.stopPropagation(), app.select({ type: "event", id: seq, seq, title: name })) }, h("b", {}, name), ` = ${text}`)),
        body.more[0] ? h("div", { class: "mut" }, `and ${number(body.more[0])} more`) : null),
      ended && body.gives ? h("div", { class: "sp-out" }, h("span", { class: "mut" }, "gives "), h("span", { class: "mono" }, body.gives)) : null,
      ended && body.undone.length ? h("div", { class: "sp-out mut" }, `taken back: ${body.undone.map(([what, n]) => `${number(n)} ${what}`).join(", ")}`) : null,
    ];
  }

  function card(group, body, full) {
    const ended = app.now >= body.last, shown = ended ? body : { ...body, outcome: "open", reason: "", graph: "" };
    return h(
      "div",
      { class: `it${isChosen(body) ? " sel" : ""}${body.given_up ? " gone" : ""}`, role: "option", tabindex: "-1", "data-key": `s${body.seq}`, "aria-selected": String(isChosen(body)), onclick: () => choose(group, body), onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && choose(group, body) },
      h("div", { class: "it-h" }, h("b", { class: "mono" }, body.body), tag(shown)),
      h("div", { class: "mut" }, said(shown)),
      full ? rows(body) : null,
    );
  }

  function draw() {
    stop.hidden = !(app.paused && app.kernel);
    const groups = all().filter((group) => key(group) <= app.now);
    const many = groups.length > OPEN;
    refill(
      el,
      groups.map((group) => {
        const chosen = group.bodies.some(isChosen);
        const lost = group.bodies.every((body) => body.given_up) && !group.bodies.some((body) => body.outcome === "rolled back");
        const full = opened.get(key(group)) ?? (chosen || !many && !lost);
        const toggle = () => (opened.set(key(group), !full), draw());
        return h(
          "section",
          { class: "sp-g", style: { marginLeft: `${Math.min(group.depth, 6) * 14}px` }, "aria-label": `${group.operator}, ${count(group.bodies.length, "body", "bodies")}` },
          h("div", { class: "sp-h" }, h("button", { class: "b ic", "data-key": `g${key(group)}`, "aria-expanded": String(full), "aria-label": `${full ? "Close" : "Open"} ${group.operator}`, onclick: toggle }, full ? "▾" : "▸"), h("b", {}, group.operator), lineLink(app, group.line), group.depth ? h("span", { class: "mut" }, "in another body") : null, lost ? h("span", { class: "mut" }, "in an attempt that was given up") : null),
          h("div", { class: "sp-b", role: "listbox", "aria-label": `Bodies of ${group.operator}` }, group.bodies.filter((body) => body.seq <= app.now).map((body) => card(group, body, full))),
        );
      }),
    );
  }

  const FATE = {
    committed: "The body was recorded on its own and became a graph inside the graph.",
    open: "The body is being recorded.",
    "rolled back": "The body was recorded on trial and taken back as if it had never been tried.",
    "taken again": "Nothing was recorded: this call is equal to one whose body is known, which runs here as well.",
  };

  app.describers.speculation = (selection) => {
    const group = all().find((one) => one.bodies.some((body) => body.seq === selection.id));
    const body = group?.bodies.find((one) => one.seq === selection.id);
    if (!body) return null;
    const within = bodies().find((one) => one.seq === group.within), traced = bodies().find((one) => one.seq === body.of);
    const to = (one) => h("button", { class: "lk", onclick: () => choose(all().find((each) => each.bodies.includes(one)), one) }, one.body);
    return {
      title: `${group.operator}: ${body.body}`,
      sub: [tag(body), " ", group.line ? lineLink(app, group.line) : null],
      parts: [
        h("p", {}, FATE[body.outcome]),
        body.because ? h("p", { class: "mut" }, `It was traced, since ${body.because}.`) : null,
        h("div", { class: "btns" }, h("button", { class: "b o", onclick: () => app.seek(body.seq) }, "Into"), h("button", { class: "b o", onclick: () => app.seek(body.last) }, "Over")),
        facts([["events", [eventLink(app, body.seq), " to ", eventLink(app, body.last, number(body.last))]], ["graph", body.graph], ["reason", body.reason], ["traced as", traced ? to(traced) : null], ["inside", within ? to(within) : null], ["gives", body.gives ? h("span", { class: "mono wrap" }, body.gives) : null], ["taken back", body.undone.map(([what, n]) => `${number(n)} ${what}`).join(", ")], ["frame", group.frame]]),
        body.inputs.length ? section("Inputs", facts(body.inputs.map(([name, outside, why, shared]) => [name, [outside ? h("span", { class: "mono" }, `${outside} `) : null, why, shared ? " (shared with another body)" : null]]))) : null,
        body.guards.length ? section(`Guards that it installed · ${number(body.guards.length + body.more[1])}`, h("div", {}, body.guards.slice(0, 40).map(([seq, text]) => h("div", {}, eventLink(app, seq, number(seq)), h("span", { class: "mono wrap" }, ` ${text}`))), body.guards.length + body.more[1] > 40 ? h("div", { class: "mut" }, `and ${number(body.guards.length + body.more[1] - 40)} more`) : null)) : null,
      ],
    };
  };

  roving(el, ".it", { vertical: true });
  for (const event of ["time", "select"]) app.on(event, draw);
  app.on("data", (names) => (names.includes("speculations") || names.includes("head")) && draw());
  app.on("kernel", draw);
  return { el, tools: [stop], badge: () => bodies().length || null, empty: () => all().length === 0 };
}
