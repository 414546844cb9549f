// The answer first: one sentence, the numbers beside it, and what can be done with the run.
import { count, h, icon, number, refill, seconds, throttled } from "../dom.js";

const SIGNS = { tracing: "run", paused: "pause", broken: "brk", fine: "ok", again: "re", empty: "none", error: "x", fault: "x", recording: "rec", compare: "cmp" };

// What becomes of a call when the kernel that it is in ends. A page asks for a sign of life as it opens: it has so many milliseconds.
const GONE = { paused: "waited here", tracing: "was being traced" };
const PATIENCE = 3000;

export function headline(app) {
  const title = h("h2", { "aria-live": "polite" });
  const stats = h("div", { class: "stats num" });
  const actions = h("div", { class: "acts", role: "toolbar", "aria-label": "Actions" });
  const note = h("div", { class: "note", hidden: true });
  const problem = h("div", { class: "note problem", role: "alert", hidden: true });
  const el = h("div", {}, h("div", { class: "hd" }, title, h("div", { class: "sp" }), stats, actions), note, problem);

  let runs = 1, gone = false;
  const missing = (name) => (name === "compare" && runs < 2 ? "needs a second run" : "");
  const draw = () => {
    const head = app.data.head;
    const lost = gone && GONE[head.state], sign = lost ? "error" : head.sign || "";
    refill(title, h("span", { class: `st ${sign}` }, icon(SIGNS[sign] || "none")), h("span", {}, lost ? "The kernel is gone" : head.title || ""));
    refill(
      stats,
      (head.stats || []).map(([value, one, tab, many, alarm]) =>
        h("button", { class: alarm ? "alarm" : "", onclick: () => app.emit("show", tab), title: `Show ${tab}` }, h("b", {}, typeof value === "number" ? number(value) : value), ` ${value === 1 ? one : many || one}`),
      ),
      head.seconds ? h("button", { onclick: () => app.emit("show", "runs") }, h("b", {}, seconds(head.seconds)), " traced") : null,
    );
    const reason = app.kernel ? null : "needs a kernel";
    refill(
      actions,
      (head.actions || []).map(({ name, label, sign, live, disabled }) =>
        h("button", { class: "b o", "data-key": name, disabled: Boolean((live && reason) || disabled || missing(name)), title: (live && reason) || disabled || missing(name) || label, onclick: (event) => ((app.acting = event.currentTarget), app.emit("action", name)) }, icon(sign), h("span", { class: "lbl" }, label)),
      ),
    );
    const said = [lost ? `The call that ${lost} ended with it. What was recorded until then is shown.` : "", head.note || ""].filter(Boolean).join(" ");
    note.hidden = !said;
    refill(note, said);
  };
  const say = (text) => {
    problem.hidden = !text;
    refill(problem, icon("x"), h("span", {}, text), h("button", { class: "b ic", title: "Close", "aria-label": "Close", onclick: () => say("") }, "×"));
  };
  app.on("problem", ({ text }) => say(text));
  app.on("command", () => say(""));
  app.on("data", throttled(draw));
  const missed = () => {
    gone = !app.kernel;
    draw();
  };
  const asked = setTimeout(missed, PATIENCE);
  app.on("kernel", missed);
  app.on("close", () => clearTimeout(asked));
  app.on("runs", (found) => {
    runs = found;
    draw();
  });
  draw();
  return { el, count };
}
