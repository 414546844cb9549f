// Each value that entered the trace: which rule took it, which declined and why, what it made the graph rely on.
import { h, number, refill, throttled } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, facts, lineLink, section } from "./inspector.js";

const MOST = 400;

export function builder(app) {
  const filter = h("input", { class: "in", placeholder: "Filter by source, type or rule", "aria-label": "Filter values" });
  const about = h("span", { class: "mut" });
  const body = h("tbody", {});
  const head = h("thead", {}, h("tr", {}, ["Value", "Type", "Rule", "Guards"].map((text) => h("th", {}, text))));
  const el = h("div", { class: "pnb" }, h("div", { class: "flt" }, filter, about), h("div", { class: "sc" }, h("table", { class: "t" }, head, body)));
  const all = () => app.data.builder?.list || [];

  function draw() {
    const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const list = all().filter((row) => row[0] <= app.now && words.every((word) => `${row[1]} ${row[2]} ${row[3]}`.toLowerCase().includes(word)));
    refill(about, `${number(list.length)} of ${number(all().length)}`);
    refill(
      body,
      list.slice(0, MOST).map((row) => {
        const [seq, source, type, rule, , count, line] = row;
        const choose = () => app.select({ type: "value", id: seq, seq, line: line || undefined, title: source });
        return h(
          "tr",
          { class: `r${app.related({ type: "value", id: seq, seq }) ? " sel" : ""}`, tabindex: "-1", "data-key": `v${seq}`, onclick: choose, onkeydown: (event) => event.key === "Enter" && choose() },
          h("td", { class: "mono", title: source }, source), h("td", { class: "mono", title: type }, type), h("td", {}, rule.replaceAll("_", " ")), h("td", { class: "num" }, count ? number(count) : ""),
        );
      }),
      list.length > MOST ? h("tr", {}, h("td", { class: "mut", colspan: "4" }, `and ${number(list.length - MOST)} more: filter to see them`)) : null,
    );
  }

  app.describers.value = (selection) => {
    const row = all().find((one) => one[0] === selection.id);
    if (!row) return null;
    const [seq, source, type, rule, rejected, , line, variable] = row;
    const guards = (app.data.guards?.list || []).filter((guard) => guard[6] === seq);
    return {
      title: source,
      sub: [eventLink(app, seq), line ? [" · ", lineLink(app, line)] : null],
      parts: [
        facts([["type", h("span", { class: "mono" }, type)], ["rule", rule.replaceAll("_", " ")], ["variable", `#${variable}`]]),
        rejected.length ? section("Declined", h("div", { class: "rj" }, rejected.map(([name, why]) => [h("span", { class: "mut" }, "×"), h("span", {}, name.replaceAll("_", " ")), h("span", { class: "mut" }, why)]))) : null,
        guards.length ? section("Guards it installed", guards.map((guard) => h("div", {}, h("button", { class: "lk mono", onclick: () => app.select({ type: "guard", id: guard[0], seq: guard[0], line: guard[5] || undefined, title: guard[3] }) }, guard[3])))) : null,
      ],
    };
  };

  roving(body, "tr.r", { vertical: true });
  const later = throttled(() => el.isConnected && draw());
  filter.addEventListener("input", later);
  for (const event of ["time", "select"]) app.on(event, later);
  app.on("data", (names) => names.includes("builder") && later());
  return { el, shown: draw, find: () => filter.focus(), badge: () => (all().length ? number(all().length) : null), empty: () => all().length === 0 };
}
