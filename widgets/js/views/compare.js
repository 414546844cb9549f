// Two runs on one layout: added dotted and +, removed hatched and −, changed striped and ~; what is the same stays quiet. Beside
// it the list of changes, above it the numbers of both runs, below it where their time went.
import { canvas } from "../canvas.js";
import { h, icon, number, refill, seconds } from "../dom.js";
import { roving } from "../keys.js";
import { around, levelWithin, pictureOf } from "../pictures.js";
import { facts, lineLink, section } from "./inspector.js";

const STYLES = { added: "add", removed: "del", changed: "chg" };
const SIGNS = { "+": "add", "−": "del", "~": "chg" };
const LIMIT = 400, MOST = 1200; // things of a graph that are drawn
const LEGEND = [["add", "added"], ["del", "removed"], ["chg", "changed"]];
const words = { added: "only in the second run", removed: "only in the first run", changed: "changed" };

export function compare(app, pages) {
  const pickers = [0, 1].map((side) => h("select", { class: "in", "aria-label": side ? "Second run" : "First run", onchange: () => load() }));
  const swap = h("button", { class: "b ic", title: "Swap the runs", "aria-label": "Swap the runs", onclick: () => pick(chosen()[1], chosen()[0]) }, "⇄");
  const numbers = h("dl", { class: "rs num" });
  const list = h("div", { class: "rl", role: "listbox", "aria-label": "Changes" });
  const bars = h("div", { class: "tmb num" });
  const note = h("p", { class: "mut", role: "status" });
  let shown = null, asked = 0;

  const changeOf = (lane, id) => ({ type: "change", id: `${lane.name}:${id}`, line: lane.nodes[id]?.[7] || undefined, title: `Change of ${id}` });
  const stateOf = (lane, id) => STYLES[lane.marks[id]] || "";
  const isSel = (lane, id) => app.selection?.type === "change" && app.selection.id === `${lane.name}:${id}`;
  const picture = canvas({
    label: "Both runs",
    does: {
      choose: (lane, id) => app.select(changeOf(lane, id)),
      chooseBox: () => {},
      chooseBreak: () => {},
      toggle: () => {},
      chosen: () => app.selection?.id,
      says: (lane, id, open) => (open ? id : Object.keys(lane.marks).length ? `${id}: nothing changed in it` : id),
      style: (lane, id) => ` ${stateOf(lane, id) ? "d-" + stateOf(lane, id) : "same"}${isSel(lane, id) ? " sel" : ""}`,
      boxStyle: (lane, id) => (lane.picture.boxes.find((box) => box[0] === id)?.[6] ? "" : " same"),
      breakStyle: (lane) => (STYLES[lane.break.state] ? ` d-${STYLES[lane.break.state]}` : " same"),
      lit: isSel,
    },
  });
  const head = h("div", { class: "runs-h" }, pages, pickers[0], "→", pickers[1], swap, h("div", { class: "sp", style: { flex: "1" } }), picture.tools);
  const legend = h("div", { class: "ft" }, LEGEND.map(([style, word]) => h("span", {}, h("i", { class: `sw ${style}` }), word)));
  const grid = h("div", { class: "rb" }, h("div", { class: "rc" }, list, legend), picture.view);
  const el = h("div", { class: "cmpv" }, head, note, numbers, grid, bars);

  const chosen = () => pickers.map((one) => Number(one.value));
  function pick(left, right) {
    pickers[0].value = String(left);
    pickers[1].value = String(right);
    load();
  }

  function choices(runs) {
    const [left, right] = chosen();
    for (const picker of pickers) refill(picker, runs.map((run, index) => h("option", { value: String(index) }, `${index + 1} · ${run.title}`)));
    pickers[0].value = String(left < runs.length ? left : 0);
    pickers[1].value = String(right && right < runs.length ? right : runs.length - 1);
  }

  function load() {
    const [left, right] = chosen(), mine = ++asked;
    const held = app.data.runs?.compared?.[`${left},${right}`];
    const show = (found) => mine === asked && draw(found);
    if (held) return show(held);
    if (!app.kernel) return say("These two runs were not compared before the page was saved: that needs a kernel.");
    say("Comparing…");
    app.ask("compare", { left, right }).then(show, (error) => mine === asked && say(error.message));
  }

  function say(text) {
    note.hidden = !text;
    for (const part of [numbers, grid, bars]) part.hidden = Boolean(text);
    refill(note, text);
  }

  function draw(found) {
    shown = found;
    say("");
    const { outputs } = found;
    refill(
      numbers,
      found.figures.map(([name, before, now]) => h("div", {}, h("dt", {}, name), h("dd", {}, before === now ? h("b", {}, now) : [before, h("span", { class: "ar" }, "→"), h("b", {}, now)]))),
      h("div", { title: outputs.detail }, h("dt", {}, "Outputs"), h("dd", {}, outputs.equal === true ? h("span", { class: "yes" }, icon("ok"), " ") : outputs.equal === false ? h("span", { class: "no" }, "~ ") : null, h("b", {}, outputs.text), outputs.equal === null ? null : h("small", {}, outputs.detail))),
    );
    picture.set(found.lanes, quiet);
    picture.first();
    drawList();
    drawBars();
  }

  // Modules in which nothing changed are closed; where a graph is new, or still too large, the deepest ones.
  function quiet(lane) {
    const busy = new Set(Object.keys(lane.marks).flatMap((id) => (lane.nodes[id] ? around(lane, id) : [])));
    const drawn = lane.state === "changed" || lane.state === "same" ? pictureOf(lane, (id) => !busy.has(id)) : null;
    if (drawn && drawn.nodes.length + drawn.boxes.length <= MOST) return drawn;
    const level = levelWithin(lane, LIMIT);
    return pictureOf(lane, (_, depth) => depth >= level);
  }

  function drawList() {
    if (!shown) return;
    let index = 0;
    refill(
      list,
      shown.groups.length ? null : h("p", { class: "mut", style: { margin: "8px 10px" } }, "Both runs captured the same."),
      shown.groups.map((group) => [
        h("div", { class: "sec" }, group.title, h("span", {}, number(group.count))),
        group.rows.map(([sign, text, detail, node, line]) => {
          const isChosen = node && app.selection?.type === "change" && app.selection.id === node;
          return h("button", { class: `ci ${SIGNS[sign] || ""}${isChosen ? " sel" : ""}`, role: "option", "aria-selected": String(Boolean(isChosen)), tabindex: index++ ? -1 : 0, "data-key": `${group.title}:${index}`, onclick: () => follow(node, line) }, h("b", {}, sign), h("span", {}, text), detail ? h("small", {}, detail) : null);
        }),
        group.count > group.rows.length ? h("p", { class: "mut", style: { margin: "4px 10px" } }, `and ${number(group.count - group.rows.length)} more`) : null,
      ]),
    );
  }

  function follow(node, line) {
    const at = node.indexOf(":"), lane = node ? picture.lane(node.slice(0, at)) : null;
    if (lane) {
      picture.go(lane, node.slice(at + 1));
      if (!lane.nodes[node.slice(at + 1)]) app.select({ type: "change", id: node, line: line || undefined, title: "Change" });
    } else if (line) app.select({ type: "line", id: line, line, title: app.place(line) });
  }

  function drawBars() {
    const totals = shown.bars.map((bar) => bar.reduce((sum, [, value]) => sum + value, 0)), most = Math.max(...totals, 1e-9);
    refill(
      bars,
      h("div", { class: "lg" }, h("span", {}, "Where the calls went"), h("span", {}, shown.bars[0].map(([name]) => h("span", {}, h("i", { class: `q ${name}` }), name)))),
      shown.bars.map((bar, side) => [h("span", {}, `Run ${chosen()[side] + 1}`), h("div", { class: "bar" }, bar.map(([name, value]) => h("i", { class: name, title: `${name} ${seconds(value)}`, style: { width: `${(value / most) * 100}%` } }, value / most > 0.14 ? `${name} ${seconds(value)}` : ""))), h("span", {}, seconds(totals[side]))]),
    );
  }

  app.describers.change = (selection) => {
    const at = selection.id.indexOf(":"), id = selection.id.slice(at + 1);
    const lane = shown?.lanes.find((one) => one.name === selection.id.slice(0, at));
    if (!lane) return null;
    const node = lane.nodes[id], state = lane.marks[id];
    return {
      title: node ? `${node[1].replace(/^[+−~] /, "")}${node[2] ? " " + node[2] : ""}` : id,
      sub: [lane.title, " · ", state ? words[state] : "the same in both runs", selection.line ? [" · ", lineLink(app, selection.line)] : null],
      parts: [
        lane.what[id] ? section("What changed", facts(lane.what[id].map(([name, before, now]) => [name, h("span", { class: "mono wrap" }, `${before} → ${now}`)]))) : null,
        node ? section("Node", facts([["name", h("span", { class: "mono" }, id)], ["calls", h("span", { class: "mono wrap" }, node[10] ? `${node[9]}(${node[10]})` : node[9])], ["result", [node[11], node[3], node[12]].filter(Boolean).join(" · ")], ["module", node[8]]])) : null,
      ],
    };
  };
  roving(list, ".ci", { vertical: true });
  app.on("select", () => {
    if (!el.isConnected) return;
    drawList();
    picture.draw();
  });
  app.on("close", picture.close);
  return { el, head, choices, load, pick, shown: picture.shown };
}
