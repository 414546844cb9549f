// Recompiles: a card for each call that no compiled entry fitted, and in the inspector one of them with what ends it.
import { count, h, icon, refill, worded } from "../dom.js";
import { roving } from "../keys.js";
import { excerpted } from "./breaks.js";
import { eventLink, lineLink, section } from "./inspector.js";
import { waysOut } from "./ways.js";

export function recompiles(app) {
  const list = h("div", { class: "sc lst", role: "listbox", "aria-label": "Recompiles" });
  const all = () => app.data.recompiles?.list || [];
  const choose = (one) => app.select({ type: "recompile", id: one.seq, seq: one.seq, line: one.caller?.[1], title: one.limit ? "Recompile limit" : "Recompile" });
  const isChosen = (one) => app.selection?.type === "recompile" && app.selection.id === one.seq;
  const story = ([what, old, now]) => (what ? [h("span", { class: "mono" }, what), ": ", h("span", { class: "mono" }, old), " → ", h("b", { class: "mono" }, now)] : [h("span", { class: "mono" }, old), now ? [": now ", h("b", { class: "mono" }, now)] : null]);

  function draw() {
    refill(
      list,
      all().filter((one) => one.seq <= app.now).map((one, index) =>
        h(
          "div",
          { class: `it${isChosen(one) ? " sel" : ""}`, role: "option", tabindex: index ? -1 : 0, "data-key": `r${one.seq}`, "aria-selected": String(isChosen(one)), onclick: () => choose(one), onkeydown: (event) => event.key === "Enter" && choose(one) },
          h("div", { class: "it-h wr" }, icon("re"), h("span", { class: "wrap" }, story(one.change)), one.limit ? h("span", { class: "tag brk" }, "limit reached: runs as Python") : null),
          h("div", { class: "mut" }, h("span", { class: "mono" }, one.name), ` · call ${one.call}`, one.caller ? ` · called at ${one.caller[0]}` : null, one.hits ? ` · used ${count(one.hits, "more time")}` : null),
          one.excerpt.length ? excerpted(one.excerpt.slice(0, 1)) : null,
        ),
      ),
    );
  }

  // ---- one recompile
  const ways = waysOut(app);
  app.describers.recompile = (selection) => {
    const one = all().find((found) => found.seq === selection.id);
    if (!one) return null;
    const where = (label, link, rest) => (link ? h("div", {}, `${label} `, lineLink(app, link[1]), rest || null) : null);
    return {
      title: one.limit ? "Recompile limit" : "Recompile",
      sign: "re",
      sub: [h("span", { class: "mono" }, one.name), ` · call ${one.call} · `, eventLink(app, one.seq)],
      parts: [
        h("p", { class: "wrap" }, story(one.change)),
        one.more.length ? section("And with it", one.more.map((text) => h("div", { class: "mono wrap" }, text))) : null,
        one.excerpt.length ? excerpted(one.excerpt) : null,
        where("called at", one.caller),
        where(one.fixed ? "made a plain number at" : "relied on at", one.installed),
        one.since ? h("p", {}, one.since) : null,
        one.why ? h("p", {}, worded(one.why)) : null,
        ways(one),
        section(
          "Entries",
          one.became ? h("div", {}, h("span", { class: "mono" }, one.became), ` was compiled for this call${one.hits ? `, used ${count(one.hits, "more time")}` : ""}`) : null,
          one.entries.slice(0, 1).map((entry) => drawEntry(closest(one) || entry)),
          one.entries.length > 1 ? h("details", {}, h("summary", {}, h("span", { class: "tg" }, icon("chev")), count(one.entries.length - 1, "other entry", "other entries")), one.entries.filter((entry) => entry !== (closest(one) || one.entries[0])).map(drawEntry)) : null,
        ),
      ],
    };
  };
  const closest = (one) => one.entries.find((entry) => entry[4]);
  const drawEntry = ([entry, call, hits, told, near]) =>
    h("div", { class: "gapped" }, h("span", { class: "mono" }, entry), call ? ` of call ${call}` : "", hits === null ? "" : ` · used ${count(hits, "time")}`, near ? " · came closest" : "", told.map((text) => h("div", { class: "mono mut wrap" }, text)));

  roving(list, ".it", { vertical: true });
  app.on("data", (names) => names.includes("recompiles") && draw());
  app.on("time", draw);
  app.on("select", draw);
  return { el: list, badge: () => all().filter((one) => !one.limit).length || null, alarm: () => all().length > 0, empty: () => all().length === 0 };
}
