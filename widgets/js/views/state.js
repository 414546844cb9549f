// What is known at the moment: the functions that are being traced, their symbolic locals and stack, the operations around.
import { before, h, number, refill, throttled } from "../dom.js";
import { roving } from "../keys.js";
import { eventLink, lineLink } from "./inspector.js";

export function state(app) {
  const operations = h("div", {});
  const values = h("div", {});
  const grid = h("div", { class: "stt" }, operations, values);
  const note = h("p", { class: "mut st-note", hidden: true });
  const el = h("div", { class: "pnb" }, note, grid);
  let asked = 0, shown = -1;

  const heading = (title, detail) => h("div", { class: "sec" }, title, detail ? h("span", {}, detail) : null);

  function draw(found) {
    note.hidden = true;
    grid.hidden = false;
    refill(
      operations,
      heading("Operations", found.ops.length ? `line ${found.ops.find((op) => op[4])?.[3] ?? ""}` : ""),
      h("div", { class: "bc" }, found.ops.map(([seq, op, arg, line, now], index) => {
        const first = index === 0 || found.ops[index - 1][3] !== line;
        return [
          first ? h("span", { class: "lnr" }, `line ${line}`) : null,
          h("div", { class: now ? "cur" : seq > app.now ? "nx" : "", role: "button", tabindex: now ? "0" : "-1", "data-key": `o${seq}`, onclick: () => app.seek(seq), onkeydown: (event) => event.key === "Enter" && app.seek(seq) }, h("i", {}, now ? "▸" : ""), h("i", {}, number(seq)), h("span", {}, op), h("span", { class: "a" }, arg)),
        ];
      })),
    );
    refill(
      values,
      found.frames.slice().reverse().map(([name, line, stack, locals], index) => [
        heading(name, null),
        h("div", { class: "st-at" }, lineLink(app, line), index === 0 ? h("span", { class: "mut" }, " runs now") : h("span", { class: "mut" }, " waits for the call")),
        locals.length ? h("dl", { class: "kv st" }, locals.map(([key, text]) => [h("dt", { class: "mono" }, key), h("dd", { class: "mono", title: text }, text)])) : h("p", { class: "mut st-note" }, "no locals read yet"),
        stack.length ? h("div", { class: "st-stack" }, h("h5", {}, "Stack, top first"), stack.slice().reverse().map((text, depth) => h("div", {}, h("i", {}, String(depth)), h("span", { class: "mono" }, text)))) : null,
      ]),
      found.frames.length ? null : h("p", { class: "mut st-note" }, "No function is being traced at this moment."),
    );
  }

  function say(text) {
    note.hidden = false;
    grid.hidden = true;
    refill(note, text);
  }

  function load() {
    if (!el.isConnected || shown === app.now) return;
    const mine = ++asked, seq = app.now;
    if (app.kernel) {
      app.ask("state", { seq }).then((found) => mine === asked && ((shown = seq), draw(found)), (error) => mine === asked && say(error.message));
      return;
    }
    const held = app.data.state?.held;
    if (!held) return say("The state at a moment needs a kernel: this recording is too large to hold it.");
    const seqs = Object.keys(held).map(Number), at = before(seqs, seq);
    shown = seq;
    draw(at < 0 ? { frames: [], ops: [] } : held[seqs[at]]);
    if (app.data.state.all || at < 0 || seqs[at] === seq) return;
    note.hidden = false; // the page of a large recording holds some moments only
    refill(note, "As it was at ", eventLink(app, seqs[at]), ", the last moment before this one that the page holds; a kernel has them all.");
  }

  roving(operations, "[role=button]", { vertical: true });
  const later = throttled(load);
  app.on("time", later);
  app.on("data", () => {
    shown = -1;
    later();
  });
  return { el, shown: load };
}
